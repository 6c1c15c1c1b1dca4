"""Claims of one room: which of a bot's replicas does what, as the database grants it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID, uuid4

from spaces_sdk.bots.insisting import pauses
from spaces_sdk.bots.ledger import Ledger
from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import (
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    SessionClosedError,
    SpacesError,
)
from spaces_sdk.session.tasks import TaskOwner, wait_for_event
from spaces_sdk.turns import MOST_CLAIMS, ClaimedTurn, FinishedTurn, TurnClaim, TurnOutcome, TurnStatus

logger = logging.getLogger("spaces_sdk.bots")

CALL_S: Final = 5.0
"""A third of the lease: a call that hangs must not let it run out."""
CLOSE_S: Final = 5.0
LEASE_S: Final = 15.0
LONGEST_WAIT_S: Final = 5.0
"""Before it is asked again whether somebody else is done: they may give it back any time."""
MOST_PUT_OFF: Final = 1000
"""What is put off beyond that is asked for again when a replica starts."""

Key = tuple[int, str]


class TurnsPort(Protocol):
    """The calls of a session that claims are made with."""

    async def claim_turns(
        self, holder: UUID, claims: Sequence[TurnClaim], /, *, position: int | None = ..., timeout_s: float = ...
    ) -> list[ClaimedTurn]: ...

    async def finish_turns(
        self, holder: UUID, turns: Sequence[FinishedTurn], /, *, position: int | None = ..., timeout_s: float = ...
    ) -> int: ...


class Claimant(Protocol):
    """What wants to be done here, if no other replica does it. None of these may raise."""

    @property
    def claim(self) -> TurnClaim: ...

    def granted(self, turn: ClaimedTurn) -> None:
        """It is ours, until it is finished or lost."""

    def put_off(self, turn: ClaimedTurn) -> None:
        """Somebody else has it, or it is too early; it is asked for again."""

    def dropped(self, turn: ClaimedTurn) -> None:
        """It is done, or nothing for this bot."""

    def lost(self, turn: ClaimedTurn) -> None:
        """It was ours. `taken`: another replica does it, and it is asked for again as after `put_off`."""


@dataclass(frozen=True, slots=True, eq=False)
class _PutOff:
    claimant: Claimant
    due: float
    since: float


@dataclass(slots=True, eq=False)
class _Held:
    claimant: Claimant
    lease_s: float
    renew_at: float


class Claimer:
    """Asks for work and gives it back, in batches, one call at a time.

    What is granted is renewed at a third of its lease until it is finished. A call whose answer is lost is made again:
    the database answers a holder's claim the same, however often it comes.

    Args:
        session: Where the bot is.
        clock: Time.
        tasks: Owner of its one task.
        patience_s: How long to go on asking for what is put off, in seconds; after that nobody waits for it any more.

    Attributes:
        holder: The name of this replica in the room.
        ledger: What was read, and what of it is filed.
    """

    def __init__(self, session: TurnsPort, clock: Clock, tasks: TaskOwner, *, patience_s: float = float("inf")) -> None:
        self._patience_s = patience_s
        self.holder = uuid4()
        self.ledger = Ledger()
        self._session = session
        self._clock = clock
        self._tasks = tasks
        self._asked: dict[Key, Claimant] = {}
        self._put_off: dict[Key, _PutOff] = {}
        self._held: dict[Key, _Held] = {}
        self._finished: dict[Key, FinishedTurn] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._told_position = 0
        self._not_before = float("-inf")
        self._pauses = pauses()

    def expect(self, claim: TurnClaim) -> None:
        """It will be asked for: until then the kept position stays before it."""
        if claim.position > 0:
            self.ledger.expect(claim.position)

    def ask(self, claimant: Claimant) -> None:
        """Claim what was expected."""
        self._asked[_key(claimant.claim)] = claimant
        self._start()

    def finish(self, claim: TurnClaim, outcome: TurnOutcome, tokens: int | None = None) -> None:
        """It ended here. Nothing is said of what was lost meanwhile."""
        key = _key(claim)
        if self._held.pop(key, None) is not None:
            self._finished[key] = FinishedTurn(
                position=claim.position, purpose=claim.purpose, outcome=outcome, tokens=tokens
            )
            self._start()

    async def close(self) -> None:
        """Give back what is held, and say up to where all is filed; at most 5 s. Handlers have ended before."""
        await self._tasks.stop(self._task)
        # Of what was asked for, the answer may have been lost.
        for position, purpose in (*self._held, *self._asked):
            given_back = FinishedTurn(position=position, purpose=purpose, outcome=TurnOutcome.RELEASED)
            self._finished.setdefault((position, purpose), given_back)
        self._held.clear()
        self._asked.clear()
        waits = pauses()
        try:
            async with deadline(self._clock, CLOSE_S):
                while self._finished or self._next_position() is not None:
                    try:
                        await self._tell_finished()
                    except SpacesError as error:
                        if not error.retryable:
                            raise
                        await self._clock.sleep(next(waits))
        except SessionClosedError:
            return  # why it has ended is told by the runner
        except (SpacesError, TimeoutError) as error:
            logger.info("turns were not given back, their leases run out: %s", str(error) or "no answer in time")

    # -- the one task ----------------------------------------------------------------------------------

    def _start(self) -> None:
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = self._tasks.start(self._run(), name="bot-claims")

    async def _run(self) -> None:
        while (due := self._next_due()) is not None:
            self._wake.clear()
            if (pause_s := due - self._clock.monotonic()) > 0:
                await wait_for_event(self._wake, self._clock, pause_s)
                continue
            try:
                if self._finished:
                    await self._tell_finished()
                await self._claim(self._due_claimants())
            except SessionClosedError:
                return  # whoever reads the events learns why
            except SpacesError as error:
                self._pause_after(error)
            else:
                self._pauses = pauses()

    def _next_due(self) -> float | None:
        """When there is something to say; None: nothing before the next ask."""
        times = [each.due for each in self._put_off.values()] + [held.renew_at for held in self._held.values()]
        if self._asked or self._finished:
            times.append(self._clock.monotonic())
        return max(min(times), self._not_before) if times else None

    def _pause_after(self, error: SpacesError) -> None:
        """Everything stays where it is, and goes into the next call."""
        if isinstance(error, RateLimitedError):
            pause_s = error.retry_after_s
        else:
            pause_s = next(self._pauses)
            if isinstance(error, PermissionDeniedError | NotFoundError):
                logger.info("turns are refused: %s", error)  # removed, perhaps: the session learns it too
            elif not error.retryable:
                logger.error("turns are not to be had: %s", error)
        self._not_before = self._clock.monotonic() + pause_s

    def _next_position(self, filing: Sequence[int] = ()) -> int | None:
        position = self.ledger.safe_position(filing)
        return position if position > self._told_position else None

    async def _tell_finished(self) -> None:
        batch = list(self._finished.values())[:MOST_CLAIMS]
        position = self._next_position()
        try:
            await self._session.finish_turns(self.holder, batch, position=position, timeout_s=CALL_S)
        except InvalidRequestError:
            self._forget(batch)  # it would be refused each time, and all others with it; the leases run out
            raise
        self._forget(batch)
        self._told_position = position or self._told_position

    def _forget(self, finished: Sequence[FinishedTurn]) -> None:
        for turn in finished:
            del self._finished[(turn.position, turn.purpose)]

    def _due_claimants(self) -> list[Claimant]:
        """First what would be lost, then what is new, then what was put off."""
        now = self._clock.monotonic()
        # What would be renewed soon goes along.
        renewals = [held.claimant for held in self._held.values() if held.renew_at <= now + held.lease_s / 6]
        again = [each.claimant for each in self._put_off.values() if each.due <= now]
        return [*renewals, *self._asked.values(), *again][:MOST_CLAIMS]

    async def _claim(self, batch: Sequence[Claimant]) -> None:
        if not batch:
            return
        asked_at = self._clock.monotonic()
        position = self._next_position([c.claim.position for c in batch if self._asked.get(_key(c.claim)) is c])
        claims = [claimant.claim for claimant in batch]
        try:
            answers = await self._session.claim_turns(self.holder, claims, position=position, timeout_s=CALL_S)
        except InvalidRequestError as error:
            for claimant in batch:  # as above: what comes later must not wait for it
                self._answered(claimant, _refused(claimant.claim, error.code), asked_at)
            raise
        if [(turn.position, turn.purpose) for turn in answers] != [_key(claimant.claim) for claimant in batch]:
            raise ProtocolError("cannot claim turns: the answer is to other claims", raw=answers)
        self._told_position = position or self._told_position
        for claimant, turn in zip(batch, answers, strict=True):
            self._answered(claimant, turn, asked_at)

    def _answered(self, claimant: Claimant, turn: ClaimedTurn, asked_at: float) -> None:
        key = _key(claimant.claim)
        if self._asked.get(key) is claimant:
            del self._asked[key]
            if turn.position > 0:
                self.ledger.file(turn.position)
            self._take(claimant, turn, asked_at, since=asked_at)
        elif key in self._put_off:
            self._take(claimant, turn, asked_at, since=self._put_off.pop(key).since)
        elif key in self._held:  # a renewal; without it, it was finished while we asked
            if turn.status is TurnStatus.GRANTED:
                self._hold(claimant, turn, asked_at)
                return
            del self._held[key]
            if turn.status is TurnStatus.TAKEN:
                self._ask_later(claimant, turn, since=asked_at)
            claimant.lost(turn)

    def _take(self, claimant: Claimant, turn: ClaimedTurn, asked_at: float, *, since: float) -> None:
        match turn.status:
            case TurnStatus.GRANTED:
                self._hold(claimant, turn, asked_at)
                claimant.granted(turn)
            case TurnStatus.TAKEN | TurnStatus.LATER:
                self._ask_later(claimant, turn, since=since)
                claimant.put_off(turn)
            case TurnStatus.DONE | TurnStatus.REFUSED:
                claimant.dropped(turn)

    def _hold(self, claimant: Claimant, turn: ClaimedTurn, asked_at: float) -> None:
        lease_s = turn.lease_s or LEASE_S
        self._held[_key(claimant.claim)] = _Held(claimant, lease_s, asked_at + lease_s / 3)

    def _ask_later(self, claimant: Claimant, turn: ClaimedTurn, *, since: float) -> None:
        pause_s = turn.retry_after_s or LONGEST_WAIT_S
        if turn.status is TurnStatus.TAKEN:
            pause_s = min(pause_s, LONGEST_WAIT_S)
        due = self._clock.monotonic() + pause_s
        is_standing = turn.position == 0
        if is_standing or (due - since <= self._patience_s and len(self._put_off) < MOST_PUT_OFF):
            self._put_off[_key(claimant.claim)] = _PutOff(claimant, due, since)


def _refused(claim: TurnClaim, reason: str) -> ClaimedTurn:
    return ClaimedTurn(position=claim.position, purpose=claim.purpose, status=TurnStatus.REFUSED, reason=reason)


def _key(claim: TurnClaim) -> Key:
    return claim.position, claim.purpose
