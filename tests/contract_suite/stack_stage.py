"""The suite on the real stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from psycopg import sql

from spaces_sdk import Spaces
from spaces_sdk.models import Kind
from spaces_sdk.rooms import RoomManager
from spaces_sdk.session import RoomSession
from tests.contract_suite.stage import HARDLY, Stage
from tests.integration.people import WITHIN_S, LocalPeople
from tests.support.eventually import eventually

T = TypeVar("T")

UNSWEPT = """
select exists (select from spaces.connections where room_id = any (%s) and ended_at is null and expires_at < now())
  or exists (select from spaces.streams where room_id = any (%s) and expires_at < now())
"""
SET_REFILL = "update spaces.limits set refill_per_s = %s where action = %s"

SHARED_LIMITS = ("create", "join", "code_miss")
"""Counted by user alone: all cases together would use them up."""


@dataclass(frozen=True)
class Somebody:
    """An account of the stack, signed in."""

    name: str
    user_id: UUID
    spaces: Spaces

    @property
    def rooms(self) -> RoomManager:
        return self.spaces.rooms

    def join(self, room: str | UUID, *, display_name: str | None = None) -> RoomSession:
        return self.spaces.join(room, display_name=display_name)


class Cast:
    """Accounts that all cases share: making one takes longer than most cases."""

    def __init__(self, people: LocalPeople) -> None:
        self.people = people
        self._known: dict[str, Somebody] = {}

    async def person(self, name: str, kind: Kind) -> Somebody:
        if name not in self._known:
            made = await self.people.person(name, is_bot=kind is Kind.BOT)
            self._known[name] = Somebody(name, made.user_id, made.spaces)
        return self._known[name]

    @asynccontextmanager
    async def without_shared_limits(self) -> AsyncGenerator[None]:
        """The limits that no case is about."""
        taken = "delete from spaces.limits l where l.action = any (%s) returning l.*"
        async with self.people.sql() as connection:
            rows = await (await connection.execute(taken, (list(SHARED_LIMITS),))).fetchall()
            try:
                yield
            finally:
                for row in rows:
                    await connection.execute("insert into spaces.limits values (%s, %s, %s, %s)", row)


class StackStage(Stage):
    """Its time passes as time does: short leases, and few waits."""

    def __init__(self, cast: Cast) -> None:
        super().__init__()
        self._cast = cast
        self._before: dict[str, float] = {}
        self._refills: dict[str, Decimal] = {}

    async def person(self, name: str, *, kind: Kind = Kind.HUMAN) -> Somebody:
        somebody = await self._cast.person(name, kind)
        self.names[somebody.user_id] = name
        return somebody

    async def let_pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, fact: Callable[[], object]) -> None:
        await eventually(fact, WITHIN_S, what=lambda: "what the case waits for")

    async def configure(self, **values: float) -> None:
        async with self._cast.people.sql() as connection:
            for name, value in values.items():
                column = sql.Identifier(name)
                row = await (
                    await connection.execute(sql.SQL("select {} from spaces.config").format(column))
                ).fetchone()
                assert row is not None
                self._before.setdefault(name, row[0])
                await connection.execute(sql.SQL("update spaces.config set {} = %s").format(column), (value,))

    async def stop_refill(self, action: str) -> None:
        async with self._cast.people.sql() as connection:
            rows = await connection.execute("select refill_per_s from spaces.limits where action = %s", (action,))
            ((before,),) = await rows.fetchall()
            self._refills.setdefault(action, before)
            await connection.execute(SET_REFILL, (HARDLY, action))

    async def sweep(self) -> None:
        async with self._cast.people.sql() as connection:

            async def is_swept() -> bool:
                # A run goes past a room that somebody has locked, as a heartbeat does.
                await connection.execute("select spaces.sweep_rooms()")
                rooms = list(self._hosts)
                return await (await connection.execute(UNSWEPT, (rooms, rooms))).fetchone() == (False,)

            await eventually(is_swept)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        return await work

    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:
            await self.configure(**self._before)
            async with self._cast.people.sql() as connection:
                for action, refill in self._refills.items():
                    await connection.execute(SET_REFILL, (refill, action))
