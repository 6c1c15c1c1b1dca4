"""Callers of the functions of the session's stack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
import pytest_asyncio

from spaces_sdk.local.stack import LocalStack
from tests.functions.support.rest import Caller, sign_in

NewCaller = Callable[[], Awaitable[Caller]]


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def http(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP to the stack."""
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=30.0) as client:
        yield client


@pytest.fixture
def new_caller(http: httpx.AsyncClient, stack: LocalStack) -> NewCaller:
    """Signs in one user more."""
    return lambda: sign_in(http, stack)


@pytest.fixture
async def ada(new_caller: NewCaller) -> Caller:
    return await new_caller()


@pytest.fixture
async def bob(new_caller: NewCaller) -> Caller:
    return await new_caller()
