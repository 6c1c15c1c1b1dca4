"""Which fault comes when, to whom and for how long: a pure function of the options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final


class Kind(StrEnum):
    """The faults."""

    CUT = "cut"
    """Every connection of a session is reset."""
    REFUSE = "refuse"
    """Cut, and new ones are refused for a while."""
    STALL = "stall"
    """Half-open: nothing passes in either direction, and nobody is told."""
    DELAY = "delay"
    THROTTLE = "throttle"
    MID_FRAME = "mid_frame"
    """Reset in the midst of a frame or an answer that is on its way to the session."""
    LOSE = "lose"
    """Some broadcasts never arrive, on a connection that stays; likewise the next two."""
    DOUBLE = "double"
    SWAP = "swap"
    LOST_ANSWER = "lost_answer"
    """A request arrives, its answer does not."""
    REALTIME = "realtime"
    """Realtime ends, orderly or by SIGKILL, and comes back; likewise the next three."""
    GATEWAY = "gateway"
    LITE = "lite"
    POSTGRES = "postgres"
    REPLICATION = "replication"
    """Realtime's way to the database is cut: what is committed meanwhile it never broadcasts."""
    BACKENDS = "backends"
    """Every connection to the database is ended, in the midst of whatever it does."""
    LOCK = "lock"
    """Somebody else holds the room's lock: calls wait, and are refused in the end."""
    FREEZE = "freeze"
    """A part of the stack is stopped (SIGSTOP) and goes on later: open connections, no answers."""
    TOKEN = "token"
    """Auth cannot be reached for refreshes until the access token has run out; or a refresh's answer is lost."""
    EPOCH = "epoch"
    """Bystanders are kicked, one to five at once: the room moves to new topics."""
    KICK = "kick"
    """A session's own user is kicked, and comes back by the code."""
    CROWD = "crowd"
    """A session's lease runs out while it is stopped, and somebody takes its place in the full room for a while."""
    PAUSE = "pause"
    """A session's process is stopped (SIGSTOP) and goes on, perhaps after its lease."""
    KILL = "kill"
    """A session's process is killed (SIGKILL); a new one goes on from the saved position."""


OF_NETWORK: Final = frozenset({Kind.CUT, Kind.REFUSE, Kind.STALL, Kind.DELAY, Kind.THROTTLE, Kind.MID_FRAME})
OF_BROADCASTS: Final = frozenset({Kind.LOSE, Kind.DOUBLE, Kind.SWAP})
_PARTS: Final = frozenset({Kind.REALTIME, Kind.GATEWAY, Kind.LITE, Kind.POSTGRES})
OF_STACK: Final = _PARTS | {Kind.REPLICATION, Kind.BACKENDS, Kind.LOCK, Kind.FREEZE}
OF_ROOM: Final = frozenset({Kind.EPOCH})

# Seconds from and to; where a second pair stands, two in five take it: longer than a lease, 12 s here.
_LASTS: Final[dict[Kind, Sequence[tuple[float, float]]]] = {
    Kind.REFUSE: ((0.5, 6.0),),
    Kind.STALL: ((2.0, 10.0), (13.0, 18.0)),
    Kind.DELAY: ((2.0, 6.0),),
    Kind.THROTTLE: ((2.0, 6.0),),
    Kind.REALTIME: ((0.0, 3.0),),
    Kind.GATEWAY: ((0.0, 3.0),),
    Kind.LITE: ((0.0, 3.0),),
    Kind.POSTGRES: ((0.0, 3.0),),
    Kind.LOCK: ((1.0, 5.0),),
    Kind.FREEZE: ((1.0, 7.0),),
    Kind.TOKEN: ((16.0, 24.0),),
    Kind.CROWD: ((2.0, 6.0),),
    Kind.PAUSE: ((1.0, 6.0), (13.0, 18.0)),
    Kind.KILL: ((0.1, 4.0), (13.0, 18.0)),
}
_AT_ONCE: Final = ((0.0, 0.0),)
_PAUSE_S: Final = 1.6
_PAUSE_OF_STACK_S: Final = 5.5
FROZEN_PARTS: Final = ("realtime", "gateway", "lite")


def owner_of(index: int) -> int:
    """The session whose user this one is: a quarter of the sessions are another tab of the one before."""
    return index - 1 if index % 4 == 3 else index


def is_alone(index: int, sessions: int) -> bool:
    """Nobody else has its user."""
    return [owner_of(each) for each in range(sessions)].count(owner_of(index)) == 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry.

    Attributes:
        at_s: Seconds from the start when it is due; it waits for the one before it on the same target.
        session: Index of the session that it hits; None: all of them.
        lasts_s: Seconds until it is lifted, 0 for what is over at once.
        strength: 0 to 1, what makes one of a kind differ from another: how late, how slow, how many.
        is_hard: Of a part: SIGKILL and not an orderly end. Of a stall: its connections are reset at its end.
    """

    at_s: float
    kind: Kind
    session: int | None
    lasts_s: float
    strength: float
    is_hard: bool

    @property
    def target(self) -> str:
        """Faults of one target come one after the other."""
        if self.kind in OF_STACK:
            return "stack"
        if self.kind in OF_ROOM:
            return "room"
        return "all" if self.session is None else f"session {self.session}"


def make_schedule(*, seed: int, seconds: float, sessions: int, kinds: Sequence[Kind]) -> list[Fault]:
    """The faults in order of time; each kind comes before any comes again, as far as the time allows."""
    faults: list[Fault] = []
    # What befalls everybody needs time to come back; what befalls one of many may come more often.
    for is_of_stack, wished_s in ((True, _PAUSE_OF_STACK_S), (False, _PAUSE_S)):
        chosen = [kind for kind in kinds if (kind in OF_STACK) == is_of_stack]
        random = Random(f"{seed} {is_of_stack}")  # noqa: S311
        # Fewer seconds than kinds: closer together, so that each has its turn all the same.
        pause_s = min(wished_s, seconds * 0.8 / max(1, len(chosen)))
        deck: list[Kind] = []
        at_s = 0.5
        while chosen and at_s < seconds * 0.95:
            if not deck:
                deck = list(chosen)
                random.shuffle(deck)
            faults.append(_fault(random, at_s, deck.pop(), seconds=seconds, sessions=sessions))
            at_s += pause_s * random.uniform(0.5, 1.5)
    return sorted(faults, key=lambda fault: fault.at_s)


def _fault(random: Random, at_s: float, kind: Kind, *, seconds: float, sessions: int) -> Fault:
    # Drawn in one order whatever the kind, so that leaving a kind out changes as little as possible.
    is_long, share, strength, is_hard, is_for_all, chosen = (random.random() for _ in range(6))
    spans = _LASTS.get(kind, _AT_ONCE)
    low, high = spans[-1] if is_long < 0.4 else spans[0]
    is_of_session = kind not in OF_STACK and kind not in OF_ROOM
    first = 1 if kind is Kind.KICK else 0  # session 0 is the host's, who cannot be kicked
    session = first + int(chosen * (sessions - first)) if is_of_session else None
    if kind is Kind.CROWD:
        alone = [index for index in range(sessions) if is_alone(index, sessions)]
        session = alone[int(chosen * len(alone))]
    if kind in OF_NETWORK | OF_BROADCASTS and is_for_all < 0.2:
        session = None
    lasts_s = low + (high - low) * share
    return Fault(
        at_s=round(at_s, 2),
        kind=kind,
        session=session,
        lasts_s=round(min(lasts_s, seconds / 2), 2),
        strength=round(strength, 3),
        is_hard=is_hard < 0.5,
    )
