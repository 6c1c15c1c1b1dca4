"""Each function answers exactly what the SDK's models say: the same keys, all the way down."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from spaces_sdk.models import (
    JoinedRoom,
    LeaseStatus,
    Message,
    Participant,
    PreviewParticipant,
    Room,
    RoomPreview,
    RoomState,
    SyncPage,
)
from spaces_sdk.rooms import Ban, Invitation, RoomListing
from tests.db.support.actors import SERVICE
from tests.db.support.database import Database
from tests.db.support.rooms import Space, open_space
from tests.db.support.shapes import check_shape

pytestmark = pytest.mark.db

OK = frozenset({"ok"})
LAST_PAGE_ONLY = frozenset({"participants", "state", "room"})


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


def check_keys(answer: Any, *keys: str) -> None:
    assert set(answer) == set(keys)


async def test_create_room(db: Database) -> None:
    answer = await db.call(await db.user(), "create_room", p_name="Friday jam")
    check_keys(answer, "ok", "room", "head")
    check_shape(Room, answer["room"])


async def test_get_room_by_code(space: Space) -> None:
    await space.enter(space.host)
    answer = await space.db.call(await space.db.user(), "get_room_by_code", p_code=space.code)
    check_shape(RoomPreview, answer, extra=OK)
    assert answer["ok"] is True
    assert answer["participant_count"] == 1
    check_shape(PreviewParticipant, answer["participants"][0])


async def test_get_room_by_code_misses(db: Database) -> None:
    answer = await db.call(await db.user(), "get_room_by_code", p_code="ABCDEF")
    check_keys(answer, "ok", "code", "message", "hint")
    assert (answer["ok"], answer["code"]) == (False, "room_not_found")


async def test_get_room_by_id(space: Space) -> None:
    await space.enter(space.host)
    answer = await space.call(space.host, "get_room_by_id")
    check_keys(answer, "room", "participants", "participant_count", "head")
    check_shape(Room, answer["room"])
    check_shape(Participant, answer["participants"][0])
    assert answer["participant_count"] == 1


async def test_join_room(space: Space) -> None:
    await space.enter(space.host)
    await space.say(space.host)
    guest = await space.db.user()
    await space.admit(guest)
    connection = uuid4()
    answer = await space.call(guest, "join_room", p_display_name="Bob", p_connection_id=connection)
    check_shape(JoinedRoom, answer, extra=OK)
    assert answer["connection_id"] == str(connection)
    assert answer["me"]["user_id"] == str(guest.id)
    assert answer["topic"] == await space.topic()
    assert answer["head"] == await space.head()
    assert (answer["lease_s"], answer["heartbeat_s"]) == (75, 30)


async def test_join_room_without_a_lease(space: Space) -> None:
    answer = await space.call(space.host, "join_room", p_display_name="Ada")
    check_shape(JoinedRoom, answer, extra=OK)
    assert answer["connection_id"] is None
    assert answer["me"]["is_online"] is False


async def test_sync_room(space: Space) -> None:
    await space.enter(space.host)
    answer = await space.call(space.host, "sync_room", p_after=0)
    check_shape(SyncPage, answer)
    assert answer["cursor"] is None


async def test_sync_room_before_the_last_page(space: Space) -> None:
    await space.enter(space.host)
    await space.db.sql("update spaces.limits set capacity = 1000 where action = 'send'")
    for _ in range(5):
        drafts = [{"id": str(uuid4()), "content": "hello"} for _ in range(50)]
        assert (await space.call(space.host, "insert_messages", p_messages=drafts))["ok"]
    answer = await space.call(space.host, "sync_room", p_after=0)
    check_shape(SyncPage, answer, optional=LAST_PAGE_ONLY)
    assert answer["cursor"] is not None
    assert [answer.get(key) for key in LAST_PAGE_ONLY] == [None, None, None]


async def test_heartbeat(space: Space) -> None:
    member = await space.enter(space.host)
    nobodys = uuid4()
    answer = await space.db.call(space.host, "heartbeat", p_connection_ids=[member.connection, nobodys])
    check_keys(answer, "ok", "leases", "server_now")
    by_id = {lease["connection_id"]: lease for lease in answer["leases"]}
    live, unknown = by_id[str(member.connection)], by_id[str(nobodys)]
    check_shape(LeaseStatus, live, extra=frozenset({"state"}))
    check_shape(RoomState, live["state"])
    assert live["status"] == "live"
    LeaseStatus.model_validate(unknown)
    assert unknown["status"] == "lease_expired"


async def test_leave_room(space: Space) -> None:
    member = await space.enter(space.host)
    answer = await space.call(space.host, "leave_room", p_connection_id=member.connection)
    assert answer == {"ok": True, "head": await space.head()}


async def test_get_participants(space: Space) -> None:
    await space.enter(space.host)
    answer = await space.call(space.host, "get_participants")
    check_keys(answer, "items", "next_cursor", "participant_count", "head")
    check_shape(Participant, answer["items"][0])
    assert answer["participant_count"] == 1
    assert answer["next_cursor"] is None


async def test_insert_message(space: Space) -> None:
    await space.enter(space.host)
    answer = await space.call(space.host, "insert_message", p_content="hello")
    check_keys(answer, "ok", "message", "head", "is_repeated")
    check_shape(Message, answer["message"])
    assert answer["is_repeated"] is False
    assert answer["message"]["seq"] == answer["message"]["revision"] == answer["head"] == await space.head()


async def test_insert_messages(space: Space) -> None:
    await space.enter(space.host)
    drafts = [{"id": str(uuid4()), "content": "hello"}, {"id": str(uuid4()), "content": ""}]
    answer = await space.call(space.host, "insert_messages", p_messages=drafts)
    check_keys(answer, "ok", "results", "head")
    good, bad = answer["results"]
    check_keys(good, "ok", "message", "is_repeated")
    check_shape(Message, good["message"])
    check_keys(bad, "ok", "code", "message", "hint")
    assert (bad["ok"], bad["code"]) == (False, "invalid_argument")


async def test_get_room_messages(space: Space) -> None:
    await space.enter(space.host)
    await space.say(space.host)
    answer = await space.call(space.host, "get_room_messages")
    check_keys(answer, "items", "has_more", "next_cursor", "head")
    for item in answer["items"]:
        check_shape(Message, item)


async def test_update_room_state(space: Space) -> None:
    answer = await space.call(space.host, "update_room_state", p_changes={"mode": "playful"})
    check_keys(answer, "ok", "room", "state", "head")
    check_shape(Room, answer["room"])
    check_shape(RoomState, answer["state"])


async def test_set_voice(space: Space) -> None:
    await space.enter(space.host)
    answer = await space.call(space.host, "set_voice", p_on=True)
    check_keys(answer, "ok", "participant", "head")
    check_shape(Participant, answer["participant"])
    assert answer["participant"]["voice_since"] is not None


async def test_signal(space: Space) -> None:
    await space.enter(space.host)
    assert await space.call(space.host, "signal", p_kind="typing") == {"ok": True, "sent": True}


async def test_set_participant_kind(space: Space) -> None:
    guest = await space.newcomer()
    answer = await space.call(space.host, "set_participant_kind", p_user_id=guest.id, p_kind="bot")
    check_keys(answer, "ok", "participant", "head")
    check_shape(Participant, answer["participant"])


async def test_kick_participant(space: Space) -> None:
    guest = await space.newcomer()
    answer = await space.call(space.host, "kick_participant", p_user_id=guest.id)
    assert answer == {"ok": True, "head": await space.head(), "epoch": await space.epoch()}


async def test_ban_participant(space: Space) -> None:
    guest = await space.newcomer()
    answer = await space.call(space.host, "ban_participant", p_user_id=guest.id)
    assert answer == {"ok": True, "head": await space.head(), "epoch": await space.epoch()}


async def test_unban_participant(space: Space) -> None:
    answer = await space.call(space.host, "unban_participant", p_user_id=uuid4())
    assert answer == {"ok": True, "head": await space.head()}


async def test_list_bans(space: Space) -> None:
    guest = await space.newcomer("Bob")
    await space.call(space.host, "ban_participant", p_user_id=guest.id, p_reason=" spam ")
    answer = await space.call(space.host, "list_bans")
    check_keys(answer, "items", "next_cursor")
    (ban,) = answer["items"]
    check_shape(Ban, ban)
    assert (ban["user_id"], ban["banned_by"]) == (str(guest.id), str(space.host.id))
    assert (ban["display_name"], ban["reason"], answer["next_cursor"]) == ("Bob", "spam", None)


async def test_list_rooms(space: Space) -> None:
    await space.enter(space.host)
    await space.call(space.host, "update_room_state", p_changes={"visibility": "public"})
    for scope in ("mine", "public"):
        answer = await space.db.call(space.host, "list_rooms", p_scope=scope)
        check_keys(answer, "items", "next_cursor")
        check_shape(RoomListing, answer["items"][0])


async def test_forget_room(space: Space) -> None:
    guest = await space.newcomer()
    assert await space.call(guest, "forget_room") == {"ok": True, "head": await space.head()}


async def test_invitations(space: Space) -> None:
    answer = await space.call(space.host, "create_invitation", p_max_uses=3)
    check_keys(answer, "ok", "invitation", "token")
    check_shape(Invitation, answer["invitation"])
    page = await space.call(space.host, "list_invitations")
    assert page == {"items": [answer["invitation"]], "next_cursor": None}
    accepted = await space.db.call(await space.db.user(), "accept_invitation", p_token=answer["token"])
    check_shape(RoomPreview, accepted, extra=OK)
    missed = await space.db.call(await space.db.user(), "accept_invitation", p_token="A" * 32)
    check_keys(missed, "ok", "code", "message", "hint")
    assert await space.call(space.host, "revoke_invitation", p_invitation_id=answer["invitation"]["id"]) == {"ok": True}


@pytest.mark.parametrize(
    ("rpc", "arguments"),
    [("mute_participant", {"p_is_muted": True}), ("set_participant_role", {"p_role": "moderator"})],
)
async def test_what_changes_a_participant(space: Space, rpc: str, arguments: dict[str, Any]) -> None:
    guest = await space.newcomer()
    answer = await space.call(space.host, rpc, p_user_id=guest.id, **arguments)
    check_keys(answer, "ok", "participant", "head")
    check_shape(Participant, answer["participant"])
    assert answer["head"] == await space.head()


async def test_transfer_host(space: Space) -> None:
    guest = await space.newcomer()
    answer = await space.call(space.host, "transfer_host", p_user_id=guest.id)
    check_keys(answer, "ok", "room", "state", "head")
    check_shape(Room, answer["room"])
    check_shape(RoomState, answer["state"])
    assert answer["head"] == await space.head()


async def test_rotate_code(space: Space) -> None:
    answer = await space.call(space.host, "rotate_code")
    check_keys(answer, "ok", "room", "head")
    check_shape(Room, answer["room"])
    assert answer["head"] == await space.head()


async def test_delete_room(space: Space) -> None:
    assert await space.call(space.host, "delete_room") == {"ok": True}


async def test_questions_are_answered_by_a_boolean(space: Space) -> None:
    assert await space.call(space.host, "is_host") is True
    assert await space.call(space.host, "is_room_full") is False


async def test_cleanup_inactive_rooms(db: Database) -> None:
    check_keys(await db.call(SERVICE, "cleanup_inactive_rooms"), "rooms_deleted", "messages_deleted", "has_more")


async def test_schema_version(db: Database) -> None:
    assert await db.call(await db.user(), "schema_version") == 1


async def test_take_request(db: Database) -> None:
    answer = await db.call(await db.user(), "take_request")
    check_keys(answer, "ok", "limit", "remaining", "reset_s", "window_s")
    assert (answer["ok"], answer["limit"], answer["remaining"], answer["window_s"]) == (True, 100, 99, 900)
