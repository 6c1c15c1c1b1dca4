"""`RoomSession`: one connection of one participant in one room."""

from __future__ import annotations

from random import Random, SystemRandom
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import UUID

from pydantic import ValidationError

from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.drafts import MessageDraft, StateChanges
from spaces_sdk.errors import InvalidRequestError, SpacesError
from spaces_sdk.events import ConnectionState, SignalKind
from spaces_sdk.models import JsonObject, Message, MessageType, Page, Participant, Room, RoomMode, RoomState
from spaces_sdk.session.actions import MessageActions
from spaces_sdk.session.api import CALL_TIMEOUT_S, RealtimePort, SessionApi
from spaces_sdk.session.endings import OWN_LEAVE
from spaces_sdk.session.moderation import SessionModeration
from spaces_sdk.session.options import SessionOptions
from spaces_sdk.session.outbox import PendingSend
from spaces_sdk.session.runtime import Runtime, new_id
from spaces_sdk.session.stats import SessionStats
from spaces_sdk.session.stream import EventStream
from spaces_sdk.session.turns import SessionTurns

TYPING_TTL_S = 5.0
SPEAKING_TTL_S = 2.0


class RoomSession(SessionModeration, SessionTurns, MessageActions):
    """One live connection to a room, made by `spaces.join(…)`; entering it joins, leaving it leaves.

    While it lives it repairs itself: whatever the network does, every durable change of the room comes out
    of `events()` exactly once and in order. Sends and the other calls go over HTTP, so they work while the
    live channel is down. A session lives once; make a new one to come back.

    Args:
        api: The calls to the database (`RoomManager`).
        realtime: What makes channels (`RealtimeClient`).
        room: The room's code, or its id for one who may join by it.
        invitation: Instead of `room`: the token of an invitation.
        display_name: 1 to 50 characters; None keeps the name of a participant who returns.
        options: See `SessionOptions`.
        clock, random: Time and chance, replaced by tests.
    """

    def __init__(
        self,
        *,
        api: SessionApi,
        realtime: RealtimePort,
        room: str | UUID | None = None,
        invitation: str | None = None,
        display_name: str | None = None,
        options: SessionOptions | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._random = random or SystemRandom()
        self._options = options or SessionOptions()
        runtime = Runtime(
            api=api,
            realtime=realtime,
            room=room,
            invitation=invitation,
            display_name=display_name,
            options=self._options,
            clock=self._clock,
            random=self._random,
        )
        super().__init__(api, runtime)

    async def __aenter__(self) -> Self:
        """Join the room; the session is LIVE when this returns. Cancelled, it gives its place back first.

        Raises:
            NotFoundError: `room_not_found`: a wrong code, an invitation that opens nothing, or a room that is gone.
            RoomFullError: Every place is taken by a live connection.
            PermissionDeniedError: `kicked`, `banned`, or an id without the right to join by it.
            ConnectTimeoutError: Not within `options.join_timeout_s`.
            UsageError: It was entered before.
        """
        await self._runtime.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def leave(self) -> None:
        """End this connection and give its place back; other connections of the user stay.

        `events()` ends with `RoomLeft`. Idempotent. Cancelled, it still ends, within `options.leave_timeout_s`.

        Raises:
            SpacesError: The place could not be given back; the session has ended all the same, and its lease
                runs out by itself.
        """
        await self.aclose()
        if self._runtime.leave_error is not None:
            raise self._runtime.leave_error

    async def forget(self, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Leave for good: the user is no participant any more, reads nothing of the room, and all their sessions end.

        What they said stays. To come back they need the code or an invitation. See `RoomManager.forget_room`.

        Raises:
            PermissionDeniedError: `not_allowed`: the host hands the room on or deletes it first. The session goes on.
        """
        core = self._runtime.joined_core("forget the room")
        await self._api.forget_room(core.room_id, timeout_s=timeout_s)
        await self.aclose()

    async def aclose(self) -> None:
        """Like `leave`, without raising for the network. Never entered: does nothing but close it."""
        self._runtime.end(OWN_LEAVE)
        await self._runtime.closed()

    async def close(self) -> None:
        """The same as `aclose`."""
        await self.aclose()

    # -- what it knows ---------------------------------------------------------------------------------

    @property
    def connection_state(self) -> ConnectionState:
        """Where the session stands."""
        return self._runtime.machine.state

    @property
    def is_connected(self) -> bool:
        """LIVE: nothing is missing, and changes arrive as they happen."""
        return self.connection_state is ConnectionState.LIVE

    @property
    def connection_id(self) -> UUID:
        """The lease of this session in the database, chosen before it joins."""
        return self._runtime.connection_id

    @property
    def current_room(self) -> Room | None:
        """The room; None before the join."""
        core = self._runtime.core
        return None if core is None else core.view.room

    @property
    def room_state(self) -> RoomState | None:
        """What the host steers; None before the join."""
        core = self._runtime.core
        return None if core is None else core.view.state

    @property
    def me(self) -> Participant | None:
        """This session's own participant; None before the join."""
        core = self._runtime.core
        return None if core is None else core.view.me

    @property
    def participants(self) -> list[Participant]:
        """Who is in the room, online first; a copy. `get_participants` asks the database."""
        core = self._runtime.core
        return [] if core is None else core.view.participants

    @property
    def messages(self) -> list[Message]:
        """The newest messages (200 by default), in order; a copy. `history` reads older ones."""
        core = self._runtime.core
        return [] if core is None else core.view.messages

    def find_message(self, message_id: UUID) -> Message | None:
        """One of `messages`; one that is being written, as far as it has grown."""
        core = self._runtime.core
        return None if core is None else core.view.find_message(message_id)

    @property
    def error(self) -> SpacesError | None:
        """What ended the session; while it lives, what fails in the background just now."""
        if self._runtime.ending is not None:
            return self._runtime.ending.error
        core = self._runtime.core
        return None if core is None else core.error

    @property
    def position(self) -> int:
        """The room's step up to which the session knows everything; 0 before the join.

        Readers may be behind it: to go on later where a reader stopped, save the reader's `position`.
        """
        core = self._runtime.core
        return 0 if core is None else core.position

    @property
    def topic(self) -> str:
        """The Realtime topic that the database named last; empty before the join."""
        core = self._runtime.core
        return "" if core is None else core.topic

    @property
    def join_link(self) -> str | None:
        """A link for others; None before the join and without `options.join_base_url`."""
        room, base = self.current_room, self._options.join_base_url
        return None if room is None or base is None else f"{base.rstrip('/')}/{room.room_code}"

    @property
    def stats(self) -> SessionStats:
        """What was counted so far; a copy."""
        return self._runtime.stats.copy()

    @property
    def pending(self) -> list[PendingSend]:
        """The sends that have no answer yet, in order; each can be cancelled while it waits. A copy."""
        return self._runtime.sender.pending

    def events(self, since: int | None = None) -> EventStream:
        """The events of the room, from the join on, however late this is called.

        Each call is a reader of its own, with a bounded buffer: one that is slower than the room is told
        `EventsDropped` and reads what it missed from the database. It ends after an own leave.

        Args:
            since: A position that a former process saved: begin with what came after it. None: with `RoomJoined`.

        Raises:
            NotJoinedError: The session has not been entered.
            UsageError: `since` is above the room's position.
        """
        core = self._runtime.joined_core("read events")
        return EventStream(
            core.log, self._runtime.catch_up.read_page, since=since, clock=self._clock, random=self._random
        )

    # -- what it does ----------------------------------------------------------------------------------

    async def send(
        self,
        content: str,
        *,
        message_type: MessageType | str = MessageType.USER_TEXT,
        metadata: JsonObject | None = None,
        reply_to: UUID | None = None,
        message_id: UUID | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Message:
        """Store a message in the room and return it as the database kept it.

        It is durable when this returns, and comes back through `events()` to every session, this one
        included. Works while the live channel is down: it goes over HTTP. Sends of one session are stored in
        the order of the calls; those that wait for their turn share a request. If cancelled it may still
        have been stored; call again with the same `message_id`.

        With `options.queue_while_offline` a send waits while the session is neither LIVE nor DEGRADED, and while the
        limit of messages is used up, and `timeout_s` stands still meanwhile; `pending` shows it.

        Args:
            content: Body, 1 to 8000 characters after stripping (200000 for `ai_response`).
            message_type: People write `user_text` and `user_voice`, bots also `ai_response`.
            metadata: The app's own data, at most 16 kB as JSON.
            reply_to: The message that this one answers.
            message_id: Idempotency key, unique. None makes a random one.
            timeout_s: The whole call with waiting for its turn, retries and token refresh, in seconds, > 0.

        Returns:
            The stored message; `seq` orders it in the room. A repeated id returns the first one unchanged.

        Raises:
            InvalidRequestError: Out of its limits; nothing was stored.
            PermissionDeniedError: No longer a participant, muted, or not allowed this type.
            RateLimitedError: Over the limit; wait `retry_after_s`.
            SendQueueFullError: `options.send_queue_size` sends wait already.
            SendCancelledError: It was taken back through `pending`; nothing was stored.
            ConnectTimeoutError: Earlier sends took the whole time; this one was not sent.
            OutcomeUnknownError: No answer in time; retry with its `operation_id` as `message_id`.
            SessionClosedError: The session has ended.
        """
        self._runtime.live_core("send")
        if not timeout_s > 0:
            raise InvalidRequestError("cannot send: timeout_s must be over 0", status=400)
        try:
            draft = MessageDraft(
                content=content,
                message_type=MessageType(message_type),
                metadata=metadata or {},
                reply_to=reply_to,
                id=message_id or new_id(self._random),
            )
        except (ValidationError, ValueError) as error:
            raise InvalidRequestError(f"cannot send: {_first_line(error)}", status=400) from error
        return await self._runtime.sender.send(draft, timeout_s=timeout_s)

    async def update_room_state(
        self, *, timeout_s: float = CALL_TIMEOUT_S, **changes: Unpack[StateChanges]
    ) -> RoomState:
        """Change what the host steers (mode, name, settings …); the others see `StateUpdated`.

        Raises:
            PermissionDeniedError: `not_host`.
            InvalidRequestError: An unknown field or value; nothing was changed.
        """
        core = self._runtime.live_core("change the room")
        return await self._api.update_room_state(core.room_id, timeout_s=timeout_s, **changes)

    async def find_mode(self, name: str, *, timeout_s: float = CALL_TIMEOUT_S) -> RoomMode | None:
        """A mode's row in `room_modes`, with its system prompt; None if there is none of that name."""
        return await self._api.find_mode(name, timeout_s=timeout_s)

    async def start_voice(self, *, timeout_s: float = CALL_TIMEOUT_S) -> Participant:
        """Say that this participant's voice is on; the others see `VoiceStarted`. On already: no event.

        Raises:
            ConflictError: `lease_expired`: the place was lost just now; the session is getting it back.
        """
        return await self._set_voice(True, timeout_s)

    async def stop_voice(self, *, timeout_s: float = CALL_TIMEOUT_S) -> Participant:
        """Say that this participant's voice is off; the others see `VoiceStopped`. Off already: no event.

        Raises:
            ConflictError: `lease_expired`: the place was lost just now; the session is getting it back.
        """
        return await self._set_voice(False, timeout_s)

    async def _set_voice(self, is_on: bool, timeout_s: float) -> Participant:
        core = self._runtime.live_core("switch voice")
        with self._noticing_a_lost_lease():
            return await self._api.set_voice(core.room_id, is_on, timeout_s=timeout_s)

    async def signal(
        self, kind: str, payload: JsonObject | None = None, *, ttl_s: float = 5.0, timeout_s: float = CALL_TIMEOUT_S
    ) -> bool:
        """Tell the others something ephemeral; nobody keeps it. False: dropped, because there were too many.

        Args:
            kind: A `SignalKind`, or the app's own: a-z, 0-9 and `_.:-`, at most 40.
            payload: At most 1 kB as JSON.
            ttl_s: Seconds after which the others forget it.
        """
        core = self._runtime.live_core("signal")
        return await self._api.signal(core.room_id, kind, payload, ttl_s, timeout_s=timeout_s)

    async def typing(self) -> bool:
        """Tell the others that this participant is typing, for the next 5 s; repeat it while they do."""
        return await self.signal(SignalKind.TYPING, ttl_s=TYPING_TTL_S)

    async def speaking(self) -> bool:
        """Tell the others that this participant is speaking, for the next 2 s; repeat it while they do.

        That their voice is on at all is `start_voice`, which the room keeps.
        """
        return await self.signal(SignalKind.SPEAKING, ttl_s=SPEAKING_TTL_S)

    async def history(
        self, *, before: int | None = None, limit: int = 50, timeout_s: float = CALL_TIMEOUT_S
    ) -> Page[Message]:
        """Older messages, oldest first.

        Args:
            before: Only messages with a lower `seq`; None: the newest. Pass `int(page.next_cursor)`.
            limit: 1 to 200.
        """
        core = self._runtime.joined_core("read the history")
        return await self._api.get_room_messages(core.room_id, limit=limit, before=before, timeout_s=timeout_s)

    async def get_participants(
        self, *, limit: int = 200, cursor: str | None = None, timeout_s: float = CALL_TIMEOUT_S
    ) -> Page[Participant]:
        """The participants as the database knows them now, also those who are offline."""
        core = self._runtime.joined_core("list the participants")
        return await self._api.get_participants(core.room_id, limit=limit, cursor=cursor, timeout_s=timeout_s)

    def __repr__(self) -> str:
        room = self.current_room
        name = "" if room is None else f" {room.room_code}"
        return f"<RoomSession{name} {self.connection_state} at {self.position}>"


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first: Any = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error).splitlines()[0]
