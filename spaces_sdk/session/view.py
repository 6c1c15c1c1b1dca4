"""The room as a session sees it, kept up to date from events and syncs. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from spaces_sdk.events import (
    Event,
    LeftReason,
    MessageChunk,
    MessageReceived,
    MessageUpdated,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    StateUpdated,
    VoiceStarted,
    VoiceStopped,
)
from spaces_sdk.models import JoinedRoom, Message, MessageStatus, Participant, Role, Room, RoomState, SyncPage
from spaces_sdk.session.growing import WaitingChunks

_REMOVED = frozenset({LeftReason.KICKED, LeftReason.BANNED, LeftReason.FORGOT, LeftReason.GONE})


class RoomView:
    """Room, state, participants and the newest messages of one session.

    Args:
        joined: The answer that the session started from.
        message_count: How many messages to keep.
    """

    def __init__(self, joined: JoinedRoom, *, message_count: int = 200) -> None:
        self._message_count = message_count
        # By the number of the id: that is hashed at once.
        self._messages: dict[int, Message] = {}
        self._waiting = WaitingChunks()
        self._room = joined.room
        self._state = joined.state
        self._participants = {participant.user_id: participant for participant in joined.participants}
        self._me = joined.me
        self._as_of = joined.head
        for message in joined.messages:
            self.put(message)

    @property
    def room(self) -> Room:
        return self._room

    @property
    def state(self) -> RoomState:
        return self._state

    @property
    def me(self) -> Participant:
        """This session's own participant, as last seen."""
        return self._participants.get(self._me.user_id, self._me)

    @property
    def participants(self) -> list[Participant]:
        """Those who are not removed: who is online first, then by the time of joining; a copy."""
        return sorted(self._participants.values(), key=lambda p: (not p.is_online, p.joined_at, str(p.user_id)))

    @property
    def messages(self) -> list[Message]:
        """The newest ones, oldest of them first; a copy."""
        return list(self._messages.values())

    def apply(self, event: Event, at: datetime | None = None) -> None:
        """Take one event in.

        Args:
            at: When the database wrote it, for what is dated.
        """
        match event:
            case MessageReceived(message=message) | MessageUpdated(message=message):
                self.put(message)
                return
            case _:
                pass
        if event.pos is not None and event.pos <= self._as_of:
            return  # a sync's snapshot was younger than its `to`: this is in it already
        match event:
            case ParticipantJoined(participant=participant) | ParticipantUpdated(participant=participant):
                self._participants[participant.user_id] = participant
            case ParticipantLeft(participants=gone, reason=reason):
                self._remove(gone, is_removed=reason in _REMOVED)
            case StateUpdated(state=state, room_code=code):
                self._take_state(state)
                if code is not None:
                    self._room = self._room.model_copy(update={"room_code": code})
            case VoiceStarted(user_id=user_id):
                self._set_voice(user_id, at or self._room.last_activity)
            case VoiceStopped(user_id=user_id):
                self._set_voice(user_id, None)
            case _:
                pass

    def find_message(self, message_id: UUID) -> Message | None:
        """One of the newest messages."""
        return self._messages.get(message_id.int)

    def hear(self, chunk: MessageChunk, head: int) -> list[MessageChunk]:
        """Take a part of a message in.

        Args:
            head: The room's step when it was written.

        Returns:
            What the message has grown by, in order: nothing if that was had already, or something before it is missing.
        """
        self._waiting.keep(chunk, head)
        return self.grow(chunk.message_id)

    def grow(self, message_id: UUID) -> list[MessageChunk]:
        """Add what waits for a message that may have come or changed just now; returns what was added."""
        if not self._waiting:
            return []
        known = self._messages.get(message_id.int)
        if known is None:
            return []
        if known.status is not MessageStatus.STREAMING:
            self._waiting.forget(message_id)
            return []
        added = self._waiting.following(message_id, known.content)
        if added:
            content = known.content + "".join(chunk.text for chunk in added)
            self._messages[message_id.int] = known.model_copy(update={"content": content})
        return added

    def lacks_chunks(self, position: int) -> bool:
        """Whether parts of a message are missing before others that came.

        Args:
            position: All messages up to this step have been taken in.
        """
        return self._waiting.lacks_some(position, lambda message_id: message_id.int in self._messages)

    def apply_snapshot(self, page: SyncPage) -> None:
        """Take in what the last page of a sync says of participants, state and room."""
        self._as_of = max(self._as_of, page.head)
        if page.room is not None:
            self._room = page.room
        if page.state is not None:
            self._take_state(page.state)
        if page.participants is not None:
            self._participants = {participant.user_id: participant for participant in page.participants}

    def put(self, message: Message) -> None:
        """Take a message in."""
        known = self._messages.get(message.id.int)
        if known is not None:
            # Of one that is being written, who read later has more.
            if (message.revision, len(message.content)) >= (known.revision, len(known.content)):
                self._messages[message.id.int] = message
            return
        newest = next(reversed(self._messages.values()), None)
        if newest is not None and message.seq < newest.seq:
            oldest = next(iter(self._messages.values()))
            if message.seq < oldest.seq:
                return  # a change of a message that is older than all that are kept
            self._messages[message.id.int] = message
            self._messages = {m.id.int: m for m in sorted(self._messages.values(), key=lambda m: m.seq)}
        else:
            self._messages[message.id.int] = message
        while len(self._messages) > self._message_count:
            del self._messages[next(iter(self._messages))]

    def _remove(self, gone: Iterable[Participant], *, is_removed: bool) -> None:
        for participant in gone:
            if is_removed:
                self._participants.pop(participant.user_id, None)
            else:
                offline = participant.model_copy(update={"is_online": False, "voice_since": None})
                self._participants[participant.user_id] = offline

    def _take_state(self, state: RoomState) -> None:
        if state.host != self._state.host:
            self._change_host(state.host)
        self._state = state
        self._room = self._room.model_copy(
            update={
                "current_mode": state.mode,
                "conversation_active": state.conversation_active,
                "name": state.name,
                "max_participants": state.max_participants,
                "settings": state.settings,
                "host_user_id": state.host,
                "visibility": state.visibility,
                "is_active": state.is_active,
            }
        )

    def _change_host(self, host: UUID | None) -> None:
        # The event of a new host names no roles: who was host is a member from then on.
        for participant in list(self._participants.values()):
            if participant.user_id == host:
                self._participants[participant.user_id] = participant.model_copy(update={"role": Role.HOST})
            elif participant.role is Role.HOST:
                self._participants[participant.user_id] = participant.model_copy(update={"role": Role.MEMBER})

    def _set_voice(self, user_id: UUID, since: datetime | None) -> None:
        known = self._participants.get(user_id)
        if known is not None:
            self._participants[user_id] = known.model_copy(update={"voice_since": since})
