"""The second half of the demo: who may not come in, who goes, and who has to."""

from __future__ import annotations

from uuid import uuid4

from spaces_sdk.demo.cast import Person
from spaces_sdk.demo.checks import check, refused
from spaces_sdk.demo.guest_process import guest_process
from spaces_sdk.demo.open_socket import OpenSocket
from spaces_sdk.demo.stage import Stage, after
from spaces_sdk.events import (
    CaughtUp,
    Event,
    LeftReason,
    MessageReceived,
    ParticipantJoined,
    ParticipantLeft,
    RoomLeft,
    SessionEnded,
)


async def refuse_when_full(stage: Stage) -> None:
    """Three places, three people: Dora has the code, and is refused all the same."""
    all_three = (stage.ada, stage.bob, stage.sage)
    stage.must_be_live(*all_three)
    preview = await stage.dora.spaces.rooms.get_room_by_code(stage.room.room_code)
    check(preview.is_full, expected="the preview to say full", seen=f"{preview.participant_count} online")
    error = await refused(stage.enter(stage.dora, stage.room.room_code), "room_full", what="Dora's join")
    stage.ledger.note(f"Dora: {error.message}")
    await stage.say(stage.ada, "We are complete.", all_three)
    for person in all_three:
        strangers = [e.participant.display_name for e in person.witness.seen(ParticipantJoined)]
        check(not strangers, expected=f"{person.name} to see nobody come in", seen=strangers)


async def leave(stage: Stage) -> None:
    """Bob goes politely: the others see it at once, and what he wrote stays."""
    bob, others = stage.bob, (stage.ada, stage.sage)
    watched = bob.witness
    began_ms = stage.ledger.now_ms()
    await bob.go()
    seen = await stage.all_see(others, ParticipantLeft, lambda e: _has(e, bob), what="Bob leave")
    reasons = {event.reason for event, _ in seen.values()}
    check(reasons == {LeftReason.LEFT}, expected="the reason left", seen=reasons)
    await watched.sees(RoomLeft, what="his own leave", within_s=stage.settings.patience_s)
    ended_by = await watched.wait_ended(stage.settings.patience_s)
    check(ended_by is None, expected="Bob's own events to end without an error", seen=ended_by)
    await _shown_offline(stage, bob)
    stage.ledger.note(f"seen by {after(seen, began_ms)}; the room lists him as offline")


async def kill_process(stage: Stage) -> None:
    """Bob returns from a process of its own, which is killed: no goodbye, only the lease runs out."""
    bob, dora, others = stage.bob, stage.dora, (stage.ada, stage.sage)
    stage.must_be_live(*others)
    bob.absence = "was in a process of its own, and has not come back"
    order = {
        "url": stage.stack.url,
        "key": stage.stack.publishable_key,
        "access_token": await bob.spaces.auth.access_token(),
        "room": stage.room.room_code,
        "display_name": bob.name,
        "message": "Back again, from the train.",
    }
    async with guest_process(order) as guest:
        hello = await guest.hello(stage.settings.patience_s)
        await stage.all_see(
            others, ParticipantJoined, lambda e: e.participant.user_id == bob.user_id, what="Bob return"
        )
        await stage.all_see(
            others, MessageReceived, lambda e: str(e.message.id) == hello["message_id"], what="Bob's message"
        )
        stage.ledger.ids |= {"guest_connection_id": hello["connection_id"], "guest_message_id": hello["message_id"]}
        stage.ledger.note(f"Bob (process {guest.process.pid}): {order['message']}")
        await guest.kill()
        killed_ms = stage.ledger.now_ms()
        stage.ledger.note("the process is killed with SIGKILL")
    seen = await stage.all_see(
        others,
        ParticipantLeft,
        lambda e: _has(e, bob),
        what="Bob go offline",
        within_s=lease_runs_out_s(stage) + stage.settings.patience_s,
    )
    reasons = {event.reason for event, _ in seen.values()}
    check(reasons == {LeftReason.TIMEOUT}, expected="the reason timeout", seen=reasons)
    first_s = (min(at_ms for _, at_ms in seen.values()) - killed_ms) / 1000
    soonest_s = stage.settings.lease_s - 2 * stage.settings.heartbeat_s
    check(first_s >= soonest_s, expected=f"him to be kept until his lease runs out ({soonest_s:g} s)", seen=first_s)
    await _shown_offline(stage, bob)
    stage.ledger.note(
        f"shown offline {first_s:.1f} s later: a lease is {stage.settings.lease_s:g} s from the last heartbeat"
    )
    await stage.enter(dora, stage.room.room_code)
    await stage.all_see(others, ParticipantJoined, lambda e: e.participant.user_id == dora.user_id, what="Dora join")
    stage.ledger.note("his place is free: Dora gets in")


def lease_runs_out_s(stage: Stage) -> float:
    """The longest that a lease without a heartbeat can last: it is swept at somebody's next heartbeat."""
    return stage.settings.lease_s + stage.settings.heartbeat_s


