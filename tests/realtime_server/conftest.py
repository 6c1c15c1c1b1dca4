"""A Postgres with the recordings' set-up, and servers on it with short timers."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from spaces_sdk.local.bootstrap import bootstrap
from spaces_sdk.local.postgres import PostgresCluster
from spaces_sdk.local.realtime.server import RealtimeServer, serve
from spaces_sdk.local.realtime.settings import RealtimeSettings
from tests.realtime_server.support.tokens import SECRET
from tests.support.eventually import eventually

SETUP = Path(__file__).parent / "support" / "setup.sql"

_slots = count(1)
ServerFactory = Callable[..., AbstractAsyncContextManager[RealtimeServer]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def realtime_cluster(pytestconfig: pytest.Config) -> AsyncGenerator[PostgresCluster]:
    """One cluster for all tests of the server."""
    async with PostgresCluster.temporary(pytestconfig.getoption("--postgres-bin")) as cluster:
        await bootstrap(cluster.url())
        async with await psycopg.AsyncConnection.connect(cluster.url(), autocommit=True) as connection:
            await connection.execute(SETUP.read_bytes())
        yield cluster


@pytest.fixture
def db_url(realtime_cluster: PostgresCluster) -> str:
    """The superuser's URL."""
    return realtime_cluster.url()


@pytest_asyncio.fixture(loop_scope="session")
async def database(db_url: str) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
    """A superuser's connection, in autocommit."""
    async with await psycopg.AsyncConnection.connect(db_url, autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def started(db_url: str, **changes: Any) -> AsyncGenerator[RealtimeServer]:
    """A server whose stream is up, on a slot of its own; refusals are held back for a moment only."""
    base = RealtimeSettings(
        db_url=db_url,
        jwt_secret=SECRET,
        join_error_delay_s=0.02,
        connect_error_delay_s=0.02,
        reconnect_base_s=0.02,
        reconnect_cap_s=0.1,
        max_events_per_second=100_000,
        slot_name=f"test_{next(_slots)}",
    )
    settings = dataclasses.replace(base, **changes)
    try:
        async with serve(settings) as server:
            await eventually(lambda: server.hub.follower.is_streaming, what=lambda: server.hub.follower.fault)
            yield server
    finally:
        await _drop_slot(settings)


async def _drop_slot(settings: RealtimeSettings) -> None:
    """So that no later server is sent what this one has not read."""
    async with await psycopg.AsyncConnection.connect(settings.db_url, autocommit=True) as connection:

        async def is_gone() -> bool:
            await connection.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                " where slot_name = %s and not active",
                (settings.slot_name,),
            )
            query = "select from pg_replication_slots where slot_name = %s"
            return await (await connection.execute(query, (settings.slot_name,))).fetchone() is None

        await eventually(is_gone)


@pytest.fixture
def start_server(db_url: str) -> ServerFactory:
    """Starts servers on the common database."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncGenerator[RealtimeServer]:
        async with started(**({"db_url": db_url} | changes)) as server:
            yield server

    return start
