"""No call reads a table that grows from one end to the other, however large it has become."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from benchmarks.db.subject import fill
from tests.db.support.database import Database
from tests.db.support.plans import Plans, explained

pytestmark = pytest.mark.db

NUMBERS = {"messages": 12_000, "rooms": 3_000, "users": 15_000, "old_rooms": 100}
# One row, or one a setting; the counter of wrong codes is a sequence; the last one is the table of Realtime.
DO_NOT_GROW = {
    "public.room_modes",
    "spaces.config",
    "spaces.setting_keys",
    "spaces.error_codes",
    "spaces.limits",
    "spaces.code_misses",
    "realtime.messages",
}

SUPERUSER, SERVICE, HOST, BOB, CAROL, BOT, STRANGER = "superuser", "service", 0, 1, 7, 9, 500
ROOM, MESSAGE, MINE = "bench.id('room', 0)", "bench.id('message', 101)", "bench.id('mine', 1)"
BEGIN = f"select public.begin_stream({ROOM}, {MINE}, 'user_text')"

HOLDER = "bench.id('holder', 1)"
CLAIM = f"""select public.claim_turns({ROOM}, {HOLDER},
  '[{{"position": 101, "purpose": "answer"}}, {{"position": 102, "purpose": "answer"}},
    {{"position": 103, "purpose": "log"}}]', 100)"""
DONE = """'[{"position": 101, "purpose": "answer", "outcome": "done", "tokens": 5}]'"""

# Who calls what; a call that needs another one before it comes with that. Room 0 has half of all messages; Bob and
# its host are live in it, Carol is a participant, the stranger is not.
CALLS: dict[str, tuple[str | int, tuple[str, ...]]] = {
    "accept_invitation": (STRANGER, ("select public.accept_invitation('token_' || lpad('9', 26, '0'))",)),
    "append_stream": (BOB, (BEGIN, f"select public.append_stream({ROOM}, {MINE}, 0, 'Hello')")),
    "ban_participant": (HOST, (f"select public.ban_participant({ROOM}, bench.id('user', 7))",)),
    "begin_stream": (BOB, (BEGIN,)),
    "claim_turns": (BOT, (CLAIM, CLAIM)),
    "cleanup_inactive_rooms": (SERVICE, ("select public.cleanup_inactive_rooms()",)),
    "create_invitation": (HOST, (f"select public.create_invitation({ROOM})",)),
    "create_room": (STRANGER, ("select public.create_room('New')",)),
    "delete_message": (BOB, (f"select public.delete_message({ROOM}, {MESSAGE})",)),
    "delete_room": (5, ("select public.delete_room(bench.id('room', 5))",)),
    "edit_message": (BOB, (f"select public.edit_message({ROOM}, {MESSAGE}, 'Better')",)),
    "enter_turns": (BOT, (f"select public.enter_turns({ROOM}, true)",)),
    "finish_stream": (BOB, (BEGIN, f"select public.finish_stream({ROOM}, {MINE}, 'Hello')")),
    "finish_turns": (BOT, (CLAIM, f"select public.finish_turns({ROOM}, {HOLDER}, {DONE}, 101)")),
    "forget_room": (BOB, (f"select public.forget_room({ROOM})",)),
    "generate_room_code": (SERVICE, ("select public.generate_room_code()",)),
    "get_participants": (CAROL, (f"select public.get_participants({ROOM}, 20)",)),
    "get_room_by_code": (STRANGER, ("select public.get_room_by_code(bench.code(5))",)),
    "get_room_by_id": (CAROL, (f"select public.get_room_by_id({ROOM})",)),
    "get_room_messages": (
        CAROL,
        tuple(f"select public.get_room_messages({ROOM}, 50{at})" for at in ("", ", 5000", ", p_after => 5000")),
    ),
    "give_turn": (HOST, (f"select public.give_turn({ROOM}, bench.id('user', 9))",)),
    "heartbeat": (BOB, ("select public.heartbeat(array[bench.id('connection 1', 0)])",)),
    "insert_message": (
        BOB,
        (f"select public.insert_message({ROOM}, 'Hello', p_id => {MINE}, p_reply_to => {MESSAGE})",),
    ),
    "insert_messages": (BOB, (f"""select public.insert_messages({ROOM}, '[{{"content": "Hello"}}]')""",)),
    "is_host": (HOST, (f"select public.is_host({ROOM})",)),
    "is_room_full": (STRANGER, ("select public.is_room_full(bench.id('room', 9))",)),
    "join_room": (
        STRANGER,
        ("select public.join_room(bench.id('room', 9), 'New', gen_random_uuid())",),
    ),
    "kick_participant": (HOST, (f"select public.kick_participant({ROOM}, bench.id('user', 7))",)),
    "leave_room": (BOB, (f"select public.leave_room({ROOM})",)),
    "list_bans": (HOST, (f"select public.list_bans({ROOM})",)),
    "list_invitations": (HOST, (f"select public.list_invitations({ROOM})",)),
    "list_rooms": (
        CAROL,
        (
            "select public.list_rooms('mine', 'room', 20)",
            "select public.list_rooms('public', p_limit => 20)",
            "select public.list_rooms('public', 'room', 20)",
        ),
    ),
    "mark_read": (CAROL, (f"select public.mark_read({ROOM}, 5000)",)),
    "mute_participant": (HOST, (f"select public.mute_participant({ROOM}, bench.id('user', 7), true)",)),
    "react": (BOB, (f"select public.react({ROOM}, {MESSAGE}, '🎉')",)),
    "revoke_invitation": (HOST, (f"select public.revoke_invitation({ROOM}, bench.id('invitation', 0))",)),
    "rotate_code": (HOST, (f"select public.rotate_code({ROOM})",)),
    "schema_version": (CAROL, ("select public.schema_version()",)),
    "set_participant_kind": (HOST, (f"select public.set_participant_kind({ROOM}, bench.id('user', 7), 'bot')",)),
    "set_participant_role": (HOST, (f"select public.set_participant_role({ROOM}, bench.id('user', 7), 'moderator')",)),
    "set_voice": (BOB, (f"select public.set_voice({ROOM}, true)",)),
    "signal": (BOB, (f"select public.signal({ROOM}, 'typing')",)),
    "stop_stream": (BOB, (BEGIN, f"select public.stop_stream({ROOM}, {MINE})")),
    "sync_room": (CAROL, (f"select public.sync_room({ROOM}, 5000)",)),
    "take_request": (CAROL, ("select public.take_request()",)),
    "transfer_host": (HOST, (f"select public.transfer_host({ROOM}, bench.id('user', 7))",)),
    "unban_participant": (HOST, (f"select public.unban_participant({ROOM}, bench.id('user', 50))",)),
    "unread_counts": (CAROL, ("select public.unread_counts()",)),
    "update_room_state": (
        HOST,
        (
            f"""select public.update_room_state({ROOM}, '{{"mode": "playful"}}')""",
            f"""select public.update_room_state({ROOM}, '{{"is_active": false}}')""",
        ),
    ),
}
OTHER_STATEMENTS: dict[str, tuple[str | int, tuple[str, ...]]] = {
    "a topic's policies": (
        BOB,
        (
            "select set_config('realtime.topic', 'spaces:' || bench.id('room', 0) || ':1', true)",
            "select count(*) from realtime.messages where inserted_at > now() - interval '1 minute'",
        ),
    ),
    "messages of a room": (
        CAROL,
        (f"select * from public.room_messages where room_id = {ROOM} order by seq limit 50",),
    ),
    "participants of a room": (CAROL, (f"select * from public.room_participants where room_id = {ROOM}",)),
    "reactions to a message": (CAROL, (f"select * from public.room_message_reactions where message_id = {MESSAGE}",)),
    "a room": (CAROL, (f"select * from public.rooms where id = {ROOM}",)),
    "an account is deleted": (SUPERUSER, ("delete from auth.users where id = bench.id('user', 8)",)),
    "the scheduler's sweep": (SUPERUSER, ("select spaces.sweep_rooms()",)),
}
ALL = CALLS | OTHER_STATEMENTS

