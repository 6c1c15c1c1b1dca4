"""How a session begins and ends: what it asks, in which order, and what it leaves behind."""

from __future__ import annotations

import asyncio
from random import Random
from uuid import UUID, uuid4

import pytest

from spaces_sdk.errors import (
    ConflictError,
    ConnectTimeoutError,
    JoinRejectedError,
    NotFoundError,
    NotJoinedError,
    PermissionDeniedError,
    RoomFullError,
    ServerError,
    SessionClosedError,
    UsageError,
)
from spaces_sdk.events import (
    CaughtUp,
    ConnectionState,
    MessageReceived,
    MessageUpdated,
    SessionEnded,
    SignalKind,
    SignalReceived,
)
from spaces_sdk.models import MessageStatus, Role
from spaces_sdk.session import PresenceMode, RoomSession, SessionOptions
from tests.support.clock import settle
from tests.support.fake_room import FakeApi, realtime_of
from tests.unit.session.conftest import World

pytestmark = pytest.mark.unit


def leases(world: World) -> list[UUID]:
    return [key for key, lease in world.room.leases.items() if world.room.is_lease_live(lease)]


async def test_a_join_by_code_asks_in_this_order(world: World) -> None:
    api = FakeApi(world.room)
    session = world.session(api=api)
    assert session.connection_state is ConnectionState.NEW
    assert (session.current_room, session.participants, session.topic, session.position) == (None, [], "", 0)
    async with session as entered:
        assert entered is session
        assert api.calls == ["get_room_by_code", "join_room", "sync_room"]
        assert session.is_connected
        assert session.connection_state is ConnectionState.LIVE
        assert leases(world) == [session.connection_id]
        assert session.topic == world.room.topic
        assert session.position == world.room.head
        assert session.current_room is not None
        assert session.me is not None
        assert session.me.display_name == "Bob"
    assert session.connection_state is ConnectionState.CLOSED
    assert leases(world) == []
    assert world.room.faults.channels == []
    assert api.calls[-1] == "leave_room"


async def test_a_join_by_invitation(world: World) -> None:
    api = FakeApi(world.room, user_id=world.room.host)
    async with world.session(api=api, invitation=world.room.token) as session:
        assert api.calls == ["accept_invitation", "join_room", "sync_room"]
        invitation = await session.invite(max_uses=1)
        assert (len(invitation.token), invitation.max_uses) == (32, 1)
        assert world.room.token not in f"{session!r}"
        assert invitation.token not in f"{session!r} {invitation!r}"
    with pytest.raises(NotFoundError):
        await world.session(invitation="x" * 32).__aenter__()


async def test_forgetting_the_room_ends_all_sessions_of_the_user(world: World) -> None:
    api = FakeApi(world.room)
    here = await world.live(api=api)
    there, reader = await world.watched(api=FakeApi(world.room, user_id=api.user_id))
    other = await world.live()
    await here.forget()
    assert here.connection_state is ConnectionState.CLOSED
    assert here.error is None
    await world.clock.advance(2.0)
    assert there.connection_state is ConnectionState.CLOSED
    assert there.error is not None
    assert there.error.code == "not_participant"
    assert [type(event) for event in reader.events][-1] is SessionEnded
    assert other.is_connected
    assert api.user_id not in [participant.user_id for participant in other.participants]


async def test_the_host_does_not_forget(world: World) -> None:
    session = await world.live(api=FakeApi(world.room, user_id=world.room.host))
    with pytest.raises(PermissionDeniedError):
        await session.forget()
    assert session.is_connected


async def test_a_session_without_a_room(world: World) -> None:
    session = RoomSession(api=FakeApi(world.room), realtime=realtime_of(world.room, world.room.host))
    with pytest.raises(UsageError, match="neither"):
        await session.__aenter__()


@pytest.mark.parametrize("as_text", [True, False])
async def test_a_join_by_id_does_not_look_up_a_code(world: World, as_text: bool) -> None:
    api = FakeApi(world.room)
    session = RoomSession(
        api=api,
        realtime=realtime_of(world.room, api.user_id),
        room=str(world.room.id) if as_text else world.room.id,
        display_name="Bob",
        clock=world.clock,
        random=Random(1),  # noqa: S311
    )
    world.sessions.append(session)
    async with session:
        assert api.calls == ["join_room", "sync_room"]


