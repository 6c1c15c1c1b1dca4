"""Each line of the two checklists has exactly one test that is marked with it."""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

TESTS = Path(__file__).parents[1]
CHECKLISTS = TESTS / "fixtures" / "checklists.json"
MODULE_OF = {"Backend Testing": "test_checklist_backend.py", "Multi-User Testing": "test_checklist_multiuser.py"}


def _marks(module: Path) -> list[str]:
    """The lines that the tests of a module are marked with, read from its source."""
    marked: list[str] = []
    for node in ast.parse(module.read_text("utf-8")).body:
        if not isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.checklist":
                marked += [ast.literal_eval(argument) for argument in mark.args]
    return marked


@pytest.mark.parametrize("name", MODULE_OF)
def test_the_marks_are_the_lines_of_the_checklist(name: str) -> None:
    lines: dict[str, list[str]] = json.loads(CHECKLISTS.read_text("utf-8"))
    assert Counter(_marks(TESTS / "integration" / MODULE_OF[name])) == Counter(lines[name])


def test_there_are_24_lines() -> None:
    lines: dict[str, list[str]] = json.loads(CHECKLISTS.read_text("utf-8"))
    assert {name: len(each) for name, each in lines.items()} == {"Backend Testing": 15, "Multi-User Testing": 9}
