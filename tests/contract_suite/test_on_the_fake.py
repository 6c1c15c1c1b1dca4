"""The cases of the suite on the fake backend."""

from __future__ import annotations

import pytest

from tests.contract_suite.cases import CASES
from tests.contract_suite.fake_stage import FakeStage
from tests.contract_suite.stage import Case, on

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_case(case: Case) -> None:
    async with on(FakeStage()) as stage:
        await case(stage)
