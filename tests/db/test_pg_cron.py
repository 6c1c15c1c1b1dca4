"""The jobs of a hosted project, run by pg_cron itself. Collected only where the Postgres under test brings it along."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from spaces_sdk.local.postgres import PostgresCluster
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import open_space
from tests.db.support.templates import Templates
from tests.support.eventually import eventually

pytestmark = pytest.mark.db

# Its jobs begin with a minute.
WITHIN_S = 100


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cron_db(pytestconfig: pytest.Config) -> AsyncGenerator[Database]:
    """A database on a cluster of its own, with pg_cron as hosted projects have it, and then the migrations."""
    named_bin: Path | None = pytestconfig.getoption("--postgres-bin")
    async with PostgresCluster.temporary(named_bin) as cluster:

        async def install_cron(database: Database) -> None:
            await database.aclose()
            await cluster.stop()
            with (cluster.data_dir / "postgresql.conf").open("a", encoding="utf-8") as settings:
                settings.write(
                    "\nshared_preload_libraries = 'pg_cron'\ncron.use_background_workers = on\n"
                    f"cron.database_name = '{database.name}'\n"
                )
            await cluster.start(port=cluster.port)
            await database.sql("create extension pg_cron")
            await database.sql("grant usage on schema cron to postgres")
            await database.sql("grant all on cron.job_run_details to postgres")

        templates = Templates(cluster, "closed")
        try:
            yield await templates.migrated(install_cron)
        finally:
            await templates.aclose()


async def test_the_migration_schedules_what_this_version_can(cron_db: Database) -> None:
    jobs = await cron_db.sql("select jobname, schedule, command, username from cron.job order by jobname")
    assert [job["jobname"] for job in jobs] == ["spaces-cleanup", "spaces-purge-log", "spaces-sweep"]
    assert {job["username"] for job in jobs} == {"postgres"}
    version = await cron_db.value("select extversion from pg_extension where extname = 'pg_cron'")
    knows_seconds = tuple(int(part) for part in version.split("-")[0].split(".")) >= (1, 5)
    assert jobs[2]["schedule"] == ("30 seconds" if knows_seconds else "* * * * *")


async def test_scheduling_again_changes_nothing(cron_db: Database) -> None:
    jobs = "select jobid, jobname, schedule, command from cron.job order by jobid"
    before = await cron_db.sql(jobs)
    await cron_db.sql("set role postgres; select spaces.schedule_jobs(); reset role")
    assert await cron_db.sql(jobs) == before


async def test_the_jobs_do_what_they_are_for(cron_db: Database) -> None:
    db = cron_db
    space, closed = await open_space(db), await open_space(db)
    bob = await space.newcomer("bob")
    await closed.call(closed.host, "update_room_state", p_changes={"is_active": False})
    old_run, strange_run = 1_000_001, 1_000_002
    await db.sql(
        """insert into cron.job (jobname, schedule, command) values ('of-the-app', '0 0 1 1 *', 'select 1')""",
    )
    await db.sql(
        """insert into cron.job_run_details (jobid, runid, command, start_time, end_time)
           select jobid, case jobname when 'of-the-app' then %s else %s end, command, now() - interval '2 days',
                  now() - interval '2 days' from cron.job where jobname in ('spaces-sweep', 'of-the-app')""",
        [strange_run, old_run],
    )
    await space.expire(bob)
    # At the next minute, instead of at their own times of the hour and the day.
    await db.sql(
        "select cron.alter_job(jobid, schedule => '* * * * *') from cron.job where jobname like 'spaces-%%'", []
    )

    async def are_done() -> bool:
        return (
            len(named(await space.broadcasts(), "room:participant-left")) == 1
            and await db.column("select id from public.rooms") == [space.id]
            and await db.column("select runid from cron.job_run_details where runid >= %s", [old_run]) == [strange_run]
        )

    runs = "select command, status, return_message from cron.job_run_details"
    try:
        await eventually(are_done, within_s=WITHIN_S, what="pg_cron has swept, cleaned and shortened its log")
    except AssertionError as error:
        error.add_note(str(await db.sql(runs)))
        raise
    assert await db.sql(f"{runs} where status = 'failed'") == []
