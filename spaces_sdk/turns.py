"""Whose turn it is: what the database answers about the work of bots.

A bot may run as several processes (replicas) with one account. Each piece of work is claimed before it is done, by its
position in the room and its purpose, and the database grants it to one of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import Field

from spaces_sdk.models import Model

ANSWER: Final = "answer"
"""The purpose of the room's turn: the database decides which bot may answer, not only which of its replicas."""
TIMERS: Final = "timers"
"""The purpose of position 0, work that is never done: which replica ticks."""
MOST_CLAIMS: Final = 100
"""Of one call."""


class TurnStatus(StrEnum):
    """What became of a claim."""

    GRANTED = "granted"
    """Do it, and keep it by claiming it again before `lease_s` is over."""
    TAKEN = "taken"
    """Another replica or bot has it now; ask again after `retry_after_s`."""
    LATER = "later"
    """It may be done, but not yet: a cool-down."""
    DONE = "done"
    """Somebody did it."""
    REFUSED = "refused"
    """It is not this bot's to do; `reason` says why."""


class TurnOutcome(StrEnum):
    """What became of work that was granted."""

    DONE = "done"
    RELEASED = "released"
    """Given back: another replica may have it at once."""
    DECLINED = "declined"
    """Of `answer` alone: this bot says nothing to it, and another bot may."""


class TurnClaim(Model):
    """A piece of work that is asked for.

    Attributes:
        position: The step of the room that it is about (`seq` of a message, `pos` of another event); 0: for good.
        purpose: `answer`, or the name of a handler.
        message_id: The message at that step, if it is one.
    """

    position: int
    purpose: str
    message_id: UUID | None = None


class ClaimedTurn(Model):
    """What the database answers to one claim.

    Attributes:
        reason: Why it is refused, or has to wait.
        turn_id: Of the work, the same for whoever takes it over; the ids of its messages are made from it.
        attempt: 1 for the first who got it; above that the one before was gone before it was done.
        lease_s: Seconds for which it is held.
        retry_after_s: Seconds after which to ask again.
    """

    position: int
    purpose: str
    status: TurnStatus
    reason: str | None = None
    turn_id: UUID | None = None
    attempt: int = 0
    lease_s: float | None = None
    retry_after_s: float | None = None


class FinishedTurn(Model):
    """The end of work that was granted.

    Attributes:
        tokens: What a model read and wrote for it, for the room's budget.
    """

    position: int
    purpose: str
    outcome: TurnOutcome = TurnOutcome.DONE
    tokens: int | None = None


class BotEntry(Model):
    """Where a bot stands in a room.

    Attributes:
        position: All up to this step was handled; None: it is here for the first time.
        open: What was begun in the last day and is not done.
        head: The room's step when this was answered.
    """

    position: int | None
    open: list[TurnClaim] = Field(default_factory=list[TurnClaim])
    head: int
