"""Whole sessions against random faults on virtual time: what they told is held against the table at the end."""

from __future__ import annotations

import asyncio
from random import Random
from uuid import UUID

import pytest

from spaces_sdk.errors import ConnectTimeoutError, JoinRejectedError, ServerError, SpacesError
from spaces_sdk.events import CaughtUp, ConnectionState, Event, MessageReceived, MessageUpdated, RoomJoined
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session import EventStream, RoomSession, SessionOptions
from tests.support.clock import settle
from tests.support.fake_room import FakeApi, LooseRoom
from tests.unit.session.conftest import SleepyClock, World, told

pytestmark = pytest.mark.unit

CLOSES = [reason for reason in CloseReason if reason is not CloseReason.LEFT]


class Chaos:
    """One room, two sessions, and a fault or an event at each turn."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311
        self.clock = SleepyClock()
        self.room = LooseRoom(self.clock, page_rows=self.random.choice([3, 20, 200]))
        self.world = World(self.clock, self.room)
        self.apis = [FakeApi(self.room), FakeApi(self.room)]
        self.sessions: list[RoomSession] = []
        self.records: list[list[Event]] = []
        self.readers: list[asyncio.Task[None]] = []
        self.guests: list[UUID] = []
        self.log: list[str] = []

    async def run(self, turns: int) -> None:
        options = SessionOptions(
            buffer_size=self.random.choice([16, 64, 512]), live_buffer_size=self.random.choice([16, 1024])
        )
        try:
            for api in self.apis:
                self.sessions.append(await self.world.live(api=api, options=options))
            for session in self.sessions:
                self.read(session)
            for _ in range(turns):
                self.turn()
                await self.clock.advance(self.random.choice([0, 0, 0, 0.01, 0.3, 3]))
            await self.calm()
            self.check()
        finally:
            for reader in self.readers:
                reader.cancel()
            await asyncio.wait(self.readers)
            for session in self.sessions:
                closing = asyncio.create_task(session.aclose())
                await self.clock.advance(5)
                await closing

    def read(self, session: RoomSession) -> None:
        record: list[Event] = []
        self.records.append(record)
        self.readers.append(asyncio.create_task(self._read(session.events(), record)))

    async def _read(self, stream: EventStream, record: list[Event]) -> None:
        async for event in stream:
            record.append(event)
            if self.random.random() < 0.1:  # now and then a slow handler
                await self.clock.sleep(self.random.random() * 4)

    def turn(self) -> None:
        room, random = self.room, self.random
        action = random.choice(
            ["post"] * 6 + ["edit", "state", "come", "go", "signal", "unknown", "large", "burst"]
            + ["lose", "double", "hold", "release", "mix", "close", "overflow", "kick", "expire", "full", "free"]
            + ["api down", "api up", "api fails", "realtime down", "realtime up", "refuse", "nonsense", "reader"]
            + ["late commit"]
        )  # fmt: skip
        self.log.append(action)
        room.unseen = 0
        match action.split():
            case ["post"]:
                room.post(f"m{room.head}")
            case ["burst"]:
                for _ in range(40):
                    room.post(f"m{room.head}")
            case ["large"]:
                room.post(f"large {room.head}", is_large=True)
            case ["edit"] if room.messages:
                room.edit(random.choice(list(room.messages.values())), f"e{room.head}")
            case ["state"]:
                room.set_state(name=f"n{room.head}")
            case ["come"]:
                self.guests.append(room.bring("guest"))
            case ["go"] if self.guests:
                room.send_home(random.choice(self.guests))
            case ["kick"] if self.guests:
                room.kick(self.guests.pop())
            case ["signal"]:
                room.signal(room.host, "typing")
            case ["unknown"]:
                room.say_unknown(is_durable=random.random() < 0.5)
            case ["nonsense"]:
                room.publish("room:message-received", {"pos": random.choice([10**9, "x", -3, room.head + 1])})
            case ["lose"]:
                room.faults.lose(random.randint(1, 5))
            case ["double"]:
                room.faults.double(random.randint(1, 5))
            case ["hold"]:
                room.faults.hold()
            case ["release"]:
                room.faults.release()
            case ["mix"]:
                room.faults.release(reverse=True)
            case ["close"]:
                room.faults.close_channels(random.choice(CLOSES))
            case ["overflow"]:
                room.faults.overflow(3)
            case ["expire"]:
                room.expire_leases()
            case ["full"]:
                room.is_full = True
            case ["free"]:
                room.is_full = False
            case ["late", "commit"]:
                room.post(f"m{room.head}")
                room.unseen = 1
            case ["api", "down"]:
                random.choice(self.apis).down = ServerError("cannot do it: down", status=503)
            case ["api", "up"]:
                self.all_up()
            case ["api", "fails"]:
                name = random.choice(["sync_room", "heartbeat", "join_room"])
                random.choice(self.apis).failures[name] = ConnectTimeoutError("cannot do it: no answer")
            case ["realtime", which]:
                room.faults.realtime_is_down = which == "down"
            case ["refuse"]:
                error = JoinRejectedError(topic="t", reason="?", retryable=random.random() < 0.5)
                room.faults.refusals.append(error)
            case ["reader"] if len(self.readers) < 6:
                self.read(random.choice(self.sessions))
            case _:
                pass

    def all_up(self) -> None:
        for api in self.apis:
            api.down = None

    async def calm(self) -> None:
        """The faults end; within the longest pause of all everything has to be whole again."""
        room = self.room
        room.faults.release()
        room.faults.lose(0)
        room.faults.double(0)
        room.unseen = 0
        room.is_full = room.faults.realtime_is_down = False
        room.faults.refusals.clear()
        self.all_up()
        for api in self.apis:
            api.failures.clear()
        await self.clock.advance(400)
        room.post("the end")
        await self.clock.advance(60)
        await settle(300)

    def check(self) -> None:
        for session in self.sessions:
            assert session.connection_state is ConnectionState.LIVE, (session, session.stats, self.log)
            assert session.position == self.room.head
            assert {p.user_id: p.is_online for p in session.participants} == {
                p.user_id: p.is_online for p in self.room.participants.values()
            }
            assert session.room_state == self.room.state
            newest = sorted(self.room.messages.values(), key=lambda m: m.seq)[-100:]
            assert session.messages[-100:] == newest
        assert len(self.room.faults.channels) == len(self.sessions), "one channel each, the others were left"
        for record in self.records:
            self.hold_against_the_table(record)

    def hold_against_the_table(self, record: list[Event]) -> None:
        first = record[0]
        assert isinstance(first, RoomJoined)
        position = start = first.pos or 0
        seqs: list[int] = []
        revisions: dict[UUID, int] = {}
        for event in record[1:]:
            if isinstance(event, MessageReceived | MessageUpdated):
                if isinstance(event, MessageReceived):
                    seqs.append(event.message.seq)
                assert event.message.revision >= revisions.get(event.message.id, 0)
                revisions[event.message.id] = event.message.revision
            if isinstance(event, CaughtUp):
                begins, ends = event.from_pos, event.to_pos
            elif event.pos is not None and not event.is_replayed:
                begins, ends = event.pos - 1, event.pos
            else:
                continue
            assert begins >= position, (told(event), position)
            assert set(range(position + 1, begins + 1)) <= self.room.silent_steps, (told(event), position)
            position = ends
        assert seqs == [m.seq for m in sorted(self.room.messages.values(), key=lambda m: m.seq) if m.seq > start]
        for message in self.room.messages.values():
            if message.revision > start:
                assert revisions[message.id] == message.revision


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_the_table_is_told(seed: int, no_task_left: None) -> None:
    await Chaos(seed).run(turns=60)


async def test_an_error_is_never_one_of_ours(no_task_left: None) -> None:
    """The chaos above counts what failed; none of it may be a bug of the session itself."""
    chaos = Chaos(99)
    await chaos.run(turns=120)
    for session in chaos.sessions:
        assert "internal_error" not in session.stats.errors
        assert isinstance(session.error, SpacesError | None)
