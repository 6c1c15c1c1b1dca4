"""Applies the package's migrations as the Supabase CLI does: once each, in order, recorded in the database."""

from __future__ import annotations

from pathlib import Path

import psycopg

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.sql_files import SqlFile, run_file

_PACKAGE = Path(__file__).resolve().parents[1]

# The same table as the CLI's, so that `supabase migration list` and `db push` agree with what was done here.
_BOOKKEEPING = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text not null primary key,
  statements text[],
  name text
);
"""


def migrations_dir() -> Path:
    """The folder of the migrations: `spaces_sdk/_supabase/…` in the wheel, `supabase/…` in a checkout."""
    for candidate in (_PACKAGE / "_supabase" / "migrations", _PACKAGE.parent / "supabase" / "migrations"):
        if candidate.is_dir():
            return candidate
    raise StackError(
        f"cannot find the migrations beside {_PACKAGE}",
        code="no_migrations",
        hint="install spaces-sdk again, or run from a full checkout",
    )


async def migrate(url: str, directory: Path | None = None) -> list[str]:
    """Apply what is not applied yet, each file in a transaction of its own. Idempotent, and safe to run twice at once.

    Args:
        url: Connection URL of the migration role (`postgres`, no superuser, as in a hosted project).
        directory: Folder of `<version>_<name>.sql` files; None takes the package's own.

    Returns:
        The names of the files that were applied, in order.

    Raises:
        MigrationError: A statement failed; `file` and `line` say which. The files before it stay applied.
    """
    folder = directory or migrations_dir()
    files = [SqlFile.read(path) for path in sorted(folder.glob("*.sql"))]
    if not files:
        raise StackError(
            f"cannot migrate: there is no .sql file in {folder}", code="no_migrations", hint="name another"
        )
    applied: list[str] = []
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute("select pg_advisory_lock(hashtext('spaces.migrate'))")
        cursor = await conn.execute("select to_regclass('supabase_migrations.schema_migrations') is not null")
        if await cursor.fetchone() != (True,):
            await conn.execute(_BOOKKEEPING)
        cursor = await conn.execute("select version from supabase_migrations.schema_migrations")
        known = {version for (version,) in await cursor.fetchall()}
        for file in files:
            version, _, name = file.name.removesuffix(".sql").partition("_")
            if version in known:
                continue
            async with conn.transaction():
                await run_file(conn, file)
                await conn.execute(
                    "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
                    [version, name, [statement.text for statement in file.statements]],
                )
            applied.append(file.name)
    return applied
