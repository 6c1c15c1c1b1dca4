"""Keeping somebody out of a room, and letting them in again."""

from __future__ import annotations

from uuid import UUID

from spaces_sdk.models import Page
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls
from spaces_sdk.rooms.models import Ban
from spaces_sdk.rooms.room_calls import REPEAT_HINT
from spaces_sdk.rpc.procedures import Procedure, Repeat

BAN = Procedure("ban_participant", "ban the participant", Repeat.SAFE)
UNBAN = Procedure("unban_participant", "lift the ban", Repeat.SAFE)
LIST_BANS = Procedure("list_bans", "list the bans", Repeat.READ)

REASON_LENGTH = 500
"""The check `bans_reason_length` in the migrations."""


class BanCalls(Calls):
    """Calls of the host and the moderators about who may not come in."""

    async def ban_participant(
        self, room_id: UUID | str, user_id: UUID | str, *, reason: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Remove a participant and keep them out, whatever code they have. Also one who was removed before.

        They hear nothing more from the moment on at which this is stored. The host can, and a moderator;
        nobody can ban the host or themselves, nor a moderator another one.

        Args:
            room_id: The room.
            user_id: Whom; they need not be online.
            reason: For `list_bans`, at most 500 characters; they do not see it. A repeated ban keeps the first one.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            PermissionDeniedError: `not_allowed`.
            NotFoundError: `participant_not_found`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = BAN.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        if reason is not None and len(checks.checked_text(doing, "reason", reason).strip()) > REASON_LENGTH:
            raise checks.refuse(doing, f"reason must have at most {REASON_LENGTH} characters")
        arguments = {
            "p_room_id": str(room),
            "p_user_id": str(checks.uuid_of(doing, "user_id", user_id)),
            "p_reason": reason,
        }
        await self._rpc.call(BAN, arguments, timeout_s=timeout_s, operation_id=room, unknown_hint=REPEAT_HINT)

    async def unban_participant(
        self, room_id: UUID | str, user_id: UUID | str, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Lift a ban: with the room's code they can come back. Does nothing for one who is not banned.

        Raises:
            PermissionDeniedError: `not_allowed`: neither host nor moderator.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = UNBAN.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        arguments = {"p_room_id": str(room), "p_user_id": str(checks.uuid_of(doing, "user_id", user_id))}
        await self._rpc.call(UNBAN, arguments, timeout_s=timeout_s, operation_id=room, unknown_hint=REPEAT_HINT)

    async def list_bans(
        self, room_id: UUID | str, *, limit: int = 50, cursor: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> Page[Ban]:
        """Who is banned, the oldest ban first. For the host and moderators.

        Args:
            room_id: The room.
            limit: 1 to 200.
            cursor: `next_cursor` of the page before; None for the first page.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            PermissionDeniedError: `not_allowed`: neither host nor moderator.
        """
        return await self._page_of(Ban, LIST_BANS, room_id, limit, cursor, timeout_s)
