"""One database under test, and calls into it the way the REST API makes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow, dict_row

from tests.db.support.actors import Actor, Refused, signed_in

Connection = psycopg.AsyncConnection[DictRow]
Parameters = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signature:
    """What the REST API's schema cache knows of a function."""

    argument_types: dict[str, str]
    is_volatile: bool
    returns_set: bool


_KEPT = 4


class Pool:
    """Connections of one login role, opened when they are wanted; a few are kept for the next one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """A connection without a transaction; it goes back when its user is done."""
        connection = self._idle.pop() if self._idle else await self.open()
        try:
            yield connection
        except Refused:
            await self._keep(connection)
            raise
        except BaseException:
            await connection.close()
            raise
        await self._keep(connection)

    async def open(self) -> Connection:
        """A new connection that the caller closes."""
        return await Connection.connect(self._url, autocommit=True, row_factory=dict_row)

    async def aclose(self) -> None:
        """Close all that is idle."""
        while self._idle:
            await self._idle.pop().close()

    async def _keep(self, connection: Connection) -> None:
        if len(self._idle) < _KEPT and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            await connection.close()


class Database:
    """A database with the migrations in it.

    `sql` and its kin act as the superuser, to look behind the rights; `call`, `transaction` and `select` as somebody.
    """

    def __init__(self, name: str, *, superuser_url: str, api_url: str) -> None:
        self.name = name
        self.superuser_url = superuser_url
        self.superuser = Pool(superuser_url)
        self.api = Pool(api_url)
        self._signatures: dict[str, Signature] = {}

    async def aclose(self) -> None:
        """Close all connections."""
        await self.superuser.aclose()
        await self.api.aclose()

    async def sql(self, statement: str, parameters: Parameters | None = None) -> list[DictRow]:
        """Run a statement as the superuser; the rows it returns."""
        async with self.superuser.connection() as connection:
            return await fetch(connection, statement, parameters)

    async def value(self, statement: str, parameters: Parameters | None = None) -> Any:
        """The one value that a statement returns, as the superuser."""
        (row,) = await self.sql(statement, parameters)
        (value,) = row.values()
        return value

    async def column(self, statement: str, parameters: Parameters | None = None) -> list[Any]:
        """The only column of what a statement returns, as the superuser."""
        return [value for row in await self.sql(statement, parameters) for value in row.values()]

    async def user(self, label: str = "user", **claims: Any) -> Actor:
        """A new account, signed in."""
        user_id = uuid4()
        await self.sql(
            """insert into auth.users (id, aud, role, email, created_at)
               values (%s, 'authenticated', 'authenticated', %s, now())""",
            [user_id, f"{user_id}@example.test"],
        )
        return signed_in(user_id, label, **claims)

    @asynccontextmanager
    async def transaction(self, who: Actor, *, is_read_only: bool = False) -> AsyncGenerator[Connection]:
        """A transaction as the REST API opens one: its login role, then the caller's role and claims."""
        async with self.api.connection() as connection, connection.transaction():
            if is_read_only:
                await connection.execute("set transaction read only")
            await act_as(connection, who)
            yield connection

    async def select(self, who: Actor, statement: str, parameters: Parameters | None = None) -> list[DictRow]:
        """Run a statement as somebody; the rows it returns."""
        async with self.transaction(who) as connection:
            return await fetch(connection, statement, parameters)

    async def call(self, who: Actor, rpc: str, **arguments: Any) -> Any:
        """Call a function as `POST /rpc/<name>` does, and commit.

        Raises:
            Refused: It raised one of its own errors; any other error of Postgres comes through as it is.
        """
        async with self.api.connection() as connection:
            return await self.call_on(connection, who, rpc, arguments)

    async def call_on(self, connection: Connection, who: Actor, rpc: str, arguments: Mapping[str, Any]) -> Any:
        """As `call`, on a connection of the caller's choice; inside its transaction if it has one."""
        signature = await self.signature(rpc)
        in_transaction = connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        try:
            async with connection.transaction():
                if not in_transaction and not signature.is_volatile:
                    await connection.execute("set transaction read only")  # as the REST API does for such functions
                await act_as(connection, who)
                return await invoke(connection, rpc, signature, arguments)
        except psycopg.Error as error:
            if (refusal := Refused.read(error)) is not None:
                raise refusal from None
            raise

    async def signature(self, rpc: str) -> Signature:
        """What the catalogue says about `public.<rpc>`, which must not be overloaded."""
        if rpc not in self._signatures:
            (row,) = await self.sql(
                """select coalesce((select jsonb_object_agg(name, pg_catalog.format_type(type, null))
                                    from unnest(p.proargnames, p.proargtypes::oid[]) as a (name, type)
                                    where name is not null and type is not null), '{}') as types,
                          p.provolatile = 'v' as is_volatile, p.proretset as returns_set
                   from pg_catalog.pg_proc p where p.pronamespace = 'public'::regnamespace and p.proname = %s""",
                [rpc],
            )
            self._signatures[rpc] = Signature(row["types"], row["is_volatile"], row["returns_set"])
        return self._signatures[rpc]


async def fetch(connection: Connection, statement: str, parameters: Parameters | None = None) -> list[DictRow]:
    """Run a statement on a connection; the rows, none for a statement without any."""
    cursor = await connection.execute(statement.encode(), parameters)
    return await cursor.fetchall() if cursor.description else []


async def act_as(connection: Connection, who: Actor) -> None:
    """Take on the caller's role and claims until the transaction ends."""
    await connection.execute(
        """select set_config('role', %s, true), set_config('request.jwt.claims', %s, true),
                  set_config('request.method', 'POST', true), set_config('request.path', '/rpc', true),
                  set_config('request.headers', '{}', true), set_config('search_path', 'public', true)""",
        [who.role, json.dumps(who.claims)],
    )


async def invoke(connection: Connection, rpc: str, signature: Signature, arguments: Mapping[str, Any]) -> Any:
    """One call with its arguments as JSON, typed by the function's own declaration."""
    unknown = arguments.keys() - signature.argument_types.keys()
    assert not unknown, f"{rpc} has no argument {', '.join(sorted(unknown))}, but {', '.join(signature.argument_types)}"
    columns = ", ".join(f"{name} {signature.argument_types[name]}" for name in arguments)
    given = ", ".join(f"{name} => body.{name}" for name in arguments)
    source = f" from json_to_record(%s::json) as body ({columns})" if arguments else ""
    statement = f"select public.{rpc}({given}) as answer{source}"
    body = json.dumps(arguments, default=_plain)
    rows = await fetch(connection, statement, [body] if arguments else None)
    answers = [row["answer"] for row in rows]
    return answers if signature.returns_set else answers[0]


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{value!r} is no JSON")


async def gathered(*calls: Any) -> list[Any]:
    """Run calls at once; answers and refusals in the calls' order. Any other error is raised."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Refused):
            raise result
    return results
