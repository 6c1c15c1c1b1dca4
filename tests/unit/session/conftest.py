"""Sessions on a room in memory, with a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import pytest
import pytest_asyncio

from spaces_sdk.errors import SpacesError
from spaces_sdk.events import (
    CatchUpProgressed,
    CaughtUp,
    ConnectionStateChanged,
    Event,
    EventsDropped,
    GapDetected,
    MessageReceived,
    MessageUpdated,
    ParticipantJoined,
    ParticipantLeft,
    RejoinRefused,
    RoomError,
    RoomJoined,
    RoomMoved,
    SessionEnded,
    SignalReceived,
)
from spaces_sdk.session import EventStream, RoomSession, SessionOptions
from tests.support.clock import FakeClock, settle
from tests.support.fake_room import FakeApi, LooseRoom, realtime_of


def told(event: Event) -> str:
    """An event in a few words, so that a sequence reads as a table."""
    mark = "*" if event.is_replayed else ""
    match event:
        case RoomJoined(pos=pos):
            return f"joined at {pos}"
        case MessageReceived(pos=pos, message=message):
            return f"{pos}{mark} {message.content}"
        case MessageUpdated(pos=pos, message=message):
            return f"{pos}{mark} edited {message.content}"
        case ParticipantJoined(pos=pos, participant=participant):
            return f"{pos}{mark} +{participant.display_name}"
        case ParticipantLeft(pos=pos, participants=gone, reason=reason):
            return f"{pos}{mark} -{','.join(p.display_name for p in gone)} {reason}"
        case ConnectionStateChanged(state=state):
            return str(state)
        case GapDetected(after=after, reason=reason):
            return f"gap after {after}: {reason}"
        case CatchUpProgressed(at_pos=at_pos, to_pos=to_pos, message_count=count):
            return f"at {at_pos} of {to_pos}: {count}"
        case CaughtUp(from_pos=from_pos, to_pos=to_pos, message_count=count):
            return f"caught up {from_pos}-{to_pos}: {count}"
        case RoomMoved(epoch=epoch):
            return f"moved to {epoch}"
        case EventsDropped():
            return "dropped"
        case RejoinRefused(code=code):
            return f"refused: {code}"
        case RoomError(error=error):
            return f"error: {error.code}"
        case SessionEnded(reason=reason):
            return f"ended: {reason}"
        case SignalReceived(kind=kind):
            return f"signal {kind}"
        case _:
            return f"{'' if event.pos is None else f'{event.pos} '}{type(event).__name__}"


@dataclass
class Reader:
    """Collects what one iterator yields, in a task that `stop` ends."""

    stream: EventStream
    events: list[Event] = field(default_factory=list[Event])
    error: SpacesError | None = None
    is_over: bool = False
    task: asyncio.Task[None] | None = None

    def start(self) -> Reader:
        self.task = asyncio.create_task(self._read(), name="test-reader")
        return self

    async def _read(self) -> None:
        try:
            async for event in self.stream:
                self.events.append(event)
        except SpacesError as error:
            self.error = error
        self.is_over = True

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})

    @property
    def told(self) -> list[str]:
        return [told(event) for event in self.events]

    def take(self) -> list[str]:
        """What came since the last call."""
        text = self.told
        self.events.clear()
        return text


class SleepyClock(FakeClock):
    """A clock of a machine that can also be asleep."""

    def skip(self, seconds: float) -> None:
        """So much time passes at once, while nothing runs."""
        self._elapsed += seconds


@dataclass
class World:
    """One room, one clock, and the sessions that a test opens."""

    clock: SleepyClock
    room: LooseRoom
    sessions: list[RoomSession] = field(default_factory=list[RoomSession])
    readers: list[Reader] = field(default_factory=list[Reader])

    def session(
        self, *, api: FakeApi | None = None, options: SessionOptions | None = None, invitation: str | None = None
    ) -> RoomSession:
        api = api or FakeApi(self.room)
        session = RoomSession(
            api=api,
            realtime=realtime_of(self.room, api.user_id),
            room=None if invitation else self.room.code,
            invitation=invitation,
            display_name="Bob",
            options=options,
            clock=self.clock,
            random=Random(7 + len(self.sessions)),  # noqa: S311
        )
        self.sessions.append(session)
        return session

    async def live(self, *, api: FakeApi | None = None, options: SessionOptions | None = None) -> RoomSession:
        """A session that is LIVE."""
        session = self.session(api=api, options=options)
        await session.__aenter__()
        return session

    def read(self, session: RoomSession, *, since: int | None = None) -> Reader:
        reader = Reader(session.events(since=since)).start()
        self.readers.append(reader)
        return reader

    async def watched(
        self, *, api: FakeApi | None = None, options: SessionOptions | None = None
    ) -> tuple[RoomSession, Reader]:
        """A LIVE session with a reader that has seen the beginning."""
        session = await self.live(api=api, options=options)
        reader = self.read(session)
        await settle()
        reader.events.clear()
        return session, reader

    async def end(self) -> None:
        for reader in self.readers:
            await reader.stop()
        for session in self.sessions:
            closing = asyncio.create_task(session.aclose())
            await self.clock.advance(10)
            await closing


@pytest.fixture
def clock() -> SleepyClock:
    return SleepyClock()


@pytest_asyncio.fixture
async def world(clock: SleepyClock, no_task_left: None) -> AsyncIterator[World]:
    world = World(clock, LooseRoom(clock))
    yield world
    await world.end()
