"""How people come into rooms and go for good, on the real parts."""

from __future__ import annotations

import pytest

from spaces_sdk.errors import InvalidRequestError, NotFoundError
from spaces_sdk.events import MessageReceived, ParticipantJoined
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
