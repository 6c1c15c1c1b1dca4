"""What a session's user may do to the others in its room."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from spaces_sdk.models import Kind, Participant, Role, RoomState
from spaces_sdk.rooms.models import CreatedInvitation
from spaces_sdk.session.api import CALL_TIMEOUT_S, SessionApi
from spaces_sdk.session.runtime import Runtime


class SessionModeration:
    """The part of `RoomSession` for hosts and moderators: `spaces.rooms` with this session's room.

    Each goes over HTTP, so it works while the live channel is down, and raises SessionClosedError after the end.
    """

    _api: SessionApi
    _runtime: Runtime

    async def kick(self, user_id: UUID, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Remove a participant; what is committed after it does not reach them. For the host and moderators.

        Raises:
            PermissionDeniedError: Not allowed; the host cannot be removed.
        """
        core = self._runtime.live_core("remove a participant")
        await self._api.kick_participant(core.room_id, user_id, timeout_s=timeout_s)

    async def ban(self, user_id: UUID, *, reason: str | None = None, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Remove a participant for good: the room's code does not let them back. For the host and moderators.

        `spaces.rooms.unban_participant` lifts it.

        Raises:
            PermissionDeniedError: Not allowed; the host cannot be banned.
        """
        core = self._runtime.live_core("ban a participant")
        await self._api.ban_participant(core.room_id, user_id, reason=reason, timeout_s=timeout_s)

    async def mute(self, user_id: UUID, *, timeout_s: float = CALL_TIMEOUT_S) -> Participant:
        """Take a participant's right to write, speak and signal. For the host and moderators. Muted already: no event.

        Raises:
            PermissionDeniedError: Not allowed; the host cannot be muted.
        """
        core = self._runtime.live_core("mute a participant")
        return await self._api.mute_participant(core.room_id, user_id, True, timeout_s=timeout_s)

    async def unmute(self, user_id: UUID, *, timeout_s: float = CALL_TIMEOUT_S) -> Participant:
        """Let a participant be heard again. For the host and moderators. Not muted: no event.

        Raises:
            PermissionDeniedError: Not allowed.
        """
        core = self._runtime.live_core("unmute a participant")
        return await self._api.mute_participant(core.room_id, user_id, False, timeout_s=timeout_s)

    async def set_role(self, user_id: UUID, role: Role | str, *, timeout_s: float = CALL_TIMEOUT_S) -> Participant:
        """Make a participant a moderator, or a member again. For the host.

        Raises:
            PermissionDeniedError: `not_host`.
        """
        core = self._runtime.live_core("set the role of a participant")
        return await self._api.set_participant_role(core.room_id, user_id, role, timeout_s=timeout_s)

    async def transfer_host(self, user_id: UUID, *, timeout_s: float = CALL_TIMEOUT_S) -> RoomState:
        """Make another participant the host; all see `StateUpdated`. For the host, who is a member from then on.

        Raises:
            PermissionDeniedError: `not_host`, or `room_limit_reached`: they host as many active rooms as one may.
        """
        core = self._runtime.live_core("hand the room on")
        return await self._api.transfer_host(core.room_id, user_id, timeout_s=timeout_s)

    async def invite(
        self,
        *,
        expires_in: timedelta | None = timedelta(days=7),
        max_uses: int | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> CreatedInvitation:
        """Make an invitation, whose token lets others in by `spaces.join(invitation=…)`, also into a private room.

        For the host and moderators. See `RoomManager.create_invitation`.
        """
        core = self._runtime.live_core("invite")
        return await self._api.create_invitation(
            core.room_id, expires_in=expires_in, max_uses=max_uses, timeout_s=timeout_s
        )

    async def set_participant_kind(
        self, user_id: UUID, kind: Kind | str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> Participant:
        """Say whether a participant is a human or a bot. For the host.

        Raises:
            PermissionDeniedError: `not_host`.
        """
        core = self._runtime.live_core("set the kind of a participant")
        return await self._api.set_participant_kind(core.room_id, user_id, kind, timeout_s=timeout_s)
