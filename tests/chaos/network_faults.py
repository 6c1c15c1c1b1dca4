"""How each fault of a network is done, and undone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tests.chaos.proxy import Network
from tests.chaos.schedule import Fault, Kind

# How long what waits for its moment (an answer to lose, a frame to cut) waits at most.
_MOMENT_S: Final = 6.0
_POLL_S: Final = 0.05


async def _cut(_: Fault, network: Network) -> str:
    network.cut()
    return "connections reset"


async def _refuse(fault: Fault, network: Network) -> str:
    network.is_refusing = True
    network.cut()
    await asyncio.sleep(fault.lasts_s)
    network.is_refusing = False
    return f"unreachable for {fault.lasts_s:.1f} s"


async def _stall(fault: Fault, network: Network) -> str:
    network.is_stalled = True
    await asyncio.sleep(fault.lasts_s)
    if fault.is_hard:
        network.cut()
    network.resume()
    return f"half-open for {fault.lasts_s:.1f} s, then {'reset' if fault.is_hard else 'all of it at once'}"


async def _delay(fault: Fault, network: Network) -> str:
    delay_s = network.delay_s = 0.05 + 1.2 * fault.strength
    await asyncio.sleep(fault.lasts_s)
    network.delay_s = 0.0
    return f"{delay_s * 1000:.0f} ms late in each direction for {fault.lasts_s:.1f} s"


async def _throttle(fault: Fault, network: Network) -> str:
    bytes_per_s = network.bytes_per_s = 1000 + 20_000 * fault.strength
    await asyncio.sleep(fault.lasts_s)
    network.bytes_per_s = None
    return f"{bytes_per_s:.0f} bytes a second for {fault.lasts_s:.1f} s"


async def _mid_frame(fault: Fault, network: Network) -> str:
    network.mid_frame = 1 + int(3 * fault.strength)
    return await _moment(lambda: network.mid_frame == 0, "reset in the midst of a frame", network)


async def _lost_answer(fault: Fault, network: Network) -> str:
    network.lost_answers = 1 + int(4 * fault.strength)
    return await _moment(lambda: network.lost_answers == 0, "answers lost", network)


async def _lose(fault: Fault, network: Network) -> str:
    network.lost = 1 + int(6 * fault.strength)
    return await _moment(lambda: network.lost == 0, "broadcasts lost", network)


async def _double(fault: Fault, network: Network) -> str:
    network.doubled = 1 + int(6 * fault.strength)
    return await _moment(lambda: network.doubled == 0, "broadcasts doubled", network)


async def _swap(fault: Fault, network: Network) -> str:
    network.swapped = 1 + int(3 * fault.strength)
    return await _moment(lambda: network.swapped == 0, "broadcasts swapped", network)


async def _moment(is_over: Callable[[], bool], told: str, network: Network) -> str:
    armed = network.armed
    for _ in range(int(_MOMENT_S / _POLL_S)):
        if is_over():
            break
        await asyncio.sleep(_POLL_S)
    done = max(0, armed - network.armed)  # another fault of the kind may have begun meanwhile
    network.disarm()
    return f"{told}, {done} times" if done else ""


ON_NETWORK: Final[dict[Kind, Callable[[Fault, Network], Awaitable[str]]]] = {
    Kind.CUT: _cut,
    Kind.REFUSE: _refuse,
    Kind.STALL: _stall,
    Kind.DELAY: _delay,
    Kind.THROTTLE: _throttle,
    Kind.MID_FRAME: _mid_frame,
    Kind.LOST_ANSWER: _lost_answer,
    Kind.LOSE: _lose,
    Kind.DOUBLE: _double,
    Kind.SWAP: _swap,
}