async def kick(stage: Stage) -> None:
    """Ada removes Dora. Dora's session ends; a socket of hers that nobody closes hears nothing more.

    That it is still alive is proved by a room of Dora's own on the same socket: what is published there last
    comes through, so whatever the old room had published to her before would have come, too.
    """
    ada, bob, sage, dora = stage.ada, stage.bob, stage.sage, stage.dora
    token = await dora.spaces.auth.access_token()
    old_topic = dora.session.topic
    async with OpenSocket(
        stage.stack.url, key=stage.stack.publishable_key, access_token=token, clock=stage.clock
    ) as socket:
        ear = await socket.listen(old_topic)
        porch = await dora.spaces.rooms.create_room("Dora's porch")
        own = await dora.spaces.rooms.join_room(porch.id, dora.name, connection_id=uuid4())
        own_ear = await socket.listen(own.topic)
        heard = await stage.say(ada, "Can you hear me, Dora?", (ada, sage, dora))
        await ear.hears(str(heard.id), what="the room before the kick", within_s=stage.settings.patience_s)

        began_ms = stage.ledger.now_ms()
        await ada.spaces.rooms.kick_participant(stage.room.id, dora.user_id)
        _, ended_ms = await dora.witness.sees(
            SessionEnded,
            lambda e: e.reason == "kicked",
            what="the end of her session",
            within_s=stage.settings.patience_s,
        )
        error = await dora.witness.wait_ended(stage.settings.patience_s)
        check(error is not None and error.code == "kicked", expected="RemovedError (kicked)", seen=error)
        dora.is_out("was kicked")
        await stage.all_see((ada, sage), Event, lambda e: _tells_removal(e, dora), what="Dora go")
        await ear.hears("room:moved", what="that the room has moved", within_s=stage.settings.patience_s)
        stage.ledger.note(f"Dora's session ended {ended_ms - began_ms:.0f} ms after the kick; her socket stays open")

        before = len(ear.heard)
        await stage.enter(bob, stage.room.room_code)
        talked = [
            await stage.say(speaker, text, (ada, bob, sage))
            for speaker, text in ((bob, "I am back."), (ada, "Just in time."), (bob, "Where is Dora?"))
        ]
        last = await dora.spaces.rooms.insert_message(porch.id, "Is this thing on?")
        await own_ear.hears(str(last.id), what="her own room", within_s=stage.settings.patience_s)
        later = ear.heard[before:]
        check(not later, expected="the kicked one to hear nothing", seen=ear.summary(before))
        check(not ear.closed_by, expected="the channel to be open still", seen=ear.closed_by)
        check(socket.connections == 1, expected="one socket all along", seen=f"{socket.connections} connections")
    stage.ledger.note(f"on that socket: 0 of {len(talked)} messages, while her own room comes through")
    error = await refused(stage.enter(dora, stage.room.id), "kicked", what="Dora's return by the id")
    stage.ledger.note(f"back by the room's id? {error.message}")


async def delete_room(stage: Stage) -> None:
    """The host ends it for all; only she can."""
    ada, bob, sage = stage.ada, stage.bob, stage.sage
    all_three = (ada, bob, sage)
    error = await refused(bob.spaces.rooms.delete_room(stage.room.id), "not_host", what="Bob's delete")
    stage.ledger.note(f"Bob may not: {error.message}")
    await stage.say(ada, "Good night, all!", all_three)
    began_ms = stage.ledger.now_ms()
    await ada.spaces.rooms.delete_room(stage.room.id)
    seen = await stage.all_see(all_three, SessionEnded, what="the end of the room")
    for person in all_three:
        ended_by = await person.witness.wait_ended(stage.settings.patience_s)
        check(ended_by is not None, expected=f"{person.name}'s events to end with RemovedError", seen="a silent end")
        person.is_out("was in a room that is deleted")
    gone = await refused(ada.spaces.rooms.get_room_by_id(stage.room.id), "room_not_found", what="a look at the room")
    stage.ledger.note(f"the end is seen by {after(seen, began_ms)}")
    stage.ledger.note(f"a look at it afterwards: {gone.message}")


async def _shown_offline(stage: Stage, person: Person) -> None:
    """In Ada's list, and in the database."""
    listed = {p.user_id: p.is_online for p in stage.ada.session.participants}
    check(listed.get(person.user_id) is not True, expected=f"{person.name} offline in Ada's list", seen="online")
    page = await stage.ada.spaces.rooms.get_participants(stage.room.id)
    stored = {p.user_id: p.is_online for p in page.items}
    check(
        stored.get(person.user_id) is False,
        expected=f"{person.name} to be kept in the room, offline",
        seen=stored.get(person.user_id, "no such participant"),
    )


def _tells_removal(event: Event, person: Person) -> bool:
    """As an event, or inside the catch-up with which a session follows the room to its new topic."""
    match event:
        case ParticipantLeft(reason=LeftReason.KICKED):
            return _has(event, person)
        case CaughtUp(participants=participants):
            return not any(p.user_id == person.user_id and p.is_online for p in participants)
        case _:
            return False


def _has(event: ParticipantLeft, person: Person) -> bool:
    return any(p.user_id == person.user_id for p in event.participants)
