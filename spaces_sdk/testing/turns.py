"""Who does what of a bot's work in a room without a server: claims with leases, as the database grants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from spaces_sdk.clock import Clock
from spaces_sdk.turns import (
    ANSWER,
    BotEntry,
    ClaimedTurn,
    FinishedTurn,
    TurnClaim,
    TurnOutcome,
    TurnStatus,
)

LEASE_S: Final = 15.0

Refuse = Callable[[TurnClaim], str | None]


@dataclass(slots=True)
class _Row:
    claim: TurnClaim
    turn_id: UUID
    holder: UUID | None = None
    attempt: int = 0
    expires_at: float = 0.0
    is_done: bool = False


class MemoryTurns:
    """The turns of one bot in one room.

    Args:
        clock: Time of the leases.
        head: The room's step.
        refuse: Why it is not the bot's turn to answer; None: it is.

    Attributes:
        position: All up to this step was handled; None before the bot has come.
        resumes_at: Before that time of the clock it is too early to answer.
    """

    def __init__(self, clock: Clock, head: Callable[[], int], refuse: Refuse) -> None:
        self._clock = clock
        self._head = head
        self._refuse = refuse
        self._rows: dict[tuple[int, str], _Row] = {}
        self.position: int | None = None
        self.resumes_at = 0.0

    def enter(self, position: int | None) -> BotEntry:
        """The bot comes; the first time all up to the position counts as handled."""
        kept = self.position
        if kept is None:
            self.position = self._head() if position is None else min(position, self._head())
        open_ = [row.claim for row in self._rows.values() if not row.is_done and row.claim.position > 0]
        return BotEntry(position=kept, open=open_, head=self._head())

    def claim(self, holder: UUID, claims: Sequence[TurnClaim], position: int | None) -> list[ClaimedTurn]:
        """Answer each claim, then move the position."""
        answers = [self._answer(holder, claim) for claim in claims]
        self._move(position)
        return answers

    def finish(self, holder: UUID, turns: Sequence[FinishedTurn], position: int | None) -> int:
        """End what the holder holds."""
        finished = 0
        for turn in turns:
            row = self._rows.get((turn.position, turn.purpose))
            if row is not None and row.holder == holder and not row.is_done:
                row.is_done = turn.outcome is TurnOutcome.DONE
                row.holder = None
                finished += 1
        self._move(position)
        return finished

    def stop(self, message_id: UUID | None) -> None:
        """A person has stopped the answer to a message: nobody answers again."""
        for row in self._rows.values():
            if message_id is not None and row.claim.message_id == message_id:
                row.is_done = True

    def _answer(self, holder: UUID, claim: TurnClaim) -> ClaimedTurn:
        key = (claim.position, claim.purpose)
        now = self._clock.monotonic()
        row = self._rows.get(key)
        if row is None:
            if 0 < claim.position <= (self.position or 0):
                return _answered(claim, TurnStatus.DONE)
            reason = self._refuse(claim) if claim.purpose == ANSWER else None
            if reason is not None:
                return _answered(claim, TurnStatus.REFUSED, reason=reason)
            row = self._rows[key] = _Row(claim, uuid4())
        if row.is_done:
            return _answered(claim, TurnStatus.DONE)
        if row.holder not in (None, holder) and row.expires_at > now:
            return _answered(claim, TurnStatus.TAKEN, retry_after_s=row.expires_at - now)
        if claim.purpose == ANSWER and now < self.resumes_at:
            return _answered(claim, TurnStatus.LATER, reason="cooldown", retry_after_s=self.resumes_at - now)
        if row.holder != holder:
            row.holder = holder
            row.attempt += 1
        row.expires_at = now + LEASE_S
        return _answered(claim, TurnStatus.GRANTED, turn_id=row.turn_id, attempt=row.attempt, lease_s=LEASE_S)

    def _move(self, position: int | None) -> None:
        if position is not None:
            self.position = max(self.position or 0, min(position, self._head()))
        kept = self.position or 0
        for key, row in list(self._rows.items()):
            if row.is_done and 0 < row.claim.position <= kept and row.claim.purpose != ANSWER:
                del self._rows[key]


def _answered(claim: TurnClaim, status: TurnStatus, **more: object) -> ClaimedTurn:
    return ClaimedTurn.model_validate({"position": claim.position, "purpose": claim.purpose, "status": status, **more})
