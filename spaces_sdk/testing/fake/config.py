"""The settings of the fake database; a test holds them equal to those of the migrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TURN_MODES: Final = ("mention", "round_robin", "first", "host_picks", "everyone")

SETTING_RANGES: Final[dict[str, tuple[type[float], float, float]]] = {
    "bot_cooldown_s": (float, 0, 3600),
    "bot_depth": (int, 0, 100),
    "bot_messages_per_day": (int, 0, 1_000_000),
    "bot_tokens_per_day": (int, 0, 1_000_000_000),
}
"""The numbers that `settings.spaces` may have; beside them there is `turn_mode`."""


@dataclass(slots=True)
class Config:
    """`spaces.config`: what it says counts from the next call on."""

    lease_s: float = 75
    heartbeat_s: float = 30
    admission_s: float = 600
    rejoin_quiet_s: float = 600
    active_rooms_per_user: int = 5
    max_event_bytes: int = 200_000
    page_rows: int = 200
    page_bytes: int = 262_144
    participants_shown: int = 500
    emojis_per_message: int = 20
    emojis_per_user: int = 5
    stream_lease_s: float = 30
    streams_per_user: int = 5
    invitations_per_room: int = 100
    turn_lease_s: float = 15
    turn_offer_s: float = 5
    turns_per_user: int = 2000


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket: so many at once, and how fast they come back."""

    capacity: int
    refill_per_s: float


def default_limits() -> dict[str, Limit]:
    """The rows of `spaces.limits`."""
    return {
        "create": Limit(5, 1 / 60),
        "join": Limit(20, 1),
        "code_miss": Limit(10, 1 / 60),
        "code_miss_all": Limit(1000, 10),
        "send": Limit(20, 5),
        "send_bot": Limit(40, 10),
        "stream": Limit(20, 10),
        "turn": Limit(60, 20),
        "signal": Limit(30, 10),
        "signal_room": Limit(4, 2),
        "moderation": Limit(20, 20 / 60),
    }
