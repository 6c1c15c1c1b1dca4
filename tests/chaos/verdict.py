"""What the table says, and what can be found wrong with what the sessions were told of it. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


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
    GARBLED = "garbled"
    """A message that grew: its parts did not add up to what it became."""
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
