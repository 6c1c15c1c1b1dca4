"""Sessions on the real parts: what they tell is the table, also when Realtime restarts or loses its stream."""

from __future__ import annotations

import asyncio

import pytest

from spaces_sdk.errors import RemovedError, SessionClosedError
from spaces_sdk.events import (
    CatchUpProgressed,
    CaughtUp,
    ConnectionState,
    Event,
    GapDetected,
    GapReason,
    LeftReason,
    MessageReceived,
    ParticipantLeft,
    RoomJoined,
    RoomMoved,
    SessionEnded,
    SignalReceived,
    VoiceStarted,
)
from spaces_sdk.models import Room
from tests.integration.people import WITHIN_S, LocalPeople, Visit, contents
from tests.integration.whole import heard, is_live, same_position, unbroken
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


async def three(people: LocalPeople) -> tuple[Room, Visit, Visit]:
    """Ada's room, with Ada and Bob in it."""
    ada, bob = await asyncio.gather(people.person("Ada"), people.person("Bob"))
    room = await ada.spaces.rooms.create_room("Live", max_participants=20)
    return room, await people.enter(ada, room), await people.enter(bob, room.room_code)


async def test_two_sessions_talk(local_people: LocalPeople) -> None:
    _, ada, bob = await three(local_people)
    for number in range(5):
        await ada.session.send(f"ada {number}")
        await bob.session.send(f"bob {number}")
    await same_position(ada, bob)
    expected = [f"{who} {number}" for number in range(5) for who in ("ada", "bob")]
    assert heard(ada) == heard(bob) == expected
    assert [p.display_name for p in ada.session.participants] == ["Ada", "Bob"]
    for visit in (ada, bob):
        unbroken(visit)
        assert not visit.of(GapDetected), "nothing was lost, so nothing was said to be"


async def test_concurrent_sends_keep_their_order(local_people: LocalPeople) -> None:
    _, ada, bob = await three(local_people)
    texts = [str(number) for number in range(15)]
    await asyncio.gather(*(ada.session.send(text) for text in texts))
    await same_position(ada, bob)
    assert heard(bob) == texts
    unbroken(bob)


async def test_signals_state_and_voice(local_people: LocalPeople) -> None:
    _, ada, bob = await three(local_people)
    await bob.session.typing()
    assert (await ada.sees(SignalReceived)).kind == "typing"
    await ada.session.update_room_state(mode="playful")
    await bob.session.start_voice()
    assert (await ada.sees(VoiceStarted)).user_id == bob.user.user_id
    await same_position(ada, bob)
    state = bob.session.room_state
    assert state is not None
    assert state.mode == "playful"
    unbroken(ada)


async def test_presence_in_a_small_room(local_people: LocalPeople) -> None:
    ada, bob = await asyncio.gather(local_people.person("Ada"), local_people.person("Bob"))
    room = await ada.spaces.rooms.create_room("Small", max_participants=3)
    first, second = await local_people.enter(ada, room), await local_people.enter(bob, room.room_code)
    await first.session.send("hello")
    await second.sees(MessageReceived, lambda e: e.message.content == "hello")
    await second.leave()
    gone = await first.sees(ParticipantLeft)
    assert [p.user_id for p in gone.participants] == [bob.user_id]
    await same_position(first)
    unbroken(first)
    assert not first.of(GapDetected)


async def test_a_late_joiner_has_the_history(local_people: LocalPeople) -> None:
    room, ada, bob = await three(local_people)
    for number in range(8):
        await ada.session.send(f"before {number}")
    carol = await local_people.enter(await local_people.person("Carol"), room.room_code)
    joined = await carol.sees(RoomJoined)
    await same_position(ada, bob)
    assert contents(joined.messages) == [f"before {number}" for number in range(8)]
    assert [m for m in carol.session.messages if m.user_id] == [m for m in bob.session.messages if m.user_id]
    oldest = await carol.session.history(before=joined.messages[-1].seq, limit=3)
    assert len(oldest.items) == 3
    await ada.session.send("after")
    await same_position(ada, bob, carol)
    assert heard(carol) == ["after"]


async def test_a_saved_position_is_resumed_by_another_session(local_people: LocalPeople) -> None:
    room, ada, bob = await three(local_people)
    await ada.session.send("seen")
    await same_position(ada, bob)
    saved = bob.session.position
    await bob.leave()
    for number in range(3):
        await ada.session.send(f"missed {number}")
    async with bob.user.spaces.join(room.id) as again:
        got: list[Event] = []
        async for event in again.events(since=saved):
            got.append(event)
            if isinstance(event, CaughtUp):
                break
    texts = [e.message.content for e in got if isinstance(e, MessageReceived) and e.message.user_id is not None]
    assert texts == [f"missed {number}" for number in range(3)]


async def test_a_long_past_is_resumed_page_by_page(local_people: LocalPeople) -> None:
    room, ada, bob = await three(local_people)
    saved, count = bob.session.position, 5_000
    await bob.leave()
    await same_position(ada)
    await ada.leave()
    async with local_people.sql() as connection:
        await connection.execute(
            """
            insert into public.room_messages (id, room_id, user_id, message_type, content,
                                              seq, revision, display_name, sender_kind)
            select gen_random_uuid(), h.room_id, %s, 'user_text', n::text, h.head + n, h.head + n, 'Ada', 'human'
            from spaces.room_heads h, generate_series(1, %s) n where h.room_id = %s
            """,
            (ada.user.user_id, count, room.id),
        )
        await connection.execute("update spaces.room_heads set head = head + %s where room_id = %s", (count, room.id))
    texts: list[str] = []
    progress: list[CatchUpProgressed] = []
    async with bob.user.spaces.join(room.id) as again:
        async for event in again.events(since=saved):
            match event:
                case MessageReceived(message=message) if message.user_id is not None:
                    texts.append(message.content)
                case CatchUpProgressed():
                    progress.append(event)
                case CaughtUp():
                    break
                case _:
                    pass
    assert texts == [str(number) for number in range(1, count + 1)]
    assert len(progress) >= count // 200
    assert progress[-1].at_pos > progress[0].at_pos > saved


