"""What a room answers to who reads it: pages of the history, and what changed since a position."""

from __future__ import annotations

from collections.abc import Sequence

from spaces_sdk.models import JsonObject, Message, MessageStatus, Page, SyncPage
from spaces_sdk.testing.fake.refusals import fail
from spaces_sdk.testing.fake.turns import Turns

ROW_BYTES = 600
"""What a message weighs beside its text."""


class FakeRoom(Turns):
    """A room of the fake backend. Its methods ask nobody whether they may: the database's functions do.

    Attributes:
        unseen: A fault: how many of the newest steps a sync does not see yet. A commit is broadcast when it is flushed,
            and seen by others a moment later.
    """

    unseen = 0

    def latest(self, count: int) -> list[Message]:
        """The newest messages, oldest first."""
        newest = list(reversed(self.rows))[:count]
        return list(reversed(newest[: self._fitting(newest, count)]))

    def history(self, *, limit: int, before: int | None, after: int | None) -> Page[Message]:
        """One page, oldest first: the newest, those before a seq, or those after one."""
        if after is not None:
            found = [m for m in self.rows if m.seq > after]
        else:
            found = [m for m in reversed(self.rows) if before is None or m.seq < before]
        page = found[: self._fitting(found, limit)]
        cursor = str(page[-1].seq) if len(found) > len(page) else None
        return Page[Message](items=sorted(page, key=lambda m: m.seq), next_cursor=cursor)

    def sync(self, after: int, to: int | None = None, cursor: JsonObject | None = None) -> SyncPage:
        """One page of what changed after a position: new rows, then older ones that changed, then those that grow."""
        head = self.head - self.unseen
        reach = head if to is None else to
        if not 0 <= after <= reach <= head:
            fail(
                "invalid_argument",
                "the position is not one of this room",
                "Pass a position that this room has reached, and the `to` of the first page.",
            )
        rows = [(1, m.seq, m) for m in self.messages.values() if after < m.seq <= reach]
        rows += [(2, m.revision, m) for m in self.messages.values() if m.seq <= after < m.revision <= reach]
        growing = [m for m in self.messages.values() if m.status is MessageStatus.STREAMING]
        rows += [(3, m.seq, m) for m in growing if m.seq <= after]
        rows.sort(key=lambda row: row[:2])
        if cursor is not None:
            rows = [row for row in rows if row[:2] > (cursor["phase"], cursor["at"])]
        page = rows[: self._fitting([row[2] for row in rows], self.config.page_rows)]
        is_last = len(page) == len(rows)
        return SyncPage(
            messages=[row[2] for row in page],
            to=reach,
            cursor=None if is_last else {"phase": page[-1][0], "at": page[-1][1]},
            head=head,
            epoch=self.epoch,
            topic=self.topic,
            participants=self.people() if is_last else None,
            state=self.state if is_last else None,
            room=self.room() if is_last else None,
        )

    def _fitting(self, messages: Sequence[Message], most: int) -> int:
        """How many of them a page holds: at least one, then as many as its size allows."""
        size = 0
        for count, message in enumerate(messages[:most]):
            size += len(message.content.encode()) + ROW_BYTES
            if count and size > self.config.page_bytes:
                return count
        return min(len(messages), most)
