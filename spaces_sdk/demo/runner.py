"""Walks the steps, one after the other, whatever becomes of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from spaces_sdk.demo.checks import CheckFailedError, NotReadyError
from spaces_sdk.demo.stage import Stage
from spaces_sdk.demo.step import Failure, Step, StepResult
from spaces_sdk.errors import SpacesError

LOG_LINES = 8


async def walk(
    stage: Stage,
    steps: Sequence[Step],
    *,
    on_begin: Callable[[int, Step], None] = lambda number, step: None,
    on_end: Callable[[StepResult], None] = lambda result: None,
) -> list[StepResult]:
    """Do every step, and tell before and after each; a failed one does not stop those that follow."""
    results: list[StepResult] = []
    is_part_stopped = False
    for number, step in enumerate(steps, start=1):
        if step.is_live and stage.settings.without_part and not is_part_stopped:
            await stage.stack.stop_part(stage.settings.without_part)
            is_part_stopped = True
        on_begin(number, step)
        results.append(await _do(stage, number, step))
        on_end(results[-1])
    return results


async def _do(stage: Stage, number: int, step: Step) -> StepResult:
    stage.turn_page()
    began_ms = stage.ledger.now_ms()
    failure: Failure | None = None
    limit_s = stage.settings.step_timeout_s + step.waits_s(stage)
    limit = asyncio.timeout(limit_s)
    expected = f'the step "{step.title}" to go through'
    try:
        async with limit:
            await step.act(stage)
    except NotReadyError as error:
        failure = Failure(code=error.code, expected=error.expected, seen=error.seen)
    except CheckFailedError as error:
        failure = _failure(stage, step, error.code, error.expected, error.seen)
    except SpacesError as error:
        failure = _failure(stage, step, error.code, expected, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the step has failed and the next ones are due
        if isinstance(error, TimeoutError) and limit.expired():
            failure = _failure(stage, step, "timeout", expected, f"no end within {limit_s:g} s")
        else:
            failure = _failure(stage, step, "bug", expected, f"{type(error).__name__}: {error}")
    ledger = stage.ledger
    return StepResult(
        number=number,
        key=step.key,
        title=step.title,
        is_live=step.is_live,
        began_ms=began_ms,
        took_ms=ledger.now_ms() - began_ms,
        notes=ledger.notes,
        ids=ledger.ids,
        seen=ledger.sightings,
        failure=failure,
    )


def _failure(stage: Stage, step: Step, code: str, expected: str, seen: str) -> Failure:
    log = stage.stack.logs(step.part).splitlines()
    return Failure(code=code, expected=expected, seen=seen, part=step.part, log_tail=log[-LOG_LINES:])
