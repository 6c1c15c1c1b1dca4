"""What a person reads of the demo, and what a log gets of it."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from spaces_sdk.demo.ledger import Sighting
from spaces_sdk.demo.report_human import HumanReport
from spaces_sdk.demo.report_json import step_json
from spaces_sdk.demo.step import Failure, StepResult

pytestmark = pytest.mark.unit


def _result(number: int, failure: Failure | None = None, notes: list[str] | None = None) -> StepResult:
    return StepResult(
        number=number,
        key=f"step_{number}",
        title=f"Step {number}",
        is_live=True,
        began_ms=0.0,
        took_ms=1234.0,
        notes=notes or [],
        ids={},
        seen=[Sighting(who="Ada", event="MessageReceived", pos=3, at_ms=1.5)],
        failure=failure,
    )


FAILURE = Failure(
    code="check_failed", expected="Ada to see it", seen="no event", part="realtime", log_tail=["a line of the log"]
)


def _printed(*results: StepResult, is_terminal: bool = False) -> str:
    file = StringIO()
    report = HumanReport(Console(file=file, force_terminal=is_terminal, width=80))
    for result in results:
        report.end_step(result)
    report.end(results, 12.3)
    return file.getvalue()


def test_a_log_gets_plain_lines_that_end_with_the_verdict() -> None:
    text = _printed(_result(1, notes=["Ada: hello"]), _result(2))
    assert "\x1b" not in text
    assert text.isascii()
    lines = text.splitlines()
    assert lines[0].split() == ["1", "ok", "Step", "1", "1.2", "s"]
    assert lines[1].strip() == "Ada: hello"
    assert lines[-1] == "demo: 2 of 2 steps ok"


def test_a_failed_step_tells_what_was_expected_and_seen_and_the_log() -> None:
    lines = [line.strip() for line in _printed(_result(1), _result(2, FAILURE)).splitlines()]
    assert lines[1].startswith("2 FAIL Step 2")
    assert lines[2:6] == [
        "expected: Ada to see it",
        "seen:     no event",
        "the log of realtime ends with:",
        "| a line of the log",
    ]
    assert lines[-1] == "demo: 1 of 2 steps ok"


def test_long_notes_are_not_broken_in_a_log() -> None:
    note = "Bob: " + "word " * 60
    assert note.strip() in [line.strip() for line in _printed(_result(1, notes=[note])).splitlines()]


def test_a_terminal_gets_colours() -> None:
    assert "\x1b[" in _printed(_result(1), is_terminal=True)


def test_the_picture_has_the_lines_and_asks_no_server_for_a_font(tmp_path: Path) -> None:
    report = HumanReport.with_picture(Console(file=StringIO()))
    report.end_step(_result(1, notes=["Ada: hello"]))
    report.end([_result(1)], 1.0)
    report.save_svg(tmp_path / "demo.svg")
    picture = (tmp_path / "demo.svg").read_text("utf-8")
    assert "hello" in picture
    assert "@font-face" not in picture
    assert "url(http" not in picture


def test_without_a_picture_nothing_is_saved(tmp_path: Path) -> None:
    HumanReport(Console(file=StringIO())).save_svg(tmp_path / "demo.svg")
    assert not (tmp_path / "demo.svg").exists()


def test_what_is_reported_can_be_written_as_json() -> None:
    told = json.loads(json.dumps(step_json(_result(2, FAILURE))))
    assert (told["ok"], told["failure"]["seen"]) == (False, "no event")
    assert told["seen"] == [{"who": "Ada", "event": "MessageReceived", "pos": 3, "at_ms": 1.5}]
