"""Each function, called by those who may not: no key's user, a stranger, somebody muted, somebody without a token."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.db.support.actors import ANON, SERVICE, Actor, Refused, check_refusal, expect_denied, expect_refusal
from tests.db.support.database import Database
from tests.db.support.rooms import Space, open_space, unchanged

pytestmark = pytest.mark.db

# Arguments beside the room's id.
IN_A_ROOM: dict[str, dict[str, Any]] = {
    "append_stream": {"p_message_id": str(uuid4()), "p_offset": 0, "p_text": "x"},
    "begin_stream": {"p_message_type": "user_text"},
    "claim_turns": {"p_holder": str(uuid4()), "p_claims": []},
    "ban_participant": {"p_user_id": str(uuid4())},
    "create_invitation": {},
    "delete_message": {"p_message_id": str(uuid4())},
    "delete_room": {},
    "edit_message": {"p_message_id": str(uuid4()), "p_content": "changed"},
    "enter_turns": {},
    "finish_stream": {"p_message_id": str(uuid4())},
    "finish_turns": {"p_holder": str(uuid4()), "p_turns": []},
    "forget_room": {},
    "get_participants": {},
    "get_room_by_id": {},
    "get_room_messages": {},
    "give_turn": {"p_user_id": str(uuid4())},
    "insert_message": {"p_content": "hello"},
    "is_host": {},
    "is_room_full": {},
    "join_room": {"p_display_name": "Eve", "p_connection_id": str(uuid4())},
    "kick_participant": {"p_user_id": str(uuid4())},
    "leave_room": {},
    "list_bans": {},
    "list_invitations": {},
    "mute_participant": {"p_user_id": str(uuid4()), "p_is_muted": True},
    "revoke_invitation": {"p_invitation_id": str(uuid4())},
    "rotate_code": {},
    "mark_read": {"p_seq": 0},
    "react": {"p_message_id": str(uuid4()), "p_emoji": "👍"},
    "set_participant_kind": {"p_user_id": str(uuid4()), "p_kind": "bot"},
    "set_participant_role": {"p_user_id": str(uuid4()), "p_role": "moderator"},
    "set_voice": {"p_on": True},
    "signal": {"p_kind": "typing"},
    "stop_stream": {"p_message_id": str(uuid4())},
    "sync_room": {"p_after": 0},
    "transfer_host": {"p_user_id": str(uuid4())},
    "unban_participant": {"p_user_id": str(uuid4())},
    "update_room_state": {"p_changes": {"mode": "playful"}},
}
ELSEWHERE: dict[str, dict[str, Any]] = {
    "accept_invitation": {"p_token": "A" * 32},
    "create_room": {"p_name": "Jam"},
    "get_room_by_code": {"p_code": "ABCDEF"},
    "heartbeat": {"p_connection_ids": [str(uuid4())]},
    "list_rooms": {},
    "unread_counts": {},
}

TO_A_STRANGER = {
    "append_stream": "not_participant",
    "ban_participant": "not_participant",
    "begin_stream": "not_participant",
    "create_invitation": "not_participant",
    "delete_message": "not_participant",
    "edit_message": "not_participant",
    "finish_stream": "not_participant",
    "stop_stream": "not_participant",
    "claim_turns": "not_participant",
    "enter_turns": "not_participant",
    "finish_turns": "not_participant",
    "give_turn": "not_participant",
    "mark_read": "not_participant",
    "react": "not_participant",
    "delete_room": "not_host",
    "forget_room": "not_participant",
    "get_participants": "not_participant",
    "get_room_by_id": "room_not_found",
    "get_room_messages": "not_participant",
    "insert_message": "not_participant",
    "is_room_full": "room_not_found",
    "join_room": "room_not_found",
    "kick_participant": "not_participant",
    "leave_room": "not_participant",
    "list_bans": "not_participant",
    "list_invitations": "not_participant",
    "mute_participant": "not_participant",
    "revoke_invitation": "not_participant",
    "rotate_code": "not_host",
    "set_participant_kind": "not_host",
    "set_participant_role": "not_host",
    "set_voice": "not_participant",
    "signal": "not_participant",
    "sync_room": "not_participant",
    "transfer_host": "not_host",
    "unban_participant": "not_participant",
    "update_room_state": "not_host",
}


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host)
    return made


@pytest.mark.parametrize("rpc", sorted(IN_A_ROOM | ELSEWHERE))
async def test_the_publishable_key_alone_calls_nothing(space: Space, rpc: str) -> None:
    arguments = IN_A_ROOM[rpc] | {"p_room_id": space.id} if rpc in IN_A_ROOM else ELSEWHERE[rpc]
    async with unchanged(space.db):
        with expect_denied():
            await space.db.call(ANON, rpc, **arguments)


@pytest.mark.parametrize("rpc", ["cleanup_inactive_rooms", "generate_room_code"])
async def test_users_do_not_call_what_is_for_the_service(space: Space, rpc: str) -> None:
    for who in (ANON, space.host):
        async with unchanged(space.db):
            with expect_denied():
                await space.db.call(who, rpc)


@pytest.mark.parametrize("rpc", sorted(IN_A_ROOM | ELSEWHERE))
async def test_the_secret_key_is_no_user(space: Space, rpc: str) -> None:
    arguments = IN_A_ROOM[rpc] | {"p_room_id": space.id} if rpc in IN_A_ROOM else ELSEWHERE[rpc]
    async with unchanged(space.db):
        with expect_refusal("not_authenticated"):
            await space.db.call(SERVICE, rpc, **arguments)


@pytest.mark.parametrize("rpc", sorted(TO_A_STRANGER))
async def test_a_stranger(space: Space, rpc: str) -> None:
    stranger = await space.db.user("stranger")
    async with unchanged(space.db):
        with pytest.raises(Refused) as caught:
            await space.call(stranger, rpc, **IN_A_ROOM[rpc])
    check_refusal(caught.value, TO_A_STRANGER[rpc])
    assert space.code not in f"{caught.value.message} {caught.value.hint}"


async def test_a_stranger_is_no_host(space: Space) -> None:
    assert await space.call(await space.db.user(), "is_host") is False


@pytest.mark.parametrize("rpc", sorted(TO_A_STRANGER))
async def test_a_room_that_is_not_there(db: Database, rpc: str) -> None:
    user = await db.user()
    async with unchanged(db):
        with expect_refusal("room_not_found"):
            await db.call(user, rpc, p_room_id=uuid4(), **IN_A_ROOM[rpc])


@pytest.mark.parametrize("rpc", sorted(IN_A_ROOM | ELSEWHERE))
async def test_a_token_without_a_subject(space: Space, rpc: str) -> None:
    nobody = Actor("nobody", "authenticated", None, {"role": "authenticated"})
    arguments = IN_A_ROOM[rpc] | {"p_room_id": space.id} if rpc in IN_A_ROOM else ELSEWHERE[rpc]
    async with unchanged(space.db):
        with expect_refusal("not_authenticated"):
            await space.db.call(nobody, rpc, **arguments)


@pytest.mark.parametrize("rpc", ["create_room", "get_room_by_code"])
async def test_a_token_of_a_deleted_account(space: Space, rpc: str) -> None:
    gone = await space.db.user("gone")
    await space.db.sql("delete from auth.users where id = %s", [gone.id])
    arguments = {"p_code": space.code} if rpc == "get_room_by_code" else ELSEWHERE[rpc]
    async with unchanged(space.db):
        with expect_refusal("not_authenticated"):
            await space.db.call(gone, rpc, **arguments)


MUTED_MAY_NOT: dict[str, dict[str, Any]] = {
    "insert_message": {"p_content": "hello"},
    "set_voice": {"p_on": True},
    "signal": {"p_kind": "typing"},
}


@pytest.mark.parametrize("rpc", sorted(MUTED_MAY_NOT))
async def test_a_muted_one_does_not_speak(space: Space, rpc: str) -> None:
    bob = await space.newcomer("bob")
    await space.db.sql("update public.room_participants set is_muted = true where user_id = %s", [bob.id])
    async with unchanged(space.db):
        with expect_refusal("muted"):
            await space.call(bob, rpc, **MUTED_MAY_NOT[rpc])


async def test_a_muted_one_reads_and_leaves(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.db.sql("update public.room_participants set is_muted = true where user_id = %s", [bob.id])
    assert (await space.call(bob, "sync_room", p_after=0))["messages"]
    assert (await space.db.call(bob.actor, "heartbeat", p_connection_ids=[bob.connection]))["leases"][0][
        "status"
    ] == "live"
    await space.call(bob, "leave_room")


async def test_a_muted_one_in_a_batch(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.db.sql("update public.room_participants set is_muted = true where user_id = %s", [bob.id])
    async with unchanged(space.db):
        answer = await space.call(bob, "insert_messages", p_messages=[{"id": str(uuid4()), "content": "hello"}])
    assert [item["code"] for item in answer["results"]] == ["muted"]


async def test_a_stranger_in_a_batch_learns_nothing(space: Space) -> None:
    stranger = await space.db.user("stranger")
    async with unchanged(space.db):
        try:
            answer = await space.call(
                stranger, "insert_messages", p_messages=[{"id": str(uuid4()), "content": "hello"}]
            )
        except Refused as refusal:
            check_refusal(refusal, "not_participant")
        else:
            assert [item["code"] for item in answer["results"]] == ["not_participant"]
            assert answer["head"] is None


async def test_somebody_offline_reads_writes_and_may_not_switch_voice(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(bob, "leave_room")
    assert (await space.call(bob, "get_room_messages"))["items"]
    assert (await space.call(bob, "get_room_by_id"))["room"]["id"] == str(space.id)
    await space.say(bob)
    with expect_refusal("lease_expired"):
        await space.call(bob, "set_voice", p_on=True)


CLOSED_REFUSES: dict[str, dict[str, Any]] = {
    "insert_message": {"p_content": "hello"},
    "join_room": {"p_display_name": "Bob", "p_connection_id": str(uuid4())},
    "signal": {"p_kind": "typing"},
}


@pytest.mark.parametrize("rpc", sorted(CLOSED_REFUSES))
async def test_a_closed_room(space: Space, rpc: str) -> None:
    bob = await space.newcomer("bob")
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    async with unchanged(space.db):
        with expect_refusal("room_inactive"):
            await space.call(bob, rpc, **CLOSED_REFUSES[rpc])


async def test_a_closed_room_can_be_read_and_left(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    assert (await space.call(bob, "sync_room", p_after=0))["state"]["is_active"] is False
    await space.call(bob, "leave_room")


@pytest.mark.parametrize("claim", ["user_metadata", "spaces_kind", "app_metadata"])
async def test_the_word_bot_counts_in_the_verified_place_only(space: Space, claim: str) -> None:
    claims: dict[str, Any] = {
        "user_metadata": {"user_metadata": {"spaces_kind": "bot"}},
        "spaces_kind": {"spaces_kind": "bot"},
        "app_metadata": {"app_metadata": {"spaces_kind": "bot"}},
    }[claim]
    member = await space.newcomer("bob", **claims)
    expected = "bot" if claim == "app_metadata" else "human"
    assert (await space.participant(member))["kind"] == expected


async def test_a_human_becomes_a_bot_by_the_hosts_word(space: Space) -> None:
    bob = await space.newcomer("bob")
    with expect_refusal("not_allowed"):
        await space.say(bob, p_message_type="ai_response")
    await space.call(space.host, "set_participant_kind", p_user_id=bob.id, p_kind="bot")
    assert (await space.say(bob, p_message_type="ai_response"))["sender_kind"] == "bot"
