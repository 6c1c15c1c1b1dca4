"""Who does what, where several bots may and each may run more than once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

from spaces_sdk.models import RoomState
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, field_of, parsed
from spaces_sdk.rooms.room_calls import REPEAT_HINT
from spaces_sdk.rpc.procedures import Procedure, Repeat
from spaces_sdk.turns import ANSWER, MOST_CLAIMS, BotEntry, ClaimedTurn, FinishedTurn, TurnClaim, TurnOutcome

T = TypeVar("T")

ENTER_TURNS = Procedure("enter_turns", "take part in the turns", Repeat.SAFE)
CLAIM_TURNS = Procedure("claim_turns", "claim the turns", Repeat.SAFE)
FINISH_TURNS = Procedure("finish_turns", "finish the turns", Repeat.SAFE)
GIVE_TURN = Procedure("give_turn", "give the turn", Repeat.SAFE)

MAX_POSITION: Final = 10**18 - 1
MOST_TOKENS: Final = 999_999_999
PURPOSE: Final = re.compile("[a-z0-9_:.-]{1,60}")
"""The limits of `spaces.check_turns` in the migrations."""


class TurnCalls(Calls):
    """Calls of bots about the work that they share; `Bot` makes them for you."""

    async def enter_turns(
        self,
        room_id: UUID | str,
        *,
        takes_turns: bool = False,
        position: int | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> BotEntry:
        """Take part in the turns of a room, or learn where one is in them. Before any claim; again after a restart.

        Args:
            room_id: The room; the caller must be a participant.
            takes_turns: The caller claims `answer` for every message; `round_robin` waits for such bots alone.
            position: Where to begin the first time, as the head of one's join; None: at the head of now.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            How far the caller is, all its replicas together, and what is open.

        Raises:
            PermissionDeniedError: No participant.
            RateLimitedError: More than 60 calls about turns at once, or 20 a second; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless, but answers as if it were no first.
        """
        arguments = {
            "p_takes_turns": takes_turns,
            "p_position": _position(ENTER_TURNS.operation, position),
        }
        return parsed(
            BotEntry, await self._turn_call(ENTER_TURNS, room_id, arguments, timeout_s), ENTER_TURNS.operation
        )

    async def claim_turns(
        self,
        room_id: UUID | str,
        holder: UUID | str,
        claims: Sequence[TurnClaim],
        *,
        position: int | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> list[ClaimedTurn]:
        """Ask for pieces of work, and keep those that one has: a claim by the same holder extends its lease.

        Args:
            room_id: The room; the caller has entered its turns.
            holder: This replica, by an id that it has made for itself.
            claims: At most 100; their positions are steps that the room has taken.
            position: All up to this step is claimed or done: it moves the caller's position forward. None: it stays.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            One for each claim, in their order.

        Raises:
            InvalidRequestError: A claim is malformed.
            PermissionDeniedError: No participant; `not_allowed`: not entered, or 2000 claims of handlers are kept.
            ConflictError: `room_inactive`.
            RateLimitedError: More than 60 calls about turns at once, or 20 a second; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless, and renews what was granted.
        """
        doing = CLAIM_TURNS.operation
        items = [
            {**_item(doing, claim), "message_id": None if claim.message_id is None else str(claim.message_id)}
            for claim in _few(doing, claims)
        ]
        arguments = {
            "p_holder": str(checks.uuid_of(doing, "holder", holder)),
            "p_claims": items,
            "p_position": _position(doing, position),
        }
        answer = await self._turn_call(CLAIM_TURNS, room_id, arguments, timeout_s)
        return parsed(list[ClaimedTurn], field_of(answer, "turns"), doing)

    async def finish_turns(
        self,
        room_id: UUID | str,
        holder: UUID | str,
        turns: Sequence[FinishedTurn],
        *,
        position: int | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> int:
        """End work that the holder was granted: done, released for another replica, or declined for other bots.

        What somebody else has taken over meanwhile, or what was ended already, is left as it is.

        Args:
            room_id: The room.
            holder: As in `claim_turns`.
            turns: At most 100. `tokens` count against the room's budget.
            position: As in `claim_turns`.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            How many of them were the holder's to end.

        Raises:
            InvalidRequestError: One of them is malformed; standing work (position 0) is never done.
            PermissionDeniedError: No participant; `not_allowed`: not entered.
            RateLimitedError: More than 60 calls about turns at once, or 20 a second; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = FINISH_TURNS.operation
        for turn in _few(doing, turns):
            if turn.position == 0 and turn.outcome is not TurnOutcome.RELEASED:
                raise checks.refuse(doing, "standing work is never done", hint="release it")
            if turn.outcome is TurnOutcome.DECLINED and turn.purpose != ANSWER:
                raise checks.refuse(doing, "only an answer is declined", hint="end it as done, or release it")
            if turn.tokens is not None:
                checks.within(doing, "tokens", turn.tokens, 0, MOST_TOKENS)
        items = [{**_item(doing, turn), "outcome": turn.outcome.value, "tokens": turn.tokens} for turn in turns]
        arguments = {
            "p_holder": str(checks.uuid_of(doing, "holder", holder)),
            "p_turns": items,
            "p_position": _position(doing, position),
        }
        answer = await self._turn_call(FINISH_TURNS, room_id, arguments, timeout_s)
        return parsed(int, field_of(answer, "finished"), doing)

    async def give_turn(
        self,
        room_id: UUID | str,
        user_id: UUID | str,
        message_id: UUID | str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> RoomState:
        """Pick the bot that answers a message, whatever the mode says; all see `StateUpdated`, its `turn` names it.

        The host can, and a moderator. It ends an earlier pick that no bot has begun. The budget holds for it too.

        Args:
            room_id: The room.
            user_id: A bot of the room.
            message_id: What it answers; None: the newest message.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Raises:
            PermissionDeniedError: `not_allowed`: neither host nor moderator; or they are no bot, or muted.
            NotFoundError: `participant_not_found`, `message_not_found`.
            ConflictError: `room_inactive`.
            RateLimitedError: More than 60 calls about turns at once, or 20 a second; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless while nobody has answered.
        """
        doing = GIVE_TURN.operation
        arguments = {
            "p_user_id": str(checks.uuid_of(doing, "user_id", user_id)),
            "p_message_id": None if message_id is None else str(checks.uuid_of(doing, "message_id", message_id)),
        }
        answer = await self._turn_call(GIVE_TURN, room_id, arguments, timeout_s)
        return parsed(RoomState, field_of(answer, "state"), doing)

    async def _turn_call(
        self, procedure: Procedure, room_id: UUID | str, arguments: Mapping[str, object], timeout_s: float
    ) -> object:
        room = checks.uuid_of(procedure.operation, "room_id", room_id)
        return await self._rpc.call(
            procedure,
            {"p_room_id": str(room), **arguments},
            timeout_s=timeout_s,
            operation_id=room,
            unknown_hint=REPEAT_HINT,
        )


def _few(operation: str, turns: Sequence[T]) -> Sequence[T]:
    checks.within(operation, "the number of turns", len(turns), 0, MOST_CLAIMS)
    return turns


def _item(operation: str, turn: TurnClaim | FinishedTurn) -> dict[str, object]:
    checks.within(operation, "position", turn.position, 0, MAX_POSITION)
    if not PURPOSE.fullmatch(turn.purpose):
        raise checks.refuse(operation, "purpose must have 1 to 60 characters of a-z, 0-9 and _:.-")
    return {"position": turn.position, "purpose": turn.purpose}


def _position(operation: str, position: int | None) -> int | None:
    if position is not None:
        checks.within(operation, "position", position, 0, MAX_POSITION)
    return position
