"""How long sessions took to be whole again after what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.lines import Line, What

_NOTICED_WITHIN_S = 20.0


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


def recovery_times(
    index: int, lines: Sequence[Line], faults: Sequence[Done], *, killed_at_s: Sequence[float]
) -> list[float]:
    """For each time that the session was not LIVE: seconds from the end of the last fault before, to LIVE."""
    own = sorted(fault.ended_s for fault in faults if fault.session in (None, index))
    times: list[float] = []
    previous_end = float("-inf")
    for began_s, ended_s in _outages(lines, killed_at_s):
        # The fault may have ended before the session noticed (half-open); not before it was last whole, though.
        ends = [end for end in own if max(previous_end, began_s - _NOTICED_WITHIN_S) <= end <= ended_s]
        times.append(ended_s - (ends[-1] if ends else began_s))
        previous_end = ended_s
    return times


def _outages(lines: Sequence[Line], killed_at_s: Sequence[float]) -> list[tuple[float, float]]:
    """From not LIVE to LIVE; neither the first join nor an own leave is one."""
    marks = [(at_s, "killed") for at_s in killed_at_s]
    marks += [(line.at_s, line.name) for line in lines if line.what is What.STATE]
    # Whoever opens a reader has a session that is live.
    marks += [(line.at_s, "live") for line in lines if line.what is What.OPENED]
    outages: list[tuple[float, float]] = []
    down_since: float | None = None
    is_known = False
    for at_s, state in sorted(marks):
        if state == "live":
            if down_since is not None and is_known:
                outages.append((down_since, at_s))
            down_since, is_known = None, True
        elif state == "closing":
            is_known = False
        elif down_since is None:
            down_since = at_s
    return outages


def quantile(times: Sequence[float], share: float) -> float:
    """The value below which that share lies; 0 of none."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
