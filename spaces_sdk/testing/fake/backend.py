"""A backend in memory: users, rooms and their rules, on time that a test turns."""

from __future__ import annotations

import asyncio
from random import Random
from types import TracebackType
from typing import Self
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.errors import UsageError
from spaces_sdk.models import Kind, Room
from spaces_sdk.testing.clock import VirtualClock
from spaces_sdk.testing.fake.config import Config, Limit
from spaces_sdk.testing.fake.faults import Faults
from spaces_sdk.testing.fake.room import FakeRoom
from spaces_sdk.testing.fake.tables import Account, Tables
from spaces_sdk.testing.fake.user import FakeUser

CLOSE_S = 10.0
"""More than a session takes to leave when nobody answers."""


class FakeBackend:
    """The database and Realtime in memory, with the rules of the real ones; nothing of it is stored or sent.

    ```python
    async with FakeBackend() as backend:
        ada = backend.user("ada")
        room = await ada.rooms.create_room("Jam")
        async with ada.join(room.room_code) as session:
            await session.send("hello")
    ```

    Time stands still but for `await backend.clock.advance(5)`. What is not done by itself: nobody sweeps but the joins
    and heartbeats of a room (`sweep` does, too), and nothing is deleted after its time.

    Args:
        clock: Its time; None makes a `VirtualClock`. With another one there is no `clock` to turn.
        seed: Of its ids and codes, and of the jitter of its users' sessions.
    """

    def __init__(self, *, clock: Clock | None = None, seed: int = 1) -> None:
        self._clock = clock or VirtualClock()
        self.tables = Tables(self._clock, Random(seed))  # noqa: S311 - a test is to be repeatable
        self._users: dict[str, FakeUser] = {}
        self._replicas: list[FakeUser] = []

    @property
    def clock(self) -> VirtualClock:
        """What a test turns.

        Raises:
            UsageError: The backend was given another clock.
        """
        if not isinstance(self._clock, VirtualClock):
            raise UsageError("cannot turn the clock: this backend runs on one of yours")
        return self._clock

    @property
    def faults(self) -> Faults:
        """What goes wrong between the users and the backend."""
        return self.tables.faults

    @property
    def config(self) -> Config:
        """The settings of the database: lengths of leases, sizes of pages … They count from the next call on."""
        return self.tables.config

    @property
    def limits(self) -> dict[str, Limit]:
        """The limits of calls, by name; one that is taken out does not limit."""
        return self.tables.limits

    def user(self, name: str, *, kind: Kind = Kind.HUMAN) -> FakeUser:
        """Somebody with an account, signed in; the same one for the same name.

        Args:
            name: The account, and the display name where `join` is given none.
            kind: Of the account. `Kind.BOT` is what `spaces bot create` makes.
        """
        if name not in self._users:
            self._users[name] = FakeUser(self.tables, Account(self.tables.new_id(), name, kind))
        return self._users[name]

    def replica(self, name: str) -> FakeUser:
        """The same account once more, as another process has it: with a client of its own.

        Raises:
            UsageError: There is no such user.
        """
        if name not in self._users:
            raise UsageError(f"cannot make a replica: there is no user {name!r}", hint="make it with `user` first")
        self._replicas.append(FakeUser(self.tables, self._users[name].account))
        return self._replicas[-1]

    def room(self, room: Room | UUID) -> FakeRoom:
        """The rows of a room, to look at and to break.

        Raises:
            KeyError: There is none.
        """
        return self.tables.rooms[room.id if isinstance(room, Room) else room]

    def sweep(self) -> None:
        """Take everybody offline whose lease has run out, and stop what nobody writes any more."""
        for room in self.tables.rooms.values():
            room.sweep()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every session that is still open. It passes the time that this takes. Idempotent."""
        closing = asyncio.gather(*(user.aclose() for user in (*self._users.values(), *self._replicas)))
        while isinstance(self._clock, VirtualClock) and not closing.done():
            await self._clock.advance(CLOSE_S)
        await closing
