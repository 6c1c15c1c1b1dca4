"""`spaces migrate`: the migrations straight into a database, without the Supabase CLI."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spaces_sdk.cli.clean_errors import clean_errors
from spaces_sdk.cli.output import Output
from spaces_sdk.errors import ConfigError
from spaces_sdk.install.errors import InstallError, missing_driver

if TYPE_CHECKING:
    from spaces_sdk.install.migrate import History

_Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, for programs.")]
_DbUrl = Annotated[
    str | None,
    typer.Option(
        "--db-url",
        metavar="URL",
        help="The database, as the role postgres; better in the environment, since arguments can be read by others.",
        envvar=["SPACES_DB_URL", "DATABASE_URL"],
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be applied, and change nothing.")]
_Reinstall = Annotated[
    bool, typer.Option("--reinstall", help="Apply all again after spaces was removed from the database.")
]
_WARNING = (
    "this database has {count} migrations that are not ours ({last} is the last). If the Supabase CLI keeps it, run "
    "`spaces migrations copy` in that project too: else its next `supabase db push` stops at versions unknown to it."
)


def migrate(
    db_url: _DbUrl = None, dry_run: _DryRun = False, reinstall: _Reinstall = False, as_json: _Json = False
) -> None:
    """Apply this package's migrations to a database: for projects that do not use the Supabase CLI.

    Each file is one transaction, recorded as the CLI does it; what is applied already is left. Tables of yours that
    have our names are refused before anything is changed. If the project has migrations of its own, prefer `spaces
    migrations copy` and `supabase db push`. Rooms are deleted 24 hours after their last activity unless
    expires_after says otherwise.

    \b
    Examples:
      export SPACES_DB_URL=postgresql://postgres:PASSWORD@db.REF.supabase.co:5432/postgres
      spaces migrate --dry-run
      spaces migrate
    """
    output = Output(is_json=as_json)
    with clean_errors(output, lambda: missing_driver("migrate")):
        if not db_url:
            raise ConfigError(
                "cannot migrate: no database is named",
                hint="set SPACES_DB_URL, or give --db-url postgresql://postgres:PASSWORD@HOST:5432/postgres",
            )
        asyncio.run(_migrate(db_url, output, is_dry_run=dry_run, is_reinstall=reinstall))


async def _migrate(url: str, output: Output, *, is_dry_run: bool, is_reinstall: bool) -> None:
    from spaces_sdk.install.migrate import check_platform, migrate, read_history
    from spaces_sdk.install.package_files import migrations

    ours = migrations()
    history = await read_history(url)
    await check_platform(url)
    forget = _again(history, is_reinstall=is_reinstall)
    foreign = history.foreign(ours)
    pending = [m.path.name for m in ours if m.version not in history.versions or m.version in forget]
    output.progress(f"# {history.target}")
    warning = _WARNING.format(count=len(foreign), last=foreign[-1]) if foreign and pending else None
    if warning:
        output.progress(f"warning: {warning}")
    applied = [] if is_dry_run else await migrate(url, forget=forget)
    named = pending if is_dry_run else applied
    if named:
        said = f"{len(named)} migrations {'would be applied' if is_dry_run else 'applied'}."
        text = "\n".join([*(f"  {name}" for name in named), said])
    else:
        text = f"Nothing to do: all {len(ours)} migrations are applied."
    data: dict[str, Any] = {
        "ok": True,
        "is_dry_run": is_dry_run,
        "applied": applied,
        "pending": pending,
        "foreign": foreign,
    }
    data["warning"] = warning
    output.result(text, data)


def _again(history: History, *, is_reinstall: bool) -> frozenset[str]:
    """The versions to apply although they are recorded."""
    from spaces_sdk.install.package_files import migrations

    recorded = history.versions & {migration.version for migration in migrations()}
    if not recorded or history.is_installed:
        return frozenset()
    if is_reinstall:
        return recorded
    raise InstallError(
        "cannot migrate: our migrations are recorded, but schema spaces is not there: it was removed",
        code="removed",
        hint="`spaces migrate --reinstall` applies them all again",
    )
