"""Faults as a table: what is done to a live session, and the exact sequence of events that it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

import pytest

from spaces_sdk.errors import ConnectTimeoutError, JoinRejectedError, RateLimitedError, RemovedError, ServerError
from spaces_sdk.events import ConnectionState, EndReason, SessionEnded
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session import EventStream, RoomSession
from spaces_sdk.session.link import Link
from spaces_sdk.session.presence_watch import Absences, PresenceWatch
from spaces_sdk.session.tasks import TaskOwner
from spaces_sdk.testing.fake.members import Lease
from tests.support.clock import settle
from tests.support.fake_room import FakeApi, LooseRoom, realtime_of
from tests.unit.session.conftest import Reader, SleepyClock, World

pytestmark = pytest.mark.unit


@dataclass
class Scene:
    world: World
    api: FakeApi
    session: RoomSession
    reader: Reader

    async def wait(self, seconds: float) -> None:
        await self.world.clock.advance(seconds)


Script = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """`expected` begins after RoomJoined and LIVE, at position 1 (the session's own join)."""

    name: str
    script: Script
    expected: list[str]
    state: ConnectionState = ConnectionState.LIVE
    ends_with: str | None = None


FAULTS: list[Fault] = []


def fault(
    *expected: str, state: ConnectionState = ConnectionState.LIVE, ends_with: str | None = None
) -> Callable[[Script], Script]:
    def add(script: Script) -> Script:
        FAULTS.append(Fault(script.__name__, script, list(expected), state, ends_with))
        return script

    return add


@fault("2 a", "3 b")
async def nothing_happens(scene: Scene) -> None:
    scene.world.room.post("a")
    scene.world.room.post("b")
    await scene.wait(40)


@fault("2 a", "3 b")
async def everything_comes_twice(scene: Scene) -> None:
    scene.world.room.faults.double(2)
    scene.world.room.post("a")
    scene.world.room.post("b")


@fault("stale", "gap after 1: position_missing", "catching_up", "2* a", "3* b", "caught up 1-3: 2", "live", "4 c")
async def one_is_lost_and_the_next_shows_it(scene: Scene) -> None:
    scene.world.room.faults.lose(1)
    scene.world.room.post("a")
    scene.world.room.post("b")
    await settle()
    scene.world.room.post("c")


@fault("stale", "gap after 1: heartbeat_ahead", "catching_up", "2* a", "caught up 1-2: 1", "live")
async def the_last_one_is_lost_and_the_first_heartbeat_finds_it(scene: Scene) -> None:
    scene.world.room.faults.lose(1)
    scene.world.room.post("a")
    await scene.wait(3.1)


@fault("2 a")
async def a_live_event_is_later_than_the_heartbeat_that_knows_of_it(scene: Scene) -> None:
    scene.world.room.faults.hold()
    scene.world.room.post("a")
    await scene.wait(2.1)
    assert "heartbeat" in scene.api.calls
    scene.world.room.faults.release()
    await scene.wait(2)


@fault("signal typing", "stale", "gap after 1: position_missing", "catching_up", "caught up 1-2: 0", "live")
async def a_signal_shows_a_lost_step(scene: Scene) -> None:
    scene.world.room.faults.lose(1)
    scene.world.room.set_state(mode="playful")
    scene.world.room.signal(scene.world.room.host, "typing")


@fault("stale", "gap after 1: position_missing", "2 a", "3 b", "catching_up", "caught up 3-3: 0", "live")
async def two_come_in_the_wrong_order(scene: Scene) -> None:
    scene.world.room.faults.hold()
    scene.world.room.post("a")
    scene.world.room.post("b")
    scene.world.room.faults.release(reverse=True)


@fault(
    "stale", "gap after 1: position_missing", "catching_up", "2* a", "3* b", "caught up 1-3: 2", "live", "4 c", "5 d"
)
async def steps_that_come_during_a_catch_up_follow_it(scene: Scene) -> None:
    room, gate = scene.world.room, scene.api.gate("sync_room")
    room.faults.lose(1)
    room.post("a")
    room.post("b")
    await settle()
    # In the snapshot already, or not: told once and in order either way.
    gate.set()
    await settle(2)
    room.post("c")
    room.post("d")


@fault("stale", "gap after 1: position_missing", "catching_up", "2* long", "caught up 1-2: 1", "live")
async def an_event_goes_without_its_content(scene: Scene) -> None:
    scene.world.room.post("long", is_large=True)


@fault("stale", "gap after 1: buffer_overflow", "catching_up", "2* a", "caught up 1-2: 1", "live")
async def the_channels_buffer_overflows(scene: Scene) -> None:
    scene.world.room.faults.lose(1)
    scene.world.room.post("a")
    scene.world.room.faults.overflow(1)


@fault("stale", "gap after 1: socket_lost", "catching_up", "caught up 1-1: 0", "live", "2 a")
async def the_socket_drops_and_nothing_happens_meanwhile(scene: Scene) -> None:
    scene.world.room.faults.close_channels(CloseReason.SOCKET_LOST)
    await settle()
    scene.world.room.post("a")


@fault(
    "stale",
    "gap after 1: socket_lost",
    "catching_up",
    "caught up 1-1: 0",
    "live",
    "stale",
    "gap after 1: heartbeat_ahead",
    "catching_up",
    "2* a",
    "caught up 1-2: 1",
    "live",
)
async def what_is_lost_around_a_rejoin_is_found_early(scene: Scene) -> None:
    await scene.wait(50)
    scene.world.room.faults.close_channels(CloseReason.SOCKET_LOST)
    await settle()
    scene.world.room.faults.lose(1)
    scene.world.room.post("a")
    await scene.wait(3.1)


@fault(
    "stale",
    "gap after 1: socket_lost",
    "2* a",
    "caught up 1-2: 1",
    "catching_up",
    "3* b",
    "caught up 2-3: 1",
    "live",
    "4 c",
)
async def the_socket_drops_and_the_room_goes_on(scene: Scene) -> None:
    room = scene.world.room
    room.faults.realtime_is_down = True
    room.faults.close_channels(CloseReason.SOCKET_LOST)
    room.post("a")
    await scene.wait(1)
    room.post("b")
    room.faults.realtime_is_down = False
    await scene.wait(1)
    room.post("c")


@fault(
    "stale",
    "gap after 1: socket_lost",
    "catching_up",
    "caught up 1-1: 0",
    "degraded",
    "2* a",
    "caught up 1-2: 1",
    "error: connect_failed",
    "catching_up",
    "live",
    "3 b",
)
async def realtime_is_away_for_a_minute(scene: Scene) -> None:
    room = scene.world.room
    room.faults.realtime_is_down = True
    room.faults.close_channels(CloseReason.SERVER_RESTART)
    await scene.wait(6)
    room.post("a")
    await scene.wait(54)
    assert scene.reader.told[-1] == "error: connect_failed", "polled silently, and told the failure once"
    room.faults.realtime_is_down = False
    await scene.wait(3)
    room.post("b")


@fault(
    "stale",
    "gap after 1: limit_reached",
    "catching_up",
    "caught up 1-1: 0",
    "degraded",
    "2* a",
    "caught up 1-2: 1",
    "catching_up",
    "live",
    "3 b",
)
async def the_message_limit_trips(scene: Scene) -> None:
    room = scene.world.room
    joins = scene.session.stats.channel_joins
    room.faults.close_channels(CloseReason.LIMIT_REACHED)
    await scene.wait(1)
    room.post("a")
    await scene.wait(28)
    assert scene.session.stats.channel_joins == joins, "rejoined while the limit is still tripped"
    await scene.wait(12)
    room.post("b")


@fault("stale", "gap after 1: channel_closed", "catching_up", "caught up 1-1: 0", "live", "2 a")
async def the_token_expires(scene: Scene) -> None:
    scene.world.room.faults.close_channels(CloseReason.TOKEN_EXPIRED)
    await scene.wait(1)
    scene.world.room.post("a")


@fault(
    "2 +Mallory",
    "3 -Mallory kicked",
    "stale",
    "gap after 3: topic_moved",
    "moved to 2",
    "catching_up",
    "caught up 3-3: 0",
    "live",
    "4 a",
)
async def somebody_else_is_kicked(scene: Scene) -> None:
    room = scene.world.room
    mallory = room.bring("Mallory")
    await settle()
    room.kick(mallory)
    await settle()
    room.post("a")


@fault(
    "2 +M1",
    "3 +M2",
    "4 +M3",
    "5 a",
    "6 -M1 kicked",
    "stale",
    "gap after 6: topic_moved",
    "moved to 4",
    "caught up 6-8: 0",
    "catching_up",
    "caught up 8-8: 0",
    "live",
    "9 b",
)
async def three_are_kicked_at_once(scene: Scene) -> None:
    room = scene.world.room
    people = [room.bring(name) for name in ("M1", "M2", "M3")]
    await settle()
    room.faults.hold()
    room.post("a")
    for person in people:
        room.kick(person)
    room.faults.release()
    await settle()
    room.post("b")
    assert len(scene.world.room.faults.channels) == 1, "left the old topic"


@fault(
    "stale",
    "gap after 1: topic_moved",
    "moved to 2",
    "caught up 1-3: 0",
    "catching_up",
    "caught up 3-3: 0",
    "live",
    "4 a",
)
async def the_word_of_the_new_topic_is_lost(scene: Scene) -> None:
    room = scene.world.room
    room.faults.lose(3)
    room.kick(room.bring("Mallory"))
    await scene.wait(3.5)
    room.post("a")


@fault(
    "2 +Mallory",
    "3 -Mallory kicked",
    "stale",
    "gap after 3: topic_moved",
    "moved to 2",
    "catching_up",
    "caught up 3-3: 0",
    "live",
    "4 a",
)
async def the_word_of_the_removal_is_enough_to_follow(scene: Scene) -> None:
    room = scene.world.room
    mallory = room.bring("Mallory")
    room.faults.lose(1, after=1)
    room.kick(mallory)
    await settle()
    room.post("a")


@fault(
    "2 -Bob kicked",
    "stale",
    "gap after 2: topic_moved",
    "closing",
    "ended: kicked",
    state=ConnectionState.CLOSED,
    ends_with="kicked",
)
async def this_one_is_kicked(scene: Scene) -> None:
    scene.world.room.kick(scene.api.user_id)
    await settle()
    scene.world.room.post("not for you")


@fault(
    "2 -Bob banned",
    "stale",
    "gap after 2: topic_moved",
    "closing",
    "ended: banned",
    state=ConnectionState.CLOSED,
    ends_with="banned",
)
async def this_one_is_banned(scene: Scene) -> None:
    scene.world.room.kick(scene.api.user_id, "banned")
    await settle()
    scene.world.room.post("not for you")


@fault("closing", "ended: kicked", state=ConnectionState.CLOSED, ends_with="kicked")
async def this_one_is_kicked_and_the_word_of_it_is_lost(scene: Scene) -> None:
    scene.world.room.faults.lose(2)
    scene.world.room.kick(scene.api.user_id)
    await scene.wait(2.5)


@fault("closing", "ended: room_not_found", state=ConnectionState.CLOSED, ends_with="room_not_found")
async def the_room_is_deleted(scene: Scene) -> None:
    scene.world.room.delete()


@fault("2 StateUpdated", "closing", "ended: room_inactive", state=ConnectionState.CLOSED, ends_with="room_inactive")
async def the_room_is_closed_by_its_host(scene: Scene) -> None:
    scene.world.room.set_state(is_active=False)


@fault("2 -Bob timeout", "stale", "gap after 2: lease_expired", "catching_up", "caught up 2-3: 0", "live", "4 a")
async def the_lease_runs_out_and_there_is_a_place(scene: Scene) -> None:
    scene.world.room.expire_leases()
    await scene.wait(2.5)
    scene.world.room.post("a")


@fault(
    "2 -Bob timeout",
    "stale",
    "gap after 2: lease_expired",
    "refused: room_full",
    "3 a",
    "refused: room_full",
    "catching_up",
    "caught up 3-4: 0",
    "live",
)
async def the_lease_runs_out_and_the_room_is_full_for_a_while(scene: Scene) -> None:
    room = scene.world.room
    room.is_full = True
    room.expire_leases()
    await scene.wait(2.1)
    room.post("a")
    while scene.reader.told.count("refused: room_full") < 2:
        await scene.wait(0.5)
    room.is_full = False
    await scene.wait(15)


@fault(
    "stale",
    "gap after 1: socket_lost",
    "error: server_error",
    "2* a",
    "caught up 1-2: 1",
    "catching_up",
    "caught up 2-2: 0",
    "live",
)
async def the_database_is_away_too(scene: Scene) -> None:
    room = scene.world.room
    scene.api.down = ServerError("cannot do it: down", status=503)
    room.faults.close_channels(CloseReason.SOCKET_LOST)
    room.post("a")
    await scene.wait(10)
    scene.api.down = None
    await scene.wait(3)


@fault(
    "stale",
    "gap after 1: position_missing",
    "catching_up",
    "error: connect_timeout",
    "stale",
    "catching_up",
    "2* a",
    "3* b",
    "caught up 1-3: 2",
    "live",
)
async def the_catch_up_fails_once(scene: Scene) -> None:
    room = scene.world.room
    scene.api.failures["sync_room"] = ConnectTimeoutError("cannot read: no answer")
    room.faults.lose(1)
    room.post("a")
    room.post("b")
    await scene.wait(1)


@fault(
    "stale",
    "gap after 1: socket_lost",
    "error: join_rejected",
    "catching_up",
    "caught up 1-1: 0",
    "live",
)
async def realtime_refuses_the_rejoin_once(scene: Scene) -> None:
    room = scene.world.room
    room.faults.refusals.append(JoinRejectedError(topic=room.topic, reason="who knows", retryable=True))
    room.faults.close_channels(CloseReason.SOCKET_LOST)
    await scene.wait(1.9)


@fault("2 a")
async def heartbeats_fail_for_a_while(scene: Scene) -> None:
    scene.api.failures["heartbeat"] = RateLimitedError("cannot: too many")
    scene.world.room.post("a")
    await settle()
    await scene.wait(1)


@fault("2 a", "4 b")
async def events_of_a_later_version(scene: Scene) -> None:
    room = scene.world.room
    room.post("a")
    room.say_unknown(is_durable=True)
    room.say_unknown(is_durable=False)
    room.post("b")
    await settle()
    assert scene.session.position == 4
    assert scene.session.stats.unknown == {"room:poll-opened": 1, "room:weather": 1}


@fault("2 a")
async def nonsense_on_the_topic(scene: Scene) -> None:
    room = scene.world.room
    room.publish("room:message-received", {"pos": "two"})
    room.publish("room:message-received", {"pos": -1})
    room.publish("room:signal", {"head": 1, "user_id": 7})
    room.publish("room:message-received", {"room_id": "another", "pos": 2})
    room.post("a")
    await settle()
    assert sum(scene.session.stats.unreadable.values()) == 4


@fault("stale", "gap after 1: position_missing", "catching_up", "caught up 1-1: 0", "live", "2 a")
async def a_position_that_does_not_exist(scene: Scene) -> None:
    room = scene.world.room
    room.publish("room:poll-opened", {"pos": 10**12})
    await settle()
    room.post("a")
    await scene.wait(40)
    assert scene.api.calls.count("sync_room") == 2, "asked once, and believed the database"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_fault(world: World, fault: Fault) -> None:
    api = FakeApi(world.room)
    session, reader = await world.watched(api=api)

    await fault.script(Scene(world, api, session, reader))
    await settle()

    assert reader.told == fault.expected
    assert session.connection_state is fault.state
    assert (reader.error.code if reader.error else None) == fault.ends_with
    if fault.ends_with is not None:
        assert isinstance(reader.error, RemovedError)
        assert session.error is reader.error
        last = reader.events[-1]
        assert isinstance(last, SessionEnded)
        assert isinstance(last.reason, EndReason)


async def test_a_room_that_stays_full_fails_the_session_after_its_time(world: World) -> None:
    session, reader = await world.watched()
    world.room.is_full = True
    world.room.expire_leases()
    await world.clock.advance(295)
    assert session.connection_state is ConnectionState.STALE
    await world.clock.advance(30)

    assert session.connection_state is ConnectionState.FAILED
    assert reader.told[-2:] == ["closing", "ended: room_full"]
    assert reader.error is not None
    assert reader.error.code == "room_full"


async def test_after_the_limit_rejoins_wait_longer_each_time(world: World) -> None:
    session, _ = await world.watched()
    waits: list[float] = []
    for _ in range(4):
        joins, since = session.stats.channel_joins, world.clock.monotonic()
        world.room.faults.close_channels(CloseReason.LIMIT_REACHED)
        while session.stats.channel_joins == joins:
            await world.clock.advance(0.5)
        waits.append(world.clock.monotonic() - since)

    assert 30 <= waits[0] <= 38
    assert 60 <= waits[1] <= 76
    assert 119 <= waits[2] <= 121
    assert 119 <= waits[3] <= 121


async def test_after_a_long_sleep_of_the_process_the_lease_is_asked_for_before_the_channel(world: World) -> None:
    session, reader = await world.watched()
    world.clock.skip(500)
    world.room.expire_leases()
    world.room.faults.close_channels(CloseReason.SOCKET_LOST)
    await settle(100)

    assert session.is_connected
    assert session.stats.rejoins == 1
    assert session.stats.joins_refused == 0, "a refused join would have stopped the whole socket for 5 s"
    assert reader.told[0] == "2 -Bob timeout"


async def test_a_step_that_is_broadcast_before_others_can_see_it_is_waited_for(world: World) -> None:
    session, reader = await world.watched()
    world.room.unseen = 1
    world.room.post("a")
    world.room.faults.overflow(1)
    await world.clock.advance(5)
    assert session.connection_state is ConnectionState.STALE
    world.room.unseen = 0
    await world.clock.advance(3)
    world.room.post("b")
    await settle()
    told = [text for text in reader.told if text not in ("stale", "catching_up")]
    assert told == [
        "2 a",
        "gap after 2: buffer_overflow",
        "error: protocol",
        "caught up 2-2: 0",
        "live",
        "3 b",
    ]


async def test_a_database_that_never_knows_our_position_ends_the_session(world: World) -> None:
    """It was set back to an earlier time."""
    session, reader = await world.watched()
    world.room.unseen = 1
    world.room.post("a")
    world.room.faults.overflow(1)
    await world.clock.advance(70)
    assert session.connection_state is ConnectionState.FAILED
    assert reader.told[-1] == "ended: invalid_argument"


@pytest.mark.parametrize("call", ["sync_room", "heartbeat"])
async def test_a_cancellation_from_inside_a_call_does_not_end_a_task_in_silence(world: World, call: str) -> None:
    """Such as that of a token's refresh that several calls wait for."""
    api = FakeApi(world.room)
    session, reader = await world.watched(api=api)
    api.failures[call] = asyncio.CancelledError()
    world.room.faults.overflow(1)
    await world.clock.advance(40)
    assert session.connection_state is ConnectionState.FAILED
    assert reader.told[-1] == "ended: internal_error"


async def test_closing_right_after_a_rejoin_leaves_the_former_channel_too(
    clock: SleepyClock, no_task_left: None
) -> None:
    room = LooseRoom(clock)
    user_id = room.bring("Bob")
    room.leases[user_id] = Lease(user_id)
    crashes: list[Exception] = []
    tasks = TaskOwner(on_crash=crashes.append)
    link = Link(
        realtime_of(room, user_id),
        clock=clock,
        random=Random(1),  # noqa: S311
        tasks=tasks,
        on_broadcast=lambda event, payload: None,
        on_gap=lambda: None,
        presence=PresenceWatch(
            Absences("me", grace_s=3, random=Random(1)),  # noqa: S311
            clock=clock,
            lease_s=lambda: 75.0,
            ask=lambda: None,
        ),
        on_closed=lambda reason: None,
    )
    await link.join(room.topic_of(1), presence_key=None, timeout_s=1)
    await link.join(room.topic_of(1), presence_key=None, timeout_s=1)
    await tasks.cancel()
    await link.leave(timeout_s=1)
    assert room.faults.channels == []
    assert crashes == []


async def to_the_end(stream: EventStream) -> None:
    async for _ in stream:
        pass


async def test_when_the_removal_is_raised_the_session_is_over(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    stream = session.events()
    world.room.kick(api.user_id)
    with pytest.raises(RemovedError):
        await to_the_end(stream)
    assert session.connection_state is ConnectionState.CLOSED
    assert world.room.faults.channels == []
