"""Whose turn it is to answer a message."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from spaces_sdk.models import Kind, Message, MessageStatus, Participant
from spaces_sdk.testing.fake.mentions import depth_of, mentioned_bots
from spaces_sdk.testing.fake.turns import TurnRow, TurnRules, Turns
from spaces_sdk.turns import ANSWER


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a claim."""

    status: str
    reason: str | None = None
    retry_after_s: float | None = None


def judge_answer(room: Turns, me: Participant, row: TurnRow) -> Verdict:
    """The verdict on a claim of the room's turn that no replica of the same bot holds."""
    rules, is_new = room.rules, row.attempt == 0
    message = next((m for m in room.messages.values() if m.seq == row.position), None)
    mentioned: set[UUID] = set()
    verdict: Verdict | None = None
    if message is None:
        problem = _pick_problem(room, row)
    else:
        problem = None
        if is_new:
            mentioned = mentioned_bots(room, message)
            problem = _problem(room, rules, me.user_id, message, mentioned)
        elif message.status is MessageStatus.DELETED:
            problem = "gone"
        is_taken_away = not is_new and row.passed_at is not None
        if problem is None and (rules.mode in ("first", "round_robin") or is_taken_away):
            verdict = _rivals(room, me.user_id, row.position)
    if problem is None and verdict is None and is_new and room.is_spent(rules):
        problem = "budget"
    if problem is not None:
        return Verdict("refused", problem)
    now = room.clock.monotonic()
    is_offered = row.state == "offered" and row.expires_at is not None and row.expires_at > now
    if verdict is None and is_new and not is_offered and message is not None:
        verdict = _in_its_turn(room, rules, me, row, message, mentioned)
    return verdict or Verdict("granted")


def _in_its_turn(
    room: Turns, rules: TurnRules, me: Participant, row: TurnRow, message: Message, mentioned: set[UUID]
) -> Verdict | None:
    """None when it is this bot's turn now."""
    wait_s = _cooldown_s(room, me.user_id, rules)
    following = me.user_id if rules.mode != "round_robin" else _next_bot(room, rules, me, message, mentioned)
    if wait_s > 0 and following in (None, me.user_id):
        return Verdict("later", "cooldown", _rounded(wait_s))
    if following is not None and following != me.user_id:
        room.offer(following, TurnRow(following, row.position, ANSWER, message.id))
        return Verdict("taken", retry_after_s=room.config.turn_offer_s)
    return None


def _problem(room: Turns, rules: TurnRules, me: UUID, message: Message, mentioned: set[UUID]) -> str | None:
    """Why a bot does not answer a message."""
    is_for_others = (rules.mode == "mention" or mentioned) and me not in mentioned
    problems: list[tuple[object, str]] = [
        (message.status is MessageStatus.DELETED, "gone"),
        (message.sender_kind == "system", "system"),
        (message.user_id == me, "own"),
        (message.status is not MessageStatus.FINAL, "not_final"),
        (message.created_at < room.clock.now() - timedelta(days=1), "too_old"),
        (rules.mode == "host_picks", "mode"),
        (is_for_others, "not_mentioned"),
        (depth_of(room, message) > rules.depth, "depth"),
    ]
    return next((reason for is_so, reason in problems if is_so), None)


def _pick_problem(room: Turns, row: TurnRow) -> str | None:
    """Why a bot does not answer as picked: a newer pick stands, unless it had begun."""
    newest = room.state.turn
    if newest is not None and newest.position == row.position and newest.user_id != row.user_id:
        return "picked_other"
    if (newest is None or newest.position != row.position) and row.state != "held":
        return "gone" if row.state is None else "picked_other"
    message = room.messages.get(row.message_id) if row.message_id else None
    return "gone" if message is None or message.status is MessageStatus.DELETED else None


def _rivals(room: Turns, me: UUID, position: int) -> Verdict | None:
    """What other bots have made of a message that one bot answers; None when it is free."""
    now = room.clock.monotonic()
    rivals = [r for r in room.turns.values() if (r.position, r.purpose) == (position, ANSWER) and r.user_id != me]
    if any(row.state == "done" for row in rivals):
        return Verdict("done")
    ends = [row.expires_at for row in rivals if row.expires_at is not None]
    if ends and max(ends) > now:
        return Verdict("taken", retry_after_s=_rounded(max(ends) - now))
    for row in rivals:
        if row.expires_at is not None:
            room.close(row, "waiting")
            row.passed_at = now
            room.bots[row.user_id].is_silent = True
    return None


def _next_bot(room: Turns, rules: TurnRules, me: Participant, message: Message, mentioned: set[UUID]) -> UUID | None:
    """Who has waited longest of those who would take the turn; who let it pass comes after all others."""

    def rank(bot: Participant) -> tuple[object, ...]:
        row, row_of = room.turns.get((bot.user_id, message.seq, ANSWER)), room.bots.get(bot.user_id)
        passed_at = row.passed_at if row is not None else None
        last = row_of.last_turn_at if row_of is not None else None
        return (passed_at is not None, passed_at or 0.0, last is not None, last or 0.0, bot.joined_at, bot.id)

    wanted = [
        bot
        for bot in room.participants.values()
        if bot.kind is Kind.BOT
        and not bot.is_muted
        and bot.user_id != message.user_id
        and (not mentioned or bot.user_id in mentioned)
        and not _has_declined(room, bot.user_id, message.seq)
        and (bot.user_id == me.user_id or _would_take(room, bot.user_id, message.seq))
        and _cooldown_s(room, bot.user_id, rules) == 0
    ]
    return min(wanted, key=rank).user_id if wanted else None


def _has_declined(room: Turns, user_id: UUID, seq: int) -> bool:
    row = room.turns.get((user_id, seq, ANSWER))
    return row is not None and row.state == "declined"


def _would_take(room: Turns, user_id: UUID, seq: int) -> bool:
    bot, row = room.bots.get(user_id), room.turns.get((user_id, seq, ANSWER))
    if bot is None or not bot.takes_turns or bot.is_silent or not room.is_live(user_id):
        return False
    return bot.position < seq or (row is not None and row.state == "waiting")


def _cooldown_s(room: Turns, user_id: UUID, rules: TurnRules) -> float:
    """Seconds until a bot may answer again."""
    bot = room.bots.get(user_id)
    times = [at for at in (bot.last_turn_at, bot.last_done_at) if at is not None] if bot else []
    return max(0.0, rules.cooldown_s - (room.clock.monotonic() - max(times))) if times else 0.0


def _rounded(seconds: float) -> float:
    return max(0.001, math.ceil(seconds * 1000) / 1000)
