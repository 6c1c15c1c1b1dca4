"""One join of one topic, as the connection core keeps it: its state with one writer, and whom it tells."""

from __future__ import annotations

from typing import Final, Protocol

from spaces_sdk.errors import SpacesError
from spaces_sdk.realtime.events import ChannelClosed, ChannelEvent, ChannelState
from spaces_sdk.realtime.presence import Presence
from spaces_sdk.realtime.protocol import TOPIC_PREFIX

_NEXT: Final[dict[ChannelState, frozenset[ChannelState]]] = {
    ChannelState.NEW: frozenset({ChannelState.JOINING, ChannelState.CLOSED}),
    ChannelState.JOINING: frozenset({ChannelState.JOINED, ChannelState.CLOSED}),
    ChannelState.JOINED: frozenset({ChannelState.CLOSED}),
    ChannelState.CLOSED: frozenset(),
}


class Sink(Protocol):
    """What a member tells its channel. Called on the reader task: it stores and wakes, and never runs user code."""

    def changed(self) -> None:
        """The member's state, or that of its socket, is another one."""
        ...

    def failed(self, error: SpacesError) -> None:
        """The join failed; the member is closed."""
        ...

    def deliver(self, event: ChannelEvent, size_bytes: int) -> None:
        """An event for the reader."""
        ...

    def unreadable(self) -> None:
        """A push on this topic could not be parsed."""
        ...

    def ended(self, event: ChannelClosed) -> None:
        """The channel was joined and has ended; the member is closed."""
        ...

    def replied(self, ref: str, error: SpacesError | None) -> None:
        """The answer to a `track`."""
        ...


class Member:
    """One join of one topic on one socket; once closed it stays so.

    Attributes:
        join_ref: The ref of its `phx_join`; None before that was sent.
        token: The access token that the server knows of this channel.
        token_seq: The core's count of pushed tokens when this member began to pull its own.
        ending: The server's last `system` error, which explains the `phx_close` after it.
    """

    def __init__(self, sink: Sink, *, topic: str, is_private: bool, presence_key: str | None) -> None:
        self.sink = sink
        self.topic = topic
        self.wire_topic = TOPIC_PREFIX + topic
        self.is_private = is_private
        self.presence_key = presence_key
        self.presence = None if presence_key is None else Presence()
        self.join_ref: str | None = None
        self.token = ""
        self.token_seq = 0
        self.ending = ""
        self.is_leaving = False
        self._state = ChannelState.NEW

    @property
    def state(self) -> ChannelState:
        """Where it stands."""
        return self._state

    def move(self, state: ChannelState) -> None:
        """The one place where the state changes.

        Raises:
            RuntimeError: There is no such transition: a mistake in this package.
        """
        if state not in _NEXT[self._state]:
            raise RuntimeError(f"no transition of a channel from {self._state} to {state}")
        self._state = state
        self.sink.changed()
