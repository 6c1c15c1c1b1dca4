"""Rooms: make, look up, list who is in, steer, delete."""

from __future__ import annotations

from datetime import timedelta
from typing import Unpack
from uuid import UUID, uuid4

from spaces_sdk.drafts import StateChanges
from spaces_sdk.models import JsonObject, Page, Participant, Room, RoomPreview, RoomState, Visibility
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, field_of, parsed
from spaces_sdk.rooms.models import CleanupResult, RoomDetails, RoomListing, RoomScope
from spaces_sdk.rpc.procedures import Procedure, Repeat

CREATE_ROOM = Procedure("create_room", "create the room", Repeat.SAFE)
GET_BY_CODE = Procedure("get_room_by_code", "look up the room", Repeat.READ)
GET_BY_ID = Procedure("get_room_by_id", "get the room", Repeat.READ)
GET_PARTICIPANTS = Procedure("get_participants", "get the participants", Repeat.READ)
UPDATE_STATE = Procedure("update_room_state", "update the room's state", Repeat.SAFE)
DELETE_ROOM = Procedure("delete_room", "delete the room", Repeat.SAFE, frozenset({"room_not_found"}))
LIST_ROOMS = Procedure("list_rooms", "list the rooms", Repeat.READ)
IS_HOST = Procedure("is_host", "ask who is host", Repeat.READ)
IS_FULL = Procedure("is_room_full", "ask whether the room is full", Repeat.READ)
CLEAN_UP = Procedure("cleanup_inactive_rooms", "clean up inactive rooms", Repeat.NEVER)
SCHEMA_VERSION = Procedure("schema_version", "read the version of the database's schema", Repeat.READ)

REPEAT_HINT = "repeat the call: what it has set already, it does not set again"