async def test_a_kicked_session_ends_and_the_others_follow(local_people: LocalPeople) -> None:
    room, ada, bob = await three(local_people)
    carol = await local_people.enter(await local_people.person("Carol"), room.room_code)
    topic = ada.session.topic
    await ada.session.kick(bob.user.user_id)
    await ada.session.send("without Bob")

    error = await bob.ended()
    assert isinstance(error, RemovedError)
    assert error.code == "kicked"
    assert (await bob.sees(SessionEnded)).reason == "kicked"
    assert bob.session.connection_state is ConnectionState.CLOSED
    with pytest.raises(SessionClosedError):
        await bob.session.send("may I?")

    for visit in (ada, carol):
        gone = await visit.sees(ParticipantLeft)
        assert ([p.user_id for p in gone.participants], gone.reason) == ([bob.user.user_id], LeftReason.KICKED)
        await visit.sees(RoomMoved)
        await is_live(visit.session)
        assert visit.session.topic != topic
    await ada.session.send("on the new topic")
    await same_position(ada, carol)
    for visit in (ada, carol):
        assert heard(visit) == ["without Bob", "on the new topic"]
        assert bob.user.user_id not in [p.user_id for p in visit.session.participants]
        unbroken(visit)
    assert heard(bob) == []


async def test_realtime_restarts_in_the_middle_of_a_conversation(local_people: LocalPeople) -> None:
    _, ada, bob = await three(local_people)
    await ada.session.send("before")
    await local_people.stack.stop_part("realtime")
    await ada.session.send("while it is away")
    await bob.session.send("I too")
    await bob.sees(MessageReceived, lambda e: e.message.content == "I too")
    await local_people.stack.start_part("realtime")
    await ada.session.send("while it comes back")
    await asyncio.gather(is_live(ada.session), is_live(bob.session))
    await bob.session.send("after")
    await same_position(ada, bob)
    for visit in (ada, bob):
        assert heard(visit) == ["before", "while it is away", "I too", "while it comes back", "after"]
        assert visit.of(GapDetected)[0].reason is GapReason.SOCKET_LOST
        unbroken(visit)


async def test_the_backend_of_the_replication_is_killed(local_people: LocalPeople) -> None:
    _, ada, bob = await three(local_people)
    await ada.session.send("before")
    async with local_people.sql() as connection:
        killed = await connection.execute("select pg_terminate_backend(pid) from pg_stat_replication")
        assert killed.rowcount > 0
    for number in range(5):
        await ada.session.send(f"during {number}")
    await same_position(ada, bob)
    for visit in (ada, bob):
        assert heard(visit) == ["before", *(f"during {number}" for number in range(5))]
        unbroken(visit)
    await asyncio.gather(is_live(ada.session), is_live(bob.session))


async def test_broadcasts_that_vanish_are_found_by_a_heartbeat(local_people: LocalPeople) -> None:
    _, ada, bob = await three(local_people)
    async with local_people.sql() as connection:
        # What Realtime loses without a word: the row is there, its broadcast is not.
        await connection.execute(
            "alter publication supabase_realtime_messages_publication drop table realtime.messages"
        )
        try:
            await ada.session.send("silent")
        finally:
            await connection.execute(
                "alter publication supabase_realtime_messages_publication add table realtime.messages"
            )
    await same_position(ada, bob)
    for visit in (ada, bob):
        assert heard(visit) == ["silent"]
        assert visit.of(GapDetected)[0].reason is GapReason.HEARTBEAT_AHEAD
        unbroken(visit)


async def test_a_lease_that_ran_out_is_had_again(local_people: LocalPeople) -> None:
    room, ada, bob = await three(local_people)
    async with local_people.sql() as connection:
        await connection.execute(
            "update spaces.connections set expires_at = now() - interval '1 s' where connection_id = %s",
            (bob.session.connection_id,),
        )
        await connection.execute("select spaces.sweep_room(%s)", (room.id,))
    await bob.sees(GapDetected, lambda e: e.reason is GapReason.LEASE_EXPIRED)
    await is_live(bob.session)
    await ada.session.send("welcome back")
    await same_position(ada, bob)
    assert heard(bob) == ["welcome back"]
    assert bob.session.stats.rejoins == 1
    unbroken(bob)
    unbroken(ada)


async def test_cancelled_while_entering_the_place_is_free_again(local_people: LocalPeople) -> None:
    room, ada, _ = await three(local_people)
    carol = await local_people.person("Carol")

    async def online() -> list[str]:
        return [p.display_name for p in (await ada.session.get_participants()).items if p.is_online]

    await local_people.stack.stop_part("realtime")
    try:
        session = carol.spaces.join(room.room_code, display_name="Carol")
        entering = asyncio.create_task(session.__aenter__())

        async def has_a_place() -> bool:
            return "Carol" in await online()

        await eventually(has_a_place, WITHIN_S)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        assert session.connection_state is ConnectionState.CLOSED
        assert sorted(await online()) == ["Ada", "Bob"]
    finally:
        await local_people.stack.start_part("realtime")
