"""Token buckets, as the database has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.testing.fake.config import Limit
from spaces_sdk.testing.fake.refusals import Refusal

NOBODY = UUID(int=0)
"""In a bucket that all users share, or that belongs to no room."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    refilled_at: float


class Buckets:
    """What is left of each limit.

    Args:
        clock: Time.
        limits: By name; one that is missing does not limit.
    """

    def __init__(self, clock: Clock, limits: dict[str, Limit]) -> None:
        self._clock = clock
        self._limits = limits
        self._buckets: dict[tuple[UUID, str, UUID], _Bucket] = {}
        self._counted: list[tuple[_Bucket, int]] = []

    def take(self, user_id: UUID, action: str, room_id: UUID = NOBODY, *, limit: str = "", wanted: int = 1) -> int:
        """Take up to so many tokens; answers how many there were."""
        rule = self._limits.get(limit or action)
        if rule is None:
            return wanted
        bucket = self._bucket(user_id, action, room_id, rule)
        taken = min(wanted, math.floor(bucket.tokens))
        bucket.tokens -= taken
        self._counted.append((bucket, taken))
        return taken

    def begin(self) -> None:
        """A call begins; what it counts can be undone until the next one does."""
        self._counted.clear()

    def undo(self) -> None:
        """The call has raised: it has counted nothing."""
        for bucket, taken in self._counted:
            bucket.tokens += taken
        self._counted.clear()

    def give_back(self, user_id: UUID, action: str) -> None:
        """Put one token back."""
        rule = self._limits.get(action)
        if rule is not None:
            bucket = self._bucket(user_id, action, NOBODY, rule)
            bucket.tokens = min(rule.capacity, bucket.tokens + 1)

    def refusal(self, user_id: UUID, action: str, room_id: UUID = NOBODY, *, limit: str = "") -> Refusal:
        """The refusal of a call that got no token."""
        rule = self._limits[limit or action]
        missing = 1 - self._bucket(user_id, action, room_id, rule).tokens
        wait_s = max(0.001, math.ceil(missing / rule.refill_per_s * 1000) / 1000)
        hint = f"Wait {wait_s:g} s before the next try."
        return Refusal("rate_limited", "too many calls", hint, retry_after_s=wait_s, is_answer=True)

    def spend(self, user_id: UUID, action: str, room_id: UUID = NOBODY, *, limit: str = "") -> None:
        """Take one token, or refuse."""
        if not self.take(user_id, action, room_id, limit=limit):
            raise self.refusal(user_id, action, room_id, limit=limit)

    def _bucket(self, user_id: UUID, action: str, room_id: UUID, rule: Limit) -> _Bucket:
        now = self._clock.monotonic()
        bucket = self._buckets.setdefault((user_id, action, room_id), _Bucket(rule.capacity, now))
        bucket.tokens = min(rule.capacity, bucket.tokens + rule.refill_per_s * (now - bucket.refilled_at))
        bucket.refilled_at = now
        return bucket
