"""Putting the schema into a database: once, again, beside an app's tables."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import psycopg
import pytest

from spaces_sdk.install.errors import InstallError, MigrationError
from spaces_sdk.install.migrate import check_platform
from spaces_sdk.install.package_files import migrations
from spaces_sdk.install.teardown import teardown_sql
from spaces_sdk.local.database import migrate
from spaces_sdk.local.postgres import PostgresCluster
from tests.db.support.database import Database
from tests.db.support.rooms import check_steps, open_space
from tests.db.support.templates import Templates

pytestmark = pytest.mark.db


async def test_a_second_time_there_is_nothing_to_do(fresh_db: Database, cluster: PostgresCluster) -> None:
    assert await migrate(cluster.url("postgres", fresh_db.name)) == []


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        ("create table public.rooms (id integer)", "public.rooms"),
        ("create view public.room_messages as select 1 as id", "public.room_messages"),
        ("create type public.room_modes as enum ('quiet')", "public.room_modes"),
        ("create function public.join_room(text) returns int language sql as 'select 1'", r"public.join_room\(\)"),
        ("create schema spaces", "schema spaces"),
    ],
    ids=["table", "view", "type", "function", "schema"],
)
async def test_what_has_our_names_is_refused_before_anything_is_changed(
    templates: Templates, cluster: PostgresCluster, taken: str, named: str
) -> None:
    everything = """select 'class', oid::regclass::text from pg_class where relnamespace::regnamespace::text !~ '^pg_'
                    union select 'function', oid::regprocedure::text from pg_proc
                    where pronamespace::regnamespace::text !~ '^pg_'
                    union select 'schema', nspname from pg_namespace where nspname !~ '^pg_'"""
    database = await templates.bootstrapped()
    try:
        await database.sql(taken)
        before = await database.sql(everything)
        with pytest.raises(MigrationError, match=named):
            await migrate(cluster.url("postgres", database.name))
        assert sorted(map(str, await database.sql(everything))) == sorted(map(str, before))
    finally:
        await database.aclose()


async def test_every_name_that_we_take_is_looked_at_first(fresh_db: Database) -> None:
    code = migrations()[0].path.read_text(encoding="utf-8")
    checked = set(re.findall(r"^ +'(\w+)',?$|'(room\w+)'", code, re.MULTILINE))
    ours = await fresh_db.column(
        """select relname from pg_class where relkind in ('r', 'v') and relnamespace = 'public'::regnamespace
           union select proname from pg_proc where pronamespace = 'public'::regnamespace"""
    )
    assert {function or table for function, table in checked} == set(ours), "add it to the first migration"


async def test_the_teardown_leaves_nothing_of_ours(templates: Templates, cluster: PostgresCluster) -> None:
    everything = """select 'class' as kind, oid::regclass::text as name from pg_class
                    where relnamespace <> 'pg_toast'::regnamespace
                    union all select 'function', oid::regprocedure::text from pg_proc
                    union all select 'type', oid::regtype::text from pg_type
                    union all select 'schema', nspname from pg_namespace
                    union all select 'policy', polname || ' on ' || polrelid::regclass from pg_policy
                    union all select 'trigger', tgname || ' on ' || tgrelid::regclass from pg_trigger
                    order by 1, 2"""
    before, installed = await templates.bootstrapped(), await templates.migrated()
    try:
        async with await psycopg.AsyncConnection.connect(cluster.url("postgres", installed.name)) as connection:
            await connection.execute(teardown_sql(migrations()).encode())
        history = {("schema", "supabase_migrations")}
        left = {(row["kind"], row["name"]) for row in await installed.sql(everything)} - history
        there = {(row["kind"], row["name"]) for row in await before.sql(everything)}
        assert {
            one for one in left ^ there if "schema_migrations" not in one[1] and "test_order" not in one[1]
        } == set()
    finally:
        await before.aclose()
        await installed.aclose()


async def test_a_removal_that_would_take_something_of_the_apps_along_fails(
    fresh_db: Database, cluster: PostgresCluster
) -> None:
    await fresh_db.sql("create table public.bookings (id int primary key, room uuid references public.rooms (id))")
    async with await psycopg.AsyncConnection.connect(cluster.url("postgres", fresh_db.name)) as connection:
        with pytest.raises(psycopg.Error, match="bookings"):
            await connection.execute(teardown_sql(migrations()).encode())
    assert await fresh_db.column("select conname from pg_constraint where conname = 'bookings_room_fkey'")
    assert await fresh_db.column("select public.schema_version()") == [1]


async def test_when_the_jobs_are_scheduled_all_that_they_use_is_there(
    templates: Templates, cluster: PostgresCluster, tmp_path: Path
) -> None:
    # pg_cron begins them at any moment, also between two migrations of one installation.
    ours = [migration.path for migration in migrations()]
    (at,) = [i for i, path in enumerate(ours) if "perform spaces.schedule_jobs()" in path.read_text(encoding="utf-8")]
    for path in ours[: at + 1]:
        shutil.copy(path, tmp_path)
    db = await templates.bootstrapped()
    try:
        await migrate(cluster.url("postgres", db.name), tmp_path)
        space, closed = await open_space(db), await open_space(db)
        await space.expire(await space.enter(space.host))
        await closed.call(closed.host, "update_room_state", p_changes={"is_active": False})
        assert await db.value("select spaces.sweep_rooms()") == 1
        assert (await db.value("select public.cleanup_inactive_rooms()"))["rooms_deleted"] == 1
    finally:
        await db.aclose()


async def test_only_a_project_and_its_migration_role_are_taken(templates: Templates, cluster: PostgresCluster) -> None:
    database = await templates.bootstrapped()
    try:
        await check_platform(cluster.url("postgres", database.name))
        with pytest.raises(InstallError) as refused:
            await check_platform(cluster.url("authenticator", database.name))
        assert refused.value.code == "wrong_role"
        with pytest.raises(InstallError) as refused:
            await check_platform(cluster.url(dbname="template1"))
        assert refused.value.code == "not_supabase"
    finally:
        await database.aclose()


async def test_what_cannot_be_published_is_stored_all_the_same(fresh_db: Database) -> None:
    # The row is the truth; the broadcast is a hint, and who missed it is told by the next heartbeat.
    space = await open_space(fresh_db)
    ada = await space.enter(space.host)
    await fresh_db.sql("alter table realtime.messages add constraint broken check (false) not valid")
    head = await space.head()
    message = await space.say(ada)
    assert message["seq"] == await space.head() == head + 1
    (lease,) = (await fresh_db.call(ada.actor, "heartbeat", p_connection_ids=[ada.connection]))["leases"]
    assert lease["head"] == head + 1
    await fresh_db.sql("alter table realtime.messages drop constraint broken")


async def test_a_transaction_that_is_rolled_back_leaves_and_says_nothing(fresh_db: Database) -> None:
    space = await open_space(fresh_db)
    ada = await space.enter(space.host)
    async with fresh_db.api.connection() as connection, connection.transaction(force_rollback=True):
        answer = await fresh_db.call_on(
            connection, ada.actor, "insert_message", {"p_room_id": space.id, "p_content": "never said"}
        )
        assert answer["ok"]
    assert "never said" not in [row["content"] for row in await space.messages()]
    await space.say(ada)
    await check_steps(space)


async def test_settings_count_from_the_next_call_on(fresh_db: Database) -> None:
    await fresh_db.sql("update spaces.config set lease_s = 2, heartbeat_s = 0.5, active_rooms_per_user = 1")
    space = await open_space(fresh_db)
    answer = await space.call(space.host, "join_room", p_display_name="Ada")
    assert (answer["lease_s"], answer["heartbeat_s"]) == (2, 0.5)