# Read whole on purpose, by what runs once in a while.
ON_PURPOSE: dict[str, set[str]] = {
    # An index would cost each heartbeat and each part of a stream; departures are those that wait for it.
    "the scheduler's sweep": {"spaces.connections", "spaces.streams", "spaces.departures"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plans(db: Database) -> AsyncGenerator[Plans]:
    async with db.superuser.connection() as connection:
        await fill(connection, **NUMBERS)
    async with explained(db) as made:
        yield made


async def act_as(plans: Plans, who: str | int) -> None:
    """Take on somebody's role and claims in this transaction."""
    if who == SUPERUSER:
        return
    claims = {"role": "service_role"} if who == SERVICE else {"role": "authenticated", "sub": None}
    if isinstance(who, int):
        row = await (await plans.connection.execute("select bench.id('user', %s)::text as id", [who])).fetchone()
        assert row is not None
        claims["sub"] = row["id"]
    await plans.connection.execute(
        "select set_config('request.jwt.claims', %s, true), set_config('role', %s, true)",
        [json.dumps(claims), claims["role"]],
    )


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("what", ALL)
async def test_no_table_that_grows_is_read_whole(plans: Plans, what: str, mode: str) -> None:
    who, statements = ALL[what]
    async with plans.connection.transaction(force_rollback=True):
        await plans.connection.execute("select set_config('plan_cache_mode', %s, true)", [mode])
        await act_as(plans, who)
        plans.clear()
        for statement in statements:
            await plans.connection.execute(statement.encode())
    assert len(plans) > 0
    found = {(table, text) for table, text in plans.scans() if table not in DO_NOT_GROW}
    assert {(table, text) for table, text in found if table not in ON_PURPOSE.get(what, set())} == set()


async def test_every_function_is_asked(db: Database) -> None:
    functions = await db.column(
        """select proname from pg_proc
           where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype"""
    )
    assert set(functions) == set(CALLS)


async def test_every_table_that_grows_has_many_rows_here(plans: Plans, db: Database) -> None:
    # In a small one a plan says nothing: give it rows in benchmarks/db/data.sql.
    tables = await db.column(
        """select format('%s.%s', relnamespace::regnamespace, relname) from pg_class
           where relkind = 'r' and relnamespace in ('public'::regnamespace, 'spaces'::regnamespace)"""
    )
    counts = {table: await db.value(f"select count(*) from {table}") for table in set(tables) - DO_NOT_GROW}
    assert {table: count for table, count in counts.items() if count < 1000} == {}
