"""What one session was told, held against the table: each position once and in order. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.journal import is_removal
from tests.chaos.lines import Line, What
from tests.chaos.verdict import Findings, Step, StoredMessage, Truth, Wrong

EVENT_NAMES: Final = {
    "room:message-received": "MessageReceived",
    "room:message-updated": "MessageUpdated",
    "room:participant-joined": "ParticipantJoined",
    "room:participant-updated": "ParticipantUpdated",
    "room:participant-left": "ParticipantLeft",
    "room:state-updated": "StateUpdated",
    "room:voice-started": "VoiceStarted",
    "room:voice-stopped": "VoiceStopped",
}


def judge_journal(
    who: str, user_id: str, lines: Iterable[Line], truth: Truth, findings: Findings, *, is_whole: bool = True
) -> None:
    """One session through all its lives: every position once and in order, as an event or inside a catch-up.

    Args:
        is_whole: It lived to the end; else its record may stop anywhere.
    """
    table = _Table.of(truth)
    record: _Record | None = None
    for line in lines:
        match line.what:
            case What.OPENED if line.pos is None:
                record = _Record(who, user_id, table, findings)
            case What.OPENED if record is not None:
                record.resume(line.pos or 0)
            case What.TOLD if record is not None:
                record.take(line)
            case What.CAUGHT_UP if record is not None:
                record.catch_up(line)
            case What.ENDED if not is_removal(line.name):
                findings.add(Wrong.ENDED_UNASKED, f"{who}: {line.name}")
            case What.ENDED:
                record = None  # what is told from here on is another record's, from the head of its join
            case What.GARBLED:
                findings.add(Wrong.GARBLED, f"{who}: {line.name}")
            case What.CRASHED:
                findings.add(Wrong.CRASHED, f"{who}: {line.name}")
            case _:
                pass
    if record is not None and is_whole:
        record.end()


@dataclass(frozen=True, slots=True)
class _Table:
    """The truth, by what is looked up in it."""

    head: int
    steps: Mapping[int, Step]
    messages: Sequence[StoredMessage]
    by_id: Mapping[str, StoredMessage]
    absences: Mapping[str, Sequence[range]]

    @classmethod
    def of(cls, truth: Truth) -> _Table:
        return cls(
            truth.head,
            {step.pos: step for step in truth.steps},
            truth.messages,
            {message.message_id: message for message in truth.messages},
            _absences(truth),
        )


def _absences(truth: Truth) -> dict[str, list[range]]:
    """By user id the steps between a removal and the return, which are not theirs to hear."""
    absences: dict[str, list[range]] = defaultdict(list)
    removed_at: dict[str, int] = {}
    for step in sorted(truth.steps, key=lambda one: one.pos):
        for user_id in step.removed:
            removed_at[user_id] = step.pos
        if step.joined in removed_at:
            absences[step.joined].append(range(removed_at.pop(step.joined) + 1, step.pos))
    for user_id, pos in removed_at.items():
        absences[user_id].append(range(pos + 1, truth.head + 1))
    return absences


class _Record:
    """What one reader, and those that went on for it after a restart, were told; from one join on."""

    def __init__(self, who: str, user_id: str, table: _Table, findings: Findings) -> None:
        self._who = who
        self._user_id = user_id
        self._table = table
        self._findings = findings
        self._start: int | None = None
        self._position = 0
        self._seqs: list[int] = []
        self._revisions: dict[str, int] = {}
        # Of the catch-up that runs: told, but not yet confirmed by its end.
        self._run: list[Line] = []

    def resume(self, since: int) -> None:
        """A new process goes on; what it had been told of an unfinished catch-up comes again."""
        if self._start is None:
            self._start = self._position = since
        elif since != self._position:
            wrong = Wrong.LOST if since > self._position else Wrong.DUPLICATED
            self._wrong(wrong, f"resumed after {since}, was told up to {self._position}")
            self._position = since
        self._run.clear()

    def take(self, line: Line) -> None:
        """An event."""
        pos = line.pos or 0
        if line.name == "RoomJoined":
            if self._start is None:
                self._start = self._position = pos
            return
        if self._start is None:
            self._wrong(Wrong.PHANTOM, f"{line.name} at {pos} before the join was told")
            self._start = self._position = pos - 1
        if line.is_replayed:
            self._run.append(line)
            return
        if self._run:
            self._wrong(Wrong.REORDERED, f"step {pos} came inside a catch-up")
        if pos <= self._position:
            again = Wrong.DUPLICATED if pos == self._position else Wrong.REORDERED
            self._wrong(again, f"step {pos} came after step {self._position}")
            return
        self._miss(pos - 1)
        step = self._table.steps.get(pos)
        if step is None or EVENT_NAMES.get(step.event) != line.name or step.message_id != line.message_id:
            self._wrong(Wrong.PHANTOM, f"told {line.name} {line.message_id} as step {pos}, the table has {step}")
        self._position = pos
        # Who is back may read in a catch-up what was said meanwhile; live it reaches nobody who is away.
        if any(pos in absence for absence in self._table.absences.get(self._user_id, ())):
            self._wrong(Wrong.HEARD_AFTER_REMOVAL, f"step {pos} reached one who was removed before it")
        if line.message_id:
            self._tell(line)

    def catch_up(self, line: Line) -> None:
        """The end of a catch-up: everything up to `pos` was told."""
        begins, ends = line.from_pos or 0, line.pos or 0
        if self._start is None:
            self._start = self._position = begins
        if begins < self._position:
            self._wrong(Wrong.DUPLICATED, f"a catch-up from {begins} came after step {self._position}")
        self._miss(begins)
        run, self._run = self._run, []
        told_new = [one for one in run if one.name == "MessageReceived"]
        told_seqs = [one.seq or 0 for one in told_new]
        wanted = [message.seq for message in self._table.messages if begins < message.seq <= ends]
        if lost := sorted(set(wanted) - set(told_seqs)):
            self._wrong(Wrong.LOST, f"messages {lost[:5]} in no catch-up from {begins} to {ends}", len(lost))
        for one in told_new:
            if not begins < (one.seq or 0) <= ends:
                self._wrong(Wrong.PHANTOM, f"message {one.seq} in a catch-up from {begins} to {ends}")
        for one in run:
            self._tell(one)
        if line.count is not None and line.count != len(run):
            self._wrong(Wrong.LOST, f"{line.count} messages in a catch-up to {ends}, {len(run)} were told")
        self._position = max(self._position, ends)

    def end(self) -> None:
        """Everything has been told: the whole table is in it, each message as it is now."""
        start = self._start
        if start is None:
            self._wrong(Wrong.LOST, "was never told anything")
            return
        self._miss(self._table.head)
        if self._run:
            self._wrong(Wrong.LOST, f"a catch-up of {len(self._run)} messages never ended")
        for seq, count in Counter(self._seqs).items():
            self._wrong(Wrong.DUPLICATED, f"message {seq} was told {count} times", count - 1)
        wanted = [message.seq for message in self._table.messages if message.seq > start]
        if lost := sorted(set(wanted) - set(self._seqs)):
            self._wrong(Wrong.LOST, f"messages {lost[:5]} were never told", len(lost))
        for message in self._table.messages:
            known = self._revisions.get(message.message_id)
            if message.revision > start and known is not None and known != message.revision:
                self._wrong(Wrong.LOST, f"message {message.seq} is known as of {known}, it is of {message.revision}")

    def _tell(self, line: Line) -> None:
        seq, revision = line.seq or 0, line.revision or 0
        row = self._table.by_id.get(line.message_id)
        if row is None or row.seq != seq or revision > row.revision:
            self._wrong(Wrong.PHANTOM, f"message {line.message_id} as {seq}, the table has {row}")
            return
        if row.revision == revision and row.digest != line.digest:
            self._wrong(Wrong.PHANTOM, f"message {seq} says something else than the table")
        if line.name == "MessageReceived":
            if self._seqs and seq < self._seqs[-1]:
                self._wrong(Wrong.REORDERED, f"message {seq} after message {self._seqs[-1]}")
            self._seqs.append(seq)
        if revision < self._revisions.get(line.message_id, 0):
            self._wrong(Wrong.REORDERED, f"message {seq} went back to revision {revision}")
        self._revisions[line.message_id] = revision

    def _miss(self, up_to: int) -> None:
        if up_to > self._position:
            first = self._position + 1
            self._wrong(Wrong.LOST, f"steps {first} to {up_to} were never told", up_to - self._position)
            self._position = up_to

    def _wrong(self, wrong: Wrong, told: str, count: int = 1) -> None:
        self._findings.add(wrong, f"{self._who}: {told}", count)
