"""Cuts while a message grows: one after the other, to one of those who listen, or to its writer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.chaos.network_faults import ON_NETWORK
from tests.chaos.proxy import Network
from tests.chaos.schedule import Fault, Kind

TO_LISTENERS: Final = (
    *(Kind.CUT, Kind.REFUSE, Kind.STALL, Kind.DELAY, Kind.MID_FRAME),
    *(Kind.LOSE, Kind.DOUBLE, Kind.SWAP, Kind.LOST_ANSWER),
)
TO_WRITER: Final = (Kind.CUT, Kind.REFUSE, Kind.LOST_ANSWER, Kind.MID_FRAME)
_LASTS_S: Final = 1.0


async def trouble(
    listeners: Callable[[], Sequence[Network]], writer: Network, *, pause_s: float, random: Random, done: Counter[str]
) -> None:
    """Until it is cancelled; then all networks are whole again.

    Args:
        listeners: The networks of those who are there by now.
        pause_s: Between one fault and the next; one in five is the writer's.
        done: What has been done, by kind.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
                there = listeners()
                if not there or random.random() < 0.2:
                    tasks.create_task(_one(random.choice(TO_WRITER), writer, random, done, "writer"))
                else:
                    tasks.create_task(_one(random.choice(TO_LISTENERS), random.choice(there), random, done))
    finally:
        for network in (*listeners(), writer):
            network.heal()


async def _one(kind: Kind, network: Network, random: Random, done: Counter[str], who: str = "") -> None:
    is_hard = random.random() < 0.5
    fault = Fault(0.0, kind, None, lasts_s=_LASTS_S * random.random(), strength=random.random() / 4, is_hard=is_hard)
    if await ON_NETWORK[kind](fault, network):
        done[f"{who} {kind.value}".strip()] += 1
