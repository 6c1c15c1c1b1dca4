"""Runs `sql/NN_*.sql`: the roles, schemas, grants and functions that a hosted database has before any migration."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from spaces_sdk.install.sql_files import SqlFile, run_file
from spaces_sdk.local.errors import StackError

_SQL_DIR = Path(__file__).with_name("sql")
_MODES = ("closed", "open")
_LOGIN_ROLES = ("postgres", "authenticator", "supabase_auth_admin", "supabase_realtime_admin")


async def bootstrap(conn_url: str, mode: str = "closed", *, password_of: Callable[[str], str] | None = None) -> bool:
    """Run the bootstrap files in one transaction, once per database; then give the login roles their passwords.

    Args:
        conn_url: The superuser's connection URL.
        mode: Default privileges of new objects in `public`: `closed` as in hosted projects made since May 2026,
            `open` as in older ones.
        password_of: Password of a role; None sets none.

    Returns:
        True if the files ran, False if the database has them already.

    Raises:
        MigrationError: A file failed; the database is as it was.
        StackError: The database was bootstrapped by another version of the files (`other_bootstrap`).
    """
    if mode not in _MODES:
        raise StackError(f"cannot bootstrap: the mode {mode!r} is unknown", code="usage", hint="'closed' or 'open'")
    files = bootstrap_files()
    checksum = _checksum(files, mode)
    async with await psycopg.AsyncConnection.connect(conn_url, autocommit=True) as conn:
        async with conn.transaction():
            await conn.execute("select pg_advisory_xact_lock(hashtext('spaces.bootstrap'))")
            has_run = await _has_run(conn, checksum)
            if not has_run:
                await conn.execute("select set_config('spaces.default_privileges', %s, true)", [mode])
                for file in files:
                    await run_file(conn, file)
                database = sql.Identifier(conn.info.dbname)
                await conn.execute(sql.SQL("alter database {} set spaces.bootstrap = {}").format(database, checksum))
        if password_of is not None:
            await _set_passwords(conn, password_of)
    return not has_run


def bootstrap_files() -> list[SqlFile]:
    """The files in the order in which they run."""
    return [SqlFile.read(path) for path in sorted(_SQL_DIR.glob("*.sql"))]


async def _has_run(conn: psycopg.AsyncConnection, checksum: str) -> bool:
    # From the catalogue: a session that waited for the lock does not see the setting of the one that it waited for.
    cursor = await conn.execute(
        """select split_part(entry, '=', 2) from pg_db_role_setting s, unnest(s.setconfig) as entry
           where s.setrole = 0 and entry like 'spaces.bootstrap=%%'
             and s.setdatabase = (select oid from pg_database where datname = current_database())"""
    )
    row = await cursor.fetchone()
    if row is None:
        return False
    if row[0] != checksum:
        raise StackError(
            "cannot use this data directory: another version of the local stack made it",
            code="other_bootstrap",
            part="postgres",
            hint="start afresh with --reset (deletes the data), or use the version of spaces-sdk that made it",
        )
    return True


async def _set_passwords(conn: psycopg.AsyncConnection, password_of: Callable[[str], str]) -> None:
    cursor = await conn.execute("select rolname from pg_roles where rolname = any(%s)", [list(_LOGIN_ROLES)])
    for (role,) in await cursor.fetchall():
        # Hashed here, as psql's \password does, so that no password is ever part of a statement, which may be logged.
        verifier = conn.pgconn.encrypt_password(password_of(role).encode(), role.encode(), b"scram-sha-256").decode()
        statement = sql.SQL("alter role {} with login password {}").format(sql.Identifier(role), sql.Literal(verifier))
        await conn.execute(statement)


def _checksum(files: list[SqlFile], mode: str) -> str:
    digest = hashlib.sha256(mode.encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.text.encode() + b"\0")
    return digest.hexdigest()[:32]
