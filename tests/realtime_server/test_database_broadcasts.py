"""Messages that the database sends: order, both protocols, and nothing lost when connections are."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from spaces_sdk.local.bootstrap import bootstrap
from spaces_sdk.local.postgres import PostgresCluster
from spaces_sdk.local.realtime.replication import APPLICATION_NAME
from spaces_sdk.local.realtime.server import serve
from spaces_sdk.local.realtime.settings import RealtimeSettings
from tests.realtime_server.conftest import SETUP, ServerFactory
from tests.realtime_server.support.client import Client
from tests.realtime_server.support.tokens import SECRET
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

TOPIC = "realtime:room:1"
TERMINATE = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = %s"
SEND = "select realtime.send(jsonb_build_object('n', %s::int), 'evt', 'room:1')"

Database = psycopg.AsyncConnection[Any]


async def _numbers(client: Client, count: int) -> list[int]:
    return [(await client.receive_event("broadcast")).payload["payload"]["n"] for _ in range(count)]


async def _drop_slot(database: Database, name: str) -> bool:
    """False while its last user is still on its way out."""
    query = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s and not active"
    return (await database.execute(query, (name,))).rowcount == 1


async def test_each_arrives_on_both_protocols_with_no_other_commit_behind_it(
    start_server: ServerFactory, database: Database
) -> None:
    async with start_server() as server, Client.connected(server) as new, Client.connected(server, "1.0.0") as old:
        for client in (new, old):
            assert (await client.join(TOPIC, user="alice")).payload["status"] == "ok"
        for number in range(20):
            async with database.transaction():
                await database.execute("set local synchronous_commit = on")
                await database.execute(SEND, (number,))
            assert await _numbers(new, 1) == [number]
            message = (await old.receive_event("broadcast")).payload
            assert message["payload"] == {"n": number, "id": message["meta"]["id"]}


async def test_concurrent_transactions_arrive_in_commit_order(
    start_server: ServerFactory, database: Database, db_url: str
) -> None:
    await database.execute("create table public.counter as select 0 as n")

    async def writer(count: int) -> None:
        async with await psycopg.AsyncConnection.connect(db_url) as connection:
            for _ in range(count):
                # Sent before the lock, numbered under it: the number is the place in the order of commits.
                row = await (await connection.execute("update public.counter set n = n + 1 returning n")).fetchone()
                assert row is not None
                await connection.execute(SEND, (row[0],))
                await connection.commit()

    try:
        async with start_server() as server, Client.connected(server) as client:
            await client.join(TOPIC, user="alice")
            await asyncio.gather(*(writer(25) for _ in range(8)))
            assert await _numbers(client, 200) == list(range(1, 201))
    finally:
        await database.execute("drop table public.counter")


async def test_a_transaction_arrives_whole_and_a_rolled_back_one_not_at_all(
    start_server: ServerFactory, database: Database
) -> None:
    async with start_server() as server, Client.connected(server) as client:
        await client.join(TOPIC, user="alice")
        async with database.transaction(force_rollback=True):
            await database.execute(SEND, (-1,))
        async with database.transaction():
            for number in range(500):
                await database.execute(SEND, (number,))
        assert await _numbers(client, 500) == list(range(500))


async def test_nothing_is_lost_or_doubled_when_the_replication_backend_is_killed_again_and_again(
    start_server: ServerFactory, database: Database, db_url: str
) -> None:
    async def writer() -> None:
        async with await psycopg.AsyncConnection.connect(db_url, autocommit=True) as connection:
            for number in range(600):
                await connection.execute(SEND, (number,))

    async with start_server() as server, Client.connected(server) as client:
        await client.join(TOPIC, user="alice")
        writing = asyncio.create_task(writer())
        killed = 0
        while not writing.done():
            row = await (await database.execute(TERMINATE, (APPLICATION_NAME,))).fetchone()
            killed += 0 if row is None else row[0]
            await eventually(lambda: server.hub.follower.is_streaming)
        await writing
        assert killed > 1
        assert await _numbers(client, 600) == list(range(600))
        assert (await client.heartbeat()).payload["status"] == "ok"


async def test_an_idle_stream_answers_the_database_and_is_not_ended_by_it(
    start_server: ServerFactory, database: Database
) -> None:
    followers = """
        select pid, extract(epoch from clock_timestamp() - backend_start)::float8 from pg_stat_activity
        where application_name = %s and backend_type = 'walsender'
    """
    await database.execute("alter role supabase_admin set wal_sender_timeout = '2s'")
    try:
        async with start_server():
            first = await (await database.execute(followers, (APPLICATION_NAME,))).fetchone()
            assert first is not None

            async def is_older_than_three_timeouts() -> bool:
                now = await (await database.execute(followers, (APPLICATION_NAME,))).fetchone()
                assert now is not None
                return now[1] > 6

            await eventually(is_older_than_three_timeouts)
            last = await (await database.execute(followers, (APPLICATION_NAME,))).fetchone()
            assert last is not None
            assert last[0] == first[0], "the same connection"
    finally:
        await database.execute("alter role supabase_admin reset wal_sender_timeout")


async def test_a_slot_of_another_database_is_left_alone(realtime_cluster: PostgresCluster, database: Database) -> None:
    await database.execute("create database elsewhere template template0")
    try:
        url = realtime_cluster.url(dbname="elsewhere")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute("select pg_create_logical_replication_slot('taken', 'pgoutput')")
        settings = RealtimeSettings(
            db_url=realtime_cluster.url(), jwt_secret=SECRET, slot_name="taken", reconnect_cap_s=0.05
        )
        async with serve(settings) as server:
            await eventually(lambda: "belongs to the database elsewhere" in server.hub.follower.fault)
        await database.execute("select pg_drop_replication_slot('taken')")
    finally:
        await database.execute("drop database elsewhere with (force)")


async def test_with_faithful_loss_what_is_sent_meanwhile_is_lost(
    start_server: ServerFactory, database: Database
) -> None:
    lossy = start_server(faithful_loss=True, faithful_reconnect_base_s=4.0)
    async with lossy as server, Client.connected(server) as client:
        await client.join(TOPIC, user="alice")
        await database.execute(TERMINATE, (APPLICATION_NAME,))
        await eventually(lambda: not server.hub.follower.is_streaming)
        await database.execute(SEND, (1,))
        await eventually(lambda: server.hub.follower.is_streaming)
        await database.execute(SEND, (2,))
        assert await _numbers(client, 1) == [2]


async def test_a_restart_of_postgres_loses_nothing(pytestconfig: pytest.Config, start_server: ServerFactory) -> None:
    async with PostgresCluster.temporary(pytestconfig.getoption("--postgres-bin")) as cluster:
        await bootstrap(cluster.url())
        async with await psycopg.AsyncConnection.connect(cluster.url(), autocommit=True) as connection:
            await connection.execute(SETUP.read_bytes())
        async with start_server(db_url=cluster.url()) as server, Client.connected(server) as client:
            assert (await client.join(TOPIC, user="alice")).payload["status"] == "ok"
            port = cluster.port
            await cluster.stop()
            await eventually(lambda: not server.hub.follower.is_streaming)
            assert server.hub.follower.fault
            await cluster.start(port=port)
            async with await psycopg.AsyncConnection.connect(cluster.url(), autocommit=True) as connection:
                for number in range(3):
                    await connection.execute(SEND, (number,))
            assert await _numbers(client, 3) == [0, 1, 2]
            assert (await client.join("realtime:room:1", user="bob")).payload["status"] == "ok"


async def test_a_stored_message_is_replayed_once_and_live_ones_follow(
    start_server: ServerFactory, database: Database, db_url: str
) -> None:
    await database.execute("delete from realtime.messages")
    for number in range(3):
        await database.execute(SEND, (number,))

    async def writer() -> None:
        async with await psycopg.AsyncConnection.connect(db_url, autocommit=True) as connection:
            for number in range(3, 60):
                await connection.execute(SEND, (number,))

    config = {"broadcast": {"replay": {"since": 0, "limit": 25}}}
    async with start_server() as server, Client.connected(server) as client:
        await eventually(lambda: server.hub.follower.is_streaming)
        writing = asyncio.create_task(writer())
        assert (await client.join(TOPIC, user="alice", config=config)).payload["status"] == "ok"
        seen: list[tuple[int, bool]] = []
        while not seen or seen[-1][0] != 59:
            message = (await client.receive_event("broadcast")).payload
            seen.append((message["payload"]["n"], message["meta"].get("replayed", False)))
        await writing
    numbers = [number for number, _ in seen]
    assert numbers == list(range(numbers[0], 60)), "none lost, none twice, in order"
    replayed = [is_replayed for _, is_replayed in seen]
    assert replayed == sorted(replayed, reverse=True), "the replayed ones come first"


async def test_messages_are_kept_for_72_hours_and_the_rest_of_that_day(
    start_server: ServerFactory, database: Database
) -> None:
    await database.execute("delete from realtime.messages")
    store = (
        "insert into realtime.messages (topic, extension, event, inserted_at)"
        " select 'old', 'broadcast', h::text, (now() at time zone 'utc') - make_interval(hours => h)"
        " from unnest(array[97, 71]) h"
    )
    await database.execute(store)

    async def kept() -> list[str]:
        cursor = await database.execute("select event from realtime.messages where topic = 'old'")
        return [row[0] for row in await cursor.fetchall()]

    assert len(await kept()) == 2
    async with start_server(retention_check_s=0.05):

        async def is_forgotten() -> bool:
            return await kept() == ["71"]

        await eventually(is_forgotten)
    await database.execute("delete from realtime.messages")


async def test_it_waits_for_a_database_that_is_not_yet_set_up(
    realtime_cluster: PostgresCluster, database: Database
) -> None:
    await database.execute("create database empty template template0")
    try:
        url = realtime_cluster.url(dbname="empty")
        settings = RealtimeSettings(db_url=url, jwt_secret=SECRET, slot_name="empty_slot", reconnect_cap_s=0.05)
        async with serve(settings) as server:
            missing = "the publication supabase_realtime_messages_publication is not there yet"
            await eventually(lambda: server.hub.follower.fault == missing, what=lambda: server.hub.follower.fault)
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute("create schema realtime")
                await connection.execute("create table realtime.messages (id uuid primary key)")
                await connection.execute(
                    "create publication supabase_realtime_messages_publication for table realtime.messages"
                )
            await eventually(lambda: server.hub.follower.is_streaming)
        await eventually(lambda: _drop_slot(database, "empty_slot"))
    finally:
        await database.execute("drop database empty with (force)")


async def test_each_row_reaches_private_or_public_listeners_by_its_flag(
    start_server: ServerFactory, database: Database
) -> None:
    async with start_server() as server, Client.connected(server) as private, Client.connected(server) as public:
        await private.join(TOPIC, user="alice")
        await public.join(TOPIC)
        await database.execute("select realtime.send('{\"to\": \"private\"}', 'evt', 'room:1', true)")
        await database.execute("select realtime.send('{\"to\": \"public\"}', 'evt', 'room:1', false)")
        for client, name in ((private, "private"), (public, "public")):
            assert (await client.receive_event("broadcast")).payload["payload"]["to"] == name
            assert (await client.heartbeat()).payload["status"] == "ok"