async def test_what_fell_between_join_and_channel_is_told(world: World) -> None:
    api = FakeApi(world.room)
    world.room.faults.realtime_is_down = True
    session = world.session(api=api)
    entering = asyncio.create_task(session.__aenter__())
    await settle()
    world.room.post("between")
    world.room.faults.realtime_is_down = False
    await world.clock.advance(1)
    await entering
    reader = world.read(session)
    await settle()
    assert reader.told == ["joined at 1", "2* between", "caught up 1-2: 1", "live"]


async def test_a_step_between_the_ok_and_the_sync_is_told_once(world: World) -> None:
    api = FakeApi(world.room)
    gate = api.gate("sync_room")
    session = world.session(api=api)
    entering = asyncio.create_task(session.__aenter__())
    await settle()
    world.room.post("live and in the sync")
    gate.set()
    await entering
    reader = world.read(session)
    await settle()
    assert reader.told == ["joined at 1", "2* live and in the sync", "caught up 1-2: 1", "live"]


async def test_live_is_not_reached_before_the_sync_is_answered(world: World) -> None:
    api = FakeApi(world.room)
    gate = api.gate("sync_room")
    session = world.session(api=api)
    entering = asyncio.create_task(session.__aenter__())
    await world.clock.advance(1)
    assert session.connection_state is ConnectionState.JOINING
    with pytest.raises(NotJoinedError):
        session.events()
    with pytest.raises(NotJoinedError):
        await session.send("too early")
    gate.set()
    await entering
    assert session.is_connected


async def test_the_topic_moves_while_entering(world: World) -> None:
    api = FakeApi(world.room)
    mallory = world.room.bring("Mallory")
    gate = api.gate("sync_room")
    session = world.session(api=api)
    entering = asyncio.create_task(session.__aenter__())
    await settle()
    world.room.kick(mallory)
    gate.set()
    await entering
    assert session.topic == world.room.topic_of(2)
    assert [channel.topic for channel in world.room.faults.channels] == [world.room.topic]
    assert [p.display_name for p in session.participants] == ["Bob"]


async def test_a_wrong_code(world: World) -> None:
    api = FakeApi(world.room)
    world.room.code = "OTHER1"
    session = RoomSession(api=api, realtime=realtime_of(world.room, api.user_id), room="XJ9K2M", clock=world.clock)
    with pytest.raises(NotFoundError) as caught:
        await session.__aenter__()
    assert caught.value.code == "room_not_found"
    assert session.connection_state is ConnectionState.FAILED
    assert api.calls == ["get_room_by_code"]


async def test_a_full_room(world: World) -> None:
    world.room.is_full = True
    api = FakeApi(world.room)
    session = world.session(api=api)
    with pytest.raises(RoomFullError):
        await session.__aenter__()
    assert session.connection_state is ConnectionState.FAILED
    assert "leave_room" not in api.calls, "there is no lease to give back"
    with pytest.raises(SessionClosedError):
        session.events()
    with pytest.raises(UsageError):
        await session.__aenter__()


async def test_a_join_without_an_answer_gives_its_place_back(world: World) -> None:
    api = FakeApi(world.room)
    api.failures["join_room"] = ServerError("cannot join: broken", status=502)
    with pytest.raises(ServerError):
        await world.session(api=api).__aenter__()
    assert api.calls[-1] == "leave_room"


@pytest.mark.parametrize("word", ["kicked", "banned"])
async def test_removed_between_join_and_channel_says_so(world: World, word: str) -> None:
    api = FakeApi(world.room)
    world.room.faults.refusals.append(JoinRejectedError(topic="t", reason="Unauthorized", code="unauthorized"))
    session = world.session(api=api)
    gate = api.gate("join_room")
    entering = asyncio.create_task(session.__aenter__())
    await settle()
    gate.set()
    await settle(1)
    world.room.kick(api.user_id, word)
    with pytest.raises(PermissionDeniedError) as caught:
        await entering
    assert caught.value.code == word


async def test_realtime_that_is_away_fails_the_entry_in_its_time(world: World) -> None:
    world.room.faults.realtime_is_down = True
    session = world.session()
    entering = asyncio.create_task(session.__aenter__())
    await world.clock.advance(19)
    assert not entering.done()
    await world.clock.advance(2)
    with pytest.raises(ConnectTimeoutError) as caught:
        await entering
    assert caught.value.message == (
        "cannot join the room within 20 s: the database answered, Realtime did not (cannot connect: nobody answers)"
    )
    assert caught.value.__cause__ is not None
    assert session.connection_state is ConnectionState.FAILED
    assert leases(world) == []


