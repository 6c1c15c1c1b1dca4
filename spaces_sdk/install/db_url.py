"""Connection URLs: read so that nothing of the password can come out again."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from spaces_sdk.errors import ConfigError
from spaces_sdk.install.errors import DatabaseError

_CONNECT_TIMEOUT_S = 15
_HOST = re.compile(r"[A-Za-z0-9._\-:/,%]*")
_PORT = re.compile(r"[0-9,]*")
_HIDDEN = "***"
_CONNECT_HINT = "the dashboard shows the connection string under Connect; take the direct one or the session pooler"


@asynccontextmanager
async def open_database(url: str) -> AsyncGenerator[psycopg.AsyncConnection]:
    """A connection on which every statement is its own transaction until one is begun.

    Raises:
        ConfigError: It is no URL of a Postgres; the text does not repeat it.
        DatabaseError: `connect_failed`, or whatever else psycopg raises inside, without the password.
    """
    parameters = _read(url)
    parameters.setdefault("connect_timeout", str(_CONNECT_TIMEOUT_S))
    code = "connect_failed"
    try:
        # A pooler hands each transaction to another session: statements prepared in one are unknown in the next.
        async with await psycopg.AsyncConnection.connect(
            make_conninfo("", **parameters), autocommit=True, prepare_threshold=None
        ) as conn:
            code = "database_failed"
            yield conn
            return
    except psycopg.Error as error:
        reason, password = " ".join(str(error).split()), parameters.get("password", "")
        said = reason.replace(password, _HIDDEN) if password else reason
    # Outside of the handler, so that no error with the password in it becomes its context.
    if code == "connect_failed":
        raise DatabaseError(f"cannot connect to the database: {said}", code=code, hint=_CONNECT_HINT)
    raise DatabaseError(f"cannot use the database: {said}", code=code, hint="what was committed before stays")


def _read(url: str) -> dict[str, str]:
    """The parts of a connection URL. libpq's own complaints quote it, so none of them is passed on."""
    parameters: dict[str, str] | None = None
    if url.startswith(("postgres://", "postgresql://")):
        try:
            parameters = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
        except (psycopg.Error, ValueError):
            parameters = None
    # A password with an unescaped @, / or : makes its own pieces part of the host, the port or the database's name.
    if (
        parameters is None
        or not _HOST.fullmatch(parameters.get("host", ""))
        or not _PORT.fullmatch(parameters.get("port", ""))
        or "@" in parameters.get("dbname", "")
    ):
        raise ConfigError(
            "cannot connect to the database: that is no connection URL (not repeated here: it may hold a password)",
            hint="postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with @ : / ? # of a password as %40 %3A %2F %3F %23",
        )
    return parameters
