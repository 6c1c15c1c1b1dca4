"""One room in the same state again and again, and everything about it in comparable words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from tests.db.support.actors import SERVICE, Actor, Refused
from tests.db.support.barrier import Call
from tests.db.support.database import Database
from tests.db.support.rooms import Member, Space, check_steps, open_space

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:\d\d)?|Z)?")
_CODE = re.compile(r'("room_code": )"[A-Z2-9]{6}"')
# All that a room consists of, each part as a list in an order that does not depend on ids.
_FACTS = """select
  (select jsonb_agg(to_jsonb(r)) from public.rooms r where id = %(room_id)s) as room,
  (select jsonb_agg(to_jsonb(h)) from spaces.room_heads h where room_id = %(room_id)s) as head,
  (select jsonb_agg(to_jsonb(m) order by seq) from public.room_messages m where room_id = %(room_id)s) as messages,
  (select jsonb_agg(to_jsonb(s)) from spaces.streams s where room_id = %(room_id)s) as streams,
  (select jsonb_agg(to_jsonb(x) order by to_jsonb(x)) from public.room_message_reactions x
   where room_id = %(room_id)s) as reactions,
  (select jsonb_agg(to_jsonb(p) order by joined_at) from public.room_participants p
   where room_id = %(room_id)s) as participants,
  (select jsonb_agg(to_jsonb(c) || jsonb_build_object('is_live', ended_at is null and expires_at > now())
                    order by created_at)
   from spaces.connections c where room_id = %(room_id)s) as connections,
  (select jsonb_agg(to_jsonb(b)) from spaces.bans b where room_id = %(room_id)s) as bans,
  (select jsonb_agg(to_jsonb(b) order by user_id) from spaces.bots b where room_id = %(room_id)s) as bots,
  (select jsonb_agg(to_jsonb(t) order by position, purpose) from spaces.turns t where room_id = %(room_id)s) as turns,
  (select jsonb_agg(to_jsonb(t)) from spaces.room_turns t where room_id = %(room_id)s) as room_turns,
  (select jsonb_agg(to_jsonb(a) - 'id' order by id) from spaces.audit a where room_id = %(room_id)s) as acts,
  (select jsonb_agg(to_jsonb(m) order by test_order) from realtime.messages m
   where split_part(topic, ':', 2) = %(room_id)s::text) as published"""
_ORDER = re.compile(r'"test_order": \d+')


@dataclass(frozen=True, slots=True)
class Scene:
    """A room with its host and Bob online, Idle whose lease has run out unnoticed, and a newcomer at the door.

    Bob is a bot. He has said something, and Ada has asked something since.
    """

    space: Space
    ada: Member
    bob: Member
    idle: Member
    newcomer: Member
    said_id: UUID
    said_seq: int
    asked_id: UUID
    asked_seq: int
    holder: UUID
    message_id: UUID
    batch_ids: tuple[UUID, UUID]
    next_room_id: UUID

    @property
    def labels(self) -> dict[str, str]:
        """What stands for each id in a picture."""
        ids = {
            self.space.id: "room",
            self.next_room_id: "next room",
            self.said_id: "what Bob has said",
            self.asked_id: "what Ada has asked",
            self.holder: "Bob's process",
            self.message_id: "message",
            self.batch_ids[0]: "first of the batch",
            self.batch_ids[1]: "second of the batch",
        }
        for label, member in (("ada", self.ada), ("bob", self.bob), ("idle", self.idle), ("newcomer", self.newcomer)):
            ids |= {member.id: label, member.connection: f"{label}'s connection"}
        return {str(each): label for each, label in ids.items()}

    async def forsake(self) -> None:
        """Let everybody's lease run out and the room's time be over: the clean-up would delete it."""
        await self.space.expire(self.ada, self.bob)
        await self.space.db.sql(
            "update public.rooms set last_activity = now() - interval '2 days' where id = %s", [self.space.id]
        )

    async def picture(self, answers: Sequence[Any]) -> str:
        """The answers, the room and all that it published, without what differs from scene to scene."""
        facts = (await self.space.db.sql(_FACTS, {"room_id": self.space.id}))[0]
        facts["answers"] = [_plain(answer) for answer in answers]
        text = json.dumps(facts, default=str, sort_keys=True, indent=1)
        for each, label in self.labels.items():
            text = text.replace(each, label)
        text = _TIME.sub("time", _UUID.sub("uuid", text))
        return _ORDER.sub('"test_order": 0', _CODE.sub(r'\1"code"', text))

    async def check(self) -> None:
        """No step is missing or doubled, if the room still stands."""
        if await self.space.db.column("select 1 from public.rooms where id = %s", [self.space.id]):
            await check_steps(self.space)


async def set_scene(db: Database) -> Scene:
    """A new scene; its people and rooms are its own."""
    space = await open_space(db, await db.user("ada"))
    ada = await space.enter(space.host, "Ada")
    bob = await space.newcomer("Bob", app_metadata={"spaces_kind": "bot"})
    await space.call(bob, "enter_turns", p_takes_turns=True)
    idle = await space.newcomer("Idle")
    await space.expire(idle)
    said, asked = await space.say(bob, "hi"), await space.say(ada, "who are you?")
    newcomer = await db.user("newcomer")
    await space.admit(newcomer)
    return Scene(
        space,
        ada,
        bob,
        idle,
        Member(newcomer, uuid4()),
        UUID(said["id"]),
        said["seq"],
        UUID(asked["id"]),
        asked["seq"],
        uuid4(),
        uuid4(),
        (uuid4(), uuid4()),
        uuid4(),
    )


def _call(who: Actor, rpc: str, **arguments: Any) -> Call:
    return Call(who, rpc, arguments)


# Every function of this schema that writes, as one call into a scene.
WRITES: dict[str, Callable[[Scene], Call]] = {
    "join_room": lambda s: _call(
        s.newcomer.actor,
        "join_room",
        p_room_id=s.space.id,
        p_display_name="Newcomer",
        p_connection_id=s.newcomer.connection,
    ),
    "leave_room": lambda s: _call(s.bob.actor, "leave_room", p_room_id=s.space.id, p_connection_id=s.bob.connection),
    "forget_room": lambda s: _call(s.bob.actor, "forget_room", p_room_id=s.space.id),
    "heartbeat": lambda s: _call(s.bob.actor, "heartbeat", p_connection_ids=[s.bob.connection]),
    "insert_message": lambda s: _call(
        s.bob.actor, "insert_message", p_room_id=s.space.id, p_content="hello", p_id=s.message_id
    ),
    "insert_messages": lambda s: _call(
        s.bob.actor,
        "insert_messages",
        p_room_id=s.space.id,
        p_messages=[{"id": str(each), "content": "hello"} for each in s.batch_ids],
    ),
    "begin_stream": lambda s: _call(
        s.bob.actor, "begin_stream", p_room_id=s.space.id, p_message_type="user_text", p_id=s.message_id
    ),
    "edit_message": lambda s: _call(
        s.bob.actor, "edit_message", p_room_id=s.space.id, p_message_id=s.said_id, p_content="hi there"
    ),
    "delete_message": lambda s: _call(s.ada.actor, "delete_message", p_room_id=s.space.id, p_message_id=s.said_id),
    "react": lambda s: _call(s.bob.actor, "react", p_room_id=s.space.id, p_message_id=s.said_id, p_emoji="👍"),
    "claim_turns": lambda s: _call(
        s.bob.actor,
        "claim_turns",
        p_room_id=s.space.id,
        p_holder=s.holder,
        p_claims=[{"position": s.asked_seq, "purpose": "answer"}],
    ),
    "give_turn": lambda s: _call(
        s.ada.actor, "give_turn", p_room_id=s.space.id, p_user_id=s.bob.id, p_message_id=s.asked_id
    ),
    "mark_read": lambda s: _call(s.bob.actor, "mark_read", p_room_id=s.space.id, p_seq=s.said_seq),
    "update_room_state": lambda s: _call(
        s.ada.actor, "update_room_state", p_room_id=s.space.id, p_changes={"mode": "playful"}
    ),
    "close the room": lambda s: _call(
        s.ada.actor, "update_room_state", p_room_id=s.space.id, p_changes={"is_active": False}
    ),
    "make it small": lambda s: _call(
        s.ada.actor, "update_room_state", p_room_id=s.space.id, p_changes={"max_participants": 2}
    ),
    "set_voice": lambda s: _call(s.bob.actor, "set_voice", p_room_id=s.space.id, p_on=True),
    "delete_room": lambda s: _call(s.ada.actor, "delete_room", p_room_id=s.space.id),
    "kick_participant": lambda s: _call(s.ada.actor, "kick_participant", p_room_id=s.space.id, p_user_id=s.bob.id),
    "set_participant_kind": lambda s: _call(
        s.ada.actor, "set_participant_kind", p_room_id=s.space.id, p_user_id=s.bob.id, p_kind="human"
    ),
    "ban_participant": lambda s: _call(s.ada.actor, "ban_participant", p_room_id=s.space.id, p_user_id=s.bob.id),
    "unban_participant": lambda s: _call(s.ada.actor, "unban_participant", p_room_id=s.space.id, p_user_id=s.bob.id),
    "mute_participant": lambda s: _call(
        s.ada.actor, "mute_participant", p_room_id=s.space.id, p_user_id=s.bob.id, p_is_muted=True
    ),
    "set_participant_role": lambda s: _call(
        s.ada.actor, "set_participant_role", p_room_id=s.space.id, p_user_id=s.bob.id, p_role="moderator"
    ),
    "transfer_host": lambda s: _call(s.ada.actor, "transfer_host", p_room_id=s.space.id, p_user_id=s.bob.id),
    "rotate_code": lambda s: _call(s.ada.actor, "rotate_code", p_room_id=s.space.id),
    "create_room": lambda s: _call(s.ada.actor, "create_room", p_name="Another", p_room_id=s.next_room_id),
    "cleanup_inactive_rooms": lambda s: _call(SERVICE, "cleanup_inactive_rooms"),
    "signal": lambda s: _call(s.bob.actor, "signal", p_room_id=s.space.id, p_kind="typing"),
}

CLEANUP = "cleanup_inactive_rooms"

READER = "mark_read"

# They come to no lock of the room: a new room has its own, the clean-up goes past what is locked, and how far one has
# read is no step.
NEVER_WAIT = {"create_room", CLEANUP, READER}


def _plain(answer: Any) -> Any:
    return f"{answer.status} {answer.code}" if isinstance(answer, Refused) else answer
