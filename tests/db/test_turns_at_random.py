"""Many bots, each as several processes, claim, die, come back and finish in any order: one answers, and only one."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from tests.db.support.actors import Json
from tests.db.support.database import Database, gathered
from tests.db.support.rooms import Space, open_space
from tests.db.support.turns import Replica, bot, choose, claim_of, lapse

pytestmark = pytest.mark.db

BOTS, REPLICAS, MESSAGES, STEPS = 4, 3, 12, 500


async def cast(space: Space) -> list[Replica]:
    """Every process of every bot."""
    replicas: list[Replica] = []
    for number in range(BOTS):
        one = await bot(space, f"Bot {number}")
        replicas += [one, *(one.another() for _ in range(REPLICAS - 1))]
    return replicas


class Book:
    """What a claim may and may not be answered, kept beside the database."""

    def __init__(self, mode: str) -> None:
        self.is_for_one = mode in ("first", "round_robin")
        self.holders: dict[tuple[object, int], Replica] = {}
        self.finished: Counter[object] = Counter()
        self.declined: Counter[object] = Counter()
        self.by_bot: Counter[tuple[object, int]] = Counter()
        self.turn_ids: dict[tuple[object, int], str] = {}

    def note(self, replica: Replica, turn: Json) -> None:
        """A claim was answered."""
        at: int = turn["position"]
        if turn["status"] == "granted":
            rivals = {key for key in self.holders if key[1] == at and (self.is_for_one or key[0] == replica.id)}
            holders = {self.holders[key].holder for key in rivals}
            assert holders <= {replica.holder}, f"{at} is granted to two at once"
            assert not self.by_bot[replica.id, at], f"{at} is granted to who has ended it"
            assert not (self.is_for_one and self.finished[at]), f"{at} is granted and answered"
            assert self.turn_ids.setdefault((replica.id, at), turn["turn_id"]) == turn["turn_id"]
            self.holders[replica.id, at] = replica
        elif turn["status"] == "taken":
            assert turn["retry_after_s"] > 0

    def note_end(self, replica: Replica, at: int, outcome: str, ended: int) -> None:
        """An end was answered."""
        holder = self.holders.get((replica.id, at))
        if ended:
            if holder is not None:
                assert holder.holder == replica.holder, f"{at} is ended by who does not hold it"
                del self.holders[replica.id, at]
            if outcome != "released":
                {"done": self.finished, "declined": self.declined}[outcome][at] += 1
                self.by_bot[replica.id, at] += 1
        else:
            assert holder is None or holder.holder != replica.holder, f"{at} is held and cannot be ended"

    def forget_leases(self) -> None:
        """All leases have run out: anybody may take them now."""
        self.holders.clear()


@pytest.mark.parametrize("mode", ["first", "round_robin", "everyone"])
@pytest.mark.parametrize("seed", range(3))
async def test_each_message_is_one_process_at_a_time_and_answered_once(db: Database, mode: str, seed: int) -> None:
    chance = random.Random(f"{mode} {seed}")  # noqa: S311  (replayable)
    await db.sql("delete from spaces.limits")
    space = await open_space(db)
    await space.enter(space.host)
    await choose(space, turn_mode=mode)
    replicas, book = await cast(space), Book(mode)
    seqs = [(await space.say(space.host, str(n)))["seq"] for n in range(MESSAGES)]
    for _ in range(STEPS):
        replica, at = chance.choice(replicas), chance.choice(seqs)
        steps = {"claim": 40, "batch": 10, "done": 20, "declined": 5, "released": 10, "lapse": 8, "enter": 2}
        match chance.choices([*steps], [*steps.values()])[0]:
            case "claim":
                book.note(replica, await replica.claim(at))
            case "batch":
                for turn in await replica.claims(*(claim_of(each) for each in chance.sample(seqs, 4))):
                    book.note(replica, turn)
            case "lapse":
                await lapse(space)
                book.forget_leases()
            case "enter":
                await replica.enter()
            case outcome:
                book.note_end(replica, at, outcome, await replica.finish(at, outcome=outcome))
    await finish_all(space, replicas, seqs, book)
    for at in seqs:
        left = BOTS - book.declined[at]
        assert book.finished[at] == (min(1, left) if book.is_for_one else left), f"{at} of {mode}, seed {seed}"


async def finish_all(space: Space, replicas: list[Replica], seqs: list[int], book: Book) -> None:
    """Let one process of each bot live on, with a full day of time."""
    alive = replicas[::REPLICAS]
    for _ in range(2 * BOTS + 2):
        await lapse(space)
        book.forget_leases()
        for replica in alive:
            for at in seqs:
                turn = await replica.claim(at)
                book.note(replica, turn)
                if turn["status"] == "granted":
                    book.note_end(replica, at, "done", await replica.finish(at))


@pytest.mark.parametrize("mode", ["first", "round_robin"])
async def test_all_at_once_each_message_is_answered_by_one(db: Database, mode: str) -> None:
    """The same with real concurrency: the processes run at the same time, and some die with what they hold."""
    await db.sql("delete from spaces.limits")
    space = await open_space(db)
    await space.enter(space.host)
    await choose(space, turn_mode=mode)
    replicas = await cast(space)
    seqs = [(await space.say(space.host, str(n)))["seq"] for n in range(MESSAGES)]
    answered: Counter[int] = Counter()

    async def run(replica: Replica, chance: random.Random) -> None:
        dies_at = chance.choice([2, 5, 10**6])
        is_open = set(seqs)
        while is_open:
            for turn in await replica.claims(*(claim_of(at) for at in sorted(is_open))):
                at = turn["position"]
                is_over = turn["status"] == "done"
                if turn["status"] == "granted":
                    dies_at -= 1
                    if dies_at == 0:
                        return
                    is_over = await replica.finish(at) == 1
                    answered[at] += is_over
                if is_over:
                    is_open.discard(at)
            await asyncio.sleep(0)

    async def burn_leases() -> None:
        while True:
            await asyncio.sleep(0.05)
            await lapse(space)

    burning = asyncio.create_task(burn_leases())
    try:
        async with asyncio.timeout(60):
            await gathered(*(run(replica, random.Random(n)) for n, replica in enumerate(replicas)))  # noqa: S311  (replayable)
    finally:
        burning.cancel()
        await asyncio.gather(burning, return_exceptions=True)
    assert answered == Counter(seqs)
