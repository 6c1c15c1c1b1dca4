"""Follows a schedule."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from tests.chaos.faults import inject
from tests.chaos.recovery import Done
from tests.chaos.report import say_fault
from tests.chaos.schedule import Fault, Kind
from tests.chaos.stage import Stage

# A lane whose faults took longer than planned drops what is left of it: the others must not wait for ever.
_LATE_AT_MOST: Final = 1.5
_MAKE_UP_TRIES: Final = 3


class Injector:
    """Injects faults.

    Attributes:
        done: Those that came to be.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._began_s = time.monotonic()
        self.done: list[Done] = []

    async def follow(self, schedule: Sequence[Fault], *, seconds: float) -> None:
        """Each at its time; those of one target one after the other."""
        self._began_s = time.monotonic()
        lanes: dict[str, list[Fault]] = defaultdict(list)
        for fault in schedule:
            lanes[fault.target].append(fault)

        async def run_lane(faults: list[Fault]) -> None:
            for fault in faults:
                await asyncio.sleep(max(0.0, self._began_s + fault.at_s - time.monotonic()))
                if time.monotonic() - self._began_s > seconds * _LATE_AT_MOST:
                    return
                await self._inject(fault)

        async with asyncio.TaskGroup() as tasks:
            for faults in lanes.values():
                tasks.create_task(run_lane(faults))

    async def make_up_for(self, kinds: Sequence[Kind], schedule: Sequence[Fault]) -> None:
        """Some faults need others who live: those of which none came to be get another chance, now alone."""
        for kind in kinds:
            again = next((fault for fault in schedule if fault.kind is kind), None)
            for _ in range(_MAKE_UP_TRIES):
                if again is None or any(one.kind == kind.value for one in self.done):
                    break
                await self._inject(again)

    async def _inject(self, fault: Fault) -> None:
        at_s = time.monotonic()
        told = await inject(fault, self._stage)
        if told:
            self.done.append(Done(fault.kind.value, fault.session, at_s, time.monotonic()))
        say_fault(at_s - self._began_s, fault, told)
