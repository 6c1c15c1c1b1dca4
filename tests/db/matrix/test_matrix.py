"""Every actor tries every action on every table, function and topic; the database answers as expected.txt says."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.db.matrix.calls import bare_attempts
from tests.db.matrix.cells import Attempt, Cells, tables_of
from tests.db.matrix.grid import Section, read_grids
from tests.db.matrix.interface import attempts_on_calls
from tests.db.matrix.scene import Scene, set_scene
from tests.db.matrix.tables import attempts_on_tables
from tests.db.matrix.tally import Tally
from tests.db.matrix.topics import attempts_on_topics
from tests.db.support.templates import Templates
from tests.db.test_quickstart_policies import quickstart

pytestmark = pytest.mark.db


@pytest.fixture(scope="module", params=["closed", "open"])
async def scene(request: pytest.FixtureRequest, templates: Templates, open_templates: Templates) -> Scene:
    """In a project with the policies of Supabase's guide, which let everybody use every topic."""
    chosen = templates if request.param == "closed" else open_templates
    return await set_scene(await chosen.migrated(before=quickstart))


async def try_all(scene: Scene, section: Section, attempts: Iterable[Attempt], count: Tally) -> None:
    async with Cells.of(scene) as cells:
        for attempt in attempts:
            await cells.run(attempt, section, count)
    count.check()
    assert section.unasked() == set(), "lines of expected.txt about nothing"


async def test_tables(scene: Scene, count: Tally) -> None:
    tables, section = await tables_of(scene), read_grids()["tables"]
    unlisted = {table for table in tables if not any(table in line.split() for line in section.lines)}
    assert unlisted == set(), "expected.txt says nothing of these tables"
    await try_all(scene, section, await attempts_on_tables(scene, tables), count)


async def test_calls(scene: Scene, count: Tally) -> None:
    await try_all(scene, read_grids()["calls"], await attempts_on_calls(scene), count)


async def test_private_functions(scene: Scene, count: Tally) -> None:
    await try_all(scene, read_grids()["private functions"], await bare_attempts(scene, "spaces"), count)


async def test_topics(scene: Scene, count: Tally) -> None:
    await try_all(scene, read_grids()["topics"], attempts_on_topics(scene), count)
