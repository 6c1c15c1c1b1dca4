"""Who is present on a topic, kept from states and diffs. Pure: no I/O, no tasks.

A meta is known by its `phx_ref`; one without is known by its content. Whatever has not the expected shape is left out,
never an error: presence is a hint, and what clients track is not under the server's control.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from spaces_sdk.realtime.events import PresenceMap

PENDING_LIMIT: Final = 256

Meta = Mapping[str, Any]


def parse_presences(raw: Mapping[str, Any]) -> dict[str, list[Meta]]:
    """The readable part of `{key: {"metas": [{...}]}}`; keys without any meta are left out."""
    parsed: dict[str, list[Meta]] = {}
    for key, entry in raw.items():
        if not isinstance(entry, dict):
            continue
        metas = cast("dict[str, Any]", entry).get("metas")
        if not isinstance(metas, list):
            continue
        readable = [cast("Meta", meta) for meta in cast("list[Any]", metas) if isinstance(meta, dict)]
        if readable:
            parsed[key] = readable
    return parsed


class Presence:
    """The presences of one channel.

    Diffs that come before the first state are held back (at most 256, then the oldest go) and applied after it.
    """

    def __init__(self) -> None:
        self._metas: dict[str, list[Meta]] = {}
        self._pending: list[tuple[dict[str, list[Meta]], dict[str, list[Meta]]]] = []
        self._is_synced = False

    @property
    def is_synced(self) -> bool:
        """A state has been applied."""
        return self._is_synced

    def snapshot(self) -> PresenceMap:
        """A copy; the metas themselves are shared and not changed by this class."""
        return {key: tuple(metas) for key, metas in self._metas.items()}

    def apply_state(self, raw: Mapping[str, Any]) -> PresenceMap:
        """Replace everything by what the server says, apply the diffs held back, and return a copy."""
        self._metas = parse_presences(raw)
        self._is_synced = True
        for joins, leaves in self._pending:
            self._apply(joins, leaves)
        self._pending.clear()
        return self.snapshot()

    def apply_diff(self, joins: Mapping[str, Any], leaves: Mapping[str, Any]) -> tuple[PresenceMap, PresenceMap] | None:
        """Apply one diff.

        Returns:
            The metas that really came and went (a repeated one does neither); None where nothing changed, or the
            first state has not come yet.
        """
        parsed = parse_presences(joins), parse_presences(leaves)
        if not self._is_synced:
            if len(self._pending) >= PENDING_LIMIT:
                self._pending.pop(0)
            self._pending.append(parsed)
            return None
        came, went = self._apply(*parsed)
        return (came, went) if came or went else None

    def _apply(
        self, joins: dict[str, list[Meta]], leaves: dict[str, list[Meta]]
    ) -> tuple[dict[str, Sequence[Meta]], dict[str, Sequence[Meta]]]:
        # Joins first: an update names its old meta among the leaves, and its key must not vanish in between.
        came: dict[str, Sequence[Meta]] = {}
        went: dict[str, Sequence[Meta]] = {}
        for key, metas in joins.items():
            present = self._metas.setdefault(key, [])
            added: list[Meta] = []
            for meta in metas:
                if not any(_is_same(meta, other) for other in present):
                    present.append(meta)
                    added.append(meta)
            if added:
                came[key] = tuple(added)
        for key, metas in leaves.items():
            present = self._metas.get(key, [])
            gone = [other for other in present if any(_is_same(meta, other) for meta in metas)]
            if gone:
                went[key] = tuple(gone)
                # By identity: equal content under two refs is two metas.
                present[:] = [other for other in present if not any(other is meta for meta in gone)]
            if not present:
                self._metas.pop(key, None)
        return came, went


def _is_same(one: Meta, other: Meta) -> bool:
    ref, other_ref = one.get("phx_ref"), other.get("phx_ref")
    if ref is None and other_ref is None:
        return one == other
    return ref == other_ref
