"""The cases of the suite on the real stack, word for word as on the fake backend."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from spaces_sdk.local.stack import LocalStack
from tests.contract_suite.cases import CASES
from tests.contract_suite.fake_stage import FakeStage
from tests.contract_suite.stack_stage import Cast, StackStage
from tests.contract_suite.stage import Case, on
from tests.integration.people import LocalPeople

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cast(stack: LocalStack) -> AsyncGenerator[Cast]:
    people = LocalPeople(stack)
    try:
        cast = Cast(people)
        async with cast.without_shared_limits():
            yield cast
    finally:
        await people.aclose()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_case(case: Case, cast: Cast) -> None:
    async with on(FakeStage()) as fake:
        await case(fake)
    async with on(StackStage(cast)) as real:
        await case(real)
    assert real.notes == fake.notes, "the fake backend says the same"
