"""One cluster for the session; a database for each module, or for each test that asks for one of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from spaces_sdk.local.postgres import PostgresCluster
from tests.db.support.database import Database
from tests.db.support.templates import Templates

Closeable = TypeVar("Closeable", Database, Templates)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the tests of pg_cron out where the Postgres under test has none, as that of the wheel."""
    if collection_path.name != "test_pg_cron.py":
        return None
    folder: Path | None = config.getoption("--postgres-bin")
    return folder is None or not (folder.parent / "lib/pg_cron.so").exists() or None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(pytestconfig: pytest.Config) -> AsyncGenerator[PostgresCluster]:
    """The Postgres that `--postgres-bin` or SPACES_TEST_POSTGRES_BIN names, else the wheel's."""
    named: Path | str | None = pytestconfig.getoption("--postgres-bin") or os.environ.get("SPACES_TEST_POSTGRES_BIN")
    async with PostgresCluster.temporary(named or None) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def templates(cluster: PostgresCluster) -> AsyncGenerator[Templates]:
    """Databases as hosted projects are today: nothing is granted by default."""
    async with _closing(Templates(cluster, "closed")) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def open_templates(cluster: PostgresCluster) -> AsyncGenerator[Templates]:
    """Databases as older projects are: the API roles get everything by default."""
    async with _closing(Templates(cluster, "open")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def db(templates: Templates) -> AsyncGenerator[Database]:
    """The module's database. Tests share it: each makes its own users and rooms."""
    async with _closing(await templates.migrated()) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_db(templates: Templates) -> AsyncGenerator[Database]:
    """A database for one test, which counts all of something or changes settings."""
    async with _closing(await templates.migrated()) as made:
        yield made


@asynccontextmanager
async def _closing(made: Closeable) -> AsyncGenerator[Closeable]:
    try:
        yield made
    finally:
        await made.aclose()
