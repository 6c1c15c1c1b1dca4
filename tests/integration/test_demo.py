"""`spaces demo`, as a user runs it: all steps ok; and, with Realtime stopped, every live step failed."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest

from spaces_sdk.demo.scenario import SCENARIO

pytestmark = pytest.mark.integration

WITHIN_S = 240.0
ROUNDED_MS = 0.2
"""Each time in the document is rounded to a tenth."""


async def _demo(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command, and return its exit code and its document."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "spaces_sdk.cli.main",
        "demo",
        "--json",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), WITHIN_S)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert out, errors.decode()
    return process.returncode or 0, json.loads(out)


async def test_every_step_is_ok_and_tells_who_saw_what() -> None:
    code, told = await _demo()
    assert {step["key"]: step["failure"] for step in told["steps"]} == {step.key: None for step in SCENARIO}
    assert (code, told["ok"]) == (0, True)
    assert told["summary"] == f"demo: {len(SCENARIO)} of {len(SCENARIO)} steps ok"
    steps = {step["key"]: step for step in told["steps"]}
    heard = {(seen["who"], seen["message_id"]) for seen in steps["talk"]["seen"] if seen["event"] == "MessageReceived"}
    first, second = steps["talk"]["ids"]["first_message_id"], steps["talk"]["ids"]["second_message_id"]
    assert heard == {(who, message) for who in ("Ada", "Bob") for message in (first, second)}
    for step in told["steps"]:
        assert step["seen"] or not step["is_live"] or step["key"] == "see_each_other"
        for seen in step["seen"]:
            assert step["began_ms"] <= seen["at_ms"] <= step["began_ms"] + step["took_ms"] + ROUNDED_MS
    for key, words in (("answer_grows", "it was Friday"), ("stop_answer", "1 2 3")):
        assert {seen["who"] for seen in steps[key]["seen"] if seen["event"] == "MessageChunk"} == {"Ada", "Bob", "Sage"}
        assert words in " ".join(steps[key]["notes"])
    lease_s = told["settings"]["lease_s"]
    killed = next(seen for seen in steps["kill_process"]["seen"] if seen["event"] == "ParticipantLeft")
    assert killed["reason"] == "timeout"
    assert steps["kill_process"]["took_ms"] > (lease_s - 2 * told["settings"]["heartbeat_s"]) * 1000


async def test_without_realtime_every_live_step_fails() -> None:
    code, told = await _demo("--without-part", "realtime")
    assert (code, told["ok"]) == (1, False)
    assert {step["key"]: step["ok"] for step in told["steps"]} == {step.key: not step.is_live for step in SCENARIO}
    failures = [step["failure"] for step in told["steps"] if step["is_live"]]
    assert all(failure["expected"] and failure["seen"] for failure in failures)
    assert len([step for step in SCENARIO if step.is_live]) >= 12
