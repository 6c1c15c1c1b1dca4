"""Readers: late, slow, resumed, several; each tells every durable change once, in order."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spaces_sdk.errors import ConnectTimeoutError, NotJoinedError, PermissionDeniedError, UsageError
from spaces_sdk.events import CaughtUp, Event, EventsDropped, MessageReceived, MessageUpdated, RoomJoined
from spaces_sdk.models import SyncPage
from spaces_sdk.realtime.events import BroadcastReceived
from spaces_sdk.session import EventStream, SessionOptions
from spaces_sdk.session.core import SessionCore
from spaces_sdk.session.lifecycle import Machine, Trigger
from spaces_sdk.session.paging import Paging
from spaces_sdk.session.stats import SessionStats
from spaces_sdk.testing.fake.channel import FakeChannel
from spaces_sdk.testing.fake.members import Lease
from tests.support.clock import FakeClock, settle
from tests.support.fake_room import FakeApi, LooseRoom
from tests.unit.session.conftest import Reader, World

pytestmark = pytest.mark.unit

SMALL = SessionOptions(buffer_size=16)


async def test_a_late_reader_begins_with_the_join(world: World) -> None:
    session = await world.live()
    for text in "abc":
        world.room.post(text)
    await settle()
    reader = world.read(session)
    await settle()
    assert reader.told == ["joined at 1", "live", "2 a", "3 b", "4 c"]


async def test_a_reader_later_than_the_log_reads_from_the_database(world: World) -> None:
    session = await world.live(options=SMALL)
    for number in range(30):
        world.room.post(str(number))
        await settle()
    reader = world.read(session)
    await settle()
    replayed = [f"{2 + number}* {number}" for number in range(30)]
    assert reader.take() == ["joined at 1", "gap after 1: resumed", *replayed, "caught up 1-31: 30"]
    world.room.post("x")
    await settle()
    assert reader.take() == ["32 x"]


async def test_signals_alone_do_not_keep_a_late_reader_from_the_present(world: World) -> None:
    session = await world.live(options=SMALL)
    world.room.post("a")
    await settle()
    for _ in range(40):
        world.room.signal(world.room.host, "typing")
    await settle(60)
    reader = world.read(session)
    await settle(60)
    assert reader.take() == ["joined at 1", "gap after 1: resumed", "2* a", "caught up 1-2: 1"]
    world.room.signal(world.room.host, "speaking")
    await settle()
    assert reader.take() == ["signal speaking"]


async def test_signals_alone_do_not_keep_a_slow_reader_from_the_present(world: World) -> None:
    session = await world.live(options=SMALL)
    stream = session.events()
    world.room.post("a")
    await settle()
    told_first = [await anext(stream) for _ in range(3)]
    assert isinstance(told_first[-1], MessageReceived)
    for _ in range(40):
        world.room.signal(world.room.host, "typing")
    await settle(60)
    reader = Reader(stream).start()
    world.readers.append(reader)
    await settle(60)
    assert reader.take() == ["dropped", "caught up 2-2: 0", *["signal typing"] * 16]


async def test_a_late_reader_is_not_told_what_was_of_the_moment(world: World) -> None:
    session = await world.live()
    world.room.signal(world.room.host, "typing")
    await settle()
    reader = world.read(session)
    await settle()
    world.room.signal(world.room.host, "speaking")
    await settle()
    assert reader.told == ["joined at 1", "live", "signal speaking"]


async def test_a_slow_reader_is_told_and_loses_nothing(world: World) -> None:
    session = await world.live(options=SMALL)
    stream = session.events()
    first = [await anext(stream) for _ in range(2)]
    assert isinstance(first[0], RoomJoined)
    for number in range(40):
        world.room.post(str(number))
        await settle()
    world.readers.append(reader := Reader(stream).start())
    await settle()
    replayed = [f"{2 + number}* {number}" for number in range(40)]
    assert reader.take() == ["dropped", *replayed, "caught up 1-41: 40"]
    world.room.post("x")
    await settle()
    assert reader.take() == ["42 x"]


async def test_a_burst_leaves_the_readers_their_turn(world: World) -> None:
    _, reader = await world.watched(options=SessionOptions(buffer_size=128))
    for number in range(1000):
        world.room.post(str(number))
    await settle(100)
    assert reader.told == [f"{2 + number} {number}" for number in range(1000)]


async def test_readers_are_independent(world: World) -> None:
    session = await world.live(options=SMALL)
    slow = session.events()
    await anext(slow)
    fast = world.read(session)
    for number in range(40):
        world.room.post(str(number))
        await settle()
    assert fast.told == ["joined at 1", "live", *(f"{2 + number} {number}" for number in range(40))]


async def test_a_saved_position_is_resumed(world: World) -> None:
    for text in "abcdef":
        world.room.post(text)
    session = await world.live()
    reader = world.read(session, since=3)
    await settle()
    expected = ["gap after 3: resumed", "4* d", "5* e", "6* f", "caught up 3-7: 3", "live"]
    assert reader.take() == expected
    assert reader.stream.position == 7
    world.room.post("g")
    await settle()
    assert reader.take() == ["8 g"]
    assert reader.stream.position == 8


async def test_resuming_where_the_room_is_begins_at_once(world: World) -> None:
    session = await world.live()
    reader = world.read(session, since=session.position)
    world.room.post("a")
    await settle()
    assert reader.told == ["live", "2 a"]
    assert reader.stream.position == 2


async def test_a_position_above_the_room_is_refused(world: World) -> None:
    session = await world.live()
    with pytest.raises(UsageError):
        session.events(since=99)
    with pytest.raises(UsageError):
        session.events(since=-1)


async def test_before_the_join_there_is_nothing_to_read(world: World) -> None:
    with pytest.raises(NotJoinedError):
        world.session().events()


async def test_two_tasks_in_one_reader_are_refused(world: World) -> None:
    session = await world.live()
    stream = session.events()
    world.readers.append(Reader(stream).start())
    await settle()
    with pytest.raises(UsageError):
        await anext(stream)


async def test_cancelling_a_read_loses_nothing(world: World) -> None:
    session = await world.live(options=SMALL)
    stream = session.events()
    await anext(stream)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await settle()
    waiting.cancel()
    await asyncio.wait({waiting})
    world.room.post("a")
    await settle()
    event = await anext(stream)
    assert isinstance(event, MessageReceived)
    assert event.message.content == "a"


async def test_an_own_leave_ends_every_loop(world: World) -> None:
    session, reader = await world.watched()
    await session.leave()
    await settle()
    assert reader.told == ["closing", "RoomLeft"]
    assert reader.is_over
    assert reader.error is None
    late = world.read(session)
    await settle()
    assert late.told == ["joined at 1", "live", "closing", "RoomLeft"]
    assert late.is_over


async def test_a_failed_page_is_asked_for_again(world: World) -> None:
    for text in "abc":
        world.room.post(text)
    api = FakeApi(world.room)
    session = await world.live(api=api)
    api.failures["sync_room"] = ConnectTimeoutError("cannot read: no answer")
    reader = world.read(session, since=0)
    await world.clock.advance(2)
    assert reader.told == ["gap after 0: resumed", "1* a", "2* b", "3* c", "caught up 0-4: 3", "live"]


async def test_a_reader_that_learns_of_the_removal_ends_the_session(world: World) -> None:
    world.room.post("a")
    api = FakeApi(world.room)
    session = await world.live(api=api)
    stream = session.events(since=0)
    world.room.faults.lose(2)
    world.room.kick(api.user_id)
    told = [type(await anext(stream)).__name__ for _ in range(2)]
    assert told == ["GapDetected", "SessionEnded"]
    with pytest.raises(Exception, match="removed"):
        await anext(stream)


# -- any interleaving of room, network, catch-ups and readers --------------------------------------------


class Bench:
    """A session's core driven by hand: each action is one thing that can happen, in any order."""

    def __init__(self, buffer_size: int, live_buffer_size: int, page_rows: int) -> None:
        self.clock = FakeClock()
        self.room = LooseRoom(self.clock, page_rows=page_rows)
        self.user = self.room.bring("Bob")
        self.room.leases[self.user] = Lease(self.user)
        self.channel = FakeChannel(self.clock, self.room.faults, self.room.topic)
        self.room.faults.channels.append(self.channel)
        machine = Machine()
        machine.fire(Trigger.ENTER)
        self.core = SessionCore(
            self.room.join(self.user, "Bob", None, 0),
            machine=machine,
            options=SessionOptions(buffer_size=buffer_size, live_buffer_size=live_buffer_size),
            stats=SessionStats(),
            wake=lambda: None,
        )
        self.start = self.core.position
        self.readers: list[tuple[EventStream, list[Event]]] = []
        self.add_reader()
        self.catch_up()
        machine.fire(Trigger.SYNCED)
        self.random = Random(3)  # noqa: S311

    def add_reader(self) -> None:
        stream = EventStream(self.core.log, self._page, clock=self.clock, random=Random(1))  # noqa: S311
        self.readers.append((stream, []))

    async def _page(self, run: Paging) -> SyncPage:
        return self.room.sync(run.after, run.to, run.cursor)

    def deliver(self) -> None:
        """What is in the channel's buffer reaches the session."""
        for item in self.channel.drain():
            assert isinstance(item, BroadcastReceived)
            self.core.take_broadcast(item.event, item.payload)

    def page(self) -> None:
        """One page of the session's catch-up."""
        run = self.core.start_run()
        self.core.asking(run)
        page = self.room.sync(run.after, run.to, run.cursor)
        self.core.accept(run, page)
        if run.is_done:
            self.core.finish(run, page, is_closing=True)

    def catch_up(self) -> None:
        self.page()
        while self.core.run is not None:
            self.page()

    async def read(self, which: int, count: int) -> None:
        """A reader takes at most so many events, as far as it needs no waiting."""
        stream, got = self.readers[which % len(self.readers)]
        for _ in range(count):
            step = asyncio.ensure_future(anext(stream))
            await settle(4)
            if not step.done():
                step.cancel()
                await asyncio.wait({step})
                return
            got.append(step.result())

    async def end(self) -> None:
        self.room.faults.release()
        self.deliver()
        self.catch_up()
        while self.core.work.needs_sync or self.core.learn_head(self.room.head):  # as a heartbeat finds it
            self.catch_up()
        for which in range(len(self.readers)):
            await self.read(which, 10_000)

    def check(self, got: list[Event]) -> None:
        """Hold what a reader told against the table."""
        position = self.start
        seqs: list[int] = []
        content: dict[object, tuple[int, str]] = {}
        first = got[0]
        assert isinstance(first, RoomJoined)
        for event in got:
            match event:
                case MessageReceived(message=m) | MessageUpdated(message=m):
                    if isinstance(event, MessageReceived):
                        seqs.append(m.seq)
                    else:
                        assert m.seq in seqs or m.seq <= self.start, "a change of a message that was not told"
                    assert m.revision >= content.get(m.id, (0, ""))[0], "an older content after a newer one"
                    content[m.id] = (m.revision, m.content)
                case CaughtUp(from_pos=from_pos, to_pos=to_pos):
                    assert from_pos == position, "a catch-up begins where the reader stands"
                    position = to_pos
                    continue
                case _:
                    pass
            if isinstance(event, RoomJoined):
                assert event is first, "only the first event"
            elif event.pos is not None and not event.is_replayed:
                assert event.pos == position + 1, "steps follow each other"
                position = event.pos
        rows = sorted(self.room.messages.values(), key=lambda m: m.seq)
        assert position == self.room.head
        assert seqs == [m.seq for m in rows if m.seq > self.start], "each message once, in order"
        for row in rows:
            if row.revision > self.start:
                assert content[row.id] == (row.revision, row.content), "the last content was told"


