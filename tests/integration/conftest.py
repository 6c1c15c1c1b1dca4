"""What the tests of this category share."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest_asyncio

from spaces_sdk.local.stack import LocalStack
from tests.integration.people import LocalPeople, People
from tests.stack_fixture import Project


@pytest_asyncio.fixture(loop_scope="session")
async def people(supabase: Project) -> AsyncGenerator[People]:
    """Accounts and sessions of this test, in the project under test."""
    made = People(supabase)
    try:
        yield made
    finally:
        await made.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def local_people(stack: LocalStack) -> AsyncGenerator[LocalPeople]:
    """The same on the local stack, for tests that act as its operator, too."""
    made = LocalPeople(stack)
    try:
        yield made
    finally:
        await made.aclose()
