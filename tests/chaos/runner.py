"""One run: faults by the schedule, then calm, then the verdict."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from tests.chaos.calm import (
    WHOLE_AFTER_LIMIT_WITHIN_S,
    WHOLE_WITHIN_S,
    Ending,
    heal,
    hear_last_words,
    judge_ending,
    part,
    until_whole,
)
from tests.chaos.injector import Injector
from tests.chaos.journal import read_journal
from tests.chaos.options import NO_LIMIT, ChaosOptions
from tests.chaos.record import judge_journal
from tests.chaos.recovery import Done, Recovery, recoveries_of
from tests.chaos.report import say, say_verdict
from tests.chaos.schedule import Kind, make_schedule
from tests.chaos.sends import judge_authors, judge_sends
from tests.chaos.stage import Stage, set_stage
from tests.chaos.table import read_truth
from tests.chaos.verdict import Findings, judge_steps

_START_WITHIN_S: Final = 60.0
_POLL_S: Final = 0.1


async def run_chaos(options: ChaosOptions, folder: Path) -> bool:
    """Everything, from the stack's start to its end; True if nothing is wrong and each kind of fault was injected."""
    schedule = make_schedule(seed=options.seed, seconds=options.seconds, sessions=options.sessions, kinds=options.kinds)
    say(
        f"chaos: {options.sessions} sessions, {len(schedule)} faults in {options.seconds:g} s, seed {options.seed}; "
        "starting the stack ..."
    )
    findings = Findings()
    setting = set_stage(
        sessions=options.sessions, seed=options.seed, folder=folder, message_limit=options.message_limit
    )
    async with setting as stage:
        await _start_sessions(stage)
        say("all sessions are live; the faults begin")
        injector = Injector(stage)
        await injector.follow(schedule, seconds=options.seconds)
        await injector.make_up_for(options.kinds, schedule)
        done = injector.done
        say("the faults are over; everything heals")
        has_killed = Kind.KILL in options.kinds
        ending = await heal(stage, is_one_killed=has_killed)
        within_s = WHOLE_WITHIN_S if options.message_limit >= NO_LIMIT else WHOLE_AFTER_LIMIT_WITHIN_S
        await until_whole(stage, ending, findings, has_dead_leases=has_killed, within_s=within_s)
        await hear_last_words(stage, ending, findings)
        shutil.copytree(stage.stack.folder.logs, folder / "stack", dirs_exist_ok=True)
        await judge_ending(stage, ending, findings)
        return await _judge(options, stage, ending, done, findings)


async def _start_sessions(stage: Stage) -> None:
    await asyncio.gather(*(actor.start() for actor in stage.actors))
    async with asyncio.timeout(_START_WITHIN_S):
        for actor in stage.actors:
            while (status := await actor.status()) is None or status.state != "live":
                if not actor.is_alive:
                    raise RuntimeError(f"session {actor.order.index} did not start: {actor.log_tail()}")
                await asyncio.sleep(_POLL_S)


async def _judge(options: ChaosOptions, stage: Stage, ending: Ending, done: list[Done], findings: Findings) -> bool:
    # While they are still there: leaving is a change too, and nobody is told of the last one.
    truth = await read_truth(stage.stack.db_url, stage.room.id)
    journals = {actor.order.index: read_journal(stage.journal(actor.order.index)) for actor in stage.actors}
    await part(ending, findings)
    judge_steps(truth, findings)
    recoveries: list[Recovery] = []
    for actor in stage.actors:
        index = actor.order.index
        lines = journals[index]
        who = f"session {index}"
        # The one that is gone for good was told what it lived to hear.
        judge_journal(who, actor.user_id, lines, truth, findings, is_whole=actor is not ending.gone)
        judge_sends(who, lines, truth, findings)
        killed_at_s = [one.began_s for one in done if one.kind == Kind.KILL and one.session == index]
        recoveries += recoveries_of(index, lines, done, killed_at_s=killed_at_s)
    named = {f"session {index}": lines for index, lines in journals.items()}
    judge_authors(named, truth, findings)
    is_passed = findings.is_clean and {one.kind for one in done} >= {kind.value for kind in options.kinds}
    say_verdict(
        options, findings=findings, done=done, recoveries=recoveries, journals=named, truth=truth, is_passed=is_passed
    )
    return is_passed
