"""Who saw what, and when: one line for each sighting that a step relied on."""

from __future__ import annotations

from dataclasses import dataclass, field

from spaces_sdk.clock import Clock
from spaces_sdk.models import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One event that one participant got through its own `events()`.

    Attributes:
        event: The event's class.
        pos: The room's step that the event is; None when it takes none.
        at_ms: Milliseconds since the demo's first step, when the event came out of the iterator.
        ids: What the event is about: message, user.
    """

    who: str
    event: str
    pos: int | None
    at_ms: float
    ids: JsonObject = field(default_factory=dict[str, object])


class Ledger:
    """The time line of a run, and what the current step has noted so far."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self.notes: list[str] = []
        self.sightings: list[Sighting] = []
        self.ids: JsonObject = {}

    def now_ms(self) -> float:
        """Milliseconds since the run began."""
        return (self._clock.monotonic() - self._began) * 1000

    def turn_page(self) -> None:
        """Begin a step: its notes, sightings and ids start empty."""
        self.notes = []
        self.sightings = []
        self.ids = {}

    def note(self, text: str) -> None:
        """Add a line that a person reads below the step's title."""
        self.notes.append(text)

    def record(self, sighting: Sighting) -> None:
        """Add a sighting that a check relied on."""
        self.sightings.append(sighting)
