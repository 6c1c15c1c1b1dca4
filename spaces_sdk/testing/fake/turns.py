"""Claims of the fake room: one replica of a bot holds each; one bot answers each message."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from spaces_sdk.clock import Clock
from spaces_sdk.models import PickedTurn
from spaces_sdk.turns import ANSWER, BotEntry, ClaimedTurn, FinishedTurn, TurnClaim, TurnOutcome, TurnStatus

LEASE_S = 15.0


@dataclass(slots=True)
class _Turn:
    message_id: UUID | None
    id: UUID = field(default_factory=uuid4)
    holder: UUID | None = None
    attempt: int = 0
    ends_at: float = 0.0
    is_done: bool = False


class FakeTurns:
    """Who has which piece of work."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._positions: dict[UUID, int] = {}
        self._turns: dict[tuple[UUID, int, str], _Turn] = {}

    def enter(self, user_id: UUID, head: int, position: int | None) -> BotEntry:
        is_known = user_id in self._positions
        first = head if position is None else min(position, head)
        stands = self._positions.setdefault(user_id, first)
        open_turns = [
            TurnClaim(position=at, purpose=purpose, message_id=turn.message_id)
            for (user, at, purpose), turn in sorted(self._turns.items(), key=lambda item: item[0][1:])
            if user == user_id and at > 0 and not turn.is_done
        ]
        return BotEntry(position=stands if is_known else None, open=open_turns, head=head)

    def open(self, pick: PickedTurn) -> None:
        self._turns[pick.user_id, pick.position, ANSWER] = _Turn(pick.message_id)

    def move(self, user_id: UUID, position: int | None) -> None:
        if position is not None:
            self._positions[user_id] = max(self._positions.get(user_id, 0), position)

    def claim(self, user_id: UUID, holder: UUID, claim: TurnClaim) -> ClaimedTurn:
        answer = ClaimedTurn(position=claim.position, purpose=claim.purpose, status=TurnStatus.DONE)
        key = (user_id, claim.position, claim.purpose)
        turn = self._turns.get(key)
        if turn is None and 0 < claim.position <= self._positions.get(user_id, 0):
            return answer
        if (turn is not None and turn.is_done) or any(other.is_done for other in self._others(key)):
            return answer
        now = self._clock.monotonic()
        turn = self._turns.setdefault(key, _Turn(claim.message_id))
        held = [other for other in (turn, *self._others(key)) if other.holder not in (None, holder)]
        if (ends_at := max((other.ends_at for other in held), default=now)) > now:
            return answer.model_copy(update={"status": TurnStatus.TAKEN, "retry_after_s": ends_at - now})
        if turn.holder != holder:
            turn.holder, turn.attempt = holder, turn.attempt + 1
        turn.ends_at = now + LEASE_S
        granted = {"turn_id": turn.id, "attempt": turn.attempt, "lease_s": LEASE_S}
        return answer.model_copy(update={"status": TurnStatus.GRANTED, **granted})

    def finish(self, user_id: UUID, holder: UUID, end: FinishedTurn) -> bool:
        turn = self._turns.get((user_id, end.position, end.purpose))
        if turn is None or turn.holder != holder:
            return False
        turn.holder, turn.is_done = None, end.outcome is TurnOutcome.DONE
        return True

    def _others(self, key: tuple[UUID, int, str]) -> list[_Turn]:
        """What other bots have of the same message."""
        return [
            turn
            for (user, position, purpose), turn in self._turns.items()
            if purpose == ANSWER == key[2] and position == key[1] and user != key[0]
        ]