async def test_a_database_that_is_away_fails_the_entry_in_its_time(world: World) -> None:
    api = FakeApi(world.room)
    api.gate("join_room")
    entering = asyncio.create_task(world.session(api=api).__aenter__())
    await world.clock.advance(21)
    with pytest.raises(ConnectTimeoutError, match="the database did not answer"):
        await entering


@pytest.mark.parametrize("held", ["get_room_by_code", "join_room", "sync_room"])
async def test_cancelled_while_entering_it_leaves_nothing(world: World, held: str) -> None:
    api = FakeApi(world.room)
    api.gate(held)
    session = world.session(api=api)
    entering = asyncio.create_task(session.__aenter__())
    await settle()
    entering.cancel()
    await asyncio.wait({entering})
    assert entering.cancelled()
    assert session.connection_state is ConnectionState.CLOSED
    assert leases(world) == []
    assert world.room.faults.channels == []
    assert ("leave_room" in api.calls) is (held != "get_room_by_code")


async def test_cancelled_again_while_giving_the_place_back_it_still_ends(world: World) -> None:
    api = FakeApi(world.room)
    world.room.faults.realtime_is_down = True
    api.gate("leave_room")
    session = world.session(api=api)
    entering = asyncio.create_task(session.__aenter__())
    await settle()
    for _ in range(3):
        entering.cancel()
        await settle()
    assert not entering.done()
    await world.clock.advance(4)
    await asyncio.wait({entering})
    assert entering.cancelled()
    assert session.connection_state is ConnectionState.CLOSED


async def test_closed_by_another_task_while_entering(world: World) -> None:
    world.room.faults.realtime_is_down = True
    session = world.session()
    entering = asyncio.create_task(session.__aenter__())
    await settle()
    await session.aclose()
    with pytest.raises(SessionClosedError):
        await entering
    assert leases(world) == []


async def test_never_entered_it_closes_without_a_call(world: World) -> None:
    api = FakeApi(world.room)
    session = world.session(api=api)
    await session.aclose()
    await session.leave()
    assert session.connection_state is ConnectionState.CLOSED
    assert api.calls == []
    with pytest.raises(UsageError):
        await session.__aenter__()


