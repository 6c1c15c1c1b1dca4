"""What the tests of this category share."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest_asyncio

from spaces_sdk.local.stack import LocalStack
from tests.integration.people import People


@pytest_asyncio.fixture(loop_scope="session")
async def people(stack: LocalStack) -> AsyncGenerator[People]:
    """Accounts and sessions of this test, on the shared stack."""
    made = People(stack)
    try:
        yield made
    finally:
        await made.aclose()