class RoomCalls(Calls):
    """Calls about rooms as such."""

    async def create_room(
        self,
        name: str,
        *,
        max_participants: int = 10,
        mode: str = "gangster",
        visibility: Visibility | str = Visibility.UNLISTED,
        settings: JsonObject | None = None,
        expires_after: timedelta | None = timedelta(hours=24),
        room_id: UUID | str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Room:
        """Make a room whose host is the signed-in user. It does not join it.

        Args:
            name: 1 to 100 characters.
            max_participants: Users with a live connection at the same time, 1 to 50.
            mode: The personality of its bots; a name in `room_modes`.
            visibility: Who comes in: by invitation (`private`), by the code (`unlisted`), or anybody (`public`).
            settings: The app's own, and under `spaces` those of this package; at most 16 kB as JSON, 8 levels.
            expires_after: Time without activity after which it is deleted, a second to ten years; None keeps it.
            room_id: Idempotency key. None makes a random one.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            The room with its `room_code`. A repeated id returns the first one unchanged.

        Raises:
            InvalidRequestError: An argument is out of its range; there is no such mode.
            PermissionDeniedError: `room_limit_reached`: the user has five active rooms.
            RateLimitedError: Too many rooms at once; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; repeat with its `operation_id` as `room_id`.
        """
        doing = CREATE_ROOM.operation
        key = uuid4() if room_id is None else checks.uuid_of(doing, "room_id", room_id)
        checks.within(doing, "max_participants", max_participants, 1, checks.MAX_PARTICIPANTS)
        if expires_after is not None:
            checks.within(doing, "expires_after", expires_after.total_seconds(), 1, checks.LONGEST_EXPIRY_S)
        arguments = {
            "p_name": checks.name_of(doing, "name", name, checks.ROOM_NAME_LENGTH),
            "p_max_participants": max_participants,
            "p_room_id": str(key),
            "p_mode": checks.checked_text(doing, "mode", mode),
            "p_visibility": _visibility(doing, visibility),
            "p_settings": checks.json_object(doing, "settings", settings),
            "p_expires_after_s": None if expires_after is None else int(expires_after.total_seconds()),
        }
        answer = await self._rpc.call(CREATE_ROOM, arguments, timeout_s=timeout_s, operation_id=key)
        return parsed(Room, field_of(answer, "room"), doing)

    async def get_room_by_code(self, code: str, *, timeout_s: float = TIMEOUT_S) -> RoomPreview:
        """Look a room up by its code; for ten minutes it then admits this user to `join_room`.

        Args:
            code: Six letters and digits; lower case, spaces and dashes are forgiven.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            InvalidRequestError: `invalid_room_code`: wrong length or alphabet.
            NotFoundError: No such room, or it is closed, or the user is banned: the same answer for all.
            RateLimitedError: Too many codes that lead nowhere; wait `retry_after_s`.
        """
        doing = GET_BY_CODE.operation
        answer = await self._rpc.call(GET_BY_CODE, {"p_code": checks.room_code(doing, code)}, timeout_s=timeout_s)
        return parsed(RoomPreview, answer, doing)

    async def get_room_by_id(self, room_id: UUID | str, *, timeout_s: float = TIMEOUT_S) -> RoomDetails:
        """Read a room; for its host and its participants.

        Raises:
            NotFoundError: No such room, or none that the user may see.
        """
        doing = GET_BY_ID.operation
        arguments = {"p_room_id": str(checks.uuid_of(doing, "room_id", room_id))}
        return parsed(RoomDetails, await self._rpc.call(GET_BY_ID, arguments, timeout_s=timeout_s), doing)

    async def list_rooms(
        self,
        scope: RoomScope | str = RoomScope.MINE,
        *,
        search: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Page[RoomListing]:
        """List rooms: those of the user, or the public ones.

        `mine` are those that the user hosts or takes part in, online or not, closed ones too; the latest activity
        first. `public` are the open public rooms that the user may join by the id; the newest first. A page does
        not shift when rooms come and go. A room of `mine` that is active while you page comes again at the end.

        Args:
            scope: Which rooms.
            search: A part of the name, in any case, at most 100 characters; it has no wildcards.
            limit: 1 to 200.
            cursor: `next_cursor` of the page before, for the same scope and search; None for the first page.
            timeout_s: The whole call, in seconds, > 0.
        """
        doing = LIST_ROOMS.operation
        checks.within(doing, "limit", limit, 1, 200)
        try:
            scope = RoomScope(scope)
        except ValueError:
            raise checks.refuse(doing, "scope must be mine or public") from None
        if search is not None and len(checks.checked_text(doing, "search", search).strip()) > checks.ROOM_NAME_LENGTH:
            raise checks.refuse(doing, f"search must have at most {checks.ROOM_NAME_LENGTH} characters")
        arguments = {"p_scope": scope.value, "p_search": search, "p_limit": limit, "p_cursor": cursor}
        return parsed(Page[RoomListing], await self._rpc.call(LIST_ROOMS, arguments, timeout_s=timeout_s), doing)

    async def get_participants(
        self, room_id: UUID | str, *, limit: int = 200, cursor: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> Page[Participant]:
        """List the participants, those who are offline too.

        Args:
            room_id: The room.
            limit: Most a page, 1 to 200.
            cursor: `next_cursor` of the page before; None begins.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            NotFoundError: No such room, or none that the user may see.
        """
        return await self._page_of(Participant, GET_PARTICIPANTS, room_id, limit, cursor, timeout_s)

    async def update_room_state(
        self, room_id: UUID | str, *, timeout_s: float = TIMEOUT_S, **changes: Unpack[StateChanges]
    ) -> RoomState:
        """Change what the host steers: mode, name, settings and the other fields of `StateChanges`.

        Args:
            room_id: The room.
            timeout_s: The whole call, in seconds, > 0.
            **changes: What to change; see `StateChanges`.

        Returns:
            The whole state as it is now. What is so already makes no event.

        Raises:
            PermissionDeniedError: `not_host`; `room_limit_reached` when a sixth room would be active.
            InvalidRequestError: An unknown field, or a value out of its range.
            RateLimitedError: Too many changes; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = UPDATE_STATE.operation
        key = checks.uuid_of(doing, "room_id", room_id)
        arguments = {"p_room_id": str(key), "p_changes": _checked_changes(doing, changes)}
        answer = await self._rpc.call(
            UPDATE_STATE, arguments, timeout_s=timeout_s, operation_id=key, unknown_hint=REPEAT_HINT
        )
        return parsed(RoomState, field_of(answer, "state"), doing)

    async def delete_room(self, room_id: UUID | str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Delete a room with all its messages. Only its host can. There is no way back.

        Raises:
            PermissionDeniedError: `not_host`.
            NotFoundError: No such room.
            OutcomeUnknownError: No answer in time; the call again says `room_not_found` if it is gone.
        """
        key = checks.uuid_of(DELETE_ROOM.operation, "room_id", room_id)
        hint = "repeat the call: `room_not_found` then means that it is deleted"
        await self._rpc.call(
            DELETE_ROOM, {"p_room_id": str(key)}, timeout_s=timeout_s, operation_id=key, unknown_hint=hint
        )

    async def is_host(self, room_id: UUID | str, *, timeout_s: float = TIMEOUT_S) -> bool:
        """True if the signed-in user is the room's host; False also where there is no such room."""
        arguments = {"p_room_id": str(checks.uuid_of(IS_HOST.operation, "room_id", room_id))}
        return parsed(bool, await self._rpc.call(IS_HOST, arguments, timeout_s=timeout_s), IS_HOST.operation)

    async def is_room_full(self, room_id: UUID | str, *, timeout_s: float = TIMEOUT_S) -> bool:
        """True if every place of the room is taken by a live connection. A hint: `join_room` decides."""
        arguments = {"p_room_id": str(checks.uuid_of(IS_FULL.operation, "room_id", room_id))}
        return parsed(bool, await self._rpc.call(IS_FULL, arguments, timeout_s=timeout_s), IS_FULL.operation)

    async def cleanup_inactive_rooms(self, *, timeout_s: float = 60.0) -> CleanupResult:
        """Delete one batch of the rooms whose time is over; needs the secret key.

        Raises:
            PermissionDeniedError: The caller is not `service_role`.
            TransportError: No answer; calling again is harmless.
        """
        return parsed(CleanupResult, await self._rpc.call(CLEAN_UP, {}, timeout_s=timeout_s), CLEAN_UP.operation)

    async def schema_version(self, *, timeout_s: float = TIMEOUT_S) -> int:
        """The version of the database's schema.

        Raises:
            SchemaMismatchError: It is not the one that this package needs, or there is none.
        """
        answer = await self._rpc.call(SCHEMA_VERSION, {}, timeout_s=timeout_s)
        return parsed(int, answer, SCHEMA_VERSION.operation)


def _visibility(operation: str, value: Visibility | str) -> str:
    try:
        return Visibility(value).value
    except ValueError:
        raise checks.refuse(operation, "visibility must be private, unlisted or public") from None


def _checked_changes(operation: str, changes: StateChanges) -> dict[str, object]:
    """What is clearly wrong is refused here; what a mode or a limit allows, the database knows."""
    fields = dict[str, object](changes)
    unknown = sorted(fields.keys() - StateChanges.__annotations__.keys())
    if unknown:
        raise checks.refuse(operation, f"there is no {', '.join(unknown)[:100]} in the state of a room")
    if "name" in changes:
        fields["name"] = checks.name_of(operation, "name", changes["name"], checks.ROOM_NAME_LENGTH)
    if "max_participants" in changes:
        checks.within(operation, "max_participants", changes["max_participants"], 1, checks.MAX_PARTICIPANTS)
    if "mode" in changes:
        checks.checked_text(operation, "mode", changes["mode"])
    if "settings" in changes:
        fields["settings"] = checks.json_object(operation, "settings", changes["settings"])
    if "visibility" in changes:
        fields["visibility"] = _visibility(operation, changes["visibility"])
    return fields
