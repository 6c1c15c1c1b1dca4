"""The rest of the matrix, on a running stack: keys, tokens, sockets and Realtime's HTTP endpoint."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.db.matrix.actors import ACTORS, IMPOSTORS
from tests.db.matrix.grid import read_grids
from tests.db.matrix.realtime import try_realtime
from tests.db.matrix.rest import try_rest
from tests.db.matrix.stage import Stage, set_stage
from tests.db.matrix.tally import Tally

pytestmark = pytest.mark.db


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(pytestconfig: pytest.Config) -> AsyncGenerator[Stage]:
    named = pytestconfig.getoption("--postgres-bin") or os.environ.get("SPACES_TEST_POSTGRES_BIN")
    async with set_stage(named or None) as running:
        yield running


async def test_rest(stage: Stage, count: Tally) -> None:
    grids = read_grids()
    await try_rest(stage, grids["rest"], grids["impostors"], count)
    count.check()
    assert grids["rest"].unasked() | grids["impostors"].unasked() == set(), "lines of expected.txt about nothing"


async def test_realtime(stage: Stage, count: Tally) -> None:
    section = read_grids()["realtime"]
    await try_realtime(stage, (*ACTORS, *IMPOSTORS), section, count)
    count.check()
    assert section.unasked() == set(), "lines of expected.txt about nothing"
