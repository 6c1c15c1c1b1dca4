"""Who is there, on the real parts: a connection that flaps is nobody's event, one that crashes gives its place back."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest

from spaces_sdk.errors import RoomFullError
from spaces_sdk.events import GapDetected, LeftReason, MessageReceived, ParticipantJoined, ParticipantLeft
from spaces_sdk.realtime import RealtimeClient
from spaces_sdk.session.pacing import HEARTBEAT_RAMP_S
from tests.integration.people import LocalPeople
from tests.integration.whole import heard, is_live, same_position, unbroken

pytestmark = pytest.mark.integration


def drop(client: RealtimeClient) -> None:
    """Cut the client's connections, as a network does."""
    for socket in client._pool.sockets:  # pyright: ignore[reportPrivateUsage]
        wire = socket._wire  # pyright: ignore[reportPrivateUsage]
        if wire is not None:
            wire.abort()


async def test_a_connection_that_flaps_comes_and_goes_for_nobody(local_people: LocalPeople) -> None:
    host, guest = await asyncio.gather(local_people.person("Ada"), local_people.person("Bob"))
    room = await host.spaces.rooms.create_room("Small", max_participants=3)
    ada, bob = await local_people.enter(host, room), await local_people.enter(guest, room.room_code)
    await same_position(ada, bob)
    before = len(ada.events)
    beats, began = ada.session.stats.heartbeats, time.monotonic()
    for number in range(8):
        drop(guest.spaces.realtime)
        await ada.session.send(f"{number}")
        await is_live(bob.session)
    await same_position(ada, bob)
    assert heard(bob) == [str(number) for number in range(8)]
    unbroken(bob)
    assert len(bob.of(GapDetected)) >= 8
    later = ada.events[before:]
    assert [event for event in later if isinstance(event, ParticipantJoined | ParticipantLeft)] == []
    assert [type(event) for event in later] == [MessageReceived] * 8, "nobody else noticed"
    lasted_s = time.monotonic() - began
    due = len(HEARTBEAT_RAMP_S) + lasted_s // 30
    assert ada.session.stats.heartbeats - beats <= due + 1 + lasted_s // 10, "presence asked, at most every 10 s"


async def test_a_crash_frees_the_place_within_one_lease(local_people: LocalPeople) -> None:
    host, guest, late = await asyncio.gather(*(local_people.person(name) for name in ("Ada", "Bob", "Eve")))
    room = await host.spaces.rooms.create_room("For two", max_participants=2)
    lease_s = 10.0
    async with local_people.short_leases(lease_s=10, heartbeat_s=1):
        ada = await local_people.enter(host, room)
        await guest.spaces.rooms.get_room_by_code(room.room_code)
        await late.spaces.rooms.get_room_by_code(room.room_code)
        joined_at = time.monotonic()  # a connection that crashes right after: no heartbeat ever comes
        await guest.spaces.rooms.join_room(room.id, "Bob", connection_id=uuid4())
        refusals = 0
        while True:
            try:
                await late.spaces.rooms.join_room(room.id, "Eve", connection_id=uuid4())
            except RoomFullError:
                refusals += 1
                assert time.monotonic() - joined_at < lease_s + 30.0, "the place is still taken"
                await asyncio.sleep(0.5)
            else:
                break
        assert refusals > 0
        assert time.monotonic() - joined_at >= lease_s - 0.5, "a live lease was not respected"
        left = await ada.sees(ParticipantLeft)
        assert ([p.display_name for p in left.participants], left.reason) == (["Bob"], LeftReason.TIMEOUT)
