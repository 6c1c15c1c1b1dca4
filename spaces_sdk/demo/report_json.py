"""The demo as one JSON document: ids, positions, and who saw what when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spaces_sdk.demo.ledger import Sighting
from spaces_sdk.demo.stage import Stage
from spaces_sdk.demo.step import StepResult


def document(stage: Stage, results: Sequence[StepResult], total_s: float) -> dict[str, Any]:
    """What `spaces demo --json` prints; times in milliseconds since the first step began."""
    ok = sum(result.is_ok for result in results)
    return {
        "ok": ok == len(results),
        "summary": f"demo: {ok} of {len(results)} steps ok",
        "total_ms": round(total_s * 1000, 1),
        "stack": {"url": stage.stack.url, "started_in_ms": round(stage.started_in_s * 1000, 1)},
        "settings": {
            "lease_s": stage.settings.lease_s,
            "heartbeat_s": stage.settings.heartbeat_s,
            "without_part": stage.settings.without_part,
        },
        "steps": [step_json(result) for result in results],
    }


def step_json(result: StepResult) -> dict[str, Any]:
    """One step of the document."""
    failure = result.failure
    return {
        "number": result.number,
        "key": result.key,
        "title": result.title,
        "is_live": result.is_live,
        "ok": result.is_ok,
        "began_ms": round(result.began_ms, 1),
        "took_ms": round(result.took_ms, 1),
        "ids": result.ids,
        "seen": [_sighting(sighting) for sighting in result.seen],
        "notes": result.notes,
        "failure": failure
        and {
            "code": failure.code,
            "expected": failure.expected,
            "seen": failure.seen,
            "part": failure.part,
            "log_tail": failure.log_tail,
        },
    }


def _sighting(sighting: Sighting) -> dict[str, Any]:
    return {
        "who": sighting.who,
        "event": sighting.event,
        "pos": sighting.pos,
        "at_ms": round(sighting.at_ms, 1),
        **sighting.ids,
    }
