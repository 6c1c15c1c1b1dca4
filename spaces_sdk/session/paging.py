"""One run through the pages of `sync_room`, as a value that survives failed requests. No I/O.

The run is fixed by its first page: it reaches from `after` to `to`. Its cursor lets it go on where it
stood, also minutes later and also for another reader, without telling anything twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from spaces_sdk.errors import ProtocolError
from spaces_sdk.events import CatchUpProgressed, CaughtUp, Event, MessageChunk, MessageReceived, MessageUpdated
from spaces_sdk.models import JsonObject, Message, MessageStatus, SyncPage


@dataclass(slots=True)
class Paging:
    """Where a run stands.

    Attributes:
        after: The position that it starts from.
        to: The position that it reaches; None until the first page is here (then the head of its snapshot).
        cursor: Of the next page.
        last_seq: Highest `seq` among the new messages told so far.
        last_revision: Highest `revision` among the changed messages told so far.
        count: Messages told so far.
        is_done: The last page is here.
        refused_since: When the database first refused to read from here; None if it never did.
        join: Number of the channel join after whose ok the first page was asked for; 0: there was no channel.
    """

    after: int
    to: int | None = None
    cursor: JsonObject | None = None
    last_seq: int = 0
    last_revision: int = 0
    count: int = 0
    is_done: bool = False
    refused_since: float | None = None
    join: int = 0

    def copy(self) -> Paging:
        """The same place in the same run, for another reader."""
        return replace(self)

    def accept(self, page: SyncPage) -> list[Event]:
        """Take one page and return its events, each message of the run once.

        Raises:
            ProtocolError: The page belongs to another run, or does not get on; the place is unchanged.
        """
        if page.to < self.after or (self.to is not None and page.to != self.to):
            raise ProtocolError(
                f"cannot catch up: the answer reaches {page.to}, asked for after {self.after} to {self.to}",
                raw=page.cursor,
            )
        if page.cursor is not None and page.cursor == self.cursor:
            raise ProtocolError("cannot catch up: the next page begins where this one began", raw=page.cursor)
        if page.cursor is None and (page.state is None or page.participants is None):
            raise ProtocolError("cannot catch up: the last page has no participants or no state", raw=page.to)
        self.to = page.to
        events = [event for row in page.messages if (event := self._event_of(row)) is not None]
        self.cursor = page.cursor
        self.is_done = page.cursor is None
        return events

    def progress(self) -> CatchUpProgressed:
        """What to tell after a page that is not the last."""
        to = self.after if self.to is None else self.to
        at = to if self.last_revision else max(self.after, self.last_seq)
        return CatchUpProgressed(from_pos=self.after, to_pos=to, at_pos=at, message_count=self.count)

    def caught_up(self, page: SyncPage) -> CaughtUp:
        """What to tell after the last page.

        Raises:
            ProtocolError: The run is not done.
        """
        if not self.is_done or self.to is None or page.state is None or page.participants is None:
            raise ProtocolError("cannot catch up: there are more pages", raw=self.cursor)
        return CaughtUp(
            from_pos=self.after,
            to_pos=self.to,
            message_count=self.count,
            participants=page.participants,
            state=page.state,
        )

    def _event_of(self, row: Message) -> Event | None:
        if row.seq > self.after:
            event: Event = MessageReceived(pos=row.seq, is_replayed=True, message=row)
        elif row.revision <= self.after:
            # Neither new nor changed, but being written: what was added to it took no step.
            is_growing = row.status is MessageStatus.STREAMING
            return MessageChunk(message_id=row.id, offset=0, text=row.content, is_replayed=True) if is_growing else None
        else:
            event = MessageUpdated(pos=row.revision, is_replayed=True, message=row)
        return event if self.observe(event) else None

    def observe(self, event: Event) -> bool:
        """Note that an event of this run was told; False if it was told before."""
        match event:
            case MessageReceived(message=row):
                if row.seq <= max(self.last_seq, self.after):
                    return False
                self.last_seq = row.seq
            case MessageUpdated(message=row):
                if row.revision <= max(self.last_revision, self.after):
                    return False
                self.last_revision = row.revision
            case _:
                return False
        self.count += 1
        return True