async def test_behind_the_session_that_is_catching_up_itself_a_reader_waits() -> None:
    bench = Bench(buffer_size=16, live_buffer_size=16, page_rows=5)
    await bench.read(0, 10)
    bench.room.faults.lose(60)
    for number in range(60):
        bench.room.post(str(number))
    for _ in range(6):
        bench.page()
    await bench.read(0, 100)
    _, got = bench.readers[0]
    assert isinstance(got[-1], EventsDropped)
    bench.page()
    await bench.read(0, 100)
    assert isinstance(got[-1], EventsDropped), "told once, and no page asked for that the session asks for itself"
    bench.catch_up()
    await bench.end()
    assert sum(isinstance(event, EventsDropped) for event in got) == 1
    bench.check(got)


actions = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["post", "edit", "state", "lose", "double", "hold", "release", "mix"]), st.just(0)),
        st.tuples(st.sampled_from(["deliver", "page", "catch_up", "reader"]), st.just(0)),
        st.tuples(st.sampled_from(["read 0", "read 1", "read 2"]), st.integers(1, 12)),
        st.tuples(st.just("burst"), st.integers(5, 30)),
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions, st.integers(3, 40), st.integers(1, 20), st.integers(1, 7))
def test_any_interleaving_tells_the_table(
    script: list[tuple[str, int]], buffer_size: int, live_buffer_size: int, page_rows: int
) -> None:
    asyncio.run(_play(script, max(16, buffer_size), max(16, live_buffer_size), page_rows))


