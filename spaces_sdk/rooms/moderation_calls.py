"""Who is what in a room, and who must go."""

from __future__ import annotations

from uuid import UUID

from spaces_sdk.models import Kind, Participant
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, field_of, parsed
from spaces_sdk.rooms.room_calls import REPEAT_HINT
from spaces_sdk.rpc.client import Procedure, Repeat

SET_KIND = Procedure("set_participant_kind", "set the participant's kind", Repeat.SAFE)
KICK = Procedure("kick_participant", "kick the participant", Repeat.SAFE, frozenset({"participant_not_found"}))


class ModerationCalls(Calls):
    """Calls of the host and the moderators."""

    async def set_participant_kind(
        self, room_id: UUID | str, user_id: UUID | str, kind: Kind | str, *, timeout_s: float = TIMEOUT_S
    ) -> Participant:
        """Say whether a participant is a person or a bot; only a bot writes `ai_response`. Only the host can.

        Raises:
            PermissionDeniedError: `not_host`.
            NotFoundError: `participant_not_found`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = SET_KIND.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        try:
            kind = Kind(kind)
        except ValueError:
            raise checks.refuse(doing, "kind must be human or bot") from None
        arguments = {
            "p_room_id": str(room),
            "p_user_id": str(checks.uuid_of(doing, "user_id", user_id)),
            "p_kind": kind.value,
        }
        answer = await self._rpc.call(
            SET_KIND, arguments, timeout_s=timeout_s, operation_id=room, unknown_hint=REPEAT_HINT
        )
        return parsed(Participant, field_of(answer, "participant"), doing)

    async def kick_participant(self, room_id: UUID | str, user_id: UUID | str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Remove a participant. They hear nothing more from the moment on at which this is stored.

        The host can, and a moderator; nobody can remove the host or themselves, nor a moderator another
        one. With the room's code they can come back.

        Raises:
            PermissionDeniedError: `not_allowed`.
            NotFoundError: `participant_not_found`.
            OutcomeUnknownError: No answer in time; repeat the call.
        """
        doing = KICK.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        arguments = {"p_room_id": str(room), "p_user_id": str(checks.uuid_of(doing, "user_id", user_id))}
        hint = "repeat the call: `participant_not_found` then means that they are out"
        await self._rpc.call(KICK, arguments, timeout_s=timeout_s, operation_id=room, unknown_hint=hint)
