"""The calls about turns: what is sent, what is read, and what is refused before any I/O."""

from __future__ import annotations

from uuid import UUID, uuid5

import httpx
import pytest

from spaces_sdk.errors import (
    ConflictError,
    InvalidRequestError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
)
from spaces_sdk.models import JsonObject, PickedTurn
from spaces_sdk.turns import BotEntry, ClaimedTurn, FinishedTurn, TurnClaim, TurnOutcome, TurnStatus
from tests.support.fake_project import hang, ok, refused, turning
from tests.support.rooms_bench import RoomsBench

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

ROOM, BOT = UUID(int=1), UUID(int=2)
MESSAGE, HOLDER, TURN = UUID(int=3), UUID(int=4), UUID(int=5)
STATE: JsonObject = {
    "mode": "playful",
    "conversation_active": True,
    "name": "Friday jam",
    "max_participants": 10,
    "settings": {},
    "host": None,
    "visibility": "unlisted",
    "is_active": True,
    "turn": {"user_id": str(BOT), "message_id": str(MESSAGE), "position": 9},
    "bots_resume_at": "2026-11-24T00:00:00+00:00",
}


async def test_enter_turns(bench: RoomsBench) -> None:
    opened: JsonObject = {"position": 7, "purpose": "answer", "message_id": str(MESSAGE)}
    bench.project.on("enter_turns", ok({"ok": True, "position": None, "open": [], "head": 4}))
    assert await bench.rooms.enter_turns(ROOM) == BotEntry(position=None, head=4)
    bench.project.on("enter_turns", ok({"ok": True, "position": 6, "open": [opened], "head": 9}))
    entry = await bench.rooms.enter_turns(str(ROOM), takes_turns=True, position=5)
    assert entry.open == [TurnClaim(position=7, purpose="answer", message_id=MESSAGE)]
    first, second = bench.project.bodies("enter_turns")
    assert first == {"p_room_id": str(ROOM), "p_takes_turns": False, "p_position": None}
    assert second == {"p_room_id": str(ROOM), "p_takes_turns": True, "p_position": 5}


async def test_claim_turns(bench: RoomsBench) -> None:
    turns: list[JsonObject] = [
        {"position": 7, "purpose": "answer", "status": "granted", "turn_id": str(TURN), "attempt": 2, "lease_s": 15},
        {"position": 8, "purpose": "answer", "status": "later", "reason": "cooldown", "retry_after_s": 3.5},
    ]
    bench.project.on("claim_turns", httpx.ReadError("reset"), ok({"ok": True, "turns": turns}))
    claims = [TurnClaim(position=7, purpose="answer", message_id=MESSAGE), TurnClaim(position=8, purpose="answer")]
    granted, later = await turning(bench.clock, bench.rooms.claim_turns(ROOM, HOLDER, claims, position=6))
    assert (granted.status, granted.turn_id, granted.attempt, granted.lease_s) == (TurnStatus.GRANTED, TURN, 2, 15.0)
    assert (later.status, later.reason, later.retry_after_s) == (TurnStatus.LATER, "cooldown", 3.5)
    first, second = bench.project.bodies("claim_turns")
    assert first == second, "a lost answer is asked for again"
    assert first == {
        "p_room_id": str(ROOM),
        "p_holder": str(HOLDER),
        "p_claims": [
            {"position": 7, "purpose": "answer", "message_id": str(MESSAGE)},
            {"position": 8, "purpose": "answer", "message_id": None},
        ],
        "p_position": 6,
    }
    assert uuid5(TURN, "0") != uuid5(TURN, "1"), "the ids of what is said"


async def test_finish_turns(bench: RoomsBench) -> None:
    bench.project.on("finish_turns", ok({"ok": True, "finished": 1}))
    ends = [
        FinishedTurn(position=7, purpose="answer", tokens=12),
        FinishedTurn(position=0, purpose="timers", outcome=TurnOutcome.RELEASED),
    ]
    assert await bench.rooms.finish_turns(ROOM, HOLDER, ends) == 1
    (body,) = bench.project.bodies("finish_turns")
    assert body == {
        "p_room_id": str(ROOM),
        "p_holder": str(HOLDER),
        "p_turns": [
            {"position": 7, "purpose": "answer", "outcome": "done", "tokens": 12},
            {"position": 0, "purpose": "timers", "outcome": "released", "tokens": None},
        ],
        "p_position": None,
    }


