"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random


def backoff(random: Random, *, base_s: float, cap_s: float) -> Iterator[float]:
    """Full-jitter delays without end: each is uniform between 0 and a ceiling that doubles from `base_s` to `cap_s`.

    Args:
        random: Its source of chance.
        base_s: Ceiling of the first delay, in seconds, > 0.
        cap_s: Ceiling of the later ones, in seconds, >= base_s.

    Source:
        Full jitter spreads clients that were cut at one moment best:
        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    ceiling = base_s
    while True:
        yield random.uniform(0.0, ceiling)
        ceiling = min(cap_s, ceiling * 2)
