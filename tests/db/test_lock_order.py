"""Limits first, then rooms by ascending id: whoever keeps to one order comes to no deadlock."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.db.support.barrier import Call, pending
from tests.db.support.database import Database
from tests.db.support.rooms import Member, Space, open_space

pytestmark = pytest.mark.db

NO_ROOM = UUID(int=0)


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host)
    return made


async def is_free(db: Database, room_id: UUID) -> bool:
    """Whether nobody holds the room's lock."""
    async with db.superuser.connection() as connection:
        try:
            async with connection.transaction():
                await connection.execute(
                    "select from spaces.room_heads where room_id = %s for no key update nowait", [room_id]
                )
        except psycopg.errors.LockNotAvailable:
            return False
        return True


# The bucket that each call counts in, and its arguments beside the room's id; the caller is the host.
COUNTED: dict[str, tuple[str, dict[str, Any]]] = {
    "append_stream": ("stream", {"p_offset": 0, "p_text": "x"}),
    "ban_participant": ("moderation", {}),
    "begin_stream": ("send", {"p_message_type": "user_text"}),
    "claim_turns": ("turn", {"p_holder": str(UUID(int=1)), "p_claims": []}),
    "create_invitation": ("moderation", {}),
    "delete_message": ("send", {}),
    "delete_room": ("moderation", {}),
    "edit_message": ("send", {"p_content": "changed"}),
    "enter_turns": ("turn", {}),
    "finish_stream": ("stream", {}),
    "finish_turns": ("turn", {"p_holder": str(UUID(int=1)), "p_turns": []}),
    "give_turn": ("turn", {}),
    "insert_message": ("send", {"p_content": "hello"}),
    "insert_messages": ("send", {"p_messages": [{"content": "hello"}, {"content": "hello"}]}),
    "join_room": ("join", {"p_display_name": "Ada"}),
    "kick_participant": ("moderation", {}),
    "mute_participant": ("moderation", {"p_is_muted": True}),
    "revoke_invitation": ("moderation", {}),
    "rotate_code": ("moderation", {}),
    "react": ("send", {"p_emoji": "👍"}),
    "set_participant_kind": ("moderation", {"p_kind": "bot"}),
    "set_participant_role": ("moderation", {"p_role": "moderator"}),
    "set_voice": ("send", {"p_on": True}),
    "signal": ("signal", {"p_kind": "typing"}),
    "stop_stream": ("send", {}),
    "transfer_host": ("moderation", {}),
    "unban_participant": ("moderation", {}),
    "update_room_state": ("moderation", {"p_changes": {"mode": "playful"}}),
}


@pytest.mark.parametrize("rpc", sorted(COUNTED))
async def test_a_call_that_waits_for_its_limit_keeps_nobody_else_waiting(space: Space, rpc: str) -> None:
    action, arguments = COUNTED[rpc]
    if rpc.endswith("_turns"):
        await space.call(space.host, "enter_turns")
    if rpc == "give_turn":
        bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
        arguments = {"p_user_id": bot.id, "p_message_id": (await space.say(space.host))["id"]}
    if rpc == "transfer_host" or rpc.endswith(("_participant", "_participant_kind", "_participant_role")):
        arguments = arguments | {"p_user_id": (await space.newcomer()).id}
    if rpc == "revoke_invitation":
        arguments = {"p_invitation_id": (await space.call(space.host, "create_invitation"))["invitation"]["id"]}
    if rpc in ("delete_message", "edit_message", "react") or rpc in ("append_stream", "finish_stream", "stop_stream"):
        arguments = arguments | {"p_message_id": (await space.say(space.host))["id"]}
    call = Call(space.host, rpc, {"p_room_id": space.id, **arguments})
    key = [space.host.id, action, NO_ROOM if action == "join" else space.id]
    await space.db.sql(
        """insert into spaces.rate_buckets (user_id, action, room_id, tokens, taken, refilled_at)
           values (%s, %s, %s, 5, 0, now()) on conflict do nothing""",
        key,
    )
    async with AsyncExitStack() as started, space.db.superuser.connection() as holder:
        async with holder.transaction():
            await holder.execute(
                "select from spaces.rate_buckets where (user_id, action, room_id) = (%s, %s, %s) for update", key
            )
            (waiting,) = await started.enter_async_context(pending(space.db, call))
            assert not waiting.is_answered, f"{rpc} is not counted as {action}"
            assert await is_free(space.db, space.id)
        assert (await waiting.answer())["ok"]


async def two_rooms(db: Database) -> tuple[Space, Space, list[Member]]:
    """Two rooms by ascending id, both with a lease that has run out, and one user's connections in them."""
    low, high = sorted([await open_space(db), await open_space(db)], key=lambda space: space.id)
    bob = await db.user("bob")
    members = [await low.enter(bob), await high.enter(bob)]
    for space in (low, high):
        await space.expire(await space.newcomer("idle"))
    return low, high, members


@pytest.mark.parametrize("held", ["the first", "the second"])
async def test_a_heartbeat_takes_its_rooms_by_ascending_id(db: Database, held: str) -> None:
    low, high, members = await two_rooms(db)
    ids = [member.connection for member in reversed(members)]
    blocked, other = (low, high) if held == "the first" else (high, low)
    call = Call(members[0].actor, "heartbeat", {"p_connection_ids": ids})
    async with AsyncExitStack() as started, db.superuser.connection() as holder:
        async with holder.transaction():
            await holder.execute("select from spaces.room_heads where room_id = %s for no key update", [blocked.id])
            (waiting,) = await started.enter_async_context(pending(db, call))
            assert not waiting.is_answered
            assert await is_free(db, other.id) is (held == "the first")
        answer = await waiting.answer()
    assert {lease["status"] for lease in answer["leases"]} == {"live"}
