"""A stack whose database has nothing of ours, and the published Supabase CLI. Run by `make test-install`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from spaces_sdk.local.stack import LocalStack
from tests.install.support.app import App, make_app, make_database
from tests.install.support.supabase_cli import SupabaseCli, supabase_program

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bare() -> AsyncIterator[LocalStack]:
    """A stack as a new project is: no migrations yet. A refused join is answered at once, not after 5 s."""
    async with LocalStack.temporary(
        has_migrations=False, realtime_env={"SPACES_REALTIME_JOIN_ERROR_DELAY_S": "0.1"}
    ) as running:
        yield running


@pytest.fixture(scope="session")
def supabase_cli(tmp_path_factory: pytest.TempPathFactory) -> SupabaseCli:
    return SupabaseCli(supabase_program(), tmp_path_factory.mktemp("home"))


@pytest.fixture
def new_app(bare: LocalStack, supabase_cli: SupabaseCli, tmp_path: Path) -> Callable[[str], Awaitable[App]]:
    """Makes an app with a database of its own, in a mode of default privileges."""

    async def make(mode: str = "closed") -> App:
        name = f"app_{next(_numbers)}"
        return make_app(tmp_path / name, await make_database(bare.cluster, name, mode), supabase_cli)

    return make
