"""What the sessions were told, held against the table. Pure: journals and rows in, findings out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.chaos.journal import is_removal
from tests.chaos.lines import Line, What

EVENT_NAMES = {
    "room:message-received": "MessageReceived",
    "room:message-updated": "MessageUpdated",
    "room:participant-joined": "ParticipantJoined",
    "room:participant-updated": "ParticipantUpdated",
    "room:participant-left": "ParticipantLeft",
    "room:state-updated": "StateUpdated",
    "room:voice-started": "VoiceStarted",
    "room:voice-stopped": "VoiceStopped",
}


class Wrong(StrEnum):
    """The kinds of findings; each has to be absent."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    PHANTOM = "phantom"
    """Told, but not so in the table."""
    HEARD_AFTER_REMOVAL = "heard_after_removal"
    SEND_LOST = "send_lost"
    """It returned, and is not in the table."""
    SEND_DOUBLED = "send_doubled"
    SEND_DENIED = "send_denied"
    """It raised that nothing was stored, and it is in the table."""
    SEND_REORDERED = "send_reordered"
    POSITION_SHARED = "position_shared"
    POSITION_MISSING = "position_missing"
    ONLINE_WRONG = "online_wrong"
    VIEW_WRONG = "view_wrong"
    """What a session knows in the end is not what the table says."""
    NOT_LIVE = "not_live"
    """After everything was healed it did not become whole again."""
    ENDED_UNASKED = "ended_unasked"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Step:
    """One durable change as it was published.

    Attributes:
        removed: User ids of those whom it removed.
        joined: User id of who came online by it.
    """

    pos: int
    event: str
    message_id: str = ""
    removed: frozenset[str] = frozenset()
    joined: str = ""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One row."""

    message_id: str
    seq: int
    revision: int
    digest: int
    token: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Truth:
    """The room in the end."""

    head: int
    steps: Sequence[Step]
    messages: Sequence[StoredMessage]


@dataclass(slots=True)
class Findings:
    """What is wrong, counted, with some examples of each kind."""

    counts: Counter[Wrong] = field(default_factory=Counter[Wrong])
    examples: dict[Wrong, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, wrong: Wrong, example: str, count: int = 1) -> None:
        if count > 0:
            self.counts[wrong] += count
            if len(self.examples[wrong]) < 5:
                self.examples[wrong].append(example)

    @property
    def is_clean(self) -> bool:
        return not any(self.counts.values())


def judge_steps(truth: Truth, findings: Findings) -> None:
    """No two changes share a position, none is missing, and each message is its own step."""
    positions = Counter(step.pos for step in truth.steps)
    for pos, count in positions.items():
        findings.add(Wrong.POSITION_SHARED, f"{count} changes are step {pos}", count - 1)
    if missing := sorted(set(range(1, truth.head + 1)) - set(positions)):
        findings.add(Wrong.POSITION_MISSING, f"no change is step {missing[:5]}", len(missing))
    if beyond := [pos for pos in positions if pos > truth.head]:
        findings.add(Wrong.PHANTOM, f"steps {beyond[:5]} are above the head {truth.head}", len(beyond))
    made = {step.pos: step.message_id for step in truth.steps if step.event == "room:message-received"}
    for message in truth.messages:
        if made.get(message.seq) != message.message_id:
            findings.add(Wrong.POSITION_MISSING, f"message {message.message_id} is not step {message.seq}")


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
            case What.CRASHED:
                findings.add(Wrong.CRASHED, f"{who}: {line.name}")
            case _:
                pass
    if record is not None and is_whole:
        record.end()


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
