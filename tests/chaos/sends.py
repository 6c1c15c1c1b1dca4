"""What became of the sends, held against the rows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.chaos.lines import Line, What
from tests.chaos.verdict import Findings, Truth, Wrong


def judge_sends(who: str, lines: Sequence[Line], truth: Truth, findings: Findings) -> None:
    """A send that returned is there once, one of unknown outcome at most once, one that was refused is not."""
    rows = {message.message_id: message for message in truth.messages}
    copies = Counter(message.token for message in truth.messages if message.token)
    order: dict[str, int] = {}
    for line in lines:
        if line.what is What.TRYING:
            order[line.message_id] = len(order)
            findings.add(Wrong.SEND_DOUBLED, f"{who}: {line.token}", copies[line.token] - 1)
    stored: list[tuple[int, int]] = []
    for line in lines:
        row = rows.get(line.message_id)
        if line.what is What.STORED:
            if row is None or row.seq != line.seq:
                findings.add(Wrong.SEND_LOST, f"{who}: {line.message_id} returned as {line.seq}, the table has {row}")
            else:
                stored.append((order.get(line.message_id, -1), row.seq))
        elif line.what is What.REFUSED and row is not None:
            findings.add(Wrong.SEND_DENIED, f"{who}: {line.message_id} ({line.name}) is message {row.seq}")
    stored.sort()
    highest = 0
    for _, seq in stored:
        if seq < highest:
            findings.add(Wrong.SEND_REORDERED, f"{who}: message {seq} was sent after {highest}")
        highest = max(highest, seq)


def judge_authors(journals: Mapping[str, Sequence[Line]], truth: Truth, findings: Findings) -> None:
    """Nobody's message is in the table whom nobody has sent."""
    tried = {line.message_id for lines in journals.values() for line in lines if line.what is What.TRYING}
    for message in truth.messages:
        if message.token and message.message_id not in tried:
            findings.add(Wrong.PHANTOM, f"message {message.seq} was sent by nobody")
