"""Many connections at once, calling at random."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.db.support.actors import SERVICE, Actor, Json, Refused
from tests.db.support.database import Database
from tests.db.support.rooms import Space, check_steps, open_space

pytestmark = pytest.mark.db

CONNECTIONS = 16
CALLS_EACH = 40
SEED = 20261123
DONE = {"outcome": "done", "tokens": 1}
MUST_SUCCEED = ("join_room", "leave_room", "insert_message", "heartbeat", "kick_participant", "set_voice", "react")


class Person:
    """Somebody who calls at random; remembers which connections are theirs."""

    def __init__(self, actor: Actor, spaces: list[Space], dice: random.Random) -> None:
        self.actor = actor
        self._spaces = spaces
        self._dice = dice
        self._hosts_one = any(space.host is actor for space in spaces)
        self._connections: list[UUID] = []
        self._sent: list[UUID] = []
        self._holder = uuid4()

    async def act(self, others: list[Actor]) -> str:
        """One call; its name, with the code if it was refused."""
        space, target = self._dice.choice(self._spaces), self._dice.choice(others)
        name, arguments = self._choose(target)
        try:
            if name == "heartbeat":
                answer = await space.db.call(self.actor, name, **arguments)
            elif name == "cleanup_inactive_rooms":
                answer = await space.db.call(SERVICE, name)
            elif name == "join_room":
                code = await space.db.column("select room_code from public.rooms where id = %s", [space.id])
                await space.db.call(self.actor, "get_room_by_code", p_code=code[0] if code else space.code)
                answer = await space.call(self.actor, name, **arguments)
            else:
                answer = await space.call(self.actor, name, **arguments)
        except Refused as refusal:
            return f"{name}: {refusal.code}"
        return name if answer.get("ok", True) else f"{name}: {answer['code']}"

    def _choose(self, target: Actor) -> tuple[str, dict[str, Any]]:
        new = uuid4()
        known = self._dice.choice(self._sent) if self._sent and self._dice.random() < 0.2 else new
        choices: list[tuple[int, str, dict[str, Any]]] = [
            (6, "join_room", {"p_display_name": self.actor.label, "p_connection_id": new}),
            (3, "leave_room", {"p_connection_id": self._dice.choice([*self._connections, None])}),
            (4, "heartbeat", {"p_connection_ids": [*self._connections[-20:], new]}),
            (8, "insert_message", {"p_content": "hello", "p_id": known}),
            (3, "insert_messages", {"p_messages": [{"id": str(each), "content": "x"} for each in (known, uuid4())]}),
            (3, "set_voice", {"p_on": self._dice.random() < 0.5}),
            (2, "edit_message", {"p_message_id": known, "p_content": str(self._dice.random())}),
            (1, "delete_message", {"p_message_id": known}),
            (
                4,
                "react",
                {
                    "p_message_id": self._dice.choice(self._sent) if self._sent else new,
                    "p_emoji": self._dice.choice("👍🎉"),
                    "p_is_on": self._dice.random() < 0.7,
                },
            ),
            (2, "begin_stream", {"p_message_type": "user_text", "p_id": known}),
            (2, "append_stream", {"p_message_id": known, "p_offset": 0, "p_text": "so far"}),
            (1, "finish_stream", {"p_message_id": known, "p_text": "done"}),
            (1, "stop_stream", {"p_message_id": known}),
            (2, "enter_turns", {"p_takes_turns": True, "p_position": 0}),
            (6, "claim_turns", {"p_holder": self._holder, "p_claims": self._claims(), "p_position": 0}),
            (3, "finish_turns", {"p_holder": self._holder, "p_turns": [turn | DONE for turn in self._claims()]}),
            (2, "give_turn", {"p_user_id": target.id}),
            (2, "mark_read", {"p_seq": self._dice.randint(0, 50)}),
            (2, "signal", {"p_kind": "typing"}),
            (2, "update_room_state", {"p_changes": {"max_participants": self._dice.randint(2, 20)}}),
            (10 if self._hosts_one else 1, "kick_participant", {"p_user_id": target.id}),
            (2 if self._hosts_one else 1, "ban_participant", {"p_user_id": target.id}),
            (4 if self._hosts_one else 1, "unban_participant", {"p_user_id": target.id}),
            (
                4 if self._hosts_one else 1,
                "mute_participant",
                {"p_user_id": target.id, "p_is_muted": self._dice.random() < 0.3},
            ),
            (
                3 if self._hosts_one else 1,
                "set_participant_role",
                {"p_user_id": target.id, "p_role": self._dice.choice(["moderator", "member"])},
            ),
            (3 if self._hosts_one else 1, "rotate_code", {}),
            (
                5 if self._hosts_one else 1,
                "set_participant_kind",
                {"p_user_id": target.id, "p_kind": self._dice.choice(["human", "bot"])},
            ),
            (1, "sync_room", {"p_after": 0}),
            (1, "cleanup_inactive_rooms", {}),
        ]
        ((_, name, arguments),) = self._dice.choices(choices, weights=[weight for weight, _, _ in choices])
        if name == "join_room":
            self._connections.append(new)
        if name in ("insert_message", "begin_stream"):
            self._sent.append(known)
        return name, arguments

    def _claims(self) -> list[Json]:
        """Some of the first steps of a room, of which some are messages; what it has not reached is refused."""
        return [{"position": at, "purpose": "answer"} for at in self._dice.sample(range(1, 12), 3)]


async def committed_positions(db: Database, slot: str) -> dict[str, list[int]]:
    """For each room the positions of what was published, in the order of the commits, as replication has them."""
    rows = await db.column("select data from pg_logical_slot_get_changes(%s, null, null)", [slot])
    positions: dict[str, list[int]] = {}
    for change in rows:
        if change.startswith("table realtime.messages: INSERT:") and "topic[text]:'spaces:" in change:
            room_id = change.partition("topic[text]:'spaces:")[2][:36]
            _, found, rest = change.partition('"pos": ')
            if found:
                digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
                positions.setdefault(room_id, []).append(int(digits))
    return positions


async def seen_by_a_listener(space: Space) -> dict[str, Json]:
    """The participants as somebody knows them who has heard every event and read no table."""
    known: dict[str, Json] = {}
    for event in await space.broadcasts():
        payload = event.payload
        if event.event in ("room:participant-joined", "room:participant-updated"):
            known[payload["participant"]["user_id"]] = payload["participant"]
        elif event.event == "room:participant-left":
            for participant in payload["participants"]:
                known[participant["user_id"]] = participant
                if payload["reason"] in ("kicked", "banned"):
                    del known[participant["user_id"]]
        elif event.event in ("room:voice-started", "room:voice-stopped"):
            known[payload["user_id"]]["voice_since"] = event.event == "room:voice-started" or None
    return {user_id: comparable(participant) for user_id, participant in known.items()}


def comparable(participant: Json) -> Json:
    """What both the events and the table tell, without times."""
    kept = {name: participant[name] for name in ("display_name", "is_online", "kind", "role", "is_muted")}
    return {**kept, "has_voice": participant["voice_since"] is not None}


async def test_sixteen_connections_come_to_no_deadlock_and_leave_no_hole(fresh_db: Database) -> None:
    db = fresh_db
    await db.sql("update spaces.limits set capacity = 100000, refill_per_s = 1000")
    await db.sql("select pg_create_logical_replication_slot('storm', 'test_decoding')")
    dice = random.Random(SEED)  # noqa: S311
    await db.sql("update spaces.config set turn_lease_s = 0.05, turn_offer_s = 0.02")
    rules = [{"spaces": {"turn_mode": mode}} for mode in ("first", "round_robin", "everyone")]
    spaces = [await open_space(db, p_max_participants=8, p_settings=each) for each in rules]
    actors = [space.host for space in spaces]
    actors += [await db.user(f"user {number}") for number in range(CONNECTIONS - len(spaces))]
    people = [Person(actor, spaces, random.Random(dice.random())) for actor in actors]  # noqa: S311
    happened: Counter[str] = Counter()

    async def run(person: Person) -> None:
        for number in range(CALLS_EACH * 5):
            # How often each call succeeds hangs on how they fall: go on until the storm has had all of them.
            if number >= CALLS_EACH and all(happened[name] for name in MUST_SUCCEED):
                return
            happened[await person.act(actors)] += 1

    async def let_leases_expire() -> None:
        for _ in range(10):
            await db.sql(
                """update spaces.connections set expires_at = now() where connection_id in (
                     select connection_id from spaces.connections where ended_at is null and expires_at > now()
                     order by random() limit 3 for update skip locked)"""
            )
            await asyncio.gather(*(person.act(actors) for person in people[:2]))

    try:
        async with asyncio.TaskGroup() as tasks:
            for person in people:
                tasks.create_task(run(person))
            tasks.create_task(let_leases_expire())
        positions = await committed_positions(db, "storm")
    finally:
        await db.sql("select pg_drop_replication_slot('storm')")

    assert sum(happened.values()) >= CONNECTIONS * CALLS_EACH
    assert [name for name in MUST_SUCCEED if not happened[name]] == [], happened
    for space in spaces:
        await check_steps(space)
        assert positions[str(space.id)] == list(range(space.born_at + 1, await space.head() + 1)), "order of commit"
        page = await space.call(space.host, "sync_room", p_after=0)
        table = {each["user_id"]: comparable(each) for each in page["participants"]}
        assert await seen_by_a_listener(space) == table
    wrong = await db.column(
        """select 1 from public.room_participants p where is_online <> exists (
             select from spaces.connections c
             where c.room_id = p.room_id and c.user_id = p.user_id and c.ended_at is null)"""
    )
    assert wrong == [], "is_online is what the leases say"


async def test_batches_that_share_ids_over_two_rooms_store_each_once(fresh_db: Database) -> None:
    # The ids lie crosswise: whoever takes them in the order of the call would wait for the other in a ring.
    db = fresh_db
    await db.sql("update spaces.limits set capacity = 100000, refill_per_s = 1000")
    host = await db.user("host")
    spaces = [await open_space(db, host) for _ in range(2)]
    for space in spaces:
        await space.enter(host)
    for _ in range(20):
        ids = [str(uuid4()), str(uuid4())]
        drafts = [{"id": each, "content": "hello"} for each in ids]
        answers = await asyncio.gather(
            spaces[0].call(host, "insert_messages", p_messages=drafts),
            spaces[1].call(host, "insert_messages", p_messages=drafts[::-1]),
        )
        stored = [item["message"]["id"] for answer in answers for item in answer["results"] if item["ok"]]
        assert sorted(stored) == sorted(ids)
    for space in spaces:
        await check_steps(space)
