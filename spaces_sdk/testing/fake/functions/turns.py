"""Who does a piece of work: claimed, renewed, ended; and the host's pick."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from spaces_sdk.models import JsonObject, Kind, MessageStatus, Participant, PickedTurn
from spaces_sdk.testing.fake.answers import Verdict, judge_answer
from spaces_sdk.testing.fake.refusals import fail
from spaces_sdk.testing.fake.rights import Rights
from spaces_sdk.testing.fake.room import FakeRoom
from spaces_sdk.testing.fake.turns import BotRow, TurnRow
from spaces_sdk.turns import ANSWER

_OPEN = 500
_ANSWERED = (MessageStatus.FINAL, MessageStatus.STOPPED)


class TurnFunctions(Rights):
    """Functions of bots about the work that they share."""

    def enter_turns(self, room_id: UUID, takes_turns: bool, position: int | None) -> JsonObject:
        room = self._counted(room_id)
        self.participant(room)
        bot = room.bots.get(self.me)
        known_at = None if bot is None else bot.position
        if bot is None:
            start = room.head if position is None else min(position, room.head)
            bot = room.bots[self.me] = BotRow(start, takes_turns)
        bot.takes_turns = takes_turns
        mine = [row for row in room.turns.values() if row.user_id == self.me and row.position > 0]
        mine = sorted((row for row in mine if row.is_open), key=lambda row: row.key[1:])[-_OPEN:]
        claims = [{"position": row.position, "purpose": row.purpose, "message_id": row.message_id} for row in mine]
        return {"ok": True, "position": known_at, "open": claims, "head": room.head}

    def claim_turns(
        self, room_id: UUID, holder: UUID, claims: list[dict[str, Any]], position: int | None
    ) -> JsonObject:
        room = self._counted(room_id)
        me = self.open_participant(room)
        self._require_entered(room, claims)
        answers = [self._claimed(room, me, holder, claim) for claim in claims]
        room.move_bot(self.me, position)
        room.tell_budget()
        return {"ok": True, "turns": answers}

    def _claimed(self, room: FakeRoom, me: Participant, holder: UUID, claim: dict[str, Any]) -> JsonObject:
        position, purpose = int(claim["position"]), str(claim["purpose"])
        row = room.turns.get((self.me, position, purpose))
        is_known = row is not None
        if row is None:
            row = TurnRow(self.me, position, purpose, self._message_at(room, position, claim.get("message_id")))
        verdict, now = Verdict("granted"), room.clock.monotonic()
        if row.state in ("done", "declined") or (not is_known and 0 < position <= room.bots[self.me].position):
            verdict = Verdict("done")
        elif purpose == ANSWER and (me.is_muted or me.kind is not Kind.BOT):
            verdict = Verdict("refused", "muted" if me.is_muted else "not_a_bot")
        elif row.state == "held" and row.holder == holder:
            row.attempt -= 1  # renewed; filing counts it again
        elif row.state == "held" and (row.expires_at or 0.0) > now:
            verdict = Verdict("taken", retry_after_s=(row.expires_at or 0.0) - now)
            return _answer(position, purpose, verdict)
        elif purpose == ANSWER:
            room.bots[self.me].is_silent = False
            verdict = judge_answer(room, me, row)
            if row.attempt == 0 and verdict.status == "granted":
                room.spend(1, 0)
                room.bots[self.me].last_turn_at = now
        elif not is_known:
            self._require_claims_left(room)
        room.file(row, verdict.status, verdict.reason, holder)
        answer = _answer(position, purpose, verdict)
        if verdict.status == "granted":
            answer |= {"turn_id": row.id, "attempt": row.attempt, "lease_s": room.config.turn_lease_s}
        return answer

    def _message_at(self, room: FakeRoom, position: int, named: str | None) -> UUID | None:
        """What is said, or picked to be answered, at a step; else what the claim names."""
        said = next((m.id for m in room.messages.values() if m.seq == position), None)
        pick = room.state.turn
        picked = pick.message_id if pick is not None and pick.position == position else None
        return said or picked or (UUID(named) if named else None)

    def finish_turns(
        self, room_id: UUID, holder: UUID, turns: list[dict[str, Any]], position: int | None
    ) -> JsonObject:
        room = self._counted(room_id)
        me = self.participant(room)
        self._require_entered(room, turns)
        tokens = finished = declined = 0
        for turn in turns:
            row = room.turns.get((self.me, int(turn["position"]), str(turn["purpose"])))
            if row is None or row.state != "held" or row.holder != holder:
                continue
            outcome = str(turn["outcome"])
            room.close(row, "waiting" if outcome == "released" else outcome)
            declined += outcome == "declined"
            if outcome == "done" and row.purpose == ANSWER:
                room.bots[self.me].last_done_at = room.clock.monotonic()
            tokens += int(turn.get("tokens") or 0)
            finished += 1
        if me.kind is not Kind.BOT:
            tokens = 0
        if tokens or declined:
            room.spend(-declined, tokens)
        room.move_bot(self.me, position)
        room.tell_budget()
        return {"ok": True, "finished": finished}

    def give_turn(self, room_id: UUID, user_id: UUID, message_id: UUID | None) -> JsonObject:
        self._counted(room_id)
        room = self.right("give_turn", room_id)
        self.target("give_turn", room, user_id)
        them = room.participants[user_id]
        if not room.state.is_active:
            fail("room_inactive", "the room is closed")
        if them.kind is not Kind.BOT or them.is_muted:
            reason = f"they are {'muted' if them.is_muted else 'no bot'}"
            fail("not_allowed", reason, "Name a bot of the room that may speak.")
        if message_id is None:
            said = [m for m in room.rows if m.status in _ANSWERED and m.sender_kind != "system"]
            message_id = said[-1].id if said else None
        message = room.messages.get(message_id) if message_id else None
        if message is None or message.status is MessageStatus.DELETED:
            fail("message_not_found", "there is no such message", "Say something that they can answer.")
        if not self._is_picked(room, user_id, message.id):
            pick = PickedTurn(user_id=user_id, message_id=message.id, position=room.head + 1)
            row = TurnRow(user_id, pick.position, ANSWER, message.id, state="waiting")
            room.turns[row.key] = row
            room.set_state(turn=pick)
        return {"ok": True, "state": room.state, "head": room.head}

    def _is_picked(self, room: FakeRoom, user_id: UUID, message_id: UUID) -> bool:
        """The same pick again, while it waits to be answered, is the same turn."""
        pick = room.state.turn
        if pick is None or (pick.user_id, pick.message_id) != (user_id, message_id):
            return False
        row = room.turns.get((user_id, pick.position, ANSWER))
        return row is not None and row.state in ("waiting", "held")

    def _counted(self, room_id: UUID) -> FakeRoom:
        if room_id in self.db.rooms:
            self.db.buckets.spend(self.me, "turn", room_id)
        return self.room_of(room_id)

    def _require_entered(self, room: FakeRoom, turns: list[dict[str, Any]]) -> None:
        if self.me not in room.bots:
            fail("not_allowed", "you have not entered here", "Call enter_turns first.")
        if any(int(turn["position"]) > room.head for turn in turns):
            hint = "Give the seq of a message, or the pos of another event."
            fail("invalid_argument", "a position is not one of this room", hint)

    def _require_claims_left(self, room: FakeRoom) -> None:
        most = self.db.config.turns_per_user
        kept = sum(row.user_id == self.me and row.purpose != ANSWER for row in room.turns.values())
        if kept >= most:
            hint = "Finish them and pass p_position on: what is done below it is forgotten."
            fail("not_allowed", f"{most} are kept for you already", hint)


def _answer(position: int, purpose: str, verdict: Verdict) -> JsonObject:
    answer: JsonObject = {"position": position, "purpose": purpose, "status": verdict.status}
    more = {"reason": verdict.reason, "retry_after_s": verdict.retry_after_s}
    return answer | {name: value for name, value in more.items() if value is not None}
