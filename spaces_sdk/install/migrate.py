"""Applies migrations as the Supabase CLI does: once each, in order, recorded in the database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from spaces_sdk.install.db_url import open_database
from spaces_sdk.install.errors import InstallError, MigrationError
from spaces_sdk.install.package_files import Migration, migrations
from spaces_sdk.install.sql_files import SqlFile, run_file

# The same table as the CLI's, so that `supabase migration list` and `db push` agree with what was done here.
_BOOKKEEPING = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text not null primary key,
  statements text[],
  name text
);
"""
_LOCK = "select pg_advisory_xact_lock(hashtext('spaces.migrate'))"
# Not by to_regclass: its cache does not notice what another session made while this one waited for the lock.
_HAS_HISTORY = """
select exists (select from pg_catalog.pg_tables
               where schemaname = 'supabase_migrations' and tablename = 'schema_migrations')
"""
_RECORD = "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)"
# What the migrations rely on; without it the fourth of them would fail, and the first three would stay.
_IS_SUPABASE = """
select (select count(*) = 2 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where (n.nspname, c.relname) in (('realtime', 'messages'), ('auth', 'users')))
  and (select count(*) = 3 from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role'))
"""
_SETS_ROLE = re.compile(r"(?:set|reset)\s+(?:(?:session|local)\s+)?(?:role|session\s+authorization)\b", re.IGNORECASE)
_MAY_BYPASS = "select rolbypassrls or rolsuper from pg_catalog.pg_roles where rolname = current_user"


@dataclass(frozen=True, slots=True)
class History:
    """What a database says about itself.

    Attributes:
        target: Host, database and role, for people.
        versions: The recorded ones.
        is_installed: Schema `spaces` is there.
    """

    target: str
    versions: frozenset[str]
    is_installed: bool

    def pending(self, ours: Sequence[Migration]) -> list[Migration]:
        """Those that are not recorded."""
        return [migration for migration in ours if migration.version not in self.versions]

    def foreign(self, ours: Sequence[Migration]) -> list[str]:
        """Recorded versions that are none of these."""
        return sorted(self.versions - {migration.version for migration in ours})


async def read_history(url: str) -> History:
    """Ask a database what is recorded. Changes nothing.

    Raises:
        ConfigError: It is no connection URL.
        InstallError: The database cannot be reached.
    """
    async with open_database(url) as conn:
        info = conn.info
        cursor = await conn.execute("select to_regnamespace('spaces') is not null")
        is_installed = await cursor.fetchone() == (True,)
        versions = await _versions(conn)
        return History(f"database {info.dbname} on {info.host} as {info.user}", versions, is_installed)


async def check_platform(url: str) -> None:
    """See whether it is a database that our migrations can be put into, by this role. Changes nothing.

    Raises:
        InstallError: `not_supabase`, or `wrong_role`.
    """
    async with open_database(url) as conn:
        cursor = await conn.execute(_IS_SUPABASE)
        if await cursor.fetchone() != (True,):
            raise InstallError(
                "cannot migrate: this is no database of a Supabase project (auth.users, realtime.messages or a role of "
                "the API is missing)",
                code="not_supabase",
                hint="take the connection string of a project, or run a local one with `spaces up`",
            )
        cursor = await conn.execute(_MAY_BYPASS)
        if await cursor.fetchone() != (True,):
            raise InstallError(
                f"cannot migrate as {conn.info.user}: row level security would hold the functions, too",
                code="wrong_role",
                hint="connect as the role postgres",
            )


async def migrate(url: str, directory: Path | None = None, *, forget: frozenset[str] = frozenset()) -> list[str]:
    """Apply what is not applied yet, each file in a transaction of its own. Idempotent, and safe to run twice at once.

    Args:
        url: Connection URL of the migration role (`postgres`, no superuser, as in a hosted project).
        directory: Folder of `<version>_<name>.sql` files; None takes the package's own.
        forget: Versions to apply again though they are recorded.

    Returns:
        The names of the files that were applied, in order.

    Raises:
        MigrationError: A statement failed; `file` and `line` say which. The files before it stay applied.
    """
    applied: list[str] = []
    async with open_database(url) as conn:
        known = await _versions(conn) - forget
        for migration in migrations(directory):
            if migration.version in known:
                continue
            if await _apply(conn, migration, is_again=migration.version in forget):
                applied.append(migration.path.name)
    return applied


async def _apply(conn: psycopg.AsyncConnection, migration: Migration, *, is_again: bool) -> bool:
    file = SqlFile.read(migration.path)
    async with conn.transaction():
        await conn.execute(_LOCK)
        if migration.version in await _versions(conn):  # somebody else did it meanwhile
            if not is_again:
                return False
            await conn.execute(
                "delete from supabase_migrations.schema_migrations where version = %s", [migration.version]
            )
        await _run_as_one_role(conn, file)
        await _make_history(conn)
        statements = [statement.source for statement in file.statements]
        await conn.execute(_RECORD, [migration.version, migration.name, statements])
    return True


async def _make_history(conn: psycopg.AsyncConnection) -> None:
    cursor = await conn.execute(_HAS_HISTORY)
    if await cursor.fetchone() != (True,):
        await conn.execute(_BOOKKEEPING)


async def _versions(conn: psycopg.AsyncConnection) -> frozenset[str]:
    cursor = await conn.execute(_HAS_HISTORY)
    if await cursor.fetchone() != (True,):
        return frozenset()
    cursor = await conn.execute("select version from supabase_migrations.schema_migrations")
    return frozenset(version for (version,) in await cursor.fetchall())


# On a hosted project the CLI may log in as a role of the moment that acts as postgres: after a `reset role` it cannot
# record the migration any more, and what comes between has run as somebody else (supabase/cli#6236).
async def _run_as_one_role(conn: psycopg.AsyncConnection, file: SqlFile) -> None:
    for statement in file.statements:
        if _SETS_ROLE.match(statement.text):
            raise _sets_role(file, statement.line)
    before = await (await conn.execute("select current_user")).fetchone()
    await run_file(conn, file)
    if await (await conn.execute("select current_user")).fetchone() != before:
        raise _sets_role(file, file.statements[-1].line)


def _sets_role(file: SqlFile, line: int) -> MigrationError:
    return MigrationError(
        f"cannot apply {file.name}, line {line}: it sets a role",
        file=file.name,
        line=line,
        hint="a migration runs as postgres from its beginning to its end; `supabase db push` fails otherwise",
    )
