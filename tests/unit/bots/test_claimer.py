"""Claims of one room: batches, leases, what is put off, and what is given back at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from spaces_sdk.bots.claimer import MOST_PUT_OFF, Claimer
from spaces_sdk.bots.ledger import Ledger
from spaces_sdk.errors import (
    ConnectError,
    InvalidRequestError,
    PermissionDeniedError,
    SessionClosedError,
    SpacesError,
)
from spaces_sdk.session.tasks import TaskOwner
from spaces_sdk.testing import VirtualClock
from spaces_sdk.turns import ClaimedTurn, FinishedTurn, TurnClaim, TurnOutcome, TurnStatus

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

GRANTED, TAKEN, DONE = TurnStatus.GRANTED, TurnStatus.TAKEN, TurnStatus.DONE


class Database:
    """Answers claims by a script: a status for a position, else granted.

    Attributes:
        calls: How many claims each call had.
        error: Raised by each call while it is set.
    """

    def __init__(self) -> None:
        self.statuses: dict[int, TurnStatus] = {}
        self.calls: list[int] = []
        self.positions: list[int | None] = []
        self.finished: list[FinishedTurn] = []
        self.finish_calls = 0
        self.error: SpacesError | None = None
        self.answers_others = False

    async def claim_turns(
        self, _: UUID, claims: Sequence[TurnClaim], *, position: int | None = None, timeout_s: float = 10.0
    ) -> list[ClaimedTurn]:
        if self.error is not None:
            raise self.error
        self.calls.append(len(claims))
        self.positions.append(position)
        return [self._answer(claim) for claim in claims][: -1 if self.answers_others else None]

    async def finish_turns(
        self, _: UUID, turns: Sequence[FinishedTurn], *, position: int | None = None, timeout_s: float = 10.0
    ) -> int:
        if self.error is not None:
            raise self.error
        self.finish_calls += 1
        self.positions.append(position)
        self.finished += turns
        return len(turns)

    def _answer(self, claim: TurnClaim) -> ClaimedTurn:
        status = self.statuses.get(claim.position, GRANTED)
        return ClaimedTurn(
            position=claim.position,
            purpose=claim.purpose,
            status=status,
            turn_id=uuid4() if status is GRANTED else None,
            attempt=1,
            lease_s=15.0 if status is GRANTED else None,
            retry_after_s=15.0 if status is TAKEN else None,
        )


@dataclass(eq=False)
class Wish:
    """A claimant that writes down what it hears."""

    position: int
    heard: list[str] = field(default_factory=list[str])

    @property
    def claim(self) -> TurnClaim:
        return TurnClaim(position=self.position, purpose="message:x")

    def granted(self, turn: ClaimedTurn) -> None:
        self.heard.append("granted")

    def put_off(self, turn: ClaimedTurn) -> None:
        self.heard.append("put off")

    def dropped(self, turn: ClaimedTurn) -> None:
        self.heard.append("dropped")

    def lost(self, turn: ClaimedTurn) -> None:
        self.heard.append("lost")


class Stage:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.database = Database()
        self.crashes: list[Exception] = []
        self.tasks = TaskOwner(on_crash=self.crashes.append)
        self.claimer = Claimer(self.database, self.clock, self.tasks, patience_s=60)

    def wish(self, *positions: int) -> list[Wish]:
        wishes = [Wish(position) for position in positions]
        for wish in wishes:
            self.claimer.expect(wish.claim)
            self.claimer.ledger.see(wish.position)
        for wish in wishes:
            self.claimer.ask(wish)
        return wishes


@asynccontextmanager
async def staged() -> AsyncGenerator[Stage]:
    stage = Stage()
    yield stage
    stage.database.error = SessionClosedError("over") if stage.database.error is None else stage.database.error
    closing = asyncio.create_task(stage.claimer.close())
    await stage.clock.advance(10)
    await closing
    assert stage.crashes == []


async def test_what_is_asked_together_goes_together_a_hundred_at_once() -> None:
    async with staged() as stage:
        wishes = stage.wish(*range(1, 251))
        await stage.clock.advance(0)
        assert stage.database.calls == [100, 100, 50]
        assert stage.database.positions == [100, 200, 250], "each call tells what it files itself"
        assert all(wish.heard == ["granted"] for wish in wishes)
        for wish in wishes:
            stage.claimer.finish(wish.claim, TurnOutcome.DONE)
        await stage.clock.advance(0)
        assert (stage.database.finish_calls, len(stage.database.finished)) == (3, 250)


async def test_what_is_held_is_renewed_together_until_it_ends() -> None:
    async with staged() as stage:
        first, second = stage.wish(1)[0], None
        await stage.clock.advance(1)
        [second] = stage.wish(2)
        await stage.clock.advance(0)
        assert stage.database.calls == [1, 1]
        await stage.clock.advance(4)
        assert stage.database.calls == [1, 1, 2], "the younger one goes along"
        stage.claimer.finish(first.claim, TurnOutcome.DONE, 5)
        stage.claimer.finish(second.claim, TurnOutcome.DONE)
        await stage.clock.advance(60)
        assert stage.database.calls == [1, 1, 2]
        assert [turn.tokens for turn in stage.database.finished] == [5, None]
        assert stage.clock.sleepers == 0, "nothing to do, no timer"


async def test_what_others_have_is_asked_for_again_until_it_is_done() -> None:
    async with staged() as stage:
        stage.database.statuses = {1: TAKEN, 2: TAKEN}
        one, two = stage.wish(1, 2)
        await stage.clock.advance(4.9)
        assert stage.database.calls == [2]
        stage.database.statuses = {1: DONE, 2: GRANTED}
        await stage.clock.advance(0.2)
        assert (stage.database.calls[:2], one.heard, two.heard) == (
            [2, 2],
            ["put off", "dropped"],
            ["put off", "granted"],
        )


async def test_more_is_not_put_off_than_can_be_kept_in_mind() -> None:
    async with staged() as stage:
        positions = range(1, MOST_PUT_OFF + 51)
        stage.database.statuses = dict.fromkeys(positions, TAKEN)
        stage.wish(*positions)
        await stage.clock.advance(1)
        asked = sum(stage.database.calls)
        assert asked == MOST_PUT_OFF + 50
        stage.database.statuses = dict.fromkeys(positions, DONE)
        await stage.clock.advance(30)
        assert sum(stage.database.calls) == asked + MOST_PUT_OFF


async def test_one_that_is_lost_is_told_and_asked_for_again() -> None:
    async with staged() as stage:
        taken, done = stage.wish(1, 2)
        await stage.clock.advance(0)
        stage.database.statuses = {1: TAKEN, 2: DONE}
        await stage.clock.advance(5)
        assert (taken.heard, done.heard) == (["granted", "lost"], ["granted", "lost"])
        stage.claimer.finish(taken.claim, TurnOutcome.RELEASED)
        stage.claimer.finish(done.claim, TurnOutcome.DONE)
        stage.database.statuses = {}
        await stage.clock.advance(5)
        assert (taken.heard, done.heard) == (["granted", "lost", "granted"], ["granted", "lost"])
        assert stage.database.finished == [], "what is lost is not ours to end"


@pytest.mark.parametrize(
    "error",
    [
        ConnectError("no network"),
        PermissionDeniedError("cannot claim the turns: not here", code="not_participant", status=403),
    ],
)
async def test_whatever_fails_is_tried_again_with_longer_and_longer_pauses(error: SpacesError) -> None:
    async with staged() as stage:
        stage.database.error = error
        [wish] = stage.wish(1)
        await stage.clock.advance(120)
        assert wish.heard == []
        assert stage.clock.sleepers == 1
        stage.database.error = None
        await stage.clock.advance(10)
        assert wish.heard == ["granted"]


async def test_what_the_database_cannot_read_holds_up_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async with staged() as stage:
        held, asked = *stage.wish(1), Wish(2)
        await stage.clock.advance(0)
        stage.database.error = InvalidRequestError(
            "cannot claim the turns: a position is not one of this room", status=400
        )
        stage.claimer.expect(asked.claim)
        stage.claimer.ask(asked)
        await stage.clock.advance(5)
        assert (held.heard, asked.heard) == (["granted", "lost"], ["dropped"])
        stage.database.error = None
        [later] = stage.wish(3)
        await stage.clock.advance(5)
        assert later.heard == ["granted"]
        stage.database.error = InvalidRequestError("cannot finish the turns: malformed", status=400)
        stage.claimer.finish(later.claim, TurnOutcome.DONE)
        await stage.clock.advance(1)
        assert stage.clock.sleepers == 0
        assert caplog.text.count("turns are not to be had") == 3


async def test_an_answer_to_other_claims_is_not_taken() -> None:
    async with staged() as stage:
        stage.database.answers_others = True
        wishes = stage.wish(1, 2)
        await stage.clock.advance(1)
        assert [wish.heard for wish in wishes] == [[], []]
        stage.database.answers_others = False
        await stage.clock.advance(20)
        assert [wish.heard for wish in wishes] == [["granted"], ["granted"]]


async def test_after_the_session_there_is_nothing_to_say() -> None:
    async with staged() as stage:
        stage.database.error = SessionClosedError("cannot claim the turns: the session has ended")
        stage.wish(1)
        await stage.clock.advance(100)
        assert stage.clock.sleepers == 0


async def test_at_the_end_what_is_held_or_in_doubt_is_given_back() -> None:
    stage = Stage()
    stage.wish(1)
    await stage.clock.advance(0)
    stage.database.error = ConnectError("no network")
    stage.wish(2)
    await stage.clock.advance(1)
    closing = asyncio.create_task(stage.claimer.close())
    await stage.clock.advance(0)
    stage.database.error = None
    await stage.clock.advance(2)
    await closing
    told = [(turn.position, turn.outcome) for turn in stage.database.finished]
    assert told == [(1, TurnOutcome.RELEASED), (2, TurnOutcome.RELEASED)]
    assert stage.database.positions[-1] is None, "the second was not filed"


async def test_the_end_is_not_held_up_by_a_network_that_is_gone() -> None:
    stage = Stage()
    stage.wish(1)
    await stage.clock.advance(0)
    stage.database.error = ConnectError("no network")
    closing = asyncio.create_task(stage.claimer.close())
    await stage.clock.advance(5)
    assert closing.done()


async def test_a_cancelled_end_is_cancelled() -> None:
    stage = Stage()
    stage.wish(1)
    await stage.clock.advance(0)
    stage.database.error = ConnectError("no network")
    closing = asyncio.create_task(stage.claimer.close())
    await stage.clock.advance(0)
    closing.cancel()
    await asyncio.wait({closing})
    assert closing.cancelled()


def test_the_ledger_moves_over_what_is_filed_alone() -> None:
    ledger = Ledger()
    assert ledger.safe_position() == 0
    for position in (3, 5, 5, 8):
        ledger.expect(position)
    ledger.see(9)
    assert ledger.safe_position() == 2
    assert ledger.safe_position([3, 5]) == 4
    assert ledger.safe_position([3, 5, 5, 8]) == 9
    ledger.file(3)
    ledger.file(5)
    assert ledger.safe_position() == 4
    ledger.file(5)
    assert ledger.safe_position() == 7
    ledger.see(4)
    ledger.file(8)
    assert ledger.safe_position() == 9


async def test_what_is_put_off_for_too_long_is_left() -> None:
    async with staged() as stage:
        stage.database.statuses = {1: TAKEN, 2: TurnStatus.LATER}
        wishes = stage.wish(1, 2)
        await stage.clock.advance(120)
        calls = len(stage.database.calls)
        stage.database.statuses.clear()
        await stage.clock.advance(120)
        assert len(stage.database.calls) == calls > 10
        assert all(set(wish.heard) == {"put off"} for wish in wishes)
