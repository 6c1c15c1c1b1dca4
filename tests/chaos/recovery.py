"""How long sessions took to be whole again after what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.lines import Line, What
from tests.chaos.schedule import Kind

_SILENT: Final = frozenset({Kind.STALL.value, Kind.FREEZE.value, Kind.PAUSE.value})
_SILENT_S: Final = 20.0
_AT_ONCE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Done:
    """A fault that was injected.

    Attributes:
        session: Whom it hit; None: everybody.
        began_s, ended_s: By the machine's monotonic clock.
    """

    kind: str
    session: int | None
    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True, order=True)
class Recovery:
    """One return to LIVE.

    Attributes:
        took_s: Seconds from the end of the fault.
        kind: The fault's.
        at_s: When it was live again, by the machine's monotonic clock.
    """

    took_s: float
    kind: str
    session: int
    at_s: float


def recoveries_of(
    index: int, lines: Sequence[Line], faults: Sequence[Done], *, killed_at_s: Sequence[float]
) -> list[Recovery]:
    """For each time that a fault made the session not LIVE: seconds from the end of the fault to LIVE.

    A gap that no fault has made (an event that came without its content) is closed in a moment and would only
    embellish the figures.
    """
    own = [fault for fault in faults if fault.session in (None, index)]
    recoveries: list[Recovery] = []
    previous_end = float("-inf")
    for began_s, ended_s, has_left in _outages(lines, killed_at_s):
        ends = [
            fault
            for fault in own
            if max(previous_end, began_s - _noticed_within_s(fault.kind)) <= fault.ended_s <= ended_s
        ]
        if ends and not has_left:
            last = max(ends, key=lambda fault: fault.ended_s)
            recoveries.append(Recovery(ended_s - last.ended_s, last.kind, index, ended_s))
        previous_end = ended_s
    return recoveries


def _noticed_within_s(kind: str) -> float:
    """A session may notice only after the fault is over, late if nobody told it."""
    return _SILENT_S if kind in _SILENT else _AT_ONCE_S


def _outages(lines: Sequence[Line], killed_at_s: Sequence[float]) -> list[tuple[float, float, bool]]:
    """From not LIVE to LIVE, and whether the session left by itself meanwhile; the first join is none."""
    marks = [(at_s, "killed") for at_s in killed_at_s]
    marks += [(line.at_s, line.name) for line in lines if line.what is What.STATE]
    # Whoever opens a reader has a session that is live.
    marks += [(line.at_s, "live") for line in lines if line.what is What.OPENED]
    outages: list[tuple[float, float, bool]] = []
    down_since: float | None = None
    is_known = has_left = False
    for at_s, state in sorted(marks):
        if state == "live":
            if down_since is not None and is_known:
                outages.append((down_since, at_s, has_left))
            down_since, is_known, has_left = None, True, False
        else:
            down_since = at_s if down_since is None else down_since
            has_left = has_left or state == "closing"
    return outages


def quantile(times: Sequence[float], share: float) -> float:
    """The value below which that share lies; 0 of none."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
