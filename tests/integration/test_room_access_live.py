"""How people come into rooms and go for good, on the real parts."""

from __future__ import annotations

import pytest

from spaces_sdk.errors import InvalidRequestError, NotFoundError, PermissionDeniedError, RemovedError
from spaces_sdk.events import (
    LeftReason,
    MessageReceived,
    ParticipantJoined,
    ParticipantLeft,
    SessionEnded,
    StateUpdated,
)
from tests.integration.people import People

pytestmark = pytest.mark.integration


async def test_an_invitation_lets_one_person_into_a_private_room(people: People) -> None:
    host, bob, eve = [await people.person(name) for name in ("Ada", "Bob", "Eve")]
    room = await host.spaces.rooms.create_room("Friday jam", visibility="private")
    ada = await people.enter(host, room)
    with pytest.raises(NotFoundError):
        await bob.spaces.rooms.get_room_by_code(room.room_code)
    invitation = await ada.session.invite(max_uses=1)
    assert invitation.token not in repr(invitation)

    async with bob.spaces.join(invitation=invitation.token, display_name="Bob") as session:
        await ada.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bob")
        await session.send("let in")
        await ada.sees(MessageReceived, lambda e: e.message.content == "let in")
    (listed,) = (await host.spaces.rooms.list_invitations(room.id)).items
    assert (listed.id, listed.use_count, listed.is_used_up) == (invitation.id, 1, True)

    with pytest.raises(NotFoundError) as caught:
        await eve.spaces.join(invitation=invitation.token, display_name="Eve").__aenter__()
    assert caught.value.code == "room_not_found"
    async with bob.spaces.join(invitation=invitation.token) as session:  # who is in it needs no use
        assert session.me is not None
        assert session.me.display_name == "Bob"


async def test_a_revoked_invitation_opens_nothing(people: People) -> None:
    host, bob = await people.person("Ada"), await people.person("Bob")
    room = await host.spaces.rooms.create_room("Friday jam", visibility="private")
    rooms = host.spaces.rooms
    invitation = await rooms.create_invitation(room.id)
    again = await rooms.create_invitation(room.id, invitation_id=invitation.id)
    assert (again.id, again.token == invitation.token) == (invitation.id, False)
    preview = await bob.spaces.rooms.accept_invitation(invitation.token)
    assert preview.room.id == room.id
    await rooms.revoke_invitation(room.id, invitation.id)
    for work in (bob.spaces.rooms.join_room(room.id, "Bob"), bob.spaces.rooms.accept_invitation(again.token)):
        with pytest.raises(NotFoundError):
            await work
    assert (await rooms.list_invitations(room.id)).items == []
    with pytest.raises(InvalidRequestError):
        await rooms.revoke_invitation(room.id, room.id)


async def test_public_rooms_are_found_and_joined_by_their_id(people: People) -> None:
    host, bob = await people.person("Ada"), await people.person("Bob")
    name = f"Jam 100% {host.user_id}"
    room = await host.spaces.rooms.create_room(name, visibility="public")
    await people.enter(host, room)
    (found,) = (await bob.spaces.rooms.list_rooms("public", search=name.upper())).items
    assert (found.room.id, found.participant_count, found.me) == (room.id, 1, None)
    assert (await bob.spaces.rooms.list_rooms()).items == []
    await people.enter(bob, found.room)
    (mine,) = (await bob.spaces.rooms.list_rooms()).items
    assert mine.participant_count == 2
    assert mine.me is not None
    assert mine.me.is_online


async def test_who_forgets_a_room_is_out_of_it(people: People) -> None:
    host, bob = await people.person("Ada"), await people.person("Bob")
    room = await host.spaces.rooms.create_room("Friday jam")
    ada = await people.enter(host, room)
    here, there = [await people.enter(bob, room.room_code) for _ in range(2)]
    await here.session.send("remember me")
    with pytest.raises(PermissionDeniedError):
        await ada.session.forget()
    await ada.session.mute(bob.user_id)

    await here.session.forget()
    left = await ada.sees(ParticipantLeft, lambda e: e.reason is LeftReason.FORGOT)
    assert [gone.user_id for gone in left.participants] == [bob.user_id]
    assert bob.user_id not in [participant.user_id for participant in ada.session.participants]
    error = await there.ended()
    assert isinstance(error, RemovedError)
    assert (await there.sees(SessionEnded)).reason == error.code == "not_participant"
    for work in (bob.spaces.rooms.get_room_messages(room.id), bob.spaces.rooms.sync_room(room.id, 0)):
        with pytest.raises(PermissionDeniedError):
            await work
    assert (await bob.spaces.rooms.list_rooms()).items == []
    assert "remember me" in [message.content for message in (await ada.session.history()).items]

    back = await people.enter(bob, room.room_code)
    with pytest.raises(PermissionDeniedError) as caught:
        await back.session.send("am I?")
    assert caught.value.code == "muted"


async def test_settings_reach_everybody_and_are_checked(people: People) -> None:
    host = await people.person("Ada")
    room = await host.spaces.rooms.create_room("Friday jam", settings={"theme": "dark"})
    ada = await people.enter(host, room)
    bob = await people.enter(await people.person("Bob"), room.room_code)
    await ada.session.update_room_state(settings={"theme": None, "spaces": {"turn_mode": "first"}})
    seen = await bob.sees(StateUpdated)
    assert seen.state.settings == {"spaces": {"turn_mode": "first"}}
    with pytest.raises(InvalidRequestError) as caught:
        await ada.session.update_room_state(settings={"spaces": {"turn_mode": "shout"}})
    assert "round_robin" in caught.value.hint


async def test_a_closed_room_ends_its_sessions_and_opens_again(people: People) -> None:
    host, guest = await people.person("Ada"), await people.person("Bob")
    room = await host.spaces.rooms.create_room("Friday jam")
    ada = await people.enter(host, room)
    bob = await people.enter(guest, room.room_code)
    await bob.session.send("before")
    await ada.session.update_room_state(is_active=False)
    for visit in (ada, bob):
        assert (await visit.sees(SessionEnded)).reason == "room_inactive"
    history = await guest.spaces.rooms.get_room_messages(room.id)
    assert "before" in [message.content for message in history.items]
    (mine,) = (await guest.spaces.rooms.list_rooms()).items
    assert mine.room.is_active is False
    with pytest.raises(NotFoundError):
        await (await people.person("Eve")).spaces.rooms.get_room_by_code(room.room_code)
    await host.spaces.rooms.update_room_state(room.id, is_active=True)
    back = await people.enter(guest, room)
    await back.session.send("after")
