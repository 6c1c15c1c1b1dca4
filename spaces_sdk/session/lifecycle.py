"""The life of a session as one table of transitions with one writer.

`docs/sessions.md` shows the same table; a test holds the two equal. A trigger that the table does not
name for a state leaves the state as it is: what comes late (a gap that a heartbeat found while the
session was already closing) is no mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spaces_sdk.events import ConnectionState as State


class Trigger(StrEnum):
    """What moves a session from one state to another."""

    ENTER = "enter"
    """`async with` begins: the database is asked for a place in the room."""
    SYNC_STARTED = "sync_started"
    """A `sync_room` was sent that closes the gap."""
    SYNCED = "synced"
    """A `sync_room` was answered that was sent after the channel's ok; nothing above it is missing."""
    SYNCED_WITHOUT_CHANNEL = "synced_without_channel"
    """The database is read up to its head, but there is no channel for now."""
    GAP = "gap"
    """Something may have been missed: socket or channel lost, a position missing, the topic moved, a lease run out."""
    CHANNEL_JOINED = "channel_joined"
    """The channel is back while the session lived by polling."""
    INTERRUPTED = "interrupted"
    """The database does not answer, or the channel was lost under the catch-up."""
    LEAVE = "leave"
    """The own wish to leave."""
    REMOVED = "removed"
    """Kicked, banned, or the room is closed or deleted."""
    FAIL = "fail"
    """It cannot go on: entering failed, the place was not free again in time, nobody is signed in."""
    FINISHED = "finished"
    """All tasks and the channel are gone, after a leave or a removal."""
    FINISHED_FAILED = "finished_failed"
    """All tasks and the channel are gone, after a failure."""


ACTIVE: Final = frozenset({State.JOINING, State.LIVE, State.STALE, State.CATCHING_UP, State.DEGRADED})
TERMINAL: Final = frozenset({State.CLOSED, State.FAILED})

TRANSITIONS: Final[dict[tuple[State, Trigger], State]] = {
    (State.NEW, Trigger.ENTER): State.JOINING,
    (State.NEW, Trigger.LEAVE): State.CLOSING,
    (State.JOINING, Trigger.SYNCED): State.LIVE,
    (State.LIVE, Trigger.GAP): State.STALE,
    (State.STALE, Trigger.SYNC_STARTED): State.CATCHING_UP,
    (State.CATCHING_UP, Trigger.SYNCED): State.LIVE,
    (State.CATCHING_UP, Trigger.SYNCED_WITHOUT_CHANNEL): State.DEGRADED,
    (State.CATCHING_UP, Trigger.INTERRUPTED): State.STALE,
    (State.DEGRADED, Trigger.CHANNEL_JOINED): State.CATCHING_UP,
    (State.DEGRADED, Trigger.INTERRUPTED): State.STALE,
    **{(state, Trigger.LEAVE): State.CLOSING for state in ACTIVE},
    **{(state, Trigger.REMOVED): State.CLOSING for state in ACTIVE},
    **{(state, Trigger.FAIL): State.CLOSING for state in ACTIVE},
    (State.CLOSING, Trigger.FINISHED): State.CLOSED,
    (State.CLOSING, Trigger.FINISHED_FAILED): State.FAILED,
}


@dataclass(frozen=True, slots=True)
class Change:
    """What a trigger did.

    Attributes:
        is_changed: False where the table leaves the state as it is.
    """

    previous: State
    state: State
    trigger: Trigger

    @property
    def is_changed(self) -> bool:
        return self.previous is not self.state


class Machine:
    """Holds the state; `fire` is the only way to move it.

    Args:
        on_change: Told each new state, at once; must not raise.
    """

    def __init__(self, on_change: Callable[[State], None] | None = None) -> None:
        self._state = State.NEW
        self._on_change = on_change

    @property
    def state(self) -> State:
        return self._state

    @property
    def is_active(self) -> bool:
        """Entered, and not on its way out."""
        return self._state in ACTIVE

    @property
    def is_over(self) -> bool:
        return self._state in TERMINAL

    def fire(self, trigger: Trigger) -> Change:
        """Apply the trigger and say what it did."""
        previous = self._state
        self._state = TRANSITIONS.get((previous, trigger), previous)
        if self._on_change is not None and self._state is not previous:
            self._on_change(self._state)
        return Change(previous, self._state, trigger)
