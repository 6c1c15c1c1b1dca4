"""Turns on the real parts: claims of two processes, and what everybody in the room sees of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4, uuid5

import pytest

from spaces_sdk.errors import InvalidRequestError, PermissionDeniedError, SessionClosedError
from spaces_sdk.events import StateUpdated
from spaces_sdk.models import PickedTurn
from spaces_sdk.turns import ANSWER, FinishedTurn, TurnClaim, TurnOutcome, TurnStatus
from tests.integration.people import People

pytestmark = pytest.mark.integration


async def test_of_two_processes_one_answers_and_the_other_goes_on(people: People) -> None:
    ada, bot = await people.person("Ada"), await people.person("Bot", is_bot=True)
    room = await ada.spaces.rooms.create_room("Turns")
    asker = await people.enter(ada, room)
    one, two = await people.enter(bot, room.room_code), await people.enter(bot, room.room_code)
    assert (await one.session.enter_turns(takes_turns=True)).position is None
    question = await asker.session.send("who?")
    claim, holders = TurnClaim(position=question.seq, purpose=ANSWER), (uuid4(), uuid4())
    answers = await asyncio.gather(
        one.session.claim_turns(holders[0], [claim]), two.session.claim_turns(holders[1], [claim])
    )
    turns = [turn for (turn,) in answers]
    assert sorted(turn.status for turn in turns) == [TurnStatus.GRANTED, TurnStatus.TAKEN]
    winner = next(n for n, turn in enumerate(turns) if turn.status is TurnStatus.GRANTED)
    first, visits = turns[winner], (one, two)
    assert first.turn_id is not None
    # The one gives up after it has spoken; the other says the same, which is stored once.
    said = await visits[winner].session.send("I", message_id=uuid5(first.turn_id, "0"))
    given_back = FinishedTurn(position=question.seq, purpose=ANSWER, outcome=TurnOutcome.RELEASED)
    assert await visits[winner].session.finish_turns(holders[winner], [given_back]) == 1
    entry = await visits[1 - winner].session.enter_turns(takes_turns=True)
    assert entry.open == [TurnClaim(position=question.seq, purpose=ANSWER, message_id=question.id)]
    (second,) = await visits[1 - winner].session.claim_turns(holders[1 - winner], entry.open)
    assert (second.status, second.turn_id, second.attempt) == (TurnStatus.GRANTED, first.turn_id, 2)
    again = await visits[1 - winner].session.send("I", message_id=uuid5(first.turn_id, "0"))
    assert again.seq == said.seq
    done = FinishedTurn(position=question.seq, purpose=ANSWER, tokens=10)
    assert await visits[1 - winner].session.finish_turns(holders[1 - winner], [done], position=question.seq) == 1
    (over,) = await bot.spaces.rooms.claim_turns(room.id, holders[winner], [claim])
    assert over.status is TurnStatus.DONE
    assert (await one.session.enter_turns()).position == question.seq


async def test_everybody_sees_whose_turn_it_is_and_that_the_budget_is_over(people: People) -> None:
    ada, bot = await people.person("Ada"), await people.person("Bot", is_bot=True)
    room = await ada.spaces.rooms.create_room(
        "Picks", settings={"spaces": {"turn_mode": "host_picks", "bot_messages_per_day": 1}}
    )
    host, guest = await people.enter(ada, room), await people.enter(bot, room.room_code)
    await guest.session.enter_turns(takes_turns=True)
    question = await host.session.send("who?")
    (unasked,) = await guest.session.claim_turns(uuid4(), [TurnClaim(position=question.seq, purpose=ANSWER)])
    assert (unasked.status, unasked.reason) == (TurnStatus.REFUSED, "mode")
    with pytest.raises(PermissionDeniedError):
        await guest.session.give_turn(bot.user_id)

    picked = await host.session.give_turn(bot.user_id)
    assert picked.turn is not None
    assert picked.turn == PickedTurn(user_id=bot.user_id, message_id=question.id, position=question.seq + 1)
    told = await guest.sees(StateUpdated, lambda event: event.state.turn == picked.turn)
    assert told.pos == picked.turn.position
    assert guest.session.room_state is not None
    assert guest.session.room_state.turn == picked.turn

    (turn,) = await guest.session.claim_turns(uuid4(), [TurnClaim(position=picked.turn.position, purpose=ANSWER)])
    assert turn.status is TurnStatus.GRANTED
    for visit in (host, guest):
        over = await visit.sees(StateUpdated, lambda event: event.state.bots_resume_at is not None)
        assert over.state.bots_resume_at is not None
        left = over.state.bots_resume_at - datetime.now(UTC)
        assert timedelta(days=-1) < left <= timedelta(days=1)
    late = await people.enter(await people.person("Eve"), room.room_code)
    assert late.session.room_state is not None
    assert late.session.room_state.turn == picked.turn
    assert late.session.room_state.bots_resume_at is not None

    state = await host.session.update_room_state(settings={"spaces": {"bot_messages_per_day": 5}})
    assert state.bots_resume_at is None
    await late.sees(StateUpdated, lambda event: event.state.bots_resume_at is None)


async def test_what_no_claim_can_be_is_said_clearly(people: People) -> None:
    bot = await people.person("Bot", is_bot=True)
    room = await bot.spaces.rooms.create_room("Alone")
    visit = await people.enter(bot, room)
    far = TurnClaim(position=10**9, purpose=ANSWER)
    with pytest.raises(PermissionDeniedError) as not_entered:
        await visit.session.claim_turns(uuid4(), [far])
    assert "enter_turns" in not_entered.value.hint
    await visit.session.enter_turns()
    with pytest.raises(InvalidRequestError) as too_far:
        await visit.session.claim_turns(uuid4(), [far])
    assert too_far.value.hint
    await visit.leave()
    with pytest.raises(SessionClosedError):
        await visit.session.enter_turns()
