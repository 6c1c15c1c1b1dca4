"""The first half of the demo: people and a bot meet in a room and talk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from spaces_sdk.client import Spaces
from spaces_sdk.demo.bot import sage_listens
from spaces_sdk.demo.cast import Person
from spaces_sdk.demo.checks import check, refused
from spaces_sdk.demo.stage import Stage, after
from spaces_sdk.events import (
    MessageReceived,
    ParticipantJoined,
    RoomJoined,
    StateUpdated,
    VoiceStarted,
    VoiceStopped,
)
from spaces_sdk.models import Kind, MessageType, Role

PLACES = 3
SETTINGS = {"spaces": {"turn_mode": "mention"}}
"""A bot answers who mentions it."""


async def sign_in(stage: Stage) -> None:
    """Three sign up as anybody does; the bot's account is made with the secret key."""
    sage = stage.sage
    async with Spaces(stage.stack.url, stage.stack.secret_key) as operator:
        bot = {"spaces_kind": "bot"}
        await operator.auth.admin.create_user(email=sage.email, password=sage.password, app_metadata=bot)
    people = (stage.ada, stage.bob, stage.dora)
    await asyncio.gather(*(p.spaces.auth.sign_up(email=p.email, password=p.password) for p in people))
    for person in stage.people:
        signed_in = await person.spaces.auth.sign_in_with_password(email=person.email, password=person.password)
        person.account_id = signed_in.user.id
        stage.ledger.ids[f"{person.name.lower()}_user_id"] = str(person.user_id)
    stage.ledger.note("Ada, Bob and Dora by e-mail and password; Sage's account was made with the secret key")


async def create_room(stage: Stage) -> None:
    """Ada makes a room; its code is what she tells the others."""
    room = await stage.ada.spaces.rooms.create_room("Friday jam", max_participants=PLACES, settings=SETTINGS)
    stage.known_room = room
    stage.ledger.ids |= {"room_id": str(room.id), "room_code": room.room_code}
    check(len(room.room_code) == 6, expected="a code of 6 characters", seen=room.room_code)
    check(room.host_user_id == stage.ada.user_id, expected="Ada to be the host", seen=room.host_user_id)
    stage.ledger.note(
        f'"{room.name}", code {room.room_code}, {room.max_participants} places; a bot answers who mentions it'
    )


async def join_by_code(stage: Stage) -> None:
    """The host enters by id; Bob types the code, in lower case."""
    ada, bob, code = stage.ada, stage.bob, stage.room.room_code
    await stage.enter(ada, stage.room.id)
    preview = await bob.spaces.rooms.get_room_by_code(code.lower())
    names = [p.display_name for p in preview.participants]
    check(names == ["Ada"], expected="the code to show that Ada is there", seen=names)
    began_ms = stage.ledger.now_ms()
    await stage.enter(bob, code.lower())
    seen = await stage.all_see([ada], ParticipantJoined, _is(bob), what="Bob join")
    stage.ledger.note(f"Bob typed {code.lower()}; seen by {after(seen, began_ms)}")


async def see_each_other(stage: Stage) -> None:
    """Both were told of both, have both in their list, and so has the database."""
    ada, bob = stage.ada, stage.bob
    told = {
        "Ada": [e.participant.display_name for e in ada.here.recall(ParticipantJoined)],
        "Bob": sorted(p.display_name for e in bob.here.recall(RoomJoined) for p in e.participants if p.is_online),
    }
    expected = {"Ada": ["Bob"], "Bob": ["Ada", "Bob"]}
    check(told == expected, expected="Ada to be told that Bob came, and Bob who is there", seen=told)
    roles = {"Ada": Role.HOST, "Bob": Role.MEMBER}
    for person in (ada, bob):
        listed = {p.display_name: p.role for p in person.session.participants if p.is_online}
        check(listed == roles, expected=f"{person.name} to have Ada, the host, and Bob in the list", seen=listed)
        page = await person.spaces.rooms.get_participants(stage.room.id)
        stored = {p.display_name: p.role for p in page.items if p.is_online}
        check(stored == roles, expected="the database to say the same", seen=stored)
        stage.ledger.note(f"{person.name}'s list: Ada (host), Bob")


