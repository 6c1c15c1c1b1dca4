"""Counters of a Realtime client."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

_LOG: Final = logging.getLogger("spaces_sdk.realtime")


@dataclass(slots=True)
class RealtimeStats:
    """What has happened since the client was made; all counts only grow.

    Attributes:
        connects: Connections that came to stand.
        connect_failures: Attempts that did not.
        losses: Connections that ended without our asking.
        heartbeats_missed: Of these, ended by us for an unanswered heartbeat.
        frames_received: Text and binary, readable or not.
        frames_unreadable: Frames, or pushes, that could not be parsed.
        pushes_unrouted: For a topic or a join that is not (or no longer) ours, such as the late close of an old join.
        pushes_ignored: Well-formed and of no use here.
        events_dropped: Lost to full buffers.
        joins: Answered with ok.
        joins_refused: Answered with an error.
        last_error: Text of the newest connection error.
    """

    connects: int = 0
    connect_failures: int = 0
    losses: int = 0
    heartbeats_missed: int = 0
    frames_received: int = 0
    frames_unreadable: int = 0
    pushes_unrouted: int = 0
    pushes_ignored: int = 0
    events_dropped: int = 0
    joins: int = 0
    joins_refused: int = 0
    last_error: str = ""
    _said: set[str] = field(default_factory=set[str], repr=False, compare=False)

    def say_once(self, kind: str) -> None:
        """Log a kind of trouble the first time that it comes up. Contents of frames are never logged."""
        if kind not in self._said and len(self._said) < 64:
            self._said.add(kind)
            _LOG.warning("%s (further ones are counted in stats, not logged)", kind)
