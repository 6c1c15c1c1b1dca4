"""What docs/testing.md shows is run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def shown() -> dict[str, Callable[[], Awaitable[None]]]:
    """The tests of the page by name, but those on the real stack (tests/stack/test_pytest_plugin.py)."""
    names: dict[str, object] = {}
    for block in BLOCK.findall(PAGE.read_text()):
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102
    tests = {name: value for name, value in names.items() if name.startswith("test_") and inspect.isfunction(value)}
    return {name: test for name, test in tests.items() if not inspect.signature(test).parameters}


@pytest.mark.parametrize("name", shown())
async def test_it_is_so(name: str) -> None:
    await shown()[name]()
