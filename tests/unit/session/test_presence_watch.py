"""Presence only hints: when the database is asked about who is gone from it, and that nobody is told before."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces_sdk.events import ParticipantLeft
from spaces_sdk.realtime import PresenceChanged, PresenceMap, PresenceSynced
from spaces_sdk.session import PresenceMode, SessionOptions
from spaces_sdk.session.presence_watch import KEYS_KEPT, LEAST_BETWEEN_S, Absences
from tests.support.clock import settle
from tests.support.fake_room import FakeApi
from tests.unit.session.conftest import World

pytestmark = pytest.mark.unit

LEASE_S = 75.0


def metas(*keys: str) -> PresenceMap:
    return {key: [{"phx_ref": f"ref {key}"}] for key in keys}


class Watched:
    """`Absences` on a time that the test sets."""

    def __init__(self, seed: int = 1) -> None:
        self.absences = Absences("me", grace_s=3.0, random=Random(seed))  # noqa: S311
        self.now = 1000.0
        self.asked: list[float] = []

    def state(self, *keys: str) -> None:
        self.absences.replaced(metas(*keys), now=self.now, lease_s=LEASE_S)

    def come(self, *keys: str) -> None:
        self.absences.changed(metas(*keys), {}, now=self.now, lease_s=LEASE_S)

    def go(self, *keys: str) -> None:
        self.absences.changed({}, metas(*keys), now=self.now, lease_s=LEASE_S)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.absences.due) is not None and due <= end:
            self.now = max(self.now, due)
            assert self.absences.take_due(self.now)
            self.asked.append(self.now)
        self.now = end


def test_who_is_back_within_the_grace_was_never_away() -> None:
    room = Watched()
    room.state("me", "bob")
    for _ in range(50):
        room.go("bob")
        room.wait(2.9)
        room.come("bob")
        room.wait(1)
    assert room.asked == []
    assert room.absences.due is None


@pytest.mark.parametrize("seed", range(20))
def test_who_stays_away_is_asked_about_soon_and_when_the_lease_has_run_out(seed: int) -> None:
    room = Watched(seed)
    room.state("me", "bob")
    room.go("bob")
    room.wait(1000)
    soon, late = (at - 1000.0 for at in room.asked)
    assert 3 <= soon <= 6
    assert LEASE_S < late <= LEASE_S + 3


def test_who_comes_back_late_is_not_asked_about_again() -> None:
    room = Watched()
    room.state("me", "bob")
    room.go("bob")
    room.wait(20)
    room.come("bob")
    room.wait(1000)
    assert len(room.asked) == 1


def test_flapping_costs_a_question_every_ten_seconds_at_most() -> None:
    room = Watched()
    room.state("me", *(f"c{number}" for number in range(9)))
    for turn in range(600):
        room.go(f"c{turn % 9}")
        room.wait(0.5)
        room.come(f"c{(turn + 1) % 9}")
        room.wait(0.5)
    pauses = [later - earlier for earlier, later in zip(room.asked, room.asked[1:], strict=False)]
    assert pauses
    assert min(pauses) >= LEAST_BETWEEN_S


def test_a_connection_that_joined_anew_before_the_old_join_was_gone_is_there() -> None:
    room = Watched()
    room.state("me", "bob")
    room.come("bob")
    room.go("bob")
    assert room.absences.due is None, "one of two joins"
    room.go("bob")
    assert room.absences.due is not None


def test_a_new_channel_shows_who_is_missing() -> None:
    room = Watched()
    room.state("me", "bob", "carol")
    room.state("me", "carol")
    room.wait(7)
    assert len(room.asked) == 1
    room.state("me", "carol", "bob")
    room.wait(1000)
    assert len(room.asked) == 1


def test_the_own_connection_and_unknown_ones_are_not_asked_about() -> None:
    room = Watched()
    room.state("me")
    room.go("me", "somebody who was never here")
    assert room.absences.due is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.floats(0, 30)), max_size=60))
def test_it_asks_only_about_who_is_away(moves: list[tuple[bool, int, float]]) -> None:
    room = Watched()
    room.state("me")
    present: dict[str, int] = {}
    for is_coming, number, pause_s in moves:
        key = f"c{number}"
        if is_coming:
            room.come(key)
            present[key] = present.get(key, 0) + 1
        else:
            room.go(key)
            present[key] = max(0, present.get(key, 0) - 1)
        before = len(room.asked)
        room.wait(pause_s)
        if all(present.values()):
            assert len(room.asked) == before
            assert room.absences.due is None


def test_what_is_kept_is_bounded() -> None:
    room = Watched()
    room.state(*(f"c{number}" for number in range(3 * KEYS_KEPT)))
    room.come(*(f"d{number}" for number in range(KEYS_KEPT)))
    room.state("me")
    room.wait(1000)
    assert len(room.asked) <= 12


async def test_a_session_asks_once_and_tells_what_the_database_says(world: World) -> None:
    api = FakeApi(world.room)
    _, reader = await world.watched(api=api, options=SessionOptions(presence=PresenceMode.ON))
    await world.clock.advance(60)  # past the early heartbeats; then every 30 s, less up to a tenth
    (channel,) = world.room.faults.channels
    channel.push(PresenceSynced(metas("bob's connection")))
    await settle()

    bob = world.room.bring("Bob's twin")
    await settle()
    reader.take()
    for _ in range(20):
        channel.push(PresenceChanged({}, metas("bob's connection")))
        await world.clock.advance(0.2)
        channel.push(PresenceChanged(metas("bob's connection"), {}))
        await world.clock.advance(0.2)
    asked = api.calls.count("heartbeat")
    assert reader.take() == [], "a connection that flaps is nobody's event"

    channel.push(PresenceChanged({}, metas("bob's connection")))
    await world.clock.advance(6.5)
    assert api.calls.count("heartbeat") > asked
    assert reader.take() == [], "the lease is still good, so the database says nothing"
    world.room.send_home(bob)
    await settle()
    assert [type(event) for event in reader.events] == [ParticipantLeft]
