"""What a session has counted since it was made."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field


@dataclass(slots=True)
class SessionStats:
    """Counters; `session.stats` hands out a copy.

    Attributes:
        live_steps: Durable events taken from the live stream.
        duplicates: Durable events that were had already, or were told by a catch-up.
        replayed: Messages told by catch-ups.
        gaps: Times that the session went stale, by reason.
        catch_ups: Catch-ups that were finished.
        polls: Syncs made while there was no channel.
        channel_joins: Channels joined, the first included.
        joins_refused: Joins that Realtime or the database refused for now.
        rejoins: Leases that ran out and were had again.
        heartbeats: Heartbeats that were answered.
        heartbeats_failed: Heartbeats that were not.
        unreadable: Broadcasts that could not be read, by event name (at most 50 names, then "other").
        unknown: Broadcasts of a kind that this version does not know, by event name, likewise.
        errors: Failures in the background, by code.
        sends: Messages stored by `send`.
        send_requests: Requests that this took, those that failed included.
    """

    live_steps: int = 0
    duplicates: int = 0
    replayed: int = 0
    gaps: Counter[str] = field(default_factory=Counter[str])
    catch_ups: int = 0
    polls: int = 0
    channel_joins: int = 0
    joins_refused: int = 0
    rejoins: int = 0
    heartbeats: int = 0
    heartbeats_failed: int = 0
    unreadable: Counter[str] = field(default_factory=Counter[str])
    unknown: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])
    sends: int = 0
    send_requests: int = 0

    def copy(self) -> SessionStats:
        """The numbers as they are now."""
        return deepcopy(self)


NAMES_KEPT = 50


def count_name(counter: Counter[str], name: str) -> bool:
    """Count under a name that came from outside, with a bound; True if it is the first of its name."""
    key = name[:60] if name in counter or len(counter) < NAMES_KEPT else "other"
    counter[key] += 1
    return counter[key] == 1
