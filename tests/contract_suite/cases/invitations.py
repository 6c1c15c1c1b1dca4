"""Invitations: who makes them, whom they let in, and when they do no more."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from tests.contract_suite.stage import Stage, case


@case
async def an_invitation_opens_a_private_room(stage: Stage) -> None:
    ada, bob, eve = [await stage.person(name) for name in ("ada", "bob", "eve")]
    room = await stage.room(ada, visibility="private")
    key = uuid4()
    made = await ada.rooms.create_invitation(room.id, max_uses=1, invitation_id=key)
    again = await ada.rooms.create_invitation(room.id, max_uses=1, invitation_id=key)
    assert (again.id, again.max_uses, again.expires_at) == (made.id, 1, made.expires_at)
    assert again.token != made.token
    found = await bob.rooms.accept_invitation(made.token)
    assert (found.room.id, found.room.room_code) == (room.id, "")
    await bob.rooms.accept_invitation(again.token)  # a second time it costs nothing
    await stage.refused("room_not_found", eve.rooms.accept_invitation(made.token))
    await bob.rooms.join_room(room.id, "bob")
    (listed,) = (await ada.rooms.list_invitations(room.id)).items
    assert (listed.id, listed.use_count, listed.is_used_up) == (key, 1, True)
    await stage.refused("not_allowed", bob.rooms.create_invitation(room.id))
    await stage.refused("not_allowed", bob.rooms.list_invitations(room.id))
    await stage.refused("not_participant", eve.rooms.create_invitation(room.id))
    await stage.refused("invalid_argument", eve.rooms.accept_invitation("too short"))
    await stage.refused("room_not_found", eve.rooms.accept_invitation("x" * 32))


@case
async def what_is_revoked_lets_nobody_in(stage: Stage) -> None:
    room, (ada, bob, eve) = await stage.seat("ada", "bob", "eve")
    mallory = await stage.person("mallory")
    await ada.rooms.set_participant_role(room.id, bob.user_id, "moderator")
    made = await bob.rooms.create_invitation(room.id, expires_in=None)
    assert made.expires_at is None
    await mallory.rooms.accept_invitation(made.token)
    await ada.rooms.revoke_invitation(room.id, made.id)
    await ada.rooms.revoke_invitation(room.id, made.id)
    await stage.refused("room_not_found", mallory.rooms.join_room(room.id, "mallory"))
    await stage.refused("room_not_found", mallory.rooms.accept_invitation(made.token))
    await stage.refused("conflict", bob.rooms.create_invitation(room.id, invitation_id=made.id))
    await stage.refused("invalid_argument", ada.rooms.revoke_invitation(room.id, uuid4()))
    other = await bob.rooms.create_invitation(room.id)
    await ada.rooms.kick_participant(room.id, bob.user_id)  # and what they have made
    await stage.refused("room_not_found", mallory.rooms.accept_invitation(other.token))
    assert (await ada.rooms.list_invitations(room.id)).items == []
    await stage.refused("not_allowed", eve.rooms.revoke_invitation(room.id, other.id))


@case
async def an_invitation_ends_with_its_time(stage: Stage) -> None:
    room, (ada,) = await stage.seat("ada")
    bob = await stage.person("bob")
    made = await ada.rooms.create_invitation(room.id, expires_in=timedelta(seconds=4))
    await bob.rooms.accept_invitation(made.token)
    await stage.let_pass(4.1)
    await stage.refused("room_not_found", bob.rooms.join_room(room.id, "bob"))
    await stage.refused("room_not_found", bob.rooms.accept_invitation(made.token))
    assert (await ada.rooms.list_invitations(room.id)).items == []


@case
async def who_was_kicked_needs_another_use(stage: Stage) -> None:
    room, (ada,) = await stage.seat("ada", visibility="private")
    bob = await stage.person("bob")
    made = await ada.rooms.create_invitation(room.id, max_uses=2)

    async def come() -> None:
        await bob.rooms.accept_invitation(made.token)
        await bob.rooms.join_room(room.id, "bob")

    await come()
    await ada.rooms.kick_participant(room.id, bob.user_id)
    await stage.refused("kicked", bob.rooms.join_room(room.id, "bob"))
    await come()
    await ada.rooms.kick_participant(room.id, bob.user_id)
    await stage.refused("room_not_found", bob.rooms.accept_invitation(made.token))
