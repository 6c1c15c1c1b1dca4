"""What a case needs of a backend: people, rooms, time; and what it wrote down."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

import pytest

from spaces_sdk.errors import ApiError, NotFoundError, RateLimitedError, SpacesError
from spaces_sdk.events import Event, SessionEnded
from spaces_sdk.models import Kind, Message, Room
from spaces_sdk.rooms import RoomManager
from spaces_sdk.session import RoomSession
from tests.contract_suite.telling import told

T = TypeVar("T")

Case = Callable[["Stage"], Coroutine[Any, Any, None]]

SHARED_LIMITS = ("create", "join", "code_miss")
"""Taken away: they count by user alone, and on a stack all cases together would use them up."""

HARDLY = 0.001
"""Tokens a second where time is to give nothing back: none at all is no limit that the database knows."""

CASES: list[Case] = []
"""All cases, in the order of their files."""


def case(function: Case) -> Case:
    """A case of the suite: it runs on each backend."""
    CASES.append(function)
    return function


class Person(Protocol):
    """Somebody with an account: `Spaces`, as far as a case goes."""

    @property
    def name(self) -> str: ...

    @property
    def user_id(self) -> UUID: ...

    @property
    def rooms(self) -> RoomManager: ...

    def join(self, room: str | UUID, /, *, display_name: str | None = ...) -> RoomSession: ...


@dataclass
class Visit:
    """A session, and what its events say."""

    stage: Stage
    session: RoomSession
    events: list[Event] = field(default_factory=list[Event])
    ended_by: str | None = None
    _taken: int = 0

    async def read(self) -> None:
        try:
            async for event in self.session.events():
                self.events.append(event)
        except SpacesError as error:
            self.ended_by = error.code

    def take(self) -> list[str]:
        """What the room told since the last time, in words; written down."""
        fresh, self._taken = self.events[self._taken :], len(self.events)
        words = [text for text in map(self.stage.told, fresh) if text]
        self.stage.note("told", *words)
        return words

    async def hears(self, room: Room | UUID) -> list[str]:
        """The same, once it has all that the room has told so far."""
        stage, room_id = self.stage, room if isinstance(room, UUID) else room.id
        head = await stage.head(room_id)
        await stage.until(lambda: self.seen >= head)
        return self.take()

    @property
    def seen(self) -> int:
        """The last step of the room that came through, if all before it did."""
        return max((event.pos or 0 for event in self.events), default=0)

    async def ends(self) -> str:
        """Wait until the session is over; why."""
        await self.stage.until(lambda: self.ended_by is not None)
        assert isinstance(self.events[-1], SessionEnded)
        self.stage.note("ended", str(self.ended_by))
        return str(self.ended_by)


class Stage(ABC):
    """One backend under one case.

    Attributes:
        notes: What the case saw, the same on each backend to the letter.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.names: dict[UUID, str] = {}
        self._hosts: dict[UUID, Person] = {}
        self._held = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    @abstractmethod
    async def person(self, name: str, *, kind: Kind = Kind.HUMAN) -> Person:
        """Somebody with an account; the same one for the same name."""

    @abstractmethod
    async def let_pass(self, seconds: float) -> None:
        """Time passes."""

    @abstractmethod
    async def until(self, fact: Callable[[], object]) -> None:
        """Wait for a fact."""

    @abstractmethod
    async def configure(self, **values: float) -> None:
        """Change settings of the database for the rest of the case."""

    @abstractmethod
    async def stop_refill(self, action: str) -> None:
        """From now on time gives hardly anything back of that limit, for the rest of the case."""

    @abstractmethod
    async def sweep(self) -> None:
        """What the scheduler does."""

    async def bot(self, name: str = "bea") -> Person:
        return await self.person(name, kind=Kind.BOT)

    async def room(self, host: Person, **options: Any) -> Room:
        """A room of somebody who is not in it yet."""
        room = await host.rooms.create_room("Jam", **options)
        self._hosts[room.id] = host
        return room

    async def member(self, person: Person, room: Room) -> None:
        """Make somebody a participant without a connection."""
        await person.rooms.get_room_by_code(room.room_code)
        await person.rooms.join_room(room.id, person.name)

    async def seat(self, *names: str, **options: Any) -> tuple[Room, list[Person]]:
        """A room with people in it, without connections; the first is its host."""
        people = [await self.person(name) for name in names]
        room = await self.room(people[0], **options)
        for person in people:
            await self.member(person, room)
        return room, people

    async def enter(self, person: Person, room: Room | str | UUID) -> Visit:
        """A live session. The case goes on when it has read what there was."""
        target = room.id if isinstance(room, Room) else room
        session = person.join(target, display_name=person.name)
        await self._held.enter_async_context(session)
        visit = Visit(self, session)
        self._tasks.append(asyncio.create_task(visit.read(), name=f"events of {person.name}"))
        await self.until(lambda: visit.events)
        visit.take()
        return visit

    async def head(self, room_id: UUID) -> int:
        """How far a room is."""
        return (await self._hosts[room_id].rooms.sync_room(room_id, 0)).head

    def host_of(self, room: Room, person: Person) -> None:
        """Somebody else is host now."""
        self._hosts[room.id] = person

    def told(self, event: Event) -> str:
        """An event in words, with names for ids."""
        return told(event, self.names)

    def note(self, *words: str) -> None:
        self.notes.append(" | ".join(words))

    async def refused(self, code: str, call: Awaitable[object]) -> SpacesError:
        """The call is refused with that code. Type, status and hint are written down."""
        with pytest.raises(SpacesError) as caught:
            await call
        error = caught.value
        assert error.code == code, repr(error)
        status = error.status if isinstance(error, ApiError) else 0
        hint = re.sub(r"[0-9.]+ s\b", "n s", error.hint)
        self.note("refused", type(error).__name__, code, str(status), hint)
        return error

    def shown(self, message: Message) -> str:
        """A message in words; written down."""
        text = f"{message.seq}.{message.revision} {message.status} {message.display_name}: {message.content}"
        self.note(text, str(message.reactions), str(message.metadata))
        return text

    async def aclose(self) -> None:
        """Everybody leaves, and the rooms go."""
        await self.finish(self._held.aclose())
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for room_id, host in self._hosts.items():
            with suppress(NotFoundError, RateLimitedError):
                await host.rooms.delete_room(room_id)

    @abstractmethod
    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Something that may need time to pass."""


@asynccontextmanager
async def on(stage: Stage) -> AsyncGenerator[Stage]:
    """The stage, cleared at the end."""
    try:
        yield stage
    finally:
        await stage.aclose()
