"""A user of the fake backend: what `Spaces` is to a project."""

from __future__ import annotations

from random import Random
from types import TracebackType
from typing import Self
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.errors import UsageError
from spaces_sdk.rooms import RoomManager
from spaces_sdk.session import RoomSession, SessionOptions
from spaces_sdk.session.api import SessionApi
from spaces_sdk.testing.fake.channel import FakeRealtime
from spaces_sdk.testing.fake.rpc import FakeRpc
from spaces_sdk.testing.fake.tables import Account, Tables


class FakeUser:
    """Signed in already. `rooms` and `join` are those of `Spaces`: the calls and the sessions are the real ones.

    Attributes:
        name: The display name where `join` is given none.
    """

    def __init__(self, tables: Tables, account: Account, *, clock: Clock | None = None) -> None:
        self.account = account
        self.name = account.name
        self.user_id = account.user_id
        self.rooms = RoomManager(FakeRpc(tables, account))
        self.realtime = FakeRealtime(tables.clock, tables.faults, account.user_id, tables.may_listen)
        self._clock = clock or tables.clock
        self._random = Random(tables.random.getrandbits(64))  # noqa: S311 - spreads retries, keeps no secret
        self._sessions: list[RoomSession] = []

    def join(
        self,
        room: str | UUID | None = None,
        *,
        invitation: str | None = None,
        display_name: str | None = None,
        options: SessionOptions | None = None,
        api: SessionApi | None = None,
    ) -> RoomSession:
        """A session in a room; see `Spaces.join`. Its calls go through `api`, if one is given.

        Raises:
            UsageError: Not exactly one of `room` and `invitation` is given.
        """
        if (room is None) == (invitation is None):
            raise UsageError(
                "cannot join: give either a room or an invitation", hint="a code, an id, or invitation=token"
            )
        session = RoomSession(
            api=api or self.rooms,
            realtime=self.realtime,
            room=room,
            invitation=invitation,
            display_name=display_name or self.name,
            options=options or SessionOptions(),
            clock=self._clock,
            random=self._random,
        )
        self._sessions.append(session)
        return session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every session that is still open. Idempotent."""
        for session in tuple(self._sessions):
            await session.aclose()

    def __repr__(self) -> str:
        return f"<FakeUser {self.name}>"
