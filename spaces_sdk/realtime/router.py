"""From frames to members: which join a frame belongs to, and what it means for it. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, assert_never

from spaces_sdk.errors import ChannelError, ConnectionLostError, ProtocolError
from spaces_sdk.realtime.actions import Action, Send
from spaces_sdk.realtime.events import (
    BroadcastReceived,
    ChannelClosed,
    ChannelState,
    CloseReason,
    PresenceChanged,
    PresenceSynced,
)
from spaces_sdk.realtime.frames import (
    Broadcast,
    ChannelCrashed,
    ChannelEnded,
    Message,
    OtherPush,
    PresenceDiffPush,
    PresenceStatePush,
    Reply,
    ServerFrame,
    SystemPush,
    UnreadablePush,
)
from spaces_sdk.realtime.member import Member
from spaces_sdk.realtime.protocol import Vsn, decode, encode
from spaces_sdk.realtime.reasons import close_reason, crash_rejection, rejection
from spaces_sdk.realtime.stats import RealtimeStats


class PendingKind(Enum):
    """What an answer will be about."""

    HEARTBEAT = "heartbeat"
    JOIN = "join"
    LEAVE = "leave"
    TRACK = "track"


@dataclass(slots=True)
class Pending:
    """A push that waits for its answer; `member` is None once nobody cares any more."""

    kind: PendingKind
    member: Member | None


class Router:
    """The members of one connection by topic, by join and by ref.

    A topic belongs to its newest answered join: until the answer comes, what is fanned out is still the older one's.
    The close of an older join arrives after the newer one's answer, and is recognised by its join_ref.
    """

    def __init__(
        self,
        vsn: Vsn,
        stats: RealtimeStats,
        *,
        on_end: Callable[[Member], None],
        on_proof: Callable[[Member | None], list[Action]],
    ) -> None:
        self._vsn = vsn
        self._stats = stats
        self._on_end = on_end
        self._on_proof = on_proof
        self._ref = 0
        self._by_topic: dict[str, Member] = {}
        self._by_join_ref: dict[str, Member] = {}
        self._newest_join: dict[str, str] = {}
        self._pending: dict[str, Pending] = {}
        self.last_system_message = ""

    @property
    def joins_outstanding(self) -> int:
        """Joins that the server has not answered, those given up included: a refused one holds up the rest."""
        return sum(pending.kind is PendingKind.JOIN for pending in self._pending.values())

    # Out

    def push(
        self, pending: Pending | None, *, topic: str, event: str, payload: dict[str, Any], join_ref: str | None = None
    ) -> tuple[str, Send]:
        """A frame with a ref of its own."""
        self._ref += 1
        ref = str(self._ref)
        if event == "phx_join":
            join_ref = ref
        if pending is not None:
            self._pending[ref] = pending
        return ref, Send(encode(self._vsn, Message(join_ref, ref, topic, event, payload)))

    def join(self, member: Member) -> Send:
        """The join of a member, with its token."""
        presence: dict[str, Any] = {"enabled": member.presence_key is not None, "key": member.presence_key or ""}
        config: dict[str, Any] = {
            "broadcast": {"ack": False, "self": False},
            "presence": presence,
            "postgres_changes": [],
            "private": member.is_private,
        }
        pending = Pending(PendingKind.JOIN, member)
        ref, send = self.push(
            pending,
            topic=member.wire_topic,
            event="phx_join",
            payload={"config": config, "access_token": member.token},
        )
        member.join_ref = ref
        self._by_join_ref[ref] = member
        self._newest_join[member.wire_topic] = ref
        return send

    def leave(self, member: Member) -> list[Action]:
        """The leave of a member; nothing where a newer join of its topic has been sent, which it would end."""
        if self._newest_join.get(member.wire_topic) != member.join_ref:
            return []
        pending = Pending(PendingKind.LEAVE, member)
        _, send = self.push(pending, topic=member.wire_topic, event="phx_leave", payload={}, join_ref=member.join_ref)
        return [send]

    def track(self, member: Member, meta: dict[str, Any]) -> tuple[str, Send]:
        """A presence of a member."""
        return self.push(
            Pending(PendingKind.TRACK, member),
            topic=member.wire_topic,
            event="presence",
            payload={"type": "presence", "event": "track", "payload": meta},
            join_ref=member.join_ref,
        )

    def push_token(self, member: Member, token: str) -> Send:
        """A new token for a member; it is never answered."""
        member.token = token
        _, send = self.push(
            None,
            topic=member.wire_topic,
            event="access_token",
            payload={"access_token": token},
            join_ref=member.join_ref,
        )
        return send

    # Ends

    def end(self, member: Member, reason: CloseReason, message: str) -> None:
        """A joined member is over."""
        self.forget(member)
        member.move(ChannelState.CLOSED)
        self._on_end(member)
        member.sink.ended(ChannelClosed(reason, message))

    def forget(self, member: Member) -> None:
        """Route nothing to it any more, and fail what it waits for."""
        if member.join_ref is not None:
            self._by_join_ref.pop(member.join_ref, None)
            if self._newest_join.get(member.wire_topic) == member.join_ref:
                del self._newest_join[member.wire_topic]
        if self._by_topic.get(member.wire_topic) is member:
            del self._by_topic[member.wire_topic]
        for ref, pending in list(self._pending.items()):
            if pending.member is member:
                pending.member = None
                if pending.kind is PendingKind.TRACK:
                    del self._pending[ref]
                    error = ConnectionLostError(f"cannot track presence on topic {member.topic}: the channel has ended")
                    member.sink.replied(ref, error)

    def forget_ref(self, ref: str) -> None:
        """Nobody waits for that answer any more."""
        self._pending.pop(ref, None)

    def reset(self) -> None:
        """The connection is over: nothing that was pending will be answered."""
        self._by_topic.clear()
        self._by_join_ref.clear()
        self._newest_join.clear()
        self._pending.clear()
        self.last_system_message = ""

    # In

    def received(self, data: str | bytes) -> list[Action] | None:
        """Take one frame; None where it changed nothing but a buffer. Never raises for what the server says."""
        self._stats.frames_received += 1
        try:
            frame = decode(self._vsn, data)
        except ProtocolError as error:
            self._stats.frames_unreadable += 1
            self._stats.say_once(error.message)
            return None
        if type(frame) is Broadcast:
            member = self._find(frame.topic, frame.join_ref)
            if member is not None:
                event = BroadcastReceived(frame.event, frame.payload, frame.message_id, frame.is_replayed)
                member.sink.deliver(event, len(data))
            return None
        return self._route(frame, len(data))

    def _find(self, topic: str, join_ref: str | None) -> Member | None:
        member = self._by_topic.get(topic) if join_ref is None else self._by_join_ref.get(join_ref)
        if member is None or member.is_leaving:
            self._stats.pushes_unrouted += 1
            return None
        return member

    def _route(self, frame: ServerFrame, size_bytes: int) -> list[Action]:
        match frame:
            case Reply():
                return self._reply(frame)
            case ChannelEnded(topic, join_ref) | ChannelCrashed(topic, join_ref):
                self._ended(topic, join_ref, frame)
            case SystemPush(topic, join_ref, message, is_error, extension):
                self._system(topic, join_ref, message, is_error=is_error, extension=extension)
            case PresenceStatePush(topic, join_ref, payload):
                member = self._find(topic, join_ref)
                if member is not None and member.presence is not None:
                    member.sink.deliver(PresenceSynced(member.presence.apply_state(payload)), size_bytes)
            case PresenceDiffPush(topic, join_ref, joins, leaves):
                member = self._find(topic, join_ref)
                if member is not None and member.presence is not None:
                    change = member.presence.apply_diff(joins, leaves)
                    if change is not None:
                        member.sink.deliver(PresenceChanged(*change), size_bytes)
            case OtherPush():
                self._stats.pushes_ignored += 1
            case UnreadablePush(topic, join_ref, event, problem):
                self._stats.frames_unreadable += 1
                self._stats.say_once(f"cannot read a push {event[:40]!r}: {problem}")
                member = self._find(topic, join_ref)
                if member is not None:
                    member.sink.unreadable()
            case Broadcast():
                raise AssertionError("broadcasts are taken before")
            case _:
                assert_never(frame)
        return []

    def _reply(self, reply: Reply) -> list[Action]:
        pending = self._pending.pop(reply.ref, None) if reply.ref is not None else None
        if pending is None:
            self._stats.pushes_unrouted += 1
            return []
        if pending.kind is PendingKind.HEARTBEAT:
            # The server answers joins and heartbeats in order: joins given up before this will have no answer.
            for ref, other in list(self._pending.items()):
                if other.kind is PendingKind.JOIN and other.member is None:
                    del self._pending[ref]
            return self._on_proof(None)
        if pending.kind is PendingKind.JOIN:
            return self._joined_or_refused(reply, pending.member)
        member = pending.member
        if member is None:
            return []
        if pending.kind is PendingKind.LEAVE:
            self.end(member, CloseReason.LEFT, "left")
        elif reply.ref is not None:
            error = None
            if not reply.is_ok:
                reason = reply.reason or "the server refused, which it does without a right to write"
                error = ChannelError(
                    f"cannot track presence on topic {member.topic}: {reason[:200]}", code="track_refused"
                )
            member.sink.replied(reply.ref, error)
        return []

    def _joined_or_refused(self, reply: Reply, member: Member | None) -> list[Action]:
        # Either answer has already ended an older channel of the topic; its phx_close comes after this.
        older = self._by_topic.get(reply.topic)
        if older is not None and older is not member:
            self.end(older, CloseReason.SERVER_CLOSED, "a newer join of this topic took its place")
        if reply.is_ok:
            self._stats.joins += 1
        else:
            self._stats.joins_refused += 1
        if member is None:
            return []
        if not reply.is_ok:
            self.forget(member)
            member.move(ChannelState.CLOSED)
            self._on_end(member)
            member.sink.failed(rejection(member.topic, reply.reason))
            return []
        self._by_topic[member.wire_topic] = member
        member.move(ChannelState.JOINED)
        return self._on_proof(member)

    def _ended(self, topic: str, join_ref: str | None, frame: ChannelEnded | ChannelCrashed) -> None:
        member = self._by_topic.get(topic) if join_ref is None else self._by_join_ref.get(join_ref)
        if member is None:
            self._stats.pushes_unrouted += 1
            return
        crash = frame.reason or "crashed" if isinstance(frame, ChannelCrashed) else None
        if member.state is ChannelState.JOINING:
            self.forget(member)
            member.move(ChannelState.CLOSED)
            self._on_end(member)
            member.sink.failed(crash_rejection(member.topic, crash or "closed before the answer"))
        elif member.is_leaving:
            self.end(member, CloseReason.LEFT, "left")
        elif crash is not None:
            self.end(member, CloseReason.CRASHED, f"the channel crashed on the server: {crash[:200]}")
        else:
            message = member.ending or "closed by the server"
            self.end(member, close_reason(member.ending), message[:200])

    def _system(self, topic: str, join_ref: str | None, message: str, *, is_error: bool, extension: str) -> None:
        if message.startswith("Server requested disconnect"):
            self.last_system_message = message
            return
        member = self._find(topic, join_ref)
        # Errors of other extensions (postgres_changes) leave the channel as it is.
        if member is not None and is_error and extension == "system":
            member.ending = message