async def test_leaving_twice_and_at_once(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    await asyncio.gather(session.leave(), session.aclose(), session.leave())
    await session.close()
    assert api.calls.count("leave_room") == 1


async def test_a_place_that_cannot_be_given_back(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    api.down = ServerError("cannot do it: down", status=503)
    with pytest.raises(ServerError):
        await session.leave()
    assert session.connection_state is ConnectionState.CLOSED
    await session.aclose()


async def test_leaving_is_bounded_in_time(world: World) -> None:
    api = FakeApi(world.room)
    session = await world.live(api=api)
    api.gate("leave_room")
    leaving = asyncio.create_task(session.aclose())
    await world.clock.advance(3.5)
    assert leaving.done()
    assert session.connection_state is ConnectionState.CLOSED


async def test_after_the_end_calls_are_refused(world: World) -> None:
    session = await world.live()
    await session.leave()
    for call in (
        session.send("x"),
        session.signal("typing"),
        session.start_voice(),
        session.stop_stream(uuid4()),
        session.stream().__aenter__(),
        session.kick(uuid4()),
        session.ban(uuid4()),
    ):
        with pytest.raises(SessionClosedError):
            await call


async def test_a_bug_inside_fails_the_session_aloud(world: World, caplog: pytest.LogCaptureFixture) -> None:
    api = FakeApi(world.room)
    session, reader = await world.watched(api=api)
    world.room.faults.lose(1)
    world.room.post("a")
    api.sync_room = None  # type: ignore[assignment] # what no error of ours explains
    world.room.post("b")
    await settle()
    assert session.connection_state is ConnectionState.FAILED
    assert reader.told[-2:] == ["closing", "ended: internal_error"]
    assert reader.error is not None
    assert "connector failed" in caplog.text


async def test_ada_and_bob_see_each_other(world: World) -> None:
    ada, bob = await world.live(), await world.live()
    await settle()
    assert len(ada.participants) == len(bob.participants) == 2
    sent = await ada.send("hello")
    await settle()
    assert bob.messages == [sent]
    reader = world.read(bob)
    await settle()
    assert isinstance(reader.events[-1], MessageReceived)
    assert reader.events[-1].message == sent


async def test_the_calls_of_a_session(world: World) -> None:
    api = FakeApi(world.room, user_id=world.room.host)
    session = await world.live(api=api, options=SessionOptions(join_base_url="https://example.org/spaces/"))
    assert session.join_link == "https://example.org/spaces/XJ9K2M"
    state = await session.update_room_state(mode="playful")
    assert state.mode == "playful"
    await settle()
    assert session.room_state == state
    assert (await session.start_voice()).voice_since is not None
    await settle()
    assert session.me is not None
    assert session.me.voice_since is not None
    assert (await session.stop_voice()).voice_since is None
    reader = world.read(session)
    assert await session.typing()
    assert await session.speaking()
    await settle()
    signals = [(e.kind, e.user_id) for e in reader.events if isinstance(e, SignalReceived)]
    assert signals == [(SignalKind.TYPING, api.user_id), (SignalKind.SPEAKING, api.user_id)]
    for text in "abc":
        await session.send(text)
    page = await session.history(limit=2)
    assert [m.content for m in page.items] == ["b", "c"]
    assert (await session.mark_read(1)).last_read_seq < session.position
    assert (await session.mark_read()).last_read_seq == session.position
    assert page.next_cursor is not None
    older = await session.history(before=int(page.next_cursor), limit=2)
    assert [m.content for m in older.items] == ["a"]
    assert len((await session.get_participants()).items) == 1
    mallory = world.room.bring("Mallory")
    assert (await session.set_participant_kind(mallory, "human")).display_name == "Mallory"
    assert (await session.mute(mallory)).is_muted
    assert not (await session.unmute(mallory)).is_muted
    assert (await session.set_role(mallory, "moderator")).role is Role.MODERATOR
    await session.kick(mallory)
    await settle()
    assert session.is_connected
    assert session.topic == world.room.topic_of(2)
    assert repr(session).startswith("<RoomSession XJ9K2M live")


async def test_a_ban_and_another_host(world: World) -> None:
    session = await world.live(api=FakeApi(world.room, user_id=world.room.host))
    bob, mallory = world.room.bring("Bob"), world.room.bring("Mallory")
    await session.ban(mallory, reason="spam")
    assert (await session.transfer_host(bob)).host == bob
    await settle()
    assert world.room.why_out(mallory) == "banned"
    assert {p.user_id for p in session.participants if p.role is Role.HOST} == {bob}
    assert session.room_state is not None
    assert session.room_state.host == bob


async def test_messages_that_change(world: World) -> None:
    api = FakeApi(world.room, user_id=world.room.host)
    session, reader = await world.watched(api=api)
    said = await session.send("helo")
    edited = await session.edit(said.id, "hello")
    assert (await session.react(said.id, "👍")).reactions == {"👍": 1}
    await settle()
    assert session.messages == [edited.model_copy(update={"reactions": {"👍": 1}, "revision": edited.revision + 1})]
    await session.unreact(said.id, "👍")
    gone = await session.delete(said.id)
    await settle()
    assert session.messages == [gone]
    assert (gone.content, gone.status) == ("", MessageStatus.DELETED)
    updates = [event for event in reader.events if isinstance(event, MessageUpdated)]
    assert [event.pos for event in updates] == list(range(said.seq + 1, said.seq + 5))


async def test_voice_without_a_lease_has_the_place_had_again(world: World) -> None:
    session, reader = await world.watched()
    world.room.expire_leases(publish=False)
    with pytest.raises(ConflictError):
        await session.start_voice()
    await settle()
    assert "gap after 1: lease_expired" in reader.told
    assert session.is_connected
    assert (await session.start_voice()).voice_since is not None


async def test_presence_carries_the_connection_id_and_nothing_else(world: World) -> None:
    session = await world.live(options=SessionOptions(presence=PresenceMode.ON))
    await settle()
    assert world.room.faults.channels[0].tracked == [{"connection_id": str(session.connection_id)}]


async def test_a_catch_up_of_many_pages(world: World) -> None:
    world.room.config.page_rows = 7
    session, reader = await world.watched()
    world.room.faults.hold()
    old = world.room.post("old")
    for number in range(50):
        world.room.post(str(number))
    world.room.faults.release()
    await settle()
    world.room.faults.lose(61)
    for number in range(60):
        world.room.post(f"lost {number}")
    world.room.edit(old, "new")
    world.room.post("shows it")
    await settle(200)
    caught = [event for event in reader.events if isinstance(event, CaughtUp)]
    assert [(event.from_pos, event.to_pos, event.message_count) for event in caught] == [(52, 114, 62)]
    assert reader.told[-3:] == ["113* edited new", "caught up 52-114: 62", "live"]
    assert session.messages[0].content == "new"
    assert len(session.messages) == 112
