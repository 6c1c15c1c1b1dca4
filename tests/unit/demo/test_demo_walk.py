"""The demo's steps are all done, whatever becomes of each; and its witnesses neither dream nor forget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast
from uuid import uuid4

import pytest

from spaces_sdk.client import Spaces
from spaces_sdk.clock import SystemClock
from spaces_sdk.demo.cast import Person
from spaces_sdk.demo.checks import CheckFailedError, NotReadyError, fail, refused
from spaces_sdk.demo.ledger import Ledger
from spaces_sdk.demo.runner import walk
from spaces_sdk.demo.stage import DemoSettings, Stage
from spaces_sdk.demo.step import Step
from spaces_sdk.demo.witness import Witness
from spaces_sdk.errors import PermissionDeniedError, RemovedError
from spaces_sdk.events import Event, RoomMoved, VoiceStarted
from spaces_sdk.local.stack import LocalStack
from spaces_sdk.session import RoomSession

pytestmark = pytest.mark.unit


class StackOfPaper:
    """Has logs, and remembers what was stopped."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def logs(self, part: str) -> str:
        return "\n".join(f"{part} {number}" for number in range(20))

    async def stop_part(self, part: str) -> None:
        self.stopped.append(part)


def _stage(stack: StackOfPaper, settings: DemoSettings | None = None) -> Stage:
    clock = SystemClock()
    ledger = Ledger(clock)

    def person(name: str) -> Person:
        return Person(name, "x@example.com", "secret", ledger, Spaces("http://127.0.0.1:9", "sb_publishable_none"))

    return Stage(
        stack=cast("LocalStack", stack),
        settings=settings or DemoSettings(step_timeout_s=0.05),
        clock=clock,
        ledger=ledger,
        ada=person("Ada"),
        bob=person("Bob"),
        sage=person("Sage"),
        dora=person("Dora"),
        started_in_s=0.0,
    )


def _step(key: str, act: Callable[[Stage], Awaitable[None]], *, is_live: bool = True) -> Step:
    return Step(key=key, title=key, act=act, is_live=is_live)


async def _holds(stage: Stage) -> None:
    stage.ledger.note("seen")


async def _fails(_: Stage) -> None:
    fail(expected="a", seen="b")


async def _needs_the_room(stage: Stage) -> None:
    _ = stage.room


async def _is_denied(_: Stage) -> None:
    raise PermissionDeniedError("cannot do it: no", code="not_host")


async def _hangs(_: Stage) -> None:
    await asyncio.Event().wait()


async def _has_a_bug(_: Stage) -> None:
    raise ZeroDivisionError


async def test_each_step_is_done_and_each_failure_says_why() -> None:
    acts = [_fails, _needs_the_room, _is_denied, _hangs, _has_a_bug, _holds]
    begun: list[int] = []
    results = await walk(
        _stage(StackOfPaper()), [_step("s", act) for act in acts], on_begin=lambda number, _: begun.append(number)
    )
    assert begun == [1, 2, 3, 4, 5, 6]
    assert [r.failure.code if r.failure else "" for r in results] == [
        "check_failed",
        "not_ready",
        "not_host",
        "timeout",
        "bug",
        "",
    ]
    first, needs = results[0].failure, results[1].failure
    assert first is not None
    assert (first.expected, first.seen, first.log_tail[-1]) == ("a", "b", "realtime 19")
    assert needs is not None
    assert needs.log_tail == []
    assert results[-1].notes == ["seen"]


async def test_the_part_is_stopped_once_before_the_first_live_step() -> None:
    stack = StackOfPaper()
    stopped_at: list[list[str]] = []

    async def look(_: Stage) -> None:
        stopped_at.append(list(stack.stopped))

    steps = [_step("a", look, is_live=False), _step("b", look), _step("c", look)]
    await walk(_stage(stack, DemoSettings.self_test("realtime")), steps)
    assert stopped_at == [[], ["realtime"], ["realtime"]]


async def test_cancelling_ends_the_walk() -> None:
    stage = _stage(StackOfPaper(), DemoSettings())
    walking = asyncio.create_task(walk(stage, [_step("a", _hangs), _step("b", _holds)]))
    await asyncio.sleep(0)
    walking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walking


async def test_who_is_not_in_the_room_is_named_with_the_reason() -> None:
    ada = _stage(StackOfPaper()).ada
    ada.is_out("was kicked")
    with pytest.raises(NotReadyError) as missing:
        _ = ada.session
    assert missing.value.seen == "Ada was kicked"
    assert "secret" not in repr(ada)


async def _call(error: Exception | None) -> None:
    if error is not None:
        raise error


async def test_a_refusal_must_have_the_right_code() -> None:
    denied = PermissionDeniedError("cannot do it: no", code="not_host")
    assert await refused(_call(denied), "not_host", what="it") is denied
    for error in (None, denied):
        with pytest.raises(CheckFailedError):
            await refused(_call(error), "room_full", what="it")


class SessionOfPaper:
    """Yields what it is told."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | Exception] = asyncio.Queue(16)

    async def events(self) -> AsyncGenerator[Event]:
        while True:
            item = await self.queue.get()
            if isinstance(item, Exception):
                raise item
            yield item


async def test_a_witness_counts_only_what_came_in_the_step_and_waits_for_it() -> None:
    session = SessionOfPaper()
    ledger = Ledger(SystemClock())
    witness = Witness("Ada", cast("RoomSession", session), ledger)
    try:
        first, second = uuid4(), uuid4()
        session.queue.put_nowait(VoiceStarted(user_id=first, pos=1))
        await witness.sees(VoiceStarted, what="the first", within_s=1)
        witness.mark()
        with pytest.raises(CheckFailedError, match="no event"):
            await witness.sees(VoiceStarted, what="a second", within_s=0.02)
        waiting = asyncio.create_task(witness.sees(VoiceStarted, what="a second", within_s=1))
        await asyncio.sleep(0)
        session.queue.put_nowait(RoomMoved(epoch=2))
        session.queue.put_nowait(VoiceStarted(user_id=second, pos=2))
        event, at_ms = await waiting
        assert (event.user_id, event.pos) == (second, 2)
        assert 0 <= at_ms <= ledger.now_ms()
        assert [e.user_id for e in witness.recall(VoiceStarted)] == [first, second]
        assert [(s.who, s.event, s.pos) for s in ledger.sightings] == [
            ("Ada", "VoiceStarted", 1),
            ("Ada", "VoiceStarted", 2),
        ]
    finally:
        await witness.aclose()


async def test_a_witness_of_an_ended_session_does_not_wait() -> None:
    session = SessionOfPaper()
    witness = Witness("Ada", cast("RoomSession", session), Ledger(SystemClock()))
    session.queue.put_nowait(RemovedError("cannot go on: removed", code="kicked"))
    with pytest.raises(CheckFailedError, match="removed"):
        await witness.sees(RoomMoved, what="more", within_s=30)
    error = await witness.wait_ended(1)
    assert error is not None
    assert error.code == "kicked"
    await witness.aclose()
