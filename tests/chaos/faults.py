"""How each fault is done, and undone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from uuid import uuid4

import psycopg

from spaces_sdk.errors import SpacesError
from spaces_sdk.local.stack import LocalStack
from tests.chaos.cast import Actor
from tests.chaos.network_faults import ON_NETWORK
from tests.chaos.schedule import FROZEN_PARTS, Fault, Kind
from tests.chaos.stage import BYSTANDERS, LEASE_S, SWEEP_S, Stage


async def inject(fault: Fault, stage: Stage) -> str:
    """Do it, hold it as long as it lasts, undo it. What was done in a few words; empty: it did not come to be."""
    actors = list(stage.actors) if fault.session is None else [stage.actors[fault.session]]
    if fault.kind in ON_NETWORK:
        told = await asyncio.gather(*(ON_NETWORK[fault.kind](fault, actor.network) for actor in actors))
        return next((one for one in told if one), "")
    if fault.kind in _ON_ACTOR:
        return await _ON_ACTOR[fault.kind](fault, actors[0])
    return await _ON_STAGE[fault.kind](fault, stage)


# -- a session ---------------------------------------------------------------------------------------------


async def _token(fault: Fault, actor: Actor) -> str:
    if not actor.is_alive:
        return ""
    if fault.is_hard:
        await actor.tell(do="lose refreshes", count=1)
        await asyncio.sleep(fault.lasts_s)
        return "the next refresh is done, its answer lost"
    await actor.tell(do="hold refreshes", for_s=fault.lasts_s)
    await asyncio.sleep(fault.lasts_s)
    return f"no fresh token for {fault.lasts_s:.1f} s"


async def _pause(fault: Fault, actor: Actor) -> str:
    if not actor.is_alive:
        return ""
    actor.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.lasts_s)
    finally:
        actor.send_signal(signal.SIGCONT)
    return f"stopped for {fault.lasts_s:.1f} s"


async def _kill(fault: Fault, actor: Actor) -> str:
    if not actor.is_alive:
        return ""
    await actor.kill()
    await asyncio.sleep(fault.lasts_s)
    await actor.start()
    return f"killed, started anew after {fault.lasts_s:.1f} s"


async def _crowd(fault: Fault, stage: Stage) -> str:
    """Places are as many as users: whoever comes between takes somebody's."""
    actor = stage.actors[fault.session or 0]
    if not actor.is_alive:
        return ""
    async with stage.intruding:
        return await _take_place(fault, actor, stage)


async def _take_place(fault: Fault, actor: Actor, stage: Stage) -> str:
    _, intruder = stage.bystanders[-1]
    connection_id = uuid4()
    room = stage.room
    actor.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(LEASE_S + 2 * SWEEP_S)
        await intruder.rooms.get_room_by_code(room.room_code)
        await intruder.rooms.join_room(room.id, "Intruder", connection_id=connection_id)
    except SpacesError:
        return ""
    finally:
        actor.send_signal(signal.SIGCONT)
    await asyncio.sleep(fault.lasts_s)
    with suppress(SpacesError):  # its lease runs out by itself
        await intruder.rooms.leave_room(room.id, connection_id=connection_id)
    return f"lost its place to another for {fault.lasts_s:.1f} s"


# -- the stack and the room --------------------------------------------------------------------------------


async def _restart(fault: Fault, stage: Stage) -> str:
    part = fault.kind.value
    if fault.is_hard and part != "postgres":
        _signal_part(stage.stack, part, signal.SIGKILL)
    await stage.stack.stop_part(part)
    await asyncio.sleep(fault.lasts_s)
    await stage.stack.start_part(part)
    return f"{'killed' if fault.is_hard else 'ended'}, back after {fault.lasts_s:.1f} s and its start"


async def _freeze(fault: Fault, stage: Stage) -> str:
    part = FROZEN_PARTS[int(fault.strength * len(FROZEN_PARTS)) % len(FROZEN_PARTS)]
    _signal_part(stage.stack, part, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.lasts_s)
    finally:
        _signal_part(stage.stack, part, signal.SIGCONT)
    return f"{part} stopped for {fault.lasts_s:.1f} s"


async def _replication(_: Fault, stage: Stage) -> str:
    async with await psycopg.AsyncConnection.connect(stage.stack.db_url, autocommit=True) as conn:
        cursor = await conn.execute("select pg_terminate_backend(pid) from pg_stat_replication")
        return "replication cut" if cursor.rowcount > 0 else ""


async def _backends(_: Fault, stage: Stage) -> str:
    async with await psycopg.AsyncConnection.connect(stage.stack.db_url, autocommit=True) as conn:
        cursor = await conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        return f"{cursor.rowcount} connections to the database ended" if cursor.rowcount > 0 else ""


async def _lock(fault: Fault, stage: Stage) -> str:
    async with await psycopg.AsyncConnection.connect(stage.stack.db_url) as conn:
        await conn.execute("select from spaces.room_heads where room_id = %s for no key update", [stage.room.id])
        await asyncio.sleep(fault.lasts_s)
        await conn.rollback()
    return f"the room's lock held for {fault.lasts_s:.1f} s"


def _signal_part(stack: LocalStack, part: str, number: signal.Signals) -> None:
    pid = stack.pids.get(part)  # our own child, which nobody else waits for: the id is still its own
    if pid is not None:
        os.kill(pid, number)


async def _epoch(fault: Fault, stage: Stage) -> str:
    chosen = stage.bystanders[: 1 + int(fault.strength * BYSTANDERS) % BYSTANDERS]  # all but the intruder
    room = stage.room
    try:
        for number, (_, spaces) in enumerate(chosen):
            await spaces.rooms.get_room_by_code(room.room_code)
            await spaces.rooms.join_room(room.id, f"Bystander {number}")
        await asyncio.gather(*(stage.host.rooms.kick_participant(room.id, who.user_id) for who, _ in chosen))
    except SpacesError:
        return ""  # the stack is away at this moment
    return f"{len(chosen)} kicked at once"


async def _kick(fault: Fault, stage: Stage) -> str:
    try:
        await stage.host.rooms.kick_participant(stage.room.id, stage.actors[fault.session or 0].user_id)
    except SpacesError:
        return ""
    return "kicked; comes back by the code"


_ON_ACTOR: Final[dict[Kind, Callable[[Fault, Actor], Awaitable[str]]]] = {
    Kind.TOKEN: _token,
    Kind.PAUSE: _pause,
    Kind.KILL: _kill,
}
_ON_STAGE: Final[dict[Kind, Callable[[Fault, Stage], Awaitable[str]]]] = {
    Kind.REALTIME: _restart,
    Kind.GATEWAY: _restart,
    Kind.LITE: _restart,
    Kind.POSTGRES: _restart,
    Kind.REPLICATION: _replication,
    Kind.BACKENDS: _backends,
    Kind.LOCK: _lock,
    Kind.FREEZE: _freeze,
    Kind.EPOCH: _epoch,
    Kind.KICK: _kick,
    Kind.CROWD: _crowd,
}