async def talk(stage: Stage) -> None:
    """A message each way; each of the two hears both, in one order."""
    both = (stage.ada, stage.bob)
    first = await stage.say(stage.ada, "Hello Bob!", both)
    second = await stage.say(stage.bob, "Hello Ada, nice room.", both)
    stage.ledger.ids |= {"first_message_id": str(first.id), "second_message_id": str(second.id)}
    for person in both:
        heard = [e.message for e in person.witness.seen(MessageReceived)]
        order = [m.seq for m in heard if m.message_type is MessageType.USER_TEXT]
        check(order == [first.seq, second.seq], expected=f"{person.name} to hear both in their order", seen=order)


async def join_late(stage: Stage) -> None:
    """Sage comes later, and has what was said before."""
    sage = stage.sage
    began_ms = stage.ledger.now_ms()
    joined = await stage.enter(sage, stage.room.room_code)
    told = [m.content for m in joined.messages if m.message_type is MessageType.USER_TEXT]
    check(told == ["Hello Bob!", "Hello Ada, nice room."], expected="Sage to have the history", seen=told)
    seen = await stage.all_see((stage.ada, stage.bob), ParticipantJoined, _is(sage), what="Sage join")
    kinds = {name: event.participant.kind for name, (event, _) in seen.items()}
    check(set(kinds.values()) == {Kind.BOT}, expected="Sage to be shown as a bot", seen=kinds)
    await sage.hold(sage_listens(sage.session))
    stage.ledger.note(f"Sage found {len(told)} messages; seen by {after(seen, began_ms)}")


async def change_mode(stage: Stage) -> None:
    """The host changes the mode and all see it; Bob may not, and nobody sees a change."""
    all_three = (stage.ada, stage.bob, stage.sage)
    began_ms = stage.ledger.now_ms()
    await stage.ada.session.update_room_state(mode="philosopher")
    seen = await stage.all_see(
        all_three, StateUpdated, lambda e: e.state.mode == "philosopher", what="the mode philosopher"
    )
    stage.ledger.note(f"philosopher: seen by {after(seen, began_ms)}")
    error = await refused(stage.bob.session.update_room_state(mode="wildcard"), "not_host", what="Bob's change of mode")
    stage.ledger.note(f"Bob may not: {error.message}")
    # A message after the refusal: whatever had been published before it would have come before it.
    await stage.say(stage.bob, "It was worth a try.", all_three)
    for person in all_three:
        modes = [e.state.mode for e in person.witness.seen(StateUpdated)]
        check(modes == ["philosopher"], expected=f"{person.name} to see one change of mode", seen=modes)
        state = person.session.room_state
        mode = state.mode if state else None
        check(mode == "philosopher", expected=f"{person.name}'s room to be in mode philosopher", seen=mode)


async def switch_voice(stage: Stage) -> None:
    """Bob switches voice on and off; all see both, and who it was."""
    bob = stage.bob
    all_three = (stage.ada, bob, stage.sage)
    began_ms = stage.ledger.now_ms()
    await bob.session.start_voice()
    seen = await stage.all_see(all_three, VoiceStarted, lambda e: e.user_id == bob.user_id, what="Bob's voice on")
    stage.ledger.note(f"on: seen by {after(seen, began_ms)}")
    began_ms = stage.ledger.now_ms()
    await bob.session.stop_voice()
    seen_off = await stage.all_see(all_three, VoiceStopped, lambda e: e.user_id == bob.user_id, what="Bob's voice off")
    stage.ledger.note(f"off: seen by {after(seen_off, began_ms)}")


def _is(person: Person) -> Callable[[ParticipantJoined], bool]:
    def joined(event: ParticipantJoined) -> bool:
        return event.participant.user_id == person.user_id

    return joined
