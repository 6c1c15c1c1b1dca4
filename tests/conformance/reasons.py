"""Why a difference may remain; the table in docs/local-stack.md has a row for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conformance.comparison import Difference
from tests.conformance.recording import Kind, Recording

Rule = Callable[[Difference, Recording], bool]


@dataclass(frozen=True, slots=True)
class Reason:
    """One kind of difference.

    Attributes:
        name: As the row of the table begins.
        is_allowed_beforehand: True if no server without it could be equal here.
        applies: Says whether a difference is of this kind.
    """

    name: str
    is_allowed_beforehand: bool
    applies: Rule


def _asked_for_changes(difference: Difference, recording: Recording) -> bool:
    asked = {
        (entry.conn, topic)
        for entry in recording.entries
        if entry.kind is Kind.SEND and (topic := _topic_with_changes(entry.frame))
    }
    return all((difference.conn, frame.topic) in asked for frame in difference.frames)


def _topic_with_changes(frame: Any) -> str | None:
    match frame:
        case {"event": "phx_join", "topic": str(topic), "payload": payload} | [_, _, str(topic), "phx_join", payload]:
            pass
        case _:
            return None
    match payload:
        case {"config": {"postgres_changes": [_, *_]}}:
            return topic
        case dict() if "config" not in payload:
            return topic
        case _:
            return None


def _speaks_of(text: str) -> Rule:
    return lambda difference, _: difference.wanted is not None and text in difference.wanted.text


def _is_diff_at_shutdown(difference: Difference, recording: Recording) -> bool:
    is_of_scenario = recording.name == "08-limit-presence.v1"
    return is_of_scenario and all('"presence_diff"' in frame.text for frame in difference.frames)


def _reached_one_before_the_crash(difference: Difference, recording: Recording) -> bool:
    is_of_scenario = recording.name == "02-broadcast-odd-payloads.v1"
    return is_of_scenario and difference.got is None and '"payload": "text"' in difference.frames[0].text


REASONS = (
    Reason("postgres_changes", is_allowed_beforehand=True, applies=_asked_for_changes),
    Reason("several tenants", is_allowed_beforehand=True, applies=_speaks_of("Tenant not found")),
    Reason("long polling", is_allowed_beforehand=False, applies=_speaks_of("longpoll")),
    Reason(
        "who still hears of whom when all are shut at once", is_allowed_beforehand=False, applies=_is_diff_at_shutdown
    ),
    Reason("who is reached before a crash", is_allowed_beforehand=False, applies=_reached_one_before_the_crash),
)


def reason_of(difference: Difference, recording: Recording) -> Reason | None:
    """The first reason that applies; None for a difference that is a fault."""
    return next((reason for reason in REASONS if reason.applies(difference, recording)), None)
