"""A `spaces up` that tests share, and a folder for one of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.spaces_up import SpacesUp, data_folder, spaces_up


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running() -> AsyncIterator[SpacesUp]:
    """A running `spaces up`, which no test may stop."""
    with data_folder() as folder:
        async with spaces_up(folder) as up:
            yield up


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that is not there yet."""
    with data_folder() as folder:
        yield folder
