"""Milliseconds, and what half of them and one in twenty exceed."""

from __future__ import annotations

from collections.abc import Sequence


def at_share(times_ms: Sequence[float], share: float) -> float:
    """What that share of them does not exceed."""
    ordered = sorted(times_ms)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def p50_p95(times_ms: Sequence[float]) -> tuple[str, str]:
    """Both, as they are shown."""
    return f"{at_share(times_ms, 0.5):,.1f}", f"{at_share(times_ms, 0.95):,.1f}"
