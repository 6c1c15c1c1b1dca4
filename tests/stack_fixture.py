"""Plugin: one local stack for a whole test session, or the Supabase project that the environment names.

With `SPACES_TEST_URL`, `SPACES_TEST_PUBLISHABLE_KEY` and `SPACES_TEST_SECRET_KEY` set, `supabase` is that project;
`stack`, which also stops parts and reads the database, is always the local one.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from spaces_sdk.local.stack import LocalStack


@dataclass(frozen=True, slots=True)
class Project:
    """What a client needs to know of a Supabase project."""

    url: str
    publishable_key: str
    secret_key: str


def project_from_environment() -> Project | None:
    """The project to test against, if the environment names one."""
    names = ("SPACES_TEST_URL", "SPACES_TEST_PUBLISHABLE_KEY", "SPACES_TEST_SECRET_KEY")
    values = [os.environ.get(name, "") for name in names]
    if not any(values):
        return None
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if missing:
        raise pytest.UsageError(f"to test against a project, set {', '.join(missing)} too")
    return Project(*values)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack() -> AsyncIterator[LocalStack]:
    """The session's local stack. A test that stops a part starts it again."""
    # Many tests share it: together they would trip the plan's limit of 100 messages a second.
    limits = {"SPACES_REALTIME_MAX_EVENTS_PER_SECOND": "100000"}
    functions = {"SPACES_JOIN_BASE_URL": "http://localhost:5173/spaces", "CLEANUP_SECRET": "0123456789" * 4}
    # Its scheduler rests: what it swept and deleted would change rooms in the midst of whichever test runs then.
    async with LocalStack.temporary(
        realtime_env=limits, functions_env=functions, sweep_interval_s=24 * 3600.0
    ) as running:
        yield running


@pytest.fixture(scope="session")
def supabase(request: pytest.FixtureRequest) -> Project:
    """The project under test: the one that the environment names, else the session's local stack."""
    named = project_from_environment()
    if named is not None:
        return named
    running: LocalStack = request.getfixturevalue("stack")
    return Project(running.url, running.publishable_key, running.secret_key)
