"""Two calls at one lock: held until both have come to it, then let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.db.support.actors import Actor, Refused
from tests.db.support.database import Connection, Database
from tests.support.eventually import eventually

# Our functions give up on a lock after 3 s: reaching it and letting go must be well under that.
REACHED_WITHIN_S = 2.5
ANSWERED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Call:
    """A call to make: who, what, with which arguments."""

    who: Actor
    rpc: str
    arguments: Mapping[str, Any]


class Pending:
    """A call under way on a connection of its own."""

    def __init__(self, database: Database, pid: int, task: asyncio.Task[Any]) -> None:
        self._database = database
        self._pid = pid
        self._task = task

    @property
    def is_answered(self) -> bool:
        """The call is over."""
        return self._task.done()

    async def is_waiting(self) -> bool:
        """The call waits for a lock that another backend holds or wants."""
        return await self._database.value("select cardinality(pg_blocking_pids(%s)) > 0", [self._pid])

    async def settle(self) -> bool:
        """Wait until the call either waits for a lock or is over; True if it waits."""

        async def reached() -> bool:
            return self.is_answered or await self.is_waiting()

        await eventually(reached, REACHED_WITHIN_S, what="the call waits for a lock, or is answered")
        return not self.is_answered

    async def answer(self) -> Any:
        """The answer, or the refusal as a value."""
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            return await self._task


async def outcome(database: Database, call: Call) -> Any:
    """Make the call; its answer, or its refusal as a value."""
    try:
        return await database.call(call.who, call.rpc, **call.arguments)
    except Refused as refusal:
        return refusal


@asynccontextmanager
async def pending(database: Database, *calls: Call) -> AsyncGenerator[list[Pending]]:
    """Start each call when the one before it waits or is answered. All of them are over when this ends."""
    started: list[Pending] = []
    async with AsyncExitStack() as connections, asyncio.TaskGroup() as tasks:
        for call in calls:
            connection = await connections.enter_async_context(database.api.connection())
            task = tasks.create_task(_outcome_on(database, connection, call), name=call.rpc)
            started.append(Pending(database, connection.info.backend_pid, task))
            await started[-1].settle()
        yield started


async def _outcome_on(database: Database, connection: Connection, call: Call) -> Any:
    try:
        return await database.call_on(connection, call.who, call.rpc, call.arguments)
    except Refused as refusal:
        return refusal


async def after_the_barrier(database: Database, room_id: UUID, *calls: Call) -> tuple[list[bool], list[Any]]:
    """Hold the room's lock, start the calls one behind the other, let go.

    Returns:
        Whether each call had to wait, and what each was answered.
    """
    async with AsyncExitStack() as started:
        async with database.superuser.connection() as holder, holder.transaction():
            await holder.execute("select from spaces.room_heads where room_id = %s for no key update", [room_id])
            calls_under_way = await started.enter_async_context(pending(database, *calls))
            waited = [not call.is_answered for call in calls_under_way]
        answers = [await call.answer() for call in calls_under_way]
    return waited, answers
