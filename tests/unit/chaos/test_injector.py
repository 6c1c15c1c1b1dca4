"""Following a schedule: in time, one after the other on one target, and each chosen kind at least once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from tests.chaos import injector as module
from tests.chaos.injector import Injector
from tests.chaos.schedule import Fault, Kind
from tests.chaos.stage import Stage

pytestmark = pytest.mark.unit

STAGE = cast("Stage", None)


def fault(at_s: float, kind: Kind, session: int | None = 0) -> Fault:
    return Fault(at_s=at_s, kind=kind, session=session, lasts_s=0.0, strength=0.5, is_hard=False)


def use(monkeypatch: pytest.MonkeyPatch, inject: Callable[[Fault, Stage], Awaitable[str]]) -> None:
    monkeypatch.setattr(module, "inject", inject)


async def test_faults_of_one_target_do_not_overlap_and_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    running: set[str] = set()
    together: set[frozenset[str]] = set()

    async def inject(one: Fault, _: Stage) -> str:
        assert one.target not in running
        running.add(one.target)
        together.add(frozenset(running))
        await asyncio.sleep(0.02)
        running.discard(one.target)
        return "done"

    use(monkeypatch, inject)
    injector = Injector(STAGE)
    schedule = [fault(0, Kind.CUT), fault(0.001, Kind.KILL), fault(0.001, Kind.CUT, 1), fault(0.01, Kind.LITE, None)]
    await injector.follow(schedule, seconds=1)
    assert sorted(done.kind for done in injector.done) == ["cut", "cut", "kill", "lite"]
    assert any(len(names) > 1 for names in together)


async def test_what_did_not_come_to_be_gets_another_chance(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tries: list[Kind] = []

    async def inject(one: Fault, _: Stage) -> str:
        tries.append(one.kind)
        if one.kind is Kind.KICK:
            return ""
        return "" if tries.count(one.kind) < 3 and one.kind is Kind.EPOCH else "done"

    use(monkeypatch, inject)
    injector = Injector(STAGE)
    schedule = [fault(0, Kind.CUT), fault(0, Kind.EPOCH, None), fault(0, Kind.KICK, 1)]
    await injector.follow(schedule, seconds=1)
    await injector.make_up_for([Kind.CUT, Kind.EPOCH, Kind.KICK, Kind.STALL], schedule)
    assert {done.kind for done in injector.done} == {"cut", "epoch"}
    assert tries.count(Kind.EPOCH) == 3
    assert tries.count(Kind.KICK) == 4, "then it is given up, and the run says so"
    assert tries.count(Kind.CUT) == 1
    assert "did not come to be" in capsys.readouterr().out
