"""What one connection of a participant does: join, catch up, stay alive, speak up, leave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from uuid import UUID

from spaces_sdk.models import JoinedRoom, JsonObject, LeaseStatus, Participant, SyncPage
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, field_of, parsed
from spaces_sdk.rooms.room_calls import REPEAT_HINT
from spaces_sdk.rpc.procedures import Procedure, Repeat

JOIN_ROOM = Procedure("join_room", "join the room", Repeat.SAFE)
SYNC_ROOM = Procedure("sync_room", "catch up with the room", Repeat.READ)
HEARTBEAT = Procedure("heartbeat", "renew the lease", Repeat.READ)
LEAVE_ROOM = Procedure("leave_room", "leave the room", Repeat.SAFE)
FORGET_ROOM = Procedure("forget_room", "forget the room", Repeat.SAFE)
SET_VOICE = Procedure("set_voice", "switch voice", Repeat.SAFE)
SIGNAL = Procedure("signal", "send the signal", Repeat.NEVER)


class ConnectionCalls(Calls):
    """Calls about one's own presence in a room; `RoomSession` makes them for you."""

    async def join_room(
        self,
        room_id: UUID | str,
        display_name: str | None = None,
        *,
        connection_id: UUID | str | None = None,
        latest: int = 50,
        timeout_s: float = TIMEOUT_S,
    ) -> JoinedRoom:
        """Become a participant, and hold a place with a lease if a connection id is given.

        A newcomer looks the code up first (`get_room_by_code`), or the room is public. Joining again
        with the same connection id renews the lease.

        Args:
            room_id: The room.
            display_name: 1 to 50 characters; None keeps the name of a participant who returns.
            connection_id: The lease to hold: a random UUID of the caller's own; None takes no place.
            latest: Newest messages to return, 0 to 200.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            All that a session starts from, in one consistent answer.

        Raises:
            RoomFullError: Every place is taken by a live connection.
            NotFoundError: No such room, or the user was not admitted to it.
            PermissionDeniedError: `kicked` or `banned`.
            ConflictError: `room_inactive`: the host has closed it.
            RateLimitedError: Too many joins; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = JOIN_ROOM.operation
        key = checks.uuid_of(doing, "room_id", room_id)
        connection = None if connection_id is None else checks.uuid_of(doing, "connection_id", connection_id)
        checks.within(doing, "latest", latest, 0, 200)
        name = display_name
        if name is not None:
            name = checks.name_of(doing, "display_name", name, checks.DISPLAY_NAME_LENGTH)
        arguments = {
            "p_room_id": str(key),
            "p_display_name": name,
            "p_connection_id": None if connection is None else str(connection),
            "p_latest": latest,
        }
        answer = await self._rpc.call(
            JOIN_ROOM, arguments, timeout_s=timeout_s, operation_id=connection or key, unknown_hint=REPEAT_HINT
        )
        return parsed(JoinedRoom, answer, doing)

    async def sync_room(
        self,
        room_id: UUID | str,
        after: int,
        *,
        to: int | None = None,
        cursor: JsonObject | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> SyncPage:
        """Read what has changed in a room after a position; one page.

        Args:
            room_id: The room.
            after: The position up to which the caller knows everything, 0 or more.
            to: `to` of the first page, for the pages after it; None for the first.
            cursor: `cursor` of the page before.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            InvalidRequestError: `after` is past the room's head.
            NotFoundError: No such room any more.
            PermissionDeniedError: No longer a participant.
        """
        doing = SYNC_ROOM.operation
        if after < 0:
            raise checks.refuse(doing, "after must be 0 or more")
        key = str(checks.uuid_of(doing, "room_id", room_id))
        arguments = {"p_room_id": key, "p_after": after, "p_to": to, "p_cursor": cursor}
        return parsed(SyncPage, await self._rpc.call(SYNC_ROOM, arguments, timeout_s=timeout_s), doing)

    async def heartbeat(
        self, connection_ids: Sequence[UUID | str], *, timeout_s: float = TIMEOUT_S
    ) -> list[LeaseStatus]:
        """Renew leases, and hear where their rooms stand.

        Args:
            connection_ids: 1 to 100 of the caller's own.
            timeout_s: The whole call, in seconds, > 0.

        Returns:
            One status for each, in no particular order. A lease that is gone says why.

        Raises:
            TransportError: No answer; the next heartbeat makes up for it.
        """
        doing = HEARTBEAT.operation
        checks.within(doing, "the number of connection_ids", len(connection_ids), 1, 100)
        keys = [str(checks.uuid_of(doing, "connection_id", value)) for value in connection_ids]
        answer = await self._rpc.call(HEARTBEAT, {"p_connection_ids": keys}, timeout_s=timeout_s)
        return parsed(list[LeaseStatus], field_of(answer, "leases"), doing)

    async def leave_room(
        self, room_id: UUID | str, *, connection_id: UUID | str | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Give up a place. The history stays readable, and the room among the user's own.

        Args:
            room_id: The room.
            connection_id: The lease to end; None ends all of the caller's in this room.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            OutcomeUnknownError: No answer in time; the same call again is harmless, and the lease runs out anyway.
        """
        doing = LEAVE_ROOM.operation
        key = checks.uuid_of(doing, "room_id", room_id)
        connection = None if connection_id is None else checks.uuid_of(doing, "connection_id", connection_id)
        arguments = {"p_room_id": str(key), "p_connection_id": None if connection is None else str(connection)}
        await self._rpc.call(
            LEAVE_ROOM, arguments, timeout_s=timeout_s, operation_id=connection or key, unknown_hint=REPEAT_HINT
        )

    async def forget_room(self, room_id: UUID | str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Leave for good: the user is no participant any more, and all their connections end.

        Reading ends at once, for a socket that is open within the life of its token. What they said stays, with
        the name beside it. They come back as anybody from outside; a mute waits for them, and so do a kick and a ban.

        Raises:
            PermissionDeniedError: `not_allowed`: the host hands the room on or deletes it first.
                `not_participant`: the user never was one.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = FORGET_ROOM.operation
        key = checks.uuid_of(doing, "room_id", room_id)
        await self._rpc.call(
            FORGET_ROOM, {"p_room_id": str(key)}, timeout_s=timeout_s, operation_id=key, unknown_hint=REPEAT_HINT
        )

    async def set_voice(self, room_id: UUID | str, on: bool, *, timeout_s: float = TIMEOUT_S) -> Participant:
        """Say that one's voice is on or off. What is so already makes no event.

        Raises:
            ConflictError: `lease_expired`: the caller holds no place; join first.
            RateLimitedError: Too many changes; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = SET_VOICE.operation
        key = checks.uuid_of(doing, "room_id", room_id)
        arguments = {"p_room_id": str(key), "p_on": on}
        answer = await self._rpc.call(
            SET_VOICE, arguments, timeout_s=timeout_s, operation_id=key, unknown_hint=REPEAT_HINT
        )
        return parsed(Participant, field_of(answer, "participant"), doing)

    async def signal(
        self,
        room_id: UUID | str,
        kind: str,
        payload: JsonObject | None = None,
        ttl_s: float = 5.0,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> bool:
        """Tell the others something that nobody keeps: `typing`, `speaking`, or an app's own kind.

        It is never repeated: the next one says more than a late one.

        Args:
            room_id: The room.
            kind: What it is.
            payload: At most 1 kB as JSON.
            ttl_s: Seconds after which a receiver forgets it, > 0.
            timeout_s: The whole call, in seconds, > 0.

        Returns:
            False if there were too many, from this user or in the room, and this one was dropped.

        Raises:
            PermissionDeniedError: No participant, or muted.
            TransportError: No answer; it may have been sent.
        """
        doing = SIGNAL.operation
        key = str(checks.uuid_of(doing, "room_id", room_id))
        if not 0 < ttl_s < math.inf:
            raise checks.refuse(doing, "ttl_s must be over 0")
        arguments = {
            "p_room_id": key,
            "p_kind": checks.name_of(doing, "kind", kind, checks.DISPLAY_NAME_LENGTH),
            "p_payload": checks.json_object(doing, "payload", payload, limit_bytes=1024),
            "p_ttl_s": ttl_s,
        }
        answer = await self._rpc.call(SIGNAL, arguments, timeout_s=timeout_s)
        return parsed(bool, field_of(answer, "sent"), doing)
