"""The work of bots in one room, as rows: how far each bot is, who has claimed what, and the budget of the day."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Self, cast
from uuid import UUID, uuid4

from spaces_sdk.models import JsonObject, Message
from spaces_sdk.testing.fake.messages import Messages
from spaces_sdk.turns import ANSWER

MESSAGES_PER_DAY: Final = 1000


@dataclass(slots=True)
class BotRow:
    """How far a bot is; None: it has not answered yet."""

    position: int
    takes_turns: bool
    last_turn_at: float | None = None
    last_done_at: float | None = None
    is_silent: bool = False


@dataclass(slots=True)
class TurnRow:
    """A claim. Its state is None while it is no row yet."""

    user_id: UUID
    position: int
    purpose: str
    message_id: UUID | None = None
    state: str | None = None
    holder: UUID | None = None
    attempt: int = 0
    expires_at: float | None = None
    passed_at: float | None = None
    id: UUID = field(default_factory=uuid4)

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "offered", "held")

    @property
    def key(self) -> tuple[UUID, int, str]:
        return self.user_id, self.position, self.purpose


@dataclass(frozen=True, slots=True)
class TurnRules:
    """`settings.spaces` of a room, as far as they say who answers."""

    mode: str
    depth: float
    cooldown_s: float
    messages_per_day: float
    tokens_per_day: float

    @classmethod
    def of(cls, settings: JsonObject) -> Self:
        chosen = cast("dict[str, Any]", settings.get("spaces") or {})
        return cls(
            mode=str(chosen.get("turn_mode", "first")),
            depth=float(chosen.get("bot_depth", 0)),
            cooldown_s=float(chosen.get("bot_cooldown_s", 0)),
            messages_per_day=float(chosen.get("bot_messages_per_day", MESSAGES_PER_DAY)),
            tokens_per_day=float(chosen.get("bot_tokens_per_day", math.inf)),
        )


class Turns(Messages):
    """The bots of a room and their claims."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bots: dict[UUID, BotRow] = {}
        self.turns: dict[tuple[UUID, int, str], TurnRow] = {}
        self.used: tuple[date | None, int, int] = (None, 0, 0)
        """The day, in UTC, and the answers and tokens of all bots on it."""

    @property
    def rules(self) -> TurnRules:
        return TurnRules.of(self.state.settings)

    def file(self, row: TurnRow, status: str, reason: str | None, holder: UUID) -> None:
        """Keep the verdict on a claim; only what may still become this bot's stays open."""
        if status == "refused" and row.attempt == 0:
            self.turns.pop(row.key, None)
        elif status == "done" or (status == "refused" and reason not in ("muted", "not_a_bot")):
            if row.key in self.turns and row.state != "declined":
                self.close(row, "done")
        else:
            is_held = status == "granted"
            row.state, row.holder = ("held", holder) if is_held else ("waiting", None)
            row.attempt += is_held
            row.expires_at = self.clock.monotonic() + self.config.turn_lease_s if is_held else None
            self.turns[row.key] = row

    def offer(self, user_id: UUID, like: TurnRow) -> None:
        """It is this bot's turn, if they take it soon."""
        key = (user_id, like.position, ANSWER)
        row = self.turns.setdefault(key, TurnRow(user_id, like.position, ANSWER, like.message_id))
        row.state, row.holder = "offered", None
        row.expires_at = self.clock.monotonic() + self.config.turn_offer_s

    def close(self, row: TurnRow, state: str) -> None:
        """Nobody has it any more."""
        row.state, row.holder, row.expires_at = state, None, None

    def move_bot(self, user_id: UUID, position: int | None) -> None:
        """Forward only, and not past the room; what is done below it is forgotten, but for answers."""
        if position is None:
            return
        bot = self.bots[user_id]
        bot.position = max(bot.position, min(position, self.head))
        done = [
            row.key
            for row in self.turns.values()
            if row.user_id == user_id and row.purpose != ANSWER and row.state == "done" and row.position <= bot.position
        ]
        for key in done:
            del self.turns[key]

    def end_turns_of(self, message: Message) -> None:
        """Somebody has heard enough of an answer: no other replica of its bot begins it anew."""
        answered = (message.user_id, message.reply_to)
        for row in self.turns.values():
            if row.is_open and row.message_id is not None and (row.user_id, row.message_id) == answered:
                self.close(row, "done")

    def take_out(self, user_id: UUID, reason: str) -> None:
        if reason == "forgot":  # the rows go with the participant
            self.bots.pop(user_id, None)
            self.turns = {key: row for key, row in self.turns.items() if row.user_id != user_id}
        super().take_out(user_id, reason)

    # -- the budget ------------------------------------------------------------------------------------

    def spend(self, messages: int, tokens: int) -> None:
        today = self._today()
        day, used_messages, used_tokens = self.used
        if day != today:
            used_messages = used_tokens = 0
        self.used = (today, max(0, used_messages + messages), used_tokens + tokens)

    def is_spent(self, rules: TurnRules) -> bool:
        day, messages, tokens = self.used
        if day != self._today():
            messages = tokens = 0
        return messages >= rules.messages_per_day or tokens >= rules.tokens_per_day

    def resumes_at(self, rules: TurnRules) -> datetime | None:
        """When bots answer again; None while their budget is not used up."""
        if not self.is_spent(rules):
            return None
        return datetime.combine(self._today() + timedelta(days=1), time(), UTC)

    def tell_budget(self) -> None:
        """Say in the state how it is, if that has changed."""
        resumes_at = self.resumes_at(self.rules)
        if resumes_at != self.state.bots_resume_at:
            self.set_state(bots_resume_at=resumes_at)

    def _today(self) -> date:
        return self.clock.now().astimezone(UTC).date()
