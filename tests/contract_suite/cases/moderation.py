"""Who is removed by whom, who comes back how, and who is what."""

from __future__ import annotations

from uuid import uuid4

from spaces_sdk.errors import SpacesError
from spaces_sdk.models import Role
from tests.contract_suite.stage import Person, Stage, case


@case
async def who_is_kicked_hears_no_more_and_comes_back_by_the_code(stage: Stage) -> None:
    room, (ada, bob, eve) = await stage.seat("ada", "bob", "eve")
    here, there = await stage.enter(ada, room), await stage.enter(bob, room)
    connection = uuid4()
    await bob.rooms.join_room(room.id, connection_id=connection)
    await ada.rooms.kick_participant(room.id, bob.user_id)
    await ada.rooms.kick_participant(room.id, bob.user_id)
    assert await there.ends() == "kicked"
    (status,) = await bob.rooms.heartbeat([connection])
    assert status.status == "kicked"
    await stage.refused("kicked", bob.rooms.insert_message(room.id, "hello?"))
    await stage.refused("kicked", bob.rooms.sync_room(room.id, 0))
    await stage.refused("kicked", bob.rooms.join_room(room.id))
    await eve.rooms.insert_message(room.id, "on the new topic")
    told = await here.hears(room)
    assert here.session.is_connected
    assert here.session.topic == f"spaces:{room.id}:2"
    await bob.rooms.get_room_by_code(room.room_code)
    back = await bob.rooms.join_room(room.id)
    assert (back.epoch, back.me.display_name, back.me.role) == (2, "bob", Role.MEMBER)
    assert len(told) == 3


@case
async def who_is_banned_stays_out(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob", visibility="public")
    here, there = await stage.enter(ada, room), await stage.enter(bob, room)
    invitation = await ada.rooms.create_invitation(room.id)
    await ada.rooms.ban_participant(room.id, bob.user_id, reason=" spam ")
    await ada.rooms.ban_participant(room.id, bob.user_id, reason="again")
    assert await there.ends() == "banned"
    await stage.refused("banned", bob.rooms.join_room(room.id, "bob"))
    await stage.refused("banned", bob.rooms.insert_message(room.id, "hello?"))
    await stage.refused("room_not_found", bob.rooms.get_room_by_code(room.room_code))
    await stage.refused("room_not_found", bob.rooms.accept_invitation(invitation.token))
    await stage.refused("banned", bob.rooms.list_bans(room.id))
    (ban,) = (await ada.rooms.list_bans(room.id)).items
    assert (ban.user_id, ban.display_name, ban.reason, ban.banned_by) == (bob.user_id, "bob", "spam", ada.user_id)
    await ada.rooms.unban_participant(room.id, bob.user_id)
    await ada.rooms.unban_participant(room.id, bob.user_id)
    await stage.refused("kicked", bob.rooms.join_room(room.id, "bob"))
    await bob.rooms.get_room_by_code(room.room_code)
    assert (await bob.rooms.join_room(room.id, "bob")).me.display_name == "bob"
    assert len(await here.hears(room)) == 3


@case
async def who_may_do_what_to_whom(stage: Stage) -> None:
    room, (ada, bob, eve, mallory) = await stage.seat("ada", "bob", "eve", "mallory")
    for person in (bob, eve):
        await ada.rooms.set_participant_role(room.id, person.user_id, "moderator")
    outsider = await stage.person("zoe")
    for actor in (ada, bob, mallory, outsider):
        for target in (ada, bob, eve, mallory):
            if actor is target or {actor, target} in ({ada, bob}, {ada, eve}, {ada, mallory}, {bob, mallory}):
                continue
            await try_all(stage, actor, target, room.id)
    for actor, target in ((bob, ada), (mallory, ada), (bob, bob), (mallory, mallory), (mallory, bob)):
        await try_all(stage, actor, target, room.id)
    await stage.refused("not_allowed", ada.rooms.kick_participant(room.id, ada.user_id))
    await stage.refused("not_allowed", ada.rooms.set_participant_role(room.id, ada.user_id, "member"))
    await stage.refused("not_allowed", ada.rooms.mute_participant(room.id, ada.user_id))
    assert not (await ada.rooms.mute_participant(room.id, ada.user_id, False)).is_muted
    await stage.refused("participant_not_found", bob.rooms.kick_participant(room.id, uuid4()))
    await stage.refused("participant_not_found", bob.rooms.mute_participant(room.id, outsider.user_id))
    assert (await bob.rooms.mute_participant(room.id, mallory.user_id)).is_muted
    await bob.rooms.kick_participant(room.id, mallory.user_id)


async def try_all(stage: Stage, actor: Person, target: Person, room_id: object) -> None:
    """Acts that all of these refuse; the codes are in the notes."""
    room = str(room_id)
    calls = {
        "kick": lambda: actor.rooms.kick_participant(room, target.user_id),
        "ban": lambda: actor.rooms.ban_participant(room, target.user_id),
        "mute": lambda: actor.rooms.mute_participant(room, target.user_id),
        "role": lambda: actor.rooms.set_participant_role(room, target.user_id, "member"),
        "kind": lambda: actor.rooms.set_participant_kind(room, target.user_id, "bot"),
    }
    told: list[str] = []
    for name, call in calls.items():
        try:
            await call()
        except SpacesError as error:
            told.append(f"{name}: {error.code} ({error.hint})")
        else:
            raise AssertionError(f"{actor.name} may {name} {target.name}")
    stage.note(f"{actor.name} to {target.name}", *told)


@case
async def roles_are_given_and_taken(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    assert (await ada.rooms.set_participant_role(room.id, bob.user_id, "moderator")).role is Role.MODERATOR
    assert (await ada.rooms.set_participant_role(room.id, bob.user_id, "moderator")).role is Role.MODERATOR
    assert (await ada.rooms.set_participant_role(room.id, bob.user_id, "member")).role is Role.MEMBER
    await stage.refused("invalid_argument", ada.rooms.set_participant_role(room.id, bob.user_id, "host"))
    await stage.refused("not_host", bob.rooms.set_participant_role(room.id, bob.user_id, "moderator"))
    assert len(await visit.hears(room)) == 2


@case
async def twenty_acts_of_moderation_at_once(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("zoe", "bob")
    await stage.stop_refill("moderation")
    for number in range(20):
        await ada.rooms.mute_participant(room.id, bob.user_id, number % 2 == 0)
    error = await stage.refused("rate_limited", ada.rooms.mute_participant(room.id, bob.user_id))
    assert error.retryable
    await stage.refused("not_allowed", bob.rooms.mute_participant(room.id, ada.user_id))
    for _ in range(25):  # what is refused by an error is not counted
        await stage.refused("not_allowed", bob.rooms.kick_participant(room.id, ada.user_id))
