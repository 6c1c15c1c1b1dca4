"""People for the tests: each has an account and a client of its own, and remembers what its session yielded."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import httpx
import psycopg

from spaces_sdk import Spaces
from spaces_sdk.errors import SpacesError
from spaces_sdk.events import Event, RoomJoined
from spaces_sdk.local.stack import LocalStack
from spaces_sdk.models import Message, Room
from spaces_sdk.realtime import RealtimeClient, realtime_url
from spaces_sdk.session import RoomSession
from tests.stack_fixture import Project
from tests.support.eventually import eventually

E = TypeVar("E", bound=Event)

WITHIN_S = 60.0


@dataclass(slots=True)
class Person:
    """An account, signed in on a client of its own."""

    name: str
    user_id: UUID
    spaces: Spaces = field(repr=False)


class Visit:
    """A session, and every event of its `events()` so far.

    Attributes:
        error: What ended the iterator; None while it runs, and after an own leave.
    """

    def __init__(self, user: Person, session: RoomSession, stack: AsyncExitStack) -> None:
        self.user = user
        self.session = session
        self.events: list[Event] = []
        self.error: SpacesError | None = None
        self._stack = stack
        self._task = asyncio.create_task(self._read(), name=f"events of {user.name}")

    async def _read(self) -> None:
        try:
            async for event in self.session.events():
                self.events.append(event)
        except SpacesError as error:
            self.error = error

    def of(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> list[E]:
        """What has come so far of a kind."""
        return [event for event in self.events if isinstance(event, kind) and where(event)]

    async def sees(self, kind: type[E], where: Callable[[E], bool] = lambda _: True, within_s: float = WITHIN_S) -> E:
        """The first of a kind, waited for."""
        found = await eventually(
            lambda: self.of(kind, where),
            within_s,
            what=lambda: f"{kind.__name__} for {self.user.name} in {self.events}",
        )
        return found[0]

    async def ended(self, within_s: float = WITHIN_S) -> SpacesError | None:
        """Wait until the iterator is at its end, and return the error that it raised."""
        await asyncio.wait_for(asyncio.shield(self._task), within_s)
        return self.error

    async def leave(self) -> None:
        """End the `async with` of the session. Idempotent."""
        await self._stack.aclose()

    async def aclose(self) -> None:
        """Leave, and stop reading."""
        await self.leave()
        self._task.cancel()
        await asyncio.wait([self._task])


class People:
    """Makes accounts and sessions in a project, and closes all of them at the end."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._held = AsyncExitStack()

    async def aclose(self) -> None:
        await self._held.aclose()

    async def client(self, key: str | None = None) -> Spaces:
        """A client on which nobody is signed in; with the publishable key unless another is given."""
        return await self._held.enter_async_context(Spaces(self.project.url, key or self.project.publishable_key))

    async def account(self, name: str, *, is_bot: bool = False) -> tuple[str, str]:
        """A new account with a confirmed address; returns its e-mail and password."""
        email, password = f"{name.lower()}-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(12)
        metadata = {"spaces_kind": "bot"} if is_bot else {}
        async with Spaces(self.project.url, self.project.secret_key) as operator:
            await operator.auth.admin.create_user(email=email, password=password, app_metadata=metadata)
        return email, password

    async def person(self, name: str, *, is_bot: bool = False) -> Person:
        """Somebody with an account, signed in on a client of their own."""
        email, password = await self.account(name, is_bot=is_bot)
        spaces = await self.client()
        signed_in = await spaces.auth.sign_in_with_password(email=email, password=password)
        return Person(name, signed_in.user.id, spaces)

    async def enter(self, user: Person, room: Room | str) -> Visit:
        """A live session in a room, by its id (of a `Room`) or by a code."""
        target = room.id if isinstance(room, Room) else room
        stack = AsyncExitStack()
        session = await stack.enter_async_context(user.spaces.join(target, display_name=user.name))
        visit = Visit(user, session, stack)
        self._held.push_async_callback(visit.aclose)
        await visit.sees(RoomJoined)
        return visit

    async def member(self, user: Person, room: Room) -> None:
        """Make a user a participant without a session, as the edge service does."""
        await user.spaces.rooms.get_room_by_code(room.room_code)
        await user.spaces.rooms.join_room(room.id, user.name)

    async def listen(self, person: Person, topic: str, *, token: str | None = None, key: str | None = None) -> None:
        """Join a topic on a bare socket with the person's token, or with another token or key; raises as the join."""
        theirs = token or await person.spaces.auth.access_token()

        async def provide() -> str:
            return theirs

        client = RealtimeClient(
            realtime_url(self.project.url), api_key=key or self.project.publishable_key, token=provide
        )
        try:
            await client.channel(topic).join(timeout_s=WITHIN_S)
        finally:
            await client.aclose()

    def rest(self, token: str | None) -> httpx.AsyncClient:
        """Bare HTTP to PostgREST as a user, or as anon without a token."""
        key = self.project.publishable_key
        return httpx.AsyncClient(
            base_url=f"{self.project.url}/rest/v1",
            headers={"apikey": key, "Authorization": f"Bearer {token or key}"},
            trust_env=False,
        )


class LocalPeople(People):
    """People on the local stack, with what only its operator can do."""

    def __init__(self, stack: LocalStack) -> None:
        super().__init__(Project(stack.url, stack.publishable_key, stack.secret_key))
        self.stack = stack

    @asynccontextmanager
    async def sql(self) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
        """A connection of the superuser."""
        async with await psycopg.AsyncConnection.connect(self.stack.db_url, autocommit=True) as connection:
            yield connection

    @asynccontextmanager
    async def short_leases(self, lease_s: float, heartbeat_s: float) -> AsyncGenerator[None]:
        """Leases of that length for whoever joins inside the block."""
        query = "update spaces.config set lease_s = %s, heartbeat_s = %s"
        async with self.sql() as connection:
            cursor = await connection.execute("select lease_s, heartbeat_s from spaces.config")
            before = await cursor.fetchone()
            assert before is not None
            await connection.execute(query, (lease_s, heartbeat_s))
            try:
                yield
            finally:
                await connection.execute(query, before)


def contents(messages: list[Message]) -> list[str]:
    """What people and bots said; without the database's own lines."""
    return [m.content for m in messages if m.user_id is not None]
