"""The "Multi-User Testing" checklist, line by line, with real people on the real parts."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import pytest

from spaces_sdk.errors import RoomFullError
from spaces_sdk.events import (
    LeftReason,
    MessageReceived,
    ParticipantJoined,
    ParticipantLeft,
    RoomJoined,
    StateUpdated,
)
from spaces_sdk.models import Kind, Role
from tests.integration.people import WITHIN_S, LocalPeople, People, contents
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


@pytest.mark.checklist("Create room with User A")
async def test_user_a_creates_a_room_and_is_its_host(people: People) -> None:
    ada = await people.person("Ada")
    room = await ada.spaces.rooms.create_room("Friday jam")
    assert room.host_user_id == ada.user_id
    assert await ada.spaces.rooms.is_host(room.id)
    visit = await people.enter(ada, room)
    joined = visit.of(RoomJoined)[0]
    assert joined.room.room_code == room.room_code
    assert (joined.me.user_id, joined.me.role) == (ada.user_id, Role.HOST)


@pytest.mark.checklist("User B joins via room code")
async def test_user_b_joins_via_the_code_in_lower_case(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    a = await people.enter(ada, room)
    b = await people.enter(bob, f" {room.room_code.lower()} ")
    assert b.of(RoomJoined)[0].room.id == room.id
    came = await a.sees(ParticipantJoined, lambda e: e.participant.user_id == bob.user_id)
    assert (came.participant.display_name, came.participant.role, came.participant.kind) == (
        "Bob",
        Role.MEMBER,
        Kind.HUMAN,
    )


@pytest.mark.checklist("Both see each other in participants list")
async def test_both_have_both_in_their_list(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    a, b = await people.enter(ada, room), await people.enter(bob, room.room_code)
    await a.sees(ParticipantJoined, lambda e: e.participant.user_id == bob.user_id)
    for visit in (a, b):
        online = {p.display_name: p.role for p in visit.session.participants if p.is_online}
        assert online == {"Ada": Role.HOST, "Bob": Role.MEMBER}
        page = await visit.user.spaces.rooms.get_participants(room.id)
        assert {p.display_name for p in page.items if p.is_online} == {"Ada", "Bob"}


@pytest.mark.checklist("Messages sync between users")
async def test_all_have_the_same_messages_in_the_same_order(people: People) -> None:
    ada, bob, eve = [await people.person(name) for name in ("Ada", "Bob", "Eve")]
    room = await ada.spaces.rooms.create_room("Friday jam")
    a, b = await people.enter(ada, room), await people.enter(bob, room.room_code)
    await asyncio.gather(
        *(a.session.send(f"a{i}") for i in range(5)),
        *(b.session.send(f"b{i}") for i in range(5)),
    )
    for visit in (a, b):
        await eventually(lambda v=visit: len(contents([e.message for e in v.of(MessageReceived)])) >= 10, WITHIN_S)
    heard = [[e.message for e in visit.of(MessageReceived) if e.message.user_id] for visit in (a, b)]
    assert [m.id for m in heard[0]] == [m.id for m in heard[1]]
    seqs = [m.seq for m in heard[0]]
    assert seqs == sorted(set(seqs))
    assert [m.content for m in heard[0] if m.user_id == ada.user_id] == [f"a{i}" for i in range(5)]
    late = await people.enter(eve, room.room_code)
    assert contents(late.of(RoomJoined)[0].messages) == [m.content for m in heard[0]]
    stored = await ada.spaces.rooms.get_room_messages(room.id)
    assert contents(stored.items) == [m.content for m in heard[0]]


@pytest.mark.checklist("User A sends message → User B sees it")
async def test_b_sees_what_a_sends_once_and_as_it_was_stored(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    a, b = await people.enter(ada, room), await people.enter(bob, room.room_code)
    sent = await a.session.send("hello Bob", metadata={"mood": "sunny"})
    heard = await b.sees(MessageReceived, lambda e: e.message.id == sent.id)
    assert heard.message == sent
    assert heard.message.metadata == {"mood": "sunny"}
    assert (heard.message.display_name, heard.message.user_id) == ("Ada", ada.user_id)
    # A second message after it: a repetition of the first would have come before.
    marker = await a.session.send("and that was that")
    await b.sees(MessageReceived, lambda e: e.message.id == marker.id)
    assert len(b.of(MessageReceived, lambda e: e.message.id == sent.id)) == 1


@pytest.mark.checklist("User B leaves → User A sees participant leave")
async def test_a_sees_b_leave(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    a, b = await people.enter(ada, room), await people.enter(bob, room.room_code)
    await b.leave()
    assert await b.ended() is None
    left = await a.sees(ParticipantLeft)
    assert [p.user_id for p in left.participants] == [bob.user_id]
    assert left.reason is LeftReason.LEFT
    assert [p.display_name for p in a.session.participants if p.is_online] == ["Ada"]


@pytest.mark.checklist("Host (User A) updates room state → User B sees update")
async def test_b_sees_what_the_host_changes(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    a, b = await people.enter(ada, room), await people.enter(bob, room.room_code)
    await a.session.update_room_state(mode="philosopher", conversation_active=True)
    seen = await b.sees(StateUpdated)
    assert (seen.state.mode, seen.state.conversation_active) == ("philosopher", True)
    assert b.session.room_state == seen.state
    assert (await a.sees(StateUpdated)).state == seen.state


@pytest.mark.checklist("Room capacity limit enforced")
async def test_the_third_of_two_places_is_refused_until_one_leaves(people: People) -> None:
    ada, bob, eve = [await people.person(name) for name in ("Ada", "Bob", "Eve")]
    room = await ada.spaces.rooms.create_room("For two", max_participants=2)
    a, b = await people.enter(ada, room), await people.enter(bob, room.room_code)
    with pytest.raises(RoomFullError) as refused:
        await people.enter(eve, room.room_code)
    assert refused.value.code == "room_full"
    assert await ada.spaces.rooms.is_room_full(room.id)
    await b.leave()
    await people.enter(eve, room.room_code)
    await a.sees(ParticipantJoined, lambda e: e.participant.display_name == "Eve")


@pytest.mark.checklist("Graceful handling when user disconnects abruptly")
async def test_a_killed_process_is_shown_offline_and_its_place_is_free(local_people: LocalPeople) -> None:
    ada, bob, eve = [await local_people.person(name) for name in ("Ada", "Bob", "Eve")]
    room = await ada.spaces.rooms.create_room("For two", max_participants=2)
    async with local_people.short_leases(lease_s=10, heartbeat_s=1):
        a = await local_people.enter(ada, room)
        order = {
            "url": local_people.project.url,
            "key": local_people.project.publishable_key,
            "access_token": await bob.spaces.auth.access_token(),
            "room": room.room_code,
            "display_name": "Bob",
            "message": "from another process",
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "spaces_sdk.demo.guest",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write((json.dumps(order) + "\n").encode())
            hello = json.loads(await asyncio.wait_for(child.stdout.readline(), WITHIN_S))
            await a.sees(MessageReceived, lambda e: str(e.message.id) == hello["message_id"])
            with pytest.raises(RoomFullError):
                await local_people.enter(eve, room.room_code)
            assert child.returncode is None
        finally:
            child.kill()
            assert await child.wait() == -signal.SIGKILL
        gone = await a.sees(ParticipantLeft)
        assert ([p.user_id for p in gone.participants], gone.reason) == ([bob.user_id], LeftReason.TIMEOUT)
        await local_people.enter(eve, room.room_code)
        kept = {p.display_name: p.is_online for p in (await ada.spaces.rooms.get_participants(room.id)).items}
        assert kept == {"Ada": True, "Bob": False, "Eve": True}
