"""Inviting into a room, also a private one, and coming in by an invitation."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from spaces_sdk.models import Page, RoomPreview
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, field_of, parsed
from spaces_sdk.rooms.models import CreatedInvitation, Invitation
from spaces_sdk.rooms.room_calls import REPEAT_HINT
from spaces_sdk.rpc.procedures import Procedure, Repeat

CREATE = Procedure("create_invitation", "create the invitation", Repeat.SAFE)
LIST = Procedure("list_invitations", "list the invitations", Repeat.READ)
REVOKE = Procedure("revoke_invitation", "revoke the invitation", Repeat.SAFE)
ACCEPT = Procedure("accept_invitation", "accept the invitation", Repeat.SAFE)

A_WEEK = timedelta(days=7)


class InvitationCalls(Calls):
    """Calls of the host and the moderators who invite, and of those who are invited."""

    async def create_invitation(
        self,
        room_id: UUID | str,
        *,
        expires_in: timedelta | None = A_WEEK,
        max_uses: int | None = None,
        invitation_id: UUID | str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> CreatedInvitation:
        """Make an invitation. Whoever has its token comes in, also into a private room. For host and moderators.

        The token is shown once: the database keeps a hash of it. It is a password: send it, do not log it.

        Args:
            room_id: The room.
            expires_in: A second to ten years; None holds as long as the room.
            max_uses: How many people it lets in, 1 to 10000; None is any number.
            invitation_id: Idempotency key. None makes a random one. A repeat answers the same invitation with
                another token; the ones before stay good. At most five.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Raises:
            PermissionDeniedError: `not_allowed`: neither host nor moderator, or the room has a hundred open ones.
            RateLimitedError: Too many changes; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; repeat with its `operation_id` as `invitation_id`.
        """
        doing = CREATE.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        key = uuid4() if invitation_id is None else checks.uuid_of(doing, "invitation_id", invitation_id)
        if expires_in is not None:
            checks.within(doing, "expires_in", expires_in.total_seconds(), 1, checks.LONGEST_EXPIRY_S)
        if max_uses is not None:
            checks.within(doing, "max_uses", max_uses, 1, checks.MOST_USES)
        arguments = {
            "p_room_id": str(room),
            "p_expires_in_s": None if expires_in is None else int(expires_in.total_seconds()),
            "p_max_uses": max_uses,
            "p_invitation_id": str(key),
        }
        answer = await self._rpc.call(CREATE, arguments, timeout_s=timeout_s, operation_id=key)
        # Apart from each other, so that no error quotes the token.
        made = parsed(Invitation, field_of(answer, "invitation"), doing)
        return CreatedInvitation(**made.model_dump(), token=parsed(str, field_of(answer, "token"), doing))

    async def list_invitations(
        self, room_id: UUID | str, *, limit: int = 50, cursor: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> Page[Invitation]:
        """The invitations that are neither revoked nor expired, the oldest first. For the host and moderators.

        Args:
            room_id: The room.
            limit: 1 to 200.
            cursor: `next_cursor` of the page before; None for the first page.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            PermissionDeniedError: `not_allowed`: neither host nor moderator.
        """
        return await self._page_of(Invitation, LIST, room_id, limit, cursor, timeout_s)

    async def revoke_invitation(
        self, room_id: UUID | str, invitation_id: UUID | str, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        """End an invitation, for those too who have accepted it and not joined yet. Who has joined stays.

        Raises:
            InvalidRequestError: The room has no such invitation.
            PermissionDeniedError: `not_allowed`: neither host nor moderator.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = REVOKE.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        key = checks.uuid_of(doing, "invitation_id", invitation_id)
        arguments = {"p_room_id": str(room), "p_invitation_id": str(key)}
        await self._rpc.call(REVOKE, arguments, timeout_s=timeout_s, operation_id=key, unknown_hint=REPEAT_HINT)

    async def accept_invitation(self, token: str, *, timeout_s: float = TIMEOUT_S) -> RoomPreview:
        """Accept an invitation: from then on, and as long as it stands, `join_room` lets this user in by the id.

        `spaces.join(invitation=token)` does both. Accepting again costs no second use, nor does it for somebody
        who is in the room.

        Args:
            token: Of the invitation, whole.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            InvalidRequestError: This is no token.
            NotFoundError: Unknown, expired, used up or revoked, the room is closed or deleted, or the user is
                banned: the same answer for all.
            RateLimitedError: Too many tokens and codes that lead nowhere; wait `retry_after_s`.
            TransportError: No answer in time; the same call again is harmless.
        """
        doing = ACCEPT.operation
        arguments = {"p_token": checks.invitation_token(doing, token)}
        answer = await self._rpc.call(ACCEPT, arguments, timeout_s=timeout_s)
        return parsed(RoomPreview, answer, doing)
