"""Moderation on the real parts: what the one it happens to hears, and what all the others see."""

from __future__ import annotations

import pytest

from spaces_sdk.errors import NotFoundError, PermissionDeniedError, RemovedError, SessionClosedError
from spaces_sdk.events import (
    CaughtUp,
    ConnectionState,
    MessageReceived,
    ParticipantUpdated,
    RoomMoved,
    SessionEnded,
    StateUpdated,
)
from spaces_sdk.models import Role, Room
from spaces_sdk.session import RoomSession
from tests.integration.people import WITHIN_S, People, Visit, contents
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


async def three(people: People) -> tuple[Room, Visit, Visit, Visit]:
    """A host and two members, live in one room."""
    host = await people.person("Ada")
    room = await host.spaces.rooms.create_room("Friday jam")
    ada = await people.enter(host, room)
    bob = await people.enter(await people.person("Bob"), room.room_code)
    carol = await people.enter(await people.person("Carol"), room.room_code)
    return room, ada, bob, carol


async def same_position(*visits: Visit) -> None:
    """Wait until all are live and know the same steps."""
    await eventually(
        lambda: (
            all(visit.session.is_connected for visit in visits)
            and len({visit.session.position for visit in visits}) == 1
        ),
        within_s=WITHIN_S,
    )


def role_in(session: RoomSession, visit: Visit) -> Role | None:
    """Somebody's role as a session sees it."""
    return next((p.role for p in session.participants if p.user_id == visit.user.user_id), None)


async def test_a_banned_session_ends_and_hears_nothing_more(people: People) -> None:
    room, ada, bob, carol = await three(people)
    await ada.session.ban(bob.user.user_id, reason="spam")
    await ada.session.send("without Bob")
    error = await bob.ended()
    assert isinstance(error, RemovedError)
    assert error.code == "banned"
    assert (await bob.sees(SessionEnded)).reason == "banned"
    assert bob.session.connection_state is ConnectionState.CLOSED
    with pytest.raises(SessionClosedError):
        await bob.session.send("may I?")

    for visit in (ada, carol):
        await visit.sees(RoomMoved)
        await visit.sees(CaughtUp)
    await ada.session.send("on the new topic")
    await carol.sees(MessageReceived, lambda e: e.message.content == "on the new topic")
    await same_position(ada, carol)
    for visit in (ada, carol):
        assert bob.user.user_id not in [p.user_id for p in visit.session.participants]
    assert contents([event.message for event in bob.of(MessageReceived)]) == []

    rooms = bob.user.spaces.rooms
    for work in (rooms.get_room_messages(room.id), rooms.insert_message(room.id, "x"), rooms.join_room(room.id, "Bob")):
        with pytest.raises(PermissionDeniedError) as caught:
            await work
        assert caught.value.code == "banned"


async def test_a_ban_shuts_the_code_and_its_end_opens_it(people: People) -> None:
    room, ada, bob, _ = await three(people)
    await ada.session.ban(bob.user.user_id, reason="spam")
    await bob.ended()
    with pytest.raises(NotFoundError) as caught:
        await bob.user.spaces.rooms.get_room_by_code(room.room_code)
    assert caught.value.code == "room_not_found"
    (ban,) = (await ada.user.spaces.rooms.list_bans(room.id)).items
    assert (ban.user_id, ban.display_name, ban.banned_by) == (bob.user.user_id, "Bob", ada.user.user_id)
    assert ban.reason == "spam"

    await ada.user.spaces.rooms.unban_participant(room.id, bob.user.user_id)
    assert (await ada.user.spaces.rooms.list_bans(room.id)).items == []
    back = await people.enter(bob.user, room.room_code)
    await back.session.send("here I am")
    await ada.sees(MessageReceived, lambda e: e.message.content == "here I am")


async def test_a_muted_one_listens_until_unmuted(people: People) -> None:
    _, ada, bob, carol = await three(people)
    await bob.session.start_voice()
    muted = await ada.session.mute(bob.user.user_id)
    assert (muted.is_muted, muted.voice_since) == (True, None)
    for work in (bob.session.send("x"), bob.session.typing(), bob.session.start_voice()):
        with pytest.raises(PermissionDeniedError) as caught:
            await work
        assert caught.value.code == "muted"
    for visit in (ada, bob, carol):
        event = await visit.sees(ParticipantUpdated, lambda e: e.participant.is_muted)
        assert event.participant.user_id == bob.user.user_id
    assert bob.session.me is not None
    assert bob.session.me.is_muted
    await ada.session.send("listen")
    await bob.sees(MessageReceived, lambda e: e.message.content == "listen")
    await ada.session.unmute(bob.user.user_id)
    await bob.session.send("thank you")
    await carol.sees(MessageReceived, lambda e: e.message.content == "thank you")


async def test_a_moderator_moderates(people: People) -> None:
    _, ada, bob, carol = await three(people)
    with pytest.raises(PermissionDeniedError) as caught:
        await bob.session.mute(carol.user.user_id)
    assert caught.value.code == "not_allowed"
    assert (await ada.session.set_role(bob.user.user_id, "moderator")).role is Role.MODERATOR
    await carol.sees(ParticipantUpdated, lambda e: e.participant.role is Role.MODERATOR)
    assert (await bob.session.mute(carol.user.user_id)).is_muted
    await bob.session.kick(carol.user.user_id)
    error = await carol.ended()
    assert error is not None
    assert error.code == "kicked"


async def test_all_see_the_new_host(people: People) -> None:
    room, ada, bob, carol = await three(people)
    state = await ada.session.transfer_host(bob.user.user_id)
    assert state.host == bob.user.user_id
    for visit in (ada, bob, carol):
        await visit.sees(StateUpdated, lambda e: e.state.host == bob.user.user_id)
        assert visit.session.current_room is not None
        assert visit.session.current_room.host_user_id == bob.user.user_id
        assert (role_in(visit.session, bob), role_in(visit.session, ada)) == (Role.HOST, Role.MEMBER)
    with pytest.raises(PermissionDeniedError) as caught:
        await ada.session.update_room_state(mode="playful")
    assert caught.value.code == "not_host"
    await bob.session.update_room_state(mode="playful")
    await ada.sees(StateUpdated, lambda e: e.state.mode == "playful")
    listed = {p.user_id: p.role for p in (await carol.user.spaces.rooms.get_participants(room.id)).items}
    assert (listed[bob.user.user_id], listed[ada.user.user_id]) == (Role.HOST, Role.MEMBER)


async def test_a_new_code_replaces_the_old_one(people: People) -> None:
    room, ada, bob, carol = await three(people)
    changed = await ada.user.spaces.rooms.rotate_code(room.id)
    assert changed.room_code != room.room_code
    for visit in (ada, bob, carol):
        await visit.sees(StateUpdated, lambda e: e.room_code == changed.room_code)
        assert visit.session.current_room is not None
        assert visit.session.current_room.room_code == changed.room_code
    late = await people.person("Late")
    with pytest.raises(NotFoundError) as caught:
        await late.spaces.rooms.get_room_by_code(room.room_code)
    assert caught.value.code == "room_not_found"
    await people.enter(late, changed.room_code)
    await bob.session.send("still here")
