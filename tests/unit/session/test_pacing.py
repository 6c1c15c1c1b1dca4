"""When heartbeats are sent, when channels are joined again, and what an answer means."""

from __future__ import annotations

import asyncio
from itertools import accumulate, islice
from random import Random
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces_sdk.errors import ConfigError, ConnectError, JoinRejectedError, ServerError
from spaces_sdk.models import LeaseStatus
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session import PresenceMode, SessionOptions
from spaces_sdk.session.heartbeats import Heartbeats, Verdict, judge
from spaces_sdk.session.pacing import Pace, heartbeat_pauses, rejoins_after_limit
from spaces_sdk.session.stats import SessionStats
from tests.support.clock import FakeClock, settle
from tests.support.fake_room import FakeApi, LooseRoom

pytestmark = pytest.mark.unit


def test_heartbeats_come_early_after_a_join_then_at_the_interval() -> None:
    assert list(accumulate(islice(heartbeat_pauses(30), 5))) == [2, 5, 15, 45, 75]


@settings(deadline=None)
@given(st.floats(0.05, 100))
def test_no_pause_is_longer_than_the_interval(interval_s: float) -> None:
    assert all(0 < pause <= interval_s for pause in islice(heartbeat_pauses(interval_s), 8))


@settings(deadline=None)
@given(st.integers())
def test_rejoins_after_a_limit_begin_at_30_s_and_end_at_2_min(seed: int) -> None:
    delays = list(islice(rejoins_after_limit(Random(seed)), 6))  # noqa: S311
    assert 30 <= delays[0] <= 37.5
    assert 60 <= delays[1] <= 75
    assert delays[2:] == [120] * 4


LEASE = LeaseStatus(connection_id=uuid4(), room_id=uuid4(), status="live", head=7, epoch=2, topic="t")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.LIVE),
        ({"head": 6}, Verdict.LIVE),
        ({"head": 8}, Verdict.AHEAD),
        ({"epoch": 3}, Verdict.MOVED),
        ({"epoch": 1, "topic": "older answer"}, Verdict.LIVE),
        ({"status": "lease_expired"}, Verdict.EXPIRED),
        ({"status": "kicked"}, Verdict.ENDED),
        ({"status": "banned"}, Verdict.ENDED),
        ({"status": "room_not_found"}, Verdict.ENDED),
        ({"status": "room_inactive"}, Verdict.ENDED),
        ({"status": "a_later_word"}, Verdict.EXPIRED),
    ],
)
def test_what_an_answer_says(changes: dict[str, object], verdict: Verdict) -> None:
    assert judge(LEASE.model_copy(update=changes), position=7, epoch=2) is verdict


def test_a_lost_socket_may_be_joined_at_once_a_refusal_not() -> None:
    pace = Pace(Random(1))  # noqa: S311
    pace.joined(100)
    pace.closed(CloseReason.SOCKET_LOST, 110)
    assert pace.not_before == 110
    for _ in range(20):
        pace.failed(JoinRejectedError(topic="t", reason="no"), 200)
    assert 200 <= pace.not_before <= 260
    pace.failed(ConnectError("cannot connect: no"), 300)
    assert 300 <= pace.not_before <= 302


def test_a_minute_of_calm_ends_the_doubling() -> None:
    pace = Pace(Random(1))  # noqa: S311
    for now in (0, 10, 20):
        pace.joined(now)
        pace.closed(CloseReason.LIMIT_REACHED, now + 1)
    assert pace.not_before == 21 + 120
    pace.joined(200)
    pace.closed(CloseReason.LIMIT_REACHED, 261)
    assert 291 <= pace.not_before <= 299


async def test_an_answer_about_the_lease_before_is_no_verdict_on_this_one() -> None:
    clock = FakeClock()
    room = LooseRoom(clock)
    api = FakeApi(room)
    gate = api.gate("heartbeat")
    told: list[LeaseStatus] = []
    beats = Heartbeats(
        api,
        uuid4(),
        clock=clock,
        random=Random(1),  # noqa: S311
        stats=SessionStats(),
        on_status=told.append,
        on_error=lambda error: None,
    )
    asking = asyncio.create_task(beats.beat())
    await settle()
    beats.joined(heartbeat_s=30, lease_s=75, asked_at=clock.monotonic())
    gate.set()
    await asking
    assert told == []
    await beats.beat()
    assert [status.status for status in told] == ["lease_expired"]


async def test_a_channel_that_is_joined_while_heartbeats_fail_gets_its_early_ones() -> None:
    clock = FakeClock()
    room = LooseRoom(clock)
    api = FakeApi(room)
    connection_id = uuid4()
    room.join(room.host, "Ada", connection_id, 0)
    beats = Heartbeats(
        api,
        connection_id,
        clock=clock,
        random=Random(1),  # noqa: S311
        stats=SessionStats(),
        on_status=lambda status: None,
        on_error=lambda error: None,
    )
    beats.joined(heartbeat_s=30, lease_s=90, asked_at=clock.monotonic())
    running = asyncio.create_task(beats.run())
    try:
        await clock.advance(30)
        api.down = ServerError("cannot do it: down", status=503)
        await clock.advance(30)
        beats.restart()
        await clock.advance(1)
        api.down = None
        calls = api.calls.count("heartbeat")
        await clock.advance(10)
        assert api.calls.count("heartbeat") - calls >= 3, "the first that succeeds, then 2 s and 5 s later"
    finally:
        running.cancel()
        await asyncio.wait({running})


@pytest.mark.parametrize(
    ("mode", "size", "has_presence"),
    [
        (PresenceMode.AUTO, 10, True),
        (PresenceMode.AUTO, 11, False),
        (PresenceMode.ON, 50, True),
        (PresenceMode.OFF, 2, False),
    ],
)
def test_presence_is_for_small_rooms(mode: PresenceMode, size: int, has_presence: bool) -> None:
    assert SessionOptions(presence=mode).has_presence(size) is has_presence


@pytest.mark.parametrize(
    "settings",
    [
        {"latest": 201},
        {"latest": -1},
        {"message_count": 0},
        {"buffer_size": 1},
        {"join_timeout_s": 0.0},
        {"poll_interval_s": (5.0, 2.0)},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SessionOptions(**settings)  # pyright: ignore[reportArgumentType]
