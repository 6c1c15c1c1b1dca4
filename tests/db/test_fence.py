"""What a hosted project refuses to the role that runs migrations is refused here, and what it allows is allowed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from spaces_sdk.install.errors import MigrationError
from spaces_sdk.install.migrate import migrate
from spaces_sdk.local.postgres import PostgresCluster
from tests.db.support.database import Database
from tests.db.support.templates import Templates

pytestmark = pytest.mark.db

REFUSED = {
    # Nothing is created in schemas of the platform …
    "create table auth.mine (id integer)": "permission denied for schema auth",
    "create view auth.mine as select 1 as one": "permission denied for schema auth",
    "create type auth.mine as enum ('mine')": "permission denied for schema auth",
    "create function auth.mine() returns int language sql as 'select 1'": "permission denied for schema auth",
    "create or replace function auth.uid() returns uuid language sql as 'select null::uuid'": "denied|owner",
    "create index mine on auth.users (email)": "must be owner",
    "create policy mine on auth.users using (true)": "must be owner",
    "create table realtime.mine (id integer)": "permission denied for schema realtime",
    "create view realtime.mine as select 1 as one": "permission denied for schema realtime",
    "create type realtime.mine as enum ('mine')": "permission denied for schema realtime",
    "create function realtime.mine() returns int language sql as 'select 1'": "permission denied for schema realtime",
    "create or replace function realtime.topic() returns text language sql as 'select null::text'": "denied|owner",
    "create index mine on realtime.messages (topic)": "permission denied for schema realtime",
    "create trigger mine before insert on realtime.messages for each row"
    " execute function suppress_redundant_updates_trigger()": "must be owner|permission denied",
    # … nor altered, commented, moved, granted or dropped.
    "alter table auth.users add column mine integer": "must be owner",
    "alter table auth.users disable row level security": "must be owner",
    "alter schema auth rename to mine": "must be owner",
    "alter function auth.uid() rename to mine": "must be owner",
    "alter table realtime.messages add column mine integer": "must be owner",
    "alter table realtime.messages disable row level security": "must be owner",
    "alter table realtime.messages force row level security": "must be owner",
    "alter table realtime.messages rename to mine": "permission denied for schema realtime",
    "alter table realtime.messages set schema public": "must be owner",
    "alter table realtime.messages owner to anon": "must be|denied",
    "alter function realtime.send(jsonb, text, text, boolean) security definer": "must be owner",
    "alter publication supabase_realtime_messages_publication drop table realtime.messages": "must be owner",
    "comment on table auth.users is 'mine'": "must be owner",
    "comment on column auth.users.email is 'mine'": "must be owner",
    "comment on schema auth is 'mine'": "must be owner",
    "comment on table realtime.messages is 'mine'": "must be owner",
    "comment on column realtime.messages.topic is 'mine'": "must be owner",
    "comment on schema realtime is 'mine'": "must be owner",
    "create policy mine on realtime.messages for select using (true);"
    " comment on policy mine on realtime.messages is 'mine'": "must be owner",
    "grant delete on realtime.messages to authenticated": "permission denied",
    "revoke select on realtime.messages from authenticated": "permission denied",
    "grant all on realtime.messages to public": "permission denied",
    "drop table auth.users cascade": "must be owner",
    "drop function auth.uid() cascade": "must be owner",
    "drop table realtime.messages": "must be owner",
    "drop index realtime.messages_inserted_at_index": "must be owner",
    "drop function realtime.topic()": "must be owner",
    # It is no superuser, and makes none.
    "create role mine superuser": "permission denied|must be superuser|Only roles with",
    "alter role supabase_admin with password 'mine'": "permission denied|must be superuser",
    "grant supabase_admin to postgres": "permission denied|must have admin option|must be superuser",
    "alter system set log_statement = 'all'": "permission denied|cannot run inside",
    # A migration stays the role that it is: `db push` cannot record it otherwise.
    "set role anon": "sets a role",
    "set local role service_role": "sets a role",
    "set session role anon": "sets a role",
    "-- as the owner\nSET\n  ROLE postgres": "sets a role",
    "select 1; reset role": "sets a role",
    "set session authorization anon": "sets a role",
    "reset session authorization": "sets a role",
    "do $$ begin set role anon; end $$": "sets a role",
    "do $$ begin perform set_config('role', 'authenticated', false); end $$": "sets a role",
}

ALLOWED = (
    "create policy mine on realtime.messages for select to authenticated using (true);"
    " alter policy mine on realtime.messages using (false);"
    " alter policy mine on realtime.messages rename to ours; drop policy ours on realtime.messages",
    "create table public.notes (id uuid primary key, user_id uuid references auth.users (id) on delete cascade);"
    " alter table public.notes enable row level security;"
    " create policy mine on public.notes using (user_id = (select auth.uid()));"
    " comment on policy mine on public.notes is 'One''s own.'; grant select on public.notes to authenticated;"
    " alter publication supabase_realtime add table public.notes",
    "create function public.greet() returns trigger language plpgsql as $$ begin set local lock_timeout = '1s';"
    " return new; end $$;"
    " create trigger greet after insert on auth.users for each row execute function public.greet()",
    "create schema mine; comment on schema mine is 'Mine.'; create table mine.roles (set_role text)",
    "create function public.speak() returns void language sql as"
    " $$ select realtime.send('{}'::jsonb, 'said', 'chat:1', true) $$; select public.speak()",
    "insert into auth.users (id) values (gen_random_uuid())",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["closed", "open"])
async def project(
    request: pytest.FixtureRequest, templates: Templates, open_templates: Templates
) -> AsyncGenerator[Database]:
    """A project before any migration, of either mode of default privileges."""
    database = await (templates if request.param == "closed" else open_templates).bootstrapped()
    yield database
    await database.aclose()


async def run(cluster: PostgresCluster, project: Database, folder: Path, code: str) -> None:
    (folder / "20300101000000_app.sql").write_text(code + ";\n", encoding="utf-8")
    try:
        await migrate(cluster.url("postgres", project.name), folder)
    finally:
        await project.sql("delete from supabase_migrations.schema_migrations where version = '20300101000000'")


@pytest.fixture(autouse=True)
async def history(project: Database) -> None:
    """What the first migration of a project makes, so that each test finds it."""
    await project.sql("create schema if not exists supabase_migrations authorization postgres")
    await project.sql(
        """create table if not exists supabase_migrations.schema_migrations
             (version text not null primary key, statements text[], name text)"""
    )
    await project.sql("alter table supabase_migrations.schema_migrations owner to postgres")


@pytest.mark.parametrize("code", REFUSED)
async def test_refused_as_on_a_hosted_project(
    cluster: PostgresCluster, project: Database, tmp_path: Path, code: str
) -> None:
    with pytest.raises(MigrationError, match=REFUSED[code]) as refused:
        await run(cluster, project, tmp_path, code)
    assert refused.value.hint
    left = """select relname from pg_class where relname = 'mine'
              union all select policyname from pg_policies where policyname = 'mine'"""
    assert await project.column(left) == []


@pytest.mark.parametrize("code", ALLOWED)
async def test_allowed_as_on_a_hosted_project(
    cluster: PostgresCluster, project: Database, tmp_path: Path, code: str
) -> None:
    await run(cluster, project, tmp_path, code)


async def test_it_takes_no_role_of_the_platform(cluster: PostgresCluster, project: Database, tmp_path: Path) -> None:
    taking = "grant supabase_auth_admin to postgres"
    if int(await project.value("show server_version_num")) >= 160000:
        with pytest.raises(MigrationError, match="permission denied"):
            await run(cluster, project, tmp_path, taking)
    else:
        # A known gap: before 16 who may make roles may take any that is no superuser; hosted projects reserve some.
        await run(cluster, project, tmp_path, f"{taking}; revoke supabase_auth_admin from postgres")
    assert not await project.value("select pg_has_role('postgres', 'supabase_auth_admin', 'member')")


async def test_what_it_may_not_hand_on_it_does_not_hand_on(
    cluster: PostgresCluster, project: Database, tmp_path: Path
) -> None:
    # Postgres only warns of it: the role has these rights, without that of granting them.
    await run(cluster, project, tmp_path, "grant select on auth.users to anon, authenticated")
    for role in ("anon", "authenticated", "service_role"):
        assert not await project.value("select has_table_privilege(%s, 'auth.users', 'select')", [role])
