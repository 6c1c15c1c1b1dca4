"""Bootstrap and migrations against a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from spaces_sdk.install.errors import MigrationError
from spaces_sdk.install.package_files import migrations_dir
from spaces_sdk.local.database import bootstrap, migrate, prepare
from spaces_sdk.local.errors import StackError
from spaces_sdk.local.postgres import PostgresCluster

pytestmark = pytest.mark.stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster() -> AsyncIterator[PostgresCluster]:
    async with PostgresCluster.temporary() as running:
        await prepare(running)
        yield running


async def test_both_are_idempotent_and_recorded_as_the_cli_does(cluster: PostgresCluster) -> None:
    assert await prepare(cluster) == []
    async with await psycopg.AsyncConnection.connect(cluster.url("postgres")) as conn:
        cursor = await conn.execute("select version, name, statements from supabase_migrations.schema_migrations")
        rows = await cursor.fetchall()
    assert {f"{version}_{name}.sql" for version, name, _ in rows} == {path.name for path in migrations_dir().glob("*")}
    assert all(statements for _, _, statements in rows)


async def test_the_roles_log_in_with_their_own_passwords_only(cluster: PostgresCluster) -> None:
    for role in ("supabase_admin", "postgres", "authenticator", "supabase_auth_admin"):
        async with await psycopg.AsyncConnection.connect(cluster.url(role)) as conn:
            cursor = await conn.execute("select current_user")
            assert await cursor.fetchone() == (role,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(cluster.url(), password=cluster.password_of("postgres"))
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(f"postgresql://supabase_admin@127.0.0.1:{cluster.port}/postgres")


async def test_the_migration_role_is_no_superuser(cluster: PostgresCluster) -> None:
    async with await psycopg.AsyncConnection.connect(cluster.url("postgres")) as conn:
        cursor = await conn.execute("select rolsuper, rolbypassrls from pg_roles where rolname = current_user")
        assert await cursor.fetchone() == (False, True)


async def test_a_failing_file_is_named_with_its_line_and_undone(cluster: PostgresCluster, tmp_path: Path) -> None:
    (tmp_path / "20300101000000_good.sql").write_text("create table public.from_good (id int);\n")
    bad = "create table public.from_bad (id int);\n\nselect 1,\n  nonsense\nfrom public.from_bad;\n"
    (tmp_path / "20300101000100_bad.sql").write_text(bad)
    with pytest.raises(MigrationError, match="nonsense") as failed:
        await migrate(cluster.url("postgres"), tmp_path)
    assert (failed.value.file, failed.value.line) == ("20300101000100_bad.sql", 4)
    assert "20300101000100_bad.sql, line 4" in failed.value.message
    async with await psycopg.AsyncConnection.connect(cluster.url("postgres"), autocommit=True) as conn:
        cursor = await conn.execute(
            "select to_regclass('public.from_good') is null, to_regclass('public.from_bad') is null"
        )
        assert await cursor.fetchone() == (False, True)
        await conn.execute("drop table public.from_good")


async def test_an_error_at_run_time_names_its_statement(cluster: PostgresCluster, tmp_path: Path) -> None:
    (tmp_path / "20300101000200_raises.sql").write_text("select 1;\ndo $$\nbegin\n  perform 1 / 0;\nend $$;\n")
    with pytest.raises(MigrationError, match=r"line 2: division by zero") as failed:
        await migrate(cluster.url("postgres"), tmp_path)
    assert failed.value.line == 2


async def test_two_at_once_apply_each_file_once(tmp_path: Path) -> None:
    async with PostgresCluster.temporary() as own:
        await bootstrap(own.url(), password_of=own.password_of)
        (tmp_path / "20300101000300_once.sql").write_text("create table public.once (id int);\n")
        both = await asyncio.gather(*(migrate(own.url("postgres"), tmp_path) for _ in range(2)))
        assert sorted(both) == [[], ["20300101000300_once.sql"]]


async def test_a_migration_that_came_later_is_applied_alone(cluster: PostgresCluster, tmp_path: Path) -> None:
    (tmp_path / "20300101000400_first.sql").write_text("create table public.came_first (id int);\n")
    assert await migrate(cluster.url("postgres"), tmp_path) == ["20300101000400_first.sql"]
    (tmp_path / "20300101000500_later.sql").write_text("drop table public.came_first;\n")
    assert await migrate(cluster.url("postgres"), tmp_path) == ["20300101000500_later.sql"]


async def test_another_bootstrap_is_refused_with_a_way_on(cluster: PostgresCluster) -> None:
    with pytest.raises(StackError, match="another version") as refused:
        await bootstrap(cluster.url(), "open")
    assert "--reset" in refused.value.hint


async def test_an_unknown_mode_is_refused(cluster: PostgresCluster) -> None:
    with pytest.raises(StackError, match="unknown"):
        await bootstrap(cluster.url(), "ajar")


async def test_open_mode_grants_what_older_projects_grant() -> None:
    async with PostgresCluster.temporary() as own:
        await bootstrap(own.url(), "open", password_of=own.password_of)
        async with await psycopg.AsyncConnection.connect(own.url("postgres"), autocommit=True) as conn:
            await conn.execute("create table public.granted (id int)")
            cursor = await conn.execute("select has_table_privilege('anon', 'public.granted', 'insert')")
            assert await cursor.fetchone() == (True,)
