"""Where the demo plays: a fresh local stack with short leases, and four people with clients of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import psycopg

from spaces_sdk.client import Spaces
from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.demo.cast import Person, new_password
from spaces_sdk.demo.checks import CheckFailedError, NotReadyError, fail
from spaces_sdk.demo.ledger import Ledger
from spaces_sdk.events import ConnectionState, Event, MessageReceived, RoomJoined
from spaces_sdk.local.stack import LocalStack
from spaces_sdk.models import Message, MessageType, Room

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How a run differs from a real room.

    Attributes:
        lease_s: Seconds after which a participant who says nothing is offline; 75 in a real room.
        heartbeat_s: Seconds between heartbeats; 30 in a real room.
        patience_s: Seconds that a check waits for an event.
        step_timeout_s: Seconds that a whole step may take, beside what it waits for on purpose.
        without_part: A part of the stack that is stopped before the live steps; they must fail then.
    """

    lease_s: float = 6
    heartbeat_s: float = 2
    patience_s: float = 10
    step_timeout_s: float = 20
    without_part: str | None = None

    @classmethod
    def self_test(cls, without_part: str) -> DemoSettings:
        """For a run that is expected to fail: it must not take long."""
        return cls(patience_s=2, step_timeout_s=4, without_part=without_part)


@dataclass(slots=True)
class Stage:
    """What the steps share."""

    stack: LocalStack
    settings: DemoSettings
    clock: Clock
    ledger: Ledger
    ada: Person
    bob: Person
    sage: Person
    dora: Person
    started_in_s: float
    known_room: Room | None = field(default=None)

    @property
    def people(self) -> tuple[Person, ...]:
        return (self.ada, self.bob, self.sage, self.dora)

    @property
    def room(self) -> Room:
        """The room of the demo.

        Raises:
            NotReadyError: It was not created.
        """
        if self.known_room is None:
            raise NotReadyError("the room to exist", "no room: it could not be created")
        return self.known_room

    def turn_page(self) -> None:
        """Begin a step: what was seen before does not count for it."""
        self.ledger.turn_page()
        for person in self.people:
            person.mark()

    async def enter(self, person: Person, room: str | UUID) -> RoomJoined:
        """Let a person join, and wait until they see the room. Raises what the join raises."""
        await person.enter(room, within_s=self.settings.patience_s)
        joined, _ = await person.here.sees(RoomJoined, what="the room", within_s=self.settings.patience_s)
        return joined

    def must_be_live(self, *people: Person) -> None:
        """Raise unless each of them has a live session.

        Raises:
            NotReadyError: One of them has none.
            CheckFailedError: One of them has one that is not live.
        """
        for person in people:
            state = person.session.connection_state
            if state is not ConnectionState.LIVE:
                fail(expected=f"{person.name} to be connected", seen=state)

    async def all_see(
        self,
        people: Iterable[Person],
        kind: type[E],
        where: Callable[[E], bool] = lambda _: True,
        *,
        what: str,
        within_s: float | None = None,
    ) -> dict[str, tuple[E, float]]:
        """Wait until each of them has got such an event in this step; by name, with its time in ms.

        Raises:
            NotReadyError: One of them is not in the room.
            CheckFailedError: Names the first who did not.
        """
        witnesses = [person.here for person in people]
        deadline = self.clock.monotonic() + (within_s or self.settings.patience_s)
        found: dict[str, tuple[E, float]] = {}
        for witness in witnesses:
            left_s = max(0.05, round(deadline - self.clock.monotonic(), 1))
            found[witness.name] = await witness.sees(kind, where, what=what, within_s=left_s)
        return found

    async def say(self, speaker: Person, text: str, hearers: Iterable[Person]) -> Message:
        """Send a message, and wait until each of them, the speaker included, has heard it once.

        Raises:
            CheckFailedError: Somebody did not hear it, heard it twice, or heard something else.
        """
        began_ms = self.ledger.now_ms()
        message = await speaker.session.send(text)

        def is_it(event: MessageReceived) -> bool:
            return event.message.id == message.id

        hearers = tuple(hearers)
        heard = await self.all_see(hearers, MessageReceived, is_it, what=f'"{text}" of {speaker.name}')
        for person in hearers:
            got = [event.message for event in person.witness.seen(MessageReceived, is_it)]
            facts = [(m.content, m.display_name, m.message_type) for m in got]
            if facts != [(text, speaker.name, MessageType.USER_TEXT)]:
                fail(expected=f'{person.name} to hear "{text}" once, from {speaker.name}', seen=facts)
        self.ledger.note(f"{speaker.name}: {text}")
        self.ledger.note(f"  heard by {after(heard, began_ms)}")
        return message

    async def aclose(self) -> None:
        """Let everybody go; an end that fails is no failure of a step any more."""
        for person in self.people:
            await person.aclose()


def after(found: dict[str, tuple[E, float]], began_ms: float) -> str:
    """For example `Ada after 9 ms, Bob after 8 ms`."""
    return ", ".join(f"{name} after {max(0.0, at_ms - began_ms):.0f} ms" for name, (_, at_ms) in found.items())


async def shorten_leases(db_url: str, settings: DemoSettings) -> None:
    """Make the database's leases as short as the settings say."""
    async with await psycopg.AsyncConnection.connect(db_url, autocommit=True) as connection:
        changed = await connection.execute(
            "update spaces.config set lease_s = %s, heartbeat_s = %s", (settings.lease_s, settings.heartbeat_s)
        )
        if changed.rowcount != 1:
            raise CheckFailedError("one row in spaces.config", f"{changed.rowcount}")


@asynccontextmanager
async def open_stage(
    settings: DemoSettings, *, report: Callable[[str], None] | None = None, clock: Clock | None = None
) -> AsyncGenerator[Stage]:
    """Start the stack, shorten its leases and make a client for each of the cast; end all of it afterwards.

    Args:
        settings: Of this run.
        report: Called with lines for the user while the stack starts.
        clock: Time.

    Raises:
        StackError: The stack did not start.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as held:
        began = clock.monotonic()
        stack = await held.enter_async_context(LocalStack.temporary(report=report))
        await shorten_leases(stack.db_url, settings)
        started_in_s = clock.monotonic() - began
        ledger = Ledger(clock)

        async def person(name: str) -> Person:
            spaces = await held.enter_async_context(Spaces(stack.url, stack.publishable_key))
            return Person(name, f"{name.lower()}@example.com", new_password(), ledger, spaces)

        stage = Stage(
            stack=stack,
            settings=settings,
            clock=clock,
            ledger=ledger,
            ada=await person("Ada"),
            bob=await person("Bob"),
            sage=await person("Sage"),
            dora=await person("Dora"),
            started_in_s=started_in_s,
        )
        held.push_async_callback(stage.aclose)
        yield stage
