"""What both halves of the matrix share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.db.matrix.tally import PROPERTY, Tally


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """Cells of this test; they count in the summary of the run."""
    made = Tally()
    yield made
    record_property(PROPERTY, made.counts)
