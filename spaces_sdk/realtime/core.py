"""The connection core: what a socket does and when, without I/O.

Inputs are calls (members added and removed, the connection opened, failed, lost, a frame received, a timer due);
outputs are the returned actions, the timer asked for, and what the members' sinks are told. Time is the `time`
argument. A shell (`socket.py`) performs the actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from spaces_sdk.errors import ConnectError, ConnectionLostError
from spaces_sdk.realtime.actions import Abort, Action, Close, Open
from spaces_sdk.realtime.events import ChannelState, CloseReason, SocketState
from spaces_sdk.realtime.member import Member
from spaces_sdk.realtime.protocol import PHOENIX_TOPIC, Vsn
from spaces_sdk.realtime.reasons import socket_close_reason
from spaces_sdk.realtime.router import Pending, PendingKind, Router
from spaces_sdk.realtime.stats import RealtimeStats

# A refused join is answered after 5 s, and until then its whole socket stands still; several add up.
REFUSAL_HOLD_S: Final = 5.0
REFUSAL_HOLDS_LIMIT: Final = 4

_NEXT: Final[dict[SocketState, frozenset[SocketState]]] = {
    SocketState.IDLE: frozenset({SocketState.CONNECTING, SocketState.WAITING, SocketState.CLOSED}),
    SocketState.WAITING: frozenset({SocketState.CONNECTING, SocketState.IDLE, SocketState.CLOSED}),
    SocketState.CONNECTING: frozenset({SocketState.OPEN, SocketState.WAITING, SocketState.IDLE, SocketState.CLOSED}),
    SocketState.OPEN: frozenset({SocketState.CLOSING, SocketState.WAITING, SocketState.IDLE, SocketState.CLOSED}),
    SocketState.CLOSING: frozenset({SocketState.WAITING, SocketState.IDLE, SocketState.CLOSED}),
    SocketState.CLOSED: frozenset(),
}


class SocketCore:
    """One socket's life: IDLE → CONNECTING → OPEN → (WAITING → CONNECTING …) → CLOSED.

    It connects only while a member wants it, again and again without end, and lets an unused connection go after
    `linger_s`. The delays start anew once a connection has proved itself by an accepted join or an answered heartbeat.
    """

    def __init__(
        self,
        *,
        vsn: Vsn,
        time: Callable[[], float],
        delays: Callable[[], Iterator[float]],
        heartbeat_interval_s: float,
        heartbeat_timeout_s: float,
        linger_s: float,
        stats: RealtimeStats,
    ) -> None:
        self._time = time
        self._make_delays = delays
        self._delays = delays()
        self._heartbeat_interval_s = heartbeat_interval_s
        self._heartbeat_timeout_s = heartbeat_timeout_s
        self._linger_s = linger_s
        self._stats = stats
        self._state = SocketState.IDLE
        self._members: set[Member] = set()
        self._router = Router(vsn, stats, on_end=self._drop, on_proof=self._proved)
        self._not_before = 0.0
        self._heartbeat_at: float | None = None
        self._heartbeat_deadline: float | None = None
        self._linger_until: float | None = None
        self._aborted_for = ""
        self._last_error: ConnectError | None = None
        self._pushed_token: str | None = None
        self.token_seq = 0
        # The hot path is the router's alone.
        self.received = self._router.received

    @property
    def state(self) -> SocketState:
        """Where the socket stands."""
        return self._state

    @property
    def member_count(self) -> int:
        """Members that want this socket or live on it."""
        return len(self._members)

    @property
    def last_error(self) -> ConnectError | None:
        """Why the newest attempt failed; None while none has failed since the last success."""
        return self._last_error

    def holds_topic(self, topic: str) -> bool:
        """A member of that topic is here."""
        return any(member.topic == topic for member in self._members)

    # Members

    def add(self, member: Member) -> list[Action]:
        """The member wants the socket. Its sink hears `changed` when the socket opens, `failed` if it cannot."""
        if self._state is SocketState.CLOSED:
            raise RuntimeError("the socket is closed for good")
        member.move(ChannelState.JOINING)
        self._members.add(member)
        self._linger_until = None
        return self._want()

    def join(self, member: Member, token: str, *, token_seq: int) -> list[Action] | None:
        """Send the member's join; None if the socket is not open any more (wait and pull the token again).

        Args:
            token: The access token, fresh.
            token_seq: What `token_seq` was before the token was pulled.
        """
        if self._state is not SocketState.OPEN or member not in self._members:
            return None
        member.token = token
        member.token_seq = token_seq
        return [self._router.join(member)]

    def leave(self, member: Member) -> list[Action]:
        """Say goodbye and keep the member until the server has answered; a member that was not joined goes at once."""
        if member.state is ChannelState.JOINED and self._state is SocketState.OPEN:
            if member.is_leaving:
                return []
            member.is_leaving = True
            return self._router.leave(member)
        return self.abandon(member)

    def abandon(self, member: Member) -> list[Action]:
        """Let the member go at once; the server is told if it knows of the join. Does nothing the second time."""
        if member not in self._members:
            return []
        actions: list[Action] = []
        if self._state is SocketState.OPEN and member.join_ref is not None and not member.is_leaving:
            actions = self._router.leave(member)
        if member.state is ChannelState.JOINED:
            self._router.end(member, CloseReason.LEFT, "left")
        else:
            self._router.forget(member)
            member.move(ChannelState.CLOSED)
            self._drop(member)
        return actions

    def track(self, member: Member, meta: dict[str, Any]) -> tuple[str, list[Action]]:
        """Send a presence; returns the ref that the sink's `replied` will name."""
        ref, action = self._router.track(member, meta)
        return ref, [action]

    def forget_track(self, ref: str) -> None:
        """Nobody waits for that answer any more."""
        self._router.forget_ref(ref)

    def push_token(self, token: str) -> list[Action]:
        """Give every joined member the new token; one that is just joining gets it after its join."""
        self._pushed_token = token
        self.token_seq += 1
        if self._state is not SocketState.OPEN:
            return []
        joined = [member for member in self._members if member.state is ChannelState.JOINED]
        return [self._router.push_token(member, token) for member in joined if member.token != token]

    # The world

    def opened(self) -> list[Action]:
        """The connection stands."""
        if self._state is not SocketState.CONNECTING:
            return [Abort("not wanted any more")]
        self._move(SocketState.OPEN)
        self._stats.connects += 1
        self._last_error = None
        now = self._time()
        self._heartbeat_at = now + self._heartbeat_interval_s
        self._heartbeat_deadline = None
        if not self._members:
            self._linger_until = now + self._linger_s
        self._tell_members()
        return []

    def open_failed(self, error: ConnectError) -> list[Action]:
        """The attempt failed. An error that waiting cannot mend ends the joins that wait for it."""
        self._stats.connect_failures += 1
        self._stats.last_error = str(error)
        self._last_error = error
        if self._state is not SocketState.CONNECTING:
            return []
        self._not_before = self._time() + next(self._delays)
        if not error.retryable:
            for member in list(self._members):
                told = ConnectError(
                    f"cannot join topic {member.topic}: {error.message}",
                    code=error.code,
                    hint=error.hint,
                    retryable=False,
                )
                told.__cause__ = error
                self._fail(member, told)
        return self._after_connection()

    def lost(self, code: int, reason: str) -> list[Action]:
        """The connection is over, whoever ended it; code 1006 stands for none."""
        was_asked = self._state in (SocketState.CLOSING, SocketState.CLOSED) and not self._aborted_for
        text = self._aborted_for or f"closed with {code}{' ' + reason if reason else ''}"
        if not was_asked:
            self._stats.losses += 1
            self._stats.last_error = f"connection lost: {text}"
            self._not_before = self._time() + next(self._delays)
        self._aborted_for = ""
        self._heartbeat_at = self._heartbeat_deadline = self._linger_until = None
        why = socket_close_reason(code, self._router.last_system_message)
        for member in list(self._members):
            if member.state is ChannelState.JOINED:
                left = member.is_leaving
                self._router.end(member, CloseReason.LEFT if left else why, f"the connection was lost: {text}")
            elif member.join_ref is not None:
                self._fail(
                    member,
                    ConnectionLostError(
                        f"cannot join topic {member.topic}: the connection was lost before the answer ({text})"
                    ),
                )
        self._router.reset()
        return self._after_connection()

    def tick(self) -> list[Action]:
        """A timer is due; called too early it does nothing."""
        now = self._time()
        if self._state is SocketState.WAITING:
            return self._connect() if now >= self._not_before else []
        if self._state is not SocketState.OPEN:
            return []
        if self._heartbeat_deadline is not None and now >= self._heartbeat_deadline:
            self._stats.heartbeats_missed += 1
            self._stats.say_once("a heartbeat was not answered in time")
            self._aborted_for = "a heartbeat was not answered"
            self._move(SocketState.CLOSING)
            return [Abort(self._aborted_for)]
        if self._linger_until is not None and now >= self._linger_until:
            self._move(SocketState.CLOSING)
            return [Close()]
        if self._heartbeat_at is not None and now >= self._heartbeat_at and self._heartbeat_deadline is None:
            holds = min(self._router.joins_outstanding, REFUSAL_HOLDS_LIMIT)
            self._heartbeat_at = now + self._heartbeat_interval_s
            self._heartbeat_deadline = now + self._heartbeat_timeout_s + holds * REFUSAL_HOLD_S
            pending = Pending(PendingKind.HEARTBEAT, None)
            return [self._router.push(pending, topic=PHOENIX_TOPIC, event="heartbeat", payload={})[1]]
        return []

    def shutdown(self) -> list[Action]:
        """End for good: joined members end as LEFT, waiting joins fail. Does nothing the second time."""
        if self._state is SocketState.CLOSED:
            return []
        for member in list(self._members):
            if member.state is ChannelState.JOINED:
                self._router.end(member, CloseReason.LEFT, "the client was closed")
            else:
                self._fail(
                    member,
                    ConnectionLostError(
                        f"cannot join topic {member.topic}: the client was closed", code="closed", retryable=False
                    ),
                )
        was_open = self._state is SocketState.OPEN
        self._heartbeat_at = self._heartbeat_deadline = self._linger_until = None
        self._move(SocketState.CLOSED)
        return [Close()] if was_open else []

    def next_timer(self) -> float | None:
        """When `tick` wants to be called next, on the clock of `time`; None: not at all."""
        if self._state is SocketState.WAITING:
            return self._not_before
        if self._state is not SocketState.OPEN:
            return None
        heartbeat = self._heartbeat_deadline if self._heartbeat_deadline is not None else self._heartbeat_at
        return min((at for at in (heartbeat, self._linger_until) if at is not None), default=None)

    # Within

    def _want(self) -> list[Action]:
        if self._state is not SocketState.IDLE:
            return []
        if self._time() >= self._not_before:
            return self._connect()
        self._move(SocketState.WAITING)
        return []

    def _connect(self) -> list[Action]:
        self._move(SocketState.CONNECTING)
        return [Open()]

    def _after_connection(self) -> list[Action]:
        if self._state is SocketState.CLOSED:
            return []
        if not self._members:
            self._move(SocketState.IDLE)
            return []
        # Even when the time has come: `tick` connects, so that there is one way from here.
        self._move(SocketState.WAITING)
        return []

    def _drop(self, member: Member) -> None:
        """A member is over, for whatever reason."""
        self._members.discard(member)
        if self._members:
            return
        if self._state is SocketState.OPEN:
            self._linger_until = self._time() + self._linger_s
        elif self._state is SocketState.WAITING:
            self._move(SocketState.IDLE)

    def _fail(self, member: Member, error: ConnectError | ConnectionLostError) -> None:
        self._router.forget(member)
        member.move(ChannelState.CLOSED)
        self._drop(member)
        member.sink.failed(error)

    def _proved(self, member: Member | None) -> list[Action]:
        """The server answered: a heartbeat (None) or a join with ok."""
        self._delays = self._make_delays()
        if member is None:
            self._heartbeat_deadline = None
            return []
        if self._pushed_token is None or member.token_seq == self.token_seq or member.token == self._pushed_token:
            return []
        return [self._router.push_token(member, self._pushed_token)]

    def _move(self, state: SocketState) -> None:
        if state not in _NEXT[self._state]:
            raise RuntimeError(f"no transition of a socket from {self._state} to {state}")
        self._state = state

    def _tell_members(self) -> None:
        for member in list(self._members):
            member.sink.changed()
