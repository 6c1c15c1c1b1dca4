"""Who is what in a room, and who must go."""

from __future__ import annotations

from uuid import UUID

from spaces_sdk.models import Kind, Participant, Role, Room, RoomState
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, field_of, parsed
from spaces_sdk.rooms.room_calls import REPEAT_HINT
from spaces_sdk.rpc.procedures import Procedure, Repeat

SET_KIND = Procedure("set_participant_kind", "set the participant's kind", Repeat.SAFE)
MUTE = Procedure("mute_participant", "mute the participant", Repeat.SAFE)
SET_ROLE = Procedure("set_participant_role", "set the participant's role", Repeat.SAFE)
TRANSFER_HOST = Procedure("transfer_host", "hand the room on", Repeat.SAFE)
ROTATE_CODE = Procedure("rotate_code", "change the room's code", Repeat.SAFE)
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

    async def mute_participant(
        self, room_id: UUID | str, user_id: UUID | str, is_muted: bool = True, *, timeout_s: float = TIMEOUT_S
    ) -> Participant:
        """Take a participant's right to write, speak and signal, or give it back. What is so already makes no event.

        The host can, and a moderator; nobody can mute the host or themselves, nor a moderator another one.
        It outlasts leaving and coming back, also a kick.

        Raises:
            PermissionDeniedError: `not_allowed`.
            NotFoundError: `participant_not_found`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = MUTE.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        arguments = {
            "p_room_id": str(room),
            "p_user_id": str(checks.uuid_of(doing, "user_id", user_id)),
            "p_is_muted": is_muted,
        }
        answer = await self._rpc.call(MUTE, arguments, timeout_s=timeout_s, operation_id=room, unknown_hint=REPEAT_HINT)
        return parsed(Participant, field_of(answer, "participant"), doing)

    async def set_participant_role(
        self, room_id: UUID | str, user_id: UUID | str, role: Role | str, *, timeout_s: float = TIMEOUT_S
    ) -> Participant:
        """Make a participant a moderator, or a member again. Only the host can; `transfer_host` makes another host.

        Raises:
            InvalidRequestError: Another role than `moderator` and `member`.
            PermissionDeniedError: `not_host`; `not_allowed` for the host's own role.
            NotFoundError: `participant_not_found`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = SET_ROLE.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        if role not in (Role.MODERATOR, Role.MEMBER):
            raise checks.refuse(doing, "role must be moderator or member", hint="a new host is named by transfer_host")
        arguments = {
            "p_room_id": str(room),
            "p_user_id": str(checks.uuid_of(doing, "user_id", user_id)),
            "p_role": Role(role).value,
        }
        answer = await self._rpc.call(
            SET_ROLE, arguments, timeout_s=timeout_s, operation_id=room, unknown_hint=REPEAT_HINT
        )
        return parsed(Participant, field_of(answer, "participant"), doing)

    async def transfer_host(
        self, room_id: UUID | str, user_id: UUID | str, *, timeout_s: float = TIMEOUT_S
    ) -> RoomState:
        """Make another participant the host; the caller, who must be host, is a member from then on.

        Raises:
            PermissionDeniedError: `not_host`, or `room_limit_reached`: they host as many active rooms as one may.
            NotFoundError: `participant_not_found`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = TRANSFER_HOST.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        arguments = {"p_room_id": str(room), "p_user_id": str(checks.uuid_of(doing, "user_id", user_id))}
        answer = await self._rpc.call(
            TRANSFER_HOST, arguments, timeout_s=timeout_s, operation_id=room, unknown_hint=REPEAT_HINT
        )
        return parsed(RoomState, field_of(answer, "state"), doing)

    async def rotate_code(self, room_id: UUID | str, *, timeout_s: float = TIMEOUT_S) -> Room:
        """Give the room another code; the old one lets nobody in any more. Only the host can.

        Participants stay, and see the new code. Who has looked the old one up and not joined yet stays outside.
        Each call makes a new code, so a repeat after a lost answer changes it once more.

        Returns:
            The room, with the code that holds now.

        Raises:
            PermissionDeniedError: `not_host`.
            OutcomeUnknownError: No answer in time; `get_room_by_id` tells the code that holds.
        """
        doing = ROTATE_CODE.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        hint = "get_room_by_id tells the code that holds; calling again makes another one"
        answer = await self._rpc.call(
            ROTATE_CODE, {"p_room_id": str(room)}, timeout_s=timeout_s, operation_id=room, unknown_hint=hint
        )
        return parsed(Room, field_of(answer, "room"), doing)
