"""`spaces migrations copy`, `list`, `remove`: the SQL of this package in a Supabase project of one's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from spaces_sdk.cli.clean_errors import clean_errors
from spaces_sdk.cli.output import Output
from spaces_sdk.install.errors import missing_driver

_Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, for programs.")]
_Dir = Annotated[
    Path | None,
    typer.Argument(
        metavar="DIR", help="Your `supabase` folder; else the one here or in a folder above.", show_default=False
    ),
]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite those of our files that were changed.")]
_DbUrl = Annotated[
    str | None,
    typer.Option(
        "--db-url", metavar="URL", help="Also show which are applied to this database.", envvar="SPACES_DB_URL"
    ),
]
_PUSH = "supabase db push"
_PUSH_ALL = "supabase db push --include-all"
_KEPT_FOR = "Rooms are deleted 24 hours after their last activity; create_room(..., expires_after=None) keeps one."

app = typer.Typer(
    help="Put the SQL of spaces into your Supabase project, see what is there, take it out again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("copy", short_help="Copy our migrations into your supabase folder.")
def copy(directory: _Dir = None, force: _Force = False, as_json: _Json = False) -> None:
    """Copy this package's migrations into your project's `supabase/migrations`, to be pushed by the Supabase CLI.

    They have the same versions in every project. Yours are never touched; ours that are there already are left, and
    one that was changed is refused. Run it again after an upgrade of spaces-sdk: it adds what is new.

    \b
    Examples:
      spaces migrations copy && supabase db push
      spaces migrations copy apps/api/supabase
    """
    output = Output(is_json=as_json)
    with clean_errors(output):
        from spaces_sdk.install.copying import copy_migrations
        from spaces_sdk.install.project import Project

        project = Project.find(directory)
        done = copy_migrations(project, force=force)
        files = done.files
        is_new = bool(files.written or files.replaced)
        command = _PUSH_ALL if done.later else _PUSH
        lines = [
            f"{project.path}: {len(files.written)} migrations written, {len(files.replaced)} overwritten, "
            f"{len(files.unchanged)} there already."
        ]
        if done.later:
            lines += [
                f"{len(done.later)} of your migrations have later versions ({done.later[0]} …). Where they are applied "
                "already, a push of older ones needs --include-all; ours depend on none of yours.",
            ]
        if is_new:
            lines += [_KEPT_FOR, f"Next: {command}"]
        data = {
            **_files_json(project.path, files.written, files.replaced, files.unchanged),
            "later": done.later,
            "next": command if is_new else None,
        }
        output.result("\n".join(lines), data)


@app.command("list", short_help="List our migrations, and which a database has.")
def list_(db_url: _DbUrl = None, as_json: _Json = False) -> None:
    """List this package's migrations; with the URL of a database also which of them it has.

    The URL is better given in the environment (SPACES_DB_URL): other users of the machine can read arguments.

    \b
    Examples:
      spaces migrations list
      SPACES_DB_URL=postgresql://postgres:PASSWORD@db.REF.supabase.co:5432/postgres spaces migrations list
    """
    output = Output(is_json=as_json)
    with clean_errors(output, lambda: missing_driver("read the database")):
        from spaces_sdk.install.package_files import migrations

        ours = migrations()
        data: dict[str, Any] = {"ok": True}
        applied: frozenset[str] | None = None
        lines: list[str] = []
        if db_url is not None:
            from spaces_sdk.install.migrate import read_history

            history = asyncio.run(read_history(db_url))
            applied = history.versions
            pending = len(history.pending(ours))
            lines.append(f"# {history.target}: {len(ours) - pending} of {len(ours)} applied")
            if not history.is_installed and pending < len(ours):
                lines.append("# but schema spaces is gone: it was removed")
            data |= {"is_installed": history.is_installed, "pending": pending, "foreign": history.foreign(ours)}
        data["migrations"] = [
            {
                "version": migration.version,
                "name": migration.name,
                "is_applied": None if applied is None else migration.version in applied,
            }
            for migration in ours
        ]
        for migration in ours:
            state = "" if applied is None else ("applied  " if migration.version in applied else "pending  ")
            lines.append(f"{state}{migration.version}  {migration.name}")
        output.result("\n".join(lines), data)


@app.command("remove", short_help="Write the migration that takes spaces out again.")
def remove(directory: _Dir = None, as_json: _Json = False) -> None:
    """Write a migration that takes everything of spaces out of the database, with all rooms and messages.

    It drops our tables, functions, policies, jobs and the schema spaces, and leaves yours as they are. If something of
    yours depends on ours (a foreign key, a view), it fails and changes nothing. Nothing happens before you push it.

    \b
    Example:
      spaces migrations remove && supabase db push
    """
    output = Output(is_json=as_json)
    with clean_errors(output):
        from spaces_sdk.install.copying import write_removal
        from spaces_sdk.install.project import Project

        project = Project.find(directory)
        removal = write_removal(project)
        path = project.path / "migrations" / removal.name
        text = [
            f"Written: {path}" if removal.is_new else f"It is there already: {path}",
            "When you push it, all rooms, participants and messages are deleted; there is no way back but a backup.",
            "Keep our other migrations in the folder: the history of your databases names them.",
            f"Next: {_PUSH}",
        ]
        output.result("\n".join(text), {"ok": True, "file": str(path), "is_new": removal.is_new, "next": _PUSH})


def _files_json(folder: Path, written: list[str], replaced: list[str], unchanged: list[str]) -> dict[str, Any]:
    return {"ok": True, "folder": str(folder), "written": written, "replaced": replaced, "unchanged": unchanged}
