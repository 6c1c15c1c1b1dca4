"""Rights on a live channel: what is asked when, what is kept, and what ends a channel."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.realtime_server.conftest import ServerFactory
from tests.realtime_server.support.client import Client
from tests.realtime_server.support.tokens import ALICE, token

pytestmark = pytest.mark.stack

Database = psycopg.AsyncConnection[Any]
TOPIC = "realtime:rights"
MEMBER = "insert into public.room_members values ('rights', %s, true)"
POLICY = """
create policy rights_{name} on realtime.messages for {command} to authenticated {clause} (
  realtime.topic() = 'rights' and {condition})
"""


@pytest.fixture
async def member(database: Database) -> None:
    """Alice is a member with all rights of a topic of her own."""
    await database.execute("delete from public.room_members where room = 'rights'")
    await database.execute(MEMBER, (ALICE,))


async def test_a_right_lost_with_the_new_token_ends_the_channel_even_if_another_is_left(
    start_server: ServerFactory, database: Database
) -> None:
    clauses = {"name": "read", "command": "select", "clause": "using"}
    both = "extension in ('broadcast', 'presence')"
    await database.execute(POLICY.format(**clauses, condition=both).encode())
    try:
        async with start_server() as server, Client.connected(server) as client:
            joined = await client.join(TOPIC, user="mallory", config={"presence": {"enabled": True}})
            assert joined.payload["status"] == "ok"
            assert (await client.receive()).event == "presence_state"
            await database.execute("drop policy rights_read on realtime.messages")
            await database.execute(POLICY.format(**clauses, condition="extension = 'presence'").encode())
            await client.send(TOPIC, "access_token", {"access_token": token("mallory", serial="2")})
            ended = await client.receive()
            assert ended.payload["message"] == "You no longer have permission to read from this Channel topic: rights"
            assert (await client.receive()).event == "phx_close"
    finally:
        await database.execute("drop policy if exists rights_read on realtime.messages")


async def test_a_write_policy_that_fails_is_asked_again_at_the_next_message(
    start_server: ServerFactory, database: Database, member: None
) -> None:
    failing = POLICY.format(
        name="write", command="insert", clause="with check", condition="1 / (random() * 0)::int = 1"
    )
    await database.execute(failing.encode())
    try:
        async with start_server() as server, Client.connected(server) as client:
            await client.join(TOPIC, user="alice", config={"broadcast": {"ack": True, "self": True}})
            await client.send(TOPIC, "broadcast", {"type": "broadcast", "event": "lost", "payload": {}})
            await client.send(TOPIC, "presence", {"type": "presence", "event": "track", "payload": {}}, ref="t1")
            refused = await client.receive()
            assert (refused.ref, refused.payload) == ("t1", {"status": "error", "response": {}})
            await database.execute("drop policy rights_write on realtime.messages")
            await client.send(TOPIC, "broadcast", {"type": "broadcast", "event": "kept", "payload": {}})
            assert (await client.receive()).payload["event"] == "kept"
    finally:
        await database.execute("drop policy if exists rights_write on realtime.messages")


async def test_a_spent_presence_budget_ends_the_channel_at_any_presence_message(start_server: ServerFactory) -> None:
    async with start_server() as server, Client.connected(server) as client:
        await client.join(TOPIC)
        for ref in range(5):
            await client.send(TOPIC, "presence", {"event": "dance"}, ref=f"x{ref}")
            assert (await client.receive()).payload["status"] == "error"
        for ref in range(5):
            await client.send(TOPIC, "presence", {"event": "untrack"}, ref=f"u{ref}")
            assert (await client.receive()).payload["status"] == "ok"
        await client.send(TOPIC, "presence", {"event": "dance"})
        assert (await client.receive()).payload["message"] == "Client presence rate limit exceeded"
        assert (await client.receive()).event == "phx_close"


async def test_a_refused_join_makes_nobody_a_user(start_server: ServerFactory) -> None:
    async with (
        start_server(max_concurrent_users=1) as server,
        Client.connected(server) as refused,
        Client.connected(server) as user,
    ):
        assert (await refused.join(TOPIC, user="mallory")).payload["status"] == "error"
        assert (await user.join("realtime:lobby")).payload["status"] == "ok"
        full = await refused.join("realtime:lobby")
        assert full.payload["response"]["reason"] == "ConnectionRateLimitReached: Too many connected users"


async def test_replay_wants_the_right_to_read_broadcasts_and_a_private_channel(
    start_server: ServerFactory, database: Database
) -> None:
    presence_only = POLICY.format(name="read", command="select", clause="using", condition="extension = 'presence'")
    await database.execute(presence_only.encode())
    try:
        async with start_server() as server, Client.connected(server) as client:
            config: dict[str, Any] = {"presence": {"enabled": True}, "broadcast": {"replay": {"since": 0}}}
            denied = await client.join(TOPIC, user="mallory", config=config)
            assert denied.payload["response"]["reason"].startswith("Unauthorized: You do not have permissions to read")
            public = await client.join("realtime:lobby", config={"broadcast": {"replay": None}})
            said = public.payload["response"]["reason"]
            assert said == "UnableToReplayMessages: Replay is not allowed for public channels"
    finally:
        await database.execute("drop policy if exists rights_read on realtime.messages")