async def test_give_turn(bench: RoomsBench) -> None:
    bench.project.on("give_turn", ok({"ok": True, "state": STATE, "head": 9}))
    state = await bench.rooms.give_turn(ROOM, BOT, MESSAGE)
    assert state.turn == PickedTurn(user_id=BOT, message_id=MESSAGE, position=9)
    assert state.bots_resume_at is not None
    await bench.rooms.give_turn(ROOM, BOT)
    key = {"p_room_id": str(ROOM), "p_user_id": str(BOT)}
    assert bench.project.bodies("give_turn") == [key | {"p_message_id": str(MESSAGE)}, key | {"p_message_id": None}]


async def test_what_can_never_be_right_is_not_sent(bench: RoomsBench) -> None:
    good = TurnClaim(position=1, purpose="answer")
    done = FinishedTurn(position=1, purpose="answer")
    for work in (
        bench.rooms.enter_turns(ROOM, position=-1),
        bench.rooms.enter_turns("no room"),
        bench.rooms.claim_turns(ROOM, "no holder", [good]),
        bench.rooms.claim_turns(ROOM, HOLDER, [good] * 101),
        bench.rooms.claim_turns(ROOM, HOLDER, [good.model_copy(update={"position": -1})]),
        bench.rooms.claim_turns(ROOM, HOLDER, [good.model_copy(update={"purpose": ""})]),
        bench.rooms.claim_turns(ROOM, HOLDER, [good.model_copy(update={"purpose": "Capital"})]),
        bench.rooms.claim_turns(ROOM, HOLDER, [good.model_copy(update={"purpose": "answer\n"})]),
        bench.rooms.claim_turns(ROOM, HOLDER, [good], position=-1),
        bench.rooms.finish_turns(ROOM, HOLDER, [done.model_copy(update={"position": 0})]),
        bench.rooms.finish_turns(
            ROOM, HOLDER, [done.model_copy(update={"position": 0, "outcome": TurnOutcome.DECLINED})]
        ),
        bench.rooms.finish_turns(
            ROOM, HOLDER, [done.model_copy(update={"purpose": "message:x", "outcome": TurnOutcome.DECLINED})]
        ),
        bench.rooms.finish_turns(ROOM, HOLDER, [done.model_copy(update={"tokens": -1})]),
        bench.rooms.finish_turns(ROOM, HOLDER, [done.model_copy(update={"tokens": 10**9})]),
        bench.rooms.give_turn(ROOM, "nobody"),
        bench.rooms.give_turn(ROOM, BOT, "nothing"),
    ):
        error = await bench.error(work)
        assert isinstance(error, InvalidRequestError)
        assert error.message.startswith("cannot ")
    assert bench.project.requests == []


async def test_what_is_refused(bench: RoomsBench) -> None:
    claim = [TurnClaim(position=1, purpose="answer")]
    for status, code, kind in ((403, "not_allowed", PermissionDeniedError), (409, "room_inactive", ConflictError)):
        bench.project.on("claim_turns", refused(status, code))
        error = await bench.error(bench.rooms.claim_turns(ROOM, HOLDER, claim))
        assert (type(error), error.code) == (kind, code)
    limited = {"ok": False, "code": "rate_limited", "message": "x", "hint": "", "retry_after_s": 60}
    bench.project.on("claim_turns", ok(limited))
    error = await bench.error(bench.rooms.claim_turns(ROOM, HOLDER, claim))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 60
    bench.project.on("claim_turns", hang)
    assert isinstance(await bench.error(bench.rooms.claim_turns(ROOM, HOLDER, claim, timeout_s=2)), OutcomeUnknownError)
    bench.project.on("claim_turns", ok({"ok": True, "turns": [{"position": 1, "purpose": "answer", "status": "?"}]}))
    assert isinstance(await bench.error(bench.rooms.claim_turns(ROOM, HOLDER, claim)), ProtocolError)


def test_an_answer_without_anything_beside_its_status() -> None:
    turn = ClaimedTurn.model_validate({"position": 1, "purpose": "answer", "status": "done"})
    assert (turn.turn_id, turn.attempt, turn.retry_after_s) == (None, 0, None)
