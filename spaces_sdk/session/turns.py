"""A session's part in the work that bots share."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from spaces_sdk.models import RoomState
from spaces_sdk.session.api import CALL_TIMEOUT_S, SessionApi
from spaces_sdk.session.runtime import Runtime
from spaces_sdk.turns import BotEntry, ClaimedTurn, FinishedTurn, TurnClaim


class SessionTurns:
    """The part of `RoomSession` for turns: `spaces.rooms` with this session's room.

    Each goes over HTTP, so it works while the live channel is down, and raises SessionClosedError after the end.
    """

    _api: SessionApi
    _runtime: Runtime

    async def enter_turns(
        self, *, takes_turns: bool = False, position: int | None = None, timeout_s: float = CALL_TIMEOUT_S
    ) -> BotEntry:
        """Take part in the turns of the room, or learn where one is in them. See `RoomManager.enter_turns`."""
        core = self._runtime.live_core("take part in the turns")
        return await self._api.enter_turns(
            core.room_id, takes_turns=takes_turns, position=position, timeout_s=timeout_s
        )

    async def claim_turns(
        self,
        holder: UUID,
        claims: Sequence[TurnClaim],
        *,
        position: int | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> list[ClaimedTurn]:
        """Ask for pieces of work, and keep those that one has. See `RoomManager.claim_turns`."""
        core = self._runtime.live_core("claim the turns")
        return await self._api.claim_turns(core.room_id, holder, claims, position=position, timeout_s=timeout_s)

    async def finish_turns(
        self,
        holder: UUID,
        turns: Sequence[FinishedTurn],
        *,
        position: int | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> int:
        """End work that the holder was granted. See `RoomManager.finish_turns`."""
        core = self._runtime.live_core("finish the turns")
        return await self._api.finish_turns(core.room_id, holder, turns, position=position, timeout_s=timeout_s)

    async def give_turn(
        self, user_id: UUID, message_id: UUID | None = None, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> RoomState:
        """Pick the bot that answers a message, the newest unless one is named. For the host and moderators.

        All see `StateUpdated`, whose `turn` names the bot. See `RoomManager.give_turn`.

        Raises:
            PermissionDeniedError: Not allowed; or they are no bot, or muted.
        """
        core = self._runtime.live_core("give the turn")
        return await self._api.give_turn(core.room_id, user_id, message_id, timeout_s=timeout_s)
