"""What the connection core asks its shell to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Open:
    """Start one attempt to connect; answer with `opened` or `open_failed`."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write one text frame; the order of these is the order on the wire."""

    data: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close politely with code 1000, after what is still to be written; answer with `lost`."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Drop the connection without waiting for the other end; answer with `lost`."""

    reason: str


Action = Open | Send | Close | Abort
