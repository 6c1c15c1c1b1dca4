"""A step of the demo, and what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from spaces_sdk.demo.ledger import Sighting
from spaces_sdk.demo.stage import Stage
from spaces_sdk.models import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is done and seen.

    Attributes:
        key: Stable name, snake_case.
        title: What happens, as a person would tell it.
        act: Does it, and raises `CheckFailedError` when somebody did not see what they should.
        is_live: It needs Realtime.
        waits_s: What it waits for on purpose, in seconds, from the settings of the run.
        part: The part of the stack whose log tells most when it fails.
    """

    key: str
    title: str
    act: Callable[[Stage], Awaitable[None]]
    is_live: bool = True
    waits_s: Callable[[Stage], float] = lambda _: 0.0
    part: str = "realtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a step failed.

    Attributes:
        code: Of the error.
        expected: What should have been seen; the step's title when it ended before a check.
        seen: What came instead.
        part: Whose log follows; empty when an earlier step tells all.
        log_tail: The last lines of that part's log.
    """

    code: str
    expected: str
    seen: str
    part: str = ""
    log_tail: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What became of a step.

    Attributes:
        began_ms: Milliseconds since the first step began.
        notes: What a person reads below the title.
        ids: What was made in the step, by name.
        seen: Who saw what, and when.
        failure: None if all checks held.
    """

    number: int
    key: str
    title: str
    is_live: bool
    began_ms: float
    took_ms: float
    notes: list[str]
    ids: JsonObject
    seen: list[Sighting]
    failure: Failure | None

    @property
    def is_ok(self) -> bool:
        return self.failure is None
