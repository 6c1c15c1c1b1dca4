"""After the faults: everything is healed, and every session has to become whole again."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass
from typing import Final

from tests.chaos.cast import Actor
from tests.chaos.commands import Status
from tests.chaos.report import say
from tests.chaos.stage import LEASE_S, SWEEP_S, Stage
from tests.chaos.table import read_growing, read_head, read_leases, read_online, read_truth
from tests.chaos.verdict import Findings, Wrong
from tests.chaos.views import judge_online, judge_views

# A stall that is noticed late, a backoff at its cap, a lease that has to be had again: all together well below.
WHOLE_WITHIN_S: Final = 60.0
# After a message limit a session waits 30 s, then 60 s, then up to two minutes before it joins again.
WHOLE_AFTER_LIMIT_WITHIN_S: Final = 300.0
_POLL_S: Final = 0.25
_LAST_WORDS_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Ending:
    """Who is there in the end.

    Attributes:
        gone: The session that was killed for good.
    """

    alive: list[Actor]
    gone: Actor | None


async def heal(stage: Stage, *, is_one_killed: bool) -> Ending:
    """Lift everything; everybody lives, but for one session that may be killed for good."""
    for part in ("postgres", "lite", "realtime", "gateway"):
        await stage.stack.start_part(part)
    for actor in stage.actors:
        actor.network.heal()
        actor.send_signal(signal.SIGCONT)
        await actor.tell(do="quiet")
    for actor in stage.actors:
        if not actor.is_alive:
            await actor.start()
            await actor.tell(do="quiet")
    alive = list(stage.actors)
    gone = alive.pop() if is_one_killed and len(alive) > 2 else None
    if gone is not None:
        await gone.kill()
    return Ending(alive, gone)


async def until_whole(
    stage: Stage, ending: Ending, findings: Findings, *, has_dead_leases: bool, within_s: float = WHOLE_WITHIN_S
) -> None:
    """Wait until every session is LIVE at the room's head, and the room has noticed who is gone."""
    began_s = time.monotonic()
    # The leases of those that were killed have to run out, and to be swept.
    quiet_until_s = began_s + (LEASE_S + 2 * SWEEP_S + 1.0 if has_dead_leases else 1.0)
    while True:
        url, room_id = stage.stack.db_url, stage.room.id
        head = await read_head(url, room_id)
        statuses = await asyncio.gather(*(actor.status() for actor in ending.alive))
        late = [
            _told(actor, status, head)
            for actor, status in zip(ending.alive, statuses, strict=True)
            if status is None or status.state != "live" or status.position != head or status.read_to != head
        ]
        if await read_growing(url, room_id):
            late.append("a message is still being written")
        if not late and time.monotonic() > quiet_until_s and await read_head(url, room_id) == head:
            break
        if time.monotonic() - began_s > within_s:
            for told in late:
                findings.add(Wrong.NOT_LIVE, told)
            break
        await asyncio.sleep(_POLL_S)
    say(f"whole again, and at rest, {time.monotonic() - began_s:.1f} s after the last fault")


async def hear_last_words(stage: Stage, ending: Ending, findings: Findings) -> None:
    """One more message: everybody is told, at once and live."""
    began_s = time.monotonic()
    message = await stage.host.rooms.insert_message(stage.room.id, "the end")
    late: list[str] = []
    while time.monotonic() - began_s < _LAST_WORDS_WITHIN_S:
        statuses = await asyncio.gather(*(actor.status() for actor in ending.alive))
        late = [
            _told(actor, status, message.seq)
            for actor, status in zip(ending.alive, statuses, strict=True)
            if status is None or status.read_to < message.seq
        ]
        if not late:
            return
        await asyncio.sleep(_POLL_S)
    for told in late:
        findings.add(Wrong.NOT_LIVE, f"did not hear the last words: {told}")


async def judge_ending(stage: Stage, ending: Ending, findings: Findings) -> None:
    """Who is online in the table, and what each session knows in the end."""
    url, room_id = stage.stack.db_url, stage.room.id
    online = await read_online(url, room_id)
    judge_online(online, {actor.user_id for actor in ending.alive}, findings)
    truth = await read_truth(url, room_id)
    statuses = {
        f"session {actor.order.index}": status
        for actor in ending.alive
        if (status := await actor.status()) is not None  # who does not answer was found before
    }
    judge_views(statuses, online, truth, findings)
    known = {status.connection_id for status in statuses.values()}
    if left := await read_leases(url, room_id) - known:
        findings.add(Wrong.ONLINE_WRONG, f"{len(left)} leases live on without a session", len(left))


async def part(ending: Ending, findings: Findings) -> None:
    """Everybody leaves; a process that ends otherwise than it should is a finding."""
    for actor, status in zip(ending.alive, await asyncio.gather(*(one.quit() for one in ending.alive)), strict=True):
        if status != 0:
            findings.add(Wrong.CRASHED, f"session {actor.order.index} ended with {status}: {actor.log_tail()[-300:]}")


def _told(actor: Actor, status: Status | None, head: int) -> str:
    if status is None:
        return f"session {actor.order.index} does not answer: {actor.log_tail()[-300:]}"
    return f"session {actor.order.index} is {status.state} at {status.position}, read to {status.read_to} of {head}" + (
        f" ({status.error})" if status.error else ""
    )