async def _play(script: list[tuple[str, int]], buffer_size: int, live_buffer_size: int, page_rows: int) -> None:
    bench = Bench(buffer_size, live_buffer_size, page_rows)
    room = bench.room
    for name, count in script:
        rows = list(room.messages.values())
        match name.split():
            case ["post"]:
                room.post(f"m{room.head}")
            case ["burst"]:
                for _ in range(count):
                    room.post(f"m{room.head}")
            case ["edit"]:
                if rows:
                    room.edit(bench.random.choice(rows), f"e{room.head}")
            case ["state"]:
                room.set_state(name=f"n{room.head}")
            case ["lose"]:
                room.faults.lose(2)
            case ["double"]:
                room.faults.double(2)
            case ["hold"]:
                room.faults.hold()
            case ["release"]:
                room.faults.release()
            case ["mix"]:
                room.faults.release(reverse=True)
            case ["deliver"]:
                bench.deliver()
            case ["page"]:
                bench.page()
            case ["catch_up"]:
                bench.catch_up()
            case ["reader"]:
                if len(bench.readers) < 3:
                    bench.add_reader()
            case ["read", which]:
                await bench.read(int(which), count)
            case _:
                raise AssertionError(name)
    await bench.end()
    for _, got in bench.readers:
        bench.check(got)


async def test_a_refusal_of_a_page_is_told_to_the_reader(world: World) -> None:
    world.room.post("a")
    api = FakeApi(world.room)
    session = await world.live(api=api)
    stream = session.events(since=0)
    await anext(stream)
    api.failures["sync_room"] = PermissionDeniedError("cannot read: not allowed")
    with pytest.raises(PermissionDeniedError):
        await anext(stream)
    event = await anext(stream)
    assert isinstance(event, MessageReceived)
