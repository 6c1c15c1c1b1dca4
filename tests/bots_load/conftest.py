"""What the tests of this category share."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest


@pytest.fixture
def is_full_load(request: pytest.FixtureRequest) -> bool:
    """Whether `--full-load` was given."""
    return bool(request.config.getoption("--full-load"))


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Generator[list[str]]:
    """Lines about what was measured; they stand at the end of the run's output."""
    lines: list[str] = []
    yield lines
    for line in lines:
        record_property("told", line)
