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
from tests.chaos.table import read_head, read_leases, read_online, read_truth
from tests.chaos.verdict import Findings, Wrong

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


async def judge_marks(stage: Stage, ending: Ending, findings: Findings) -> None:
    """Who is online in the table, and in what each session knows, is who lives."""
    online = await read_online(stage.stack.db_url, stage.room.id)
    living = {actor.user_id for actor in ending.alive}
    for user_id in {*online, *living}:
        if online.get(user_id, False) != (user_id in living):
            findings.add(Wrong.ONLINE_WRONG, f"the table has {user_id} online={online.get(user_id)}")
    truth = await read_truth(stage.stack.db_url, stage.room.id)
    newest = {message.message_id: message.revision for message in truth.messages[-20:]}
    connections: set[str] = set()
    states: set[str] = set()
    for actor in ending.alive:
        status = await actor.status()
        if status is None:
            continue  # found before
        connections.add(status.connection_id)
        states.add(status.state_json)
        _judge_view(f"session {actor.order.index}", status, online, newest, findings)
    if len(states) > 1:
        findings.add(Wrong.VIEW_WRONG, f"the sessions know different states of the room: {sorted(states)}")
    if left := await read_leases(stage.stack.db_url, stage.room.id) - connections:
        findings.add(Wrong.ONLINE_WRONG, f"{len(left)} leases live on without a session", len(left))


def _judge_view(who: str, status: Status, online: dict[str, bool], newest: dict[str, int], findings: Findings) -> None:
    known = {user_id: is_online for user_id, is_online in status.online.items() if user_id in online}
    if known != online:
        findings.add(Wrong.ONLINE_WRONG, f"{who} knows {known}, the table has {online}")
    if status.followed is not None:
        told = {user_id: is_online for user_id, is_online in status.followed.items() if user_id in online}
        if told != online:
            findings.add(Wrong.ONLINE_WRONG, f"{who} was told {told}, the table has {online}")
    if status.followed_state not in (None, status.state_json):
        findings.add(Wrong.VIEW_WRONG, f"{who} was told {status.followed_state}, knows {status.state_json}")
    if not newest.items() <= status.messages.items():
        findings.add(Wrong.VIEW_WRONG, f"{who} does not hold the newest messages as they are")


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
