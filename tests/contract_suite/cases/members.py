"""Who is there: joined, gone, come back, fallen silent; voice and signals."""

from __future__ import annotations

from uuid import uuid4

from spaces_sdk.models import Kind
from tests.contract_suite.stage import Stage, case


@case
async def coming_and_going_is_told_once(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    first, second = uuid4(), uuid4()
    await bob.rooms.join_room(room.id, connection_id=first)
    await bob.rooms.join_room(room.id, connection_id=first)  # the answer was lost
    await bob.rooms.join_room(room.id, connection_id=second)  # another device
    await bob.rooms.leave_room(room.id, connection_id=first)
    await bob.rooms.leave_room(room.id, connection_id=second)
    await bob.rooms.leave_room(room.id, connection_id=second)
    await bob.rooms.join_room(room.id, connection_id=uuid4())
    await bob.rooms.leave_room(room.id)
    told = await visit.hears(room)
    assert [text.split(" ", 1)[1] for text in told] == [
        "came bob (member human online)",
        "went bob left",
        "+ -: bob left the room [final system]",
        "came bob (member human online)",
        "went bob left",
    ]


@case
async def a_newcomer_is_announced(stage: Stage) -> None:
    ada, eve = await stage.person("ada"), await stage.person("eve")
    room = await stage.room(ada)
    visit = await stage.enter(ada, room)
    await stage.member(eve, room)
    await eve.rooms.join_room(room.id, "Evelyn")
    bea = await stage.bot()
    await stage.member(bea, room)
    told = await visit.hears(room)
    assert [text.split(" ", 1)[1] for text in told] == [
        "came eve (member human offline)",
        "+ -: eve joined the room [final system]",
        "is now Evelyn (member human offline)",
        "came bea (member bot offline)",
        "+ -: bea joined the room [final system]",
    ]
    await stage.refused("not_participant", (await stage.person("bob")).rooms.leave_room(room.id))


@case
async def who_forgets_a_room_is_in_it_no_more(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    connection = uuid4()
    await bob.rooms.join_room(room.id, connection_id=connection)
    await ada.rooms.mute_participant(room.id, bob.user_id)
    await stage.refused("not_allowed", ada.rooms.forget_room(room.id))
    await bob.rooms.forget_room(room.id)
    await bob.rooms.forget_room(room.id)
    (status,) = await bob.rooms.heartbeat([connection])
    assert status.status == "not_participant"
    await stage.refused("not_participant", bob.rooms.sync_room(room.id, 0))
    await stage.refused("not_participant", bob.rooms.insert_message(room.id, "hello?"))
    await stage.refused("room_not_found", bob.rooms.join_room(room.id, "bob"))
    await bob.rooms.get_room_by_code(room.room_code)
    assert (await bob.rooms.join_room(room.id, "bob")).me.is_muted, "forgetting is no way around a mute"
    assert len(await visit.hears(room)) == 5


@case
async def a_heartbeat_says_what_a_connection_is_worth(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    live, left, unknown = uuid4(), uuid4(), uuid4()
    await bob.rooms.join_room(room.id, connection_id=live)
    await bob.rooms.join_room(room.id, connection_id=left)
    await bob.rooms.leave_room(room.id, connection_id=left)
    answers = {a.connection_id: a for a in await bob.rooms.heartbeat([live, left, unknown])}
    assert [answers[key].status for key in (live, left, unknown)] == ["live", "lease_expired", "lease_expired"]
    assert (answers[live].head, answers[live].epoch) == (await stage.head(room.id), 1)
    (foreign,) = await ada.rooms.heartbeat([live])
    assert foreign.status == "lease_expired"


@case
async def a_connection_that_falls_silent_ends(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    await stage.configure(lease_s=0.2)
    connection = uuid4()
    await bob.rooms.join_room(room.id, connection_id=connection)
    await stage.configure(lease_s=75)
    await stage.let_pass(0.4)
    await stage.sweep()
    told = await visit.hears(room)
    assert told[-1].endswith("went bob timeout")
    (status,) = await bob.rooms.heartbeat([connection])
    assert status.status == "lease_expired"
    await stage.refused("lease_expired", bob.rooms.set_voice(room.id, True))


@case
async def a_session_is_present_by_its_events(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    here = await stage.enter(ada, room)
    there = await stage.enter(bob, room)
    assert [p.display_name for p in here.session.participants] == ["ada", "bob"]
    await there.session.aclose()
    assert len(await here.hears(room)) == 3
    assert [(p.display_name, p.is_online) for p in here.session.participants] == [("ada", True), ("bob", False)]


@case
async def voice_and_signals(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    await stage.refused("lease_expired", bob.rooms.set_voice(room.id, True))
    await bob.rooms.join_room(room.id, connection_id=uuid4())
    assert (await bob.rooms.set_voice(room.id, True)).voice_since is not None
    await bob.rooms.set_voice(room.id, True)
    assert await bob.rooms.signal(room.id, "my_app.cursor", {"x": 1})
    assert await bob.rooms.signal(room.id, "typing", ttl_s=60)
    await stage.until(lambda: any(type(event).__name__ == "SignalReceived" for event in visit.events))
    assert (await bob.rooms.set_voice(room.id, False)).voice_since is None
    await stage.refused("invalid_argument", bob.rooms.signal(room.id, "Typing"))
    await stage.refused("invalid_argument", bob.rooms.signal(room.id, "typing", ttl_s=61))
    await ada.rooms.mute_participant(room.id, bob.user_id)
    await stage.refused("muted", bob.rooms.signal(room.id, "typing"))
    await stage.refused("muted", bob.rooms.set_voice(room.id, True))
    await stage.refused("not_participant", (await stage.person("eve")).rooms.signal(room.id, "typing"))
    assert len(await visit.hears(room)) == 6


@case
async def a_bot_is_one_by_its_account(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    bea = await stage.bot()
    await stage.member(bea, room)
    kinds = {p.display_name: p.kind for p in (await ada.rooms.get_participants(room.id)).items}
    assert kinds == {"ada": Kind.HUMAN, "bob": Kind.HUMAN, "bea": Kind.BOT}
    message = await bea.rooms.insert_message(room.id, "I am a bot", message_type="ai_response")
    assert message.sender_kind == "bot"
    await stage.refused("not_allowed", bob.rooms.insert_message(room.id, "me too", message_type="ai_response"))
    await stage.refused("not_host", bob.rooms.set_participant_kind(room.id, bob.user_id, "bot"))
    assert (await ada.rooms.set_participant_kind(room.id, bob.user_id, "bot")).kind is Kind.BOT
    assert (await bob.rooms.insert_message(room.id, "me too", message_type="ai_response")).sender_kind == "bot"
    await stage.refused("participant_not_found", ada.rooms.set_participant_kind(room.id, uuid4(), "bot"))
