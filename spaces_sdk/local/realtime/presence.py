"""Presence of one topic, without I/O: who is there, and what changed."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from spaces_sdk.local.realtime import wire

Meta = dict[str, object]
PHX_REF = "phx_ref"
PHX_REF_PREV = "phx_ref_prev"


def new_phx_ref() -> str:
    """A fresh reference, 16 characters."""
    return base64.urlsafe_b64encode(secrets.token_bytes(12)).decode()


@dataclass(frozen=True, slots=True)
class Diff:
    """What one change did: metas by key."""

    joins: Mapping[str, Meta] = field(default_factory=dict[str, Meta])
    leaves: Mapping[str, Meta] = field(default_factory=dict[str, Meta])

    def to_json(self) -> str:
        """As the payload of `presence_diff`."""
        return wire.dumps({"joins": _wrapped(self.joins), "leaves": _wrapped(self.leaves)})


def _wrapped(metas: Mapping[str, Meta]) -> dict[str, dict[str, list[Meta]]]:
    return {key: {"metas": [meta]} for key, meta in metas.items()}


@dataclass(slots=True)
class _Entry:
    key: str
    payload_json: str
    meta: Meta


class PresenceState:
    """The members of one topic; a member is one channel of one socket, and has at most one meta."""

    def __init__(self, new_ref: Callable[[], str] = new_phx_ref) -> None:
        self._new_ref = new_ref
        self._entries: dict[Hashable, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def track(self, member: Hashable, key: str, payload: Mapping[str, object]) -> Diff | None:
        """Enter a member, or update its meta; None when the payload is the one already there."""
        payload_json = wire.dumps_sorted(payload)
        before = self._entries.get(member)
        if before is not None and before.payload_json == payload_json:
            return None
        meta: Meta = {PHX_REF: self._new_ref()}
        if before is not None:
            meta[PHX_REF_PREV] = before.meta[PHX_REF]
        sorted_payload: dict[str, object] = json.loads(payload_json)
        meta.update((name, value) for name, value in sorted_payload.items() if name not in (PHX_REF, PHX_REF_PREV))
        self._entries[member] = _Entry(key, payload_json, meta)
        return Diff(joins={key: meta}, leaves={} if before is None else {before.key: before.meta})

    def has(self, member: Hashable, payload: Mapping[str, object]) -> bool:
        """True if the member is there with this very payload."""
        entry = self._entries.get(member)
        return entry is not None and entry.payload_json == wire.dumps_sorted(payload)

    def untrack(self, member: Hashable) -> Diff | None:
        """Take a member out; None if it was not in."""
        entry = self._entries.pop(member, None)
        return None if entry is None else Diff(leaves={entry.key: entry.meta})

    def to_json(self) -> str:
        """As the payload of `presence_state`: keys sorted, metas in the order of their first track."""
        state: dict[str, dict[str, list[Meta]]] = {}
        for entry in self._entries.values():
            state.setdefault(entry.key, {"metas": []})["metas"].append(entry.meta)
        return wire.dumps(dict(sorted(state.items())))


@dataclass(slots=True)
class CallBudget:
    """So many calls in a window that opens with the first of them (the real server's client limit)."""

    max_calls: int
    window_s: float
    _count: int = 0
    _ends_at: float | None = None

    def has_left(self, now: float) -> bool:
        """False when a call would be over the budget.

        Args:
            now: Monotonic seconds.
        """
        return self._is_over(now) or self._count < self.max_calls

    def spend(self, now: float) -> None:
        """Count one call."""
        if self._is_over(now):
            self._ends_at = now + self.window_s
            self._count = 0
        self._count += 1

    def _is_over(self, now: float) -> bool:
        return self._ends_at is None or now > self._ends_at
