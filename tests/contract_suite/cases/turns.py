"""The work of bots: claimed by one replica, answered by one bot, picked by the host, within a budget."""

from __future__ import annotations

from uuid import UUID, uuid4

from spaces_sdk.models import JsonObject, Kind, Message, MessageStatus, Room
from spaces_sdk.turns import ANSWER, ClaimedTurn, FinishedTurn, TurnClaim, TurnOutcome, TurnStatus
from tests.contract_suite.stage import Person, Stage, case


async def claim(
    stage: Stage, bot: Person, room: Room, holder: UUID, position: int, purpose: str = ANSWER
) -> ClaimedTurn:
    """One claim; what it came to is written down."""
    (turn,) = await bot.rooms.claim_turns(room.id, holder, [TurnClaim(position=position, purpose=purpose)])
    wait = "later" if turn.retry_after_s is not None else ""
    stage.note(bot.name, str(position), purpose, turn.status, turn.reason or "", str(turn.attempt), wait)
    return turn


async def verdict(stage: Stage, bot: Person, room: Room, message: Message | int) -> str:
    """The same of the room's turn, by a replica of its own, in a word."""
    position = message if isinstance(message, int) else message.seq
    turn = await claim(stage, bot, room, uuid4(), position)
    return turn.reason or turn.status


async def done(bot: Person, room: Room, holder: UUID, position: int, *, tokens: int | None = None) -> int:
    return await bot.rooms.finish_turns(
        room.id, holder, [FinishedTurn(position=position, purpose=ANSWER, tokens=tokens)]
    )


async def bots_in(stage: Stage, *names: str, **ours: object) -> tuple[Room, list[Person], list[Person]]:
    """A room of ada's with bob and so many bots, who have live connections and take turns."""
    room, people = await stage.seat("ada", "bob", settings={"spaces": ours} if ours else {})
    bots = [await stage.bot(name) for name in names]
    for bot in bots:
        await stage.member(bot, room)
        await bot.rooms.join_room(room.id, connection_id=uuid4())
        await bot.rooms.enter_turns(room.id, takes_turns=True)
    return room, people, bots


@case
async def one_replica_has_a_piece_of_work(stage: Stage) -> None:
    room, (_, bob), (bea,) = await bots_in(stage, "bea")
    said = await bob.rooms.insert_message(room.id, "hello")
    one, two = uuid4(), uuid4()
    first = await claim(stage, bea, room, one, said.seq, "message:echo")
    assert (first.status, first.attempt, first.lease_s) == (TurnStatus.GRANTED, 1, 15)
    again = await claim(stage, bea, room, one, said.seq, "message:echo")
    assert (again.turn_id, again.attempt) == (first.turn_id, 1)
    other = await claim(stage, bea, room, two, said.seq, "message:echo")
    assert (other.status, other.turn_id) == (TurnStatus.TAKEN, None)
    assert 0 < (other.retry_after_s or 0) <= 15
    entry = await bea.rooms.enter_turns(room.id, takes_turns=True)
    assert [(c.position, c.purpose, c.message_id) for c in entry.open] == [(said.seq, "message:echo", said.id)]
    ends = [FinishedTurn(position=said.seq, purpose="message:echo", outcome=TurnOutcome.RELEASED)]
    assert await bea.rooms.finish_turns(room.id, two, ends) == 0
    assert await bea.rooms.finish_turns(room.id, one, ends) == 1
    taken_over = await claim(stage, bea, room, two, said.seq, "message:echo")
    assert (taken_over.turn_id, taken_over.attempt) == (first.turn_id, 2)
    ends = [FinishedTurn(position=said.seq, purpose="message:echo")]
    assert await bea.rooms.finish_turns(room.id, two, ends, position=said.seq) == 1
    assert (await claim(stage, bea, room, one, said.seq, "message:echo")).status is TurnStatus.DONE
    entry = await bea.rooms.enter_turns(room.id, takes_turns=True)
    assert (entry.position, entry.open) == (said.seq, [])


@case
async def work_of_a_replica_that_died_is_taken_over(stage: Stage) -> None:
    room, (_, bob), (bea,) = await bots_in(stage, "bea")
    said = await bob.rooms.insert_message(room.id, "hello")
    one, two = uuid4(), uuid4()
    await stage.configure(turn_lease_s=0.2)
    first = await claim(stage, bea, room, one, said.seq)
    await stage.let_pass(0.4)
    renewed = await claim(stage, bea, room, one, said.seq)
    assert renewed.attempt == 1, "nobody has taken it meanwhile"
    await stage.let_pass(0.4)
    second = await claim(stage, bea, room, two, said.seq)
    assert (second.turn_id, second.attempt) == (first.turn_id, 2)
    assert await done(bea, room, one, said.seq) == 0, "it is not theirs to end"
    assert await done(bea, room, two, said.seq) == 1
    assert await verdict(stage, bea, room, said) == "done"


@case
async def what_is_refused_of_claims(stage: Stage) -> None:
    room, (ada, bob), (bea,) = await bots_in(stage, "bea")
    eve = await stage.person("eve")
    await stage.refused("not_allowed", bob.rooms.claim_turns(room.id, uuid4(), []))
    await stage.refused("not_participant", eve.rooms.enter_turns(room.id))
    await bob.rooms.enter_turns(room.id)
    said = await bob.rooms.insert_message(room.id, "hello")
    claims = [TurnClaim(position=said.seq, purpose=ANSWER)]
    assert await verdict(stage, bob, room, said) == "not_a_bot"
    ahead = [TurnClaim(position=said.seq + 5, purpose=ANSWER)]
    await stage.refused("invalid_argument", bea.rooms.claim_turns(room.id, uuid4(), ahead))
    malformed = [TurnClaim(position=said.seq, purpose="No Such!")]
    await stage.refused("invalid_argument", bea.rooms.claim_turns(room.id, uuid4(), malformed))
    assert await verdict(stage, bea, room, 1) == "done", "it was before they came"
    await ada.rooms.mute_participant(room.id, bea.user_id)
    assert await verdict(stage, bea, room, said) == "muted"
    await ada.rooms.mute_participant(room.id, bea.user_id, False)
    await bob.rooms.delete_message(room.id, said.id)
    assert await verdict(stage, bea, room, said) == "gone"
    own = await bea.rooms.insert_message(room.id, "own", message_type="ai_response")
    assert await verdict(stage, bea, room, own) == "own"
    growing = await bob.rooms.begin_stream(room.id, message_type="user_text")
    assert await verdict(stage, bea, room, growing.message) == "not_final"
    await ada.rooms.update_room_state(room.id, is_active=False)
    await stage.refused("room_inactive", bea.rooms.claim_turns(room.id, uuid4(), claims))
    await ada.rooms.update_room_state(room.id, is_active=True)
    await bea.rooms.forget_room(room.id)
    await stage.member(bea, room)
    await stage.refused("not_allowed", bea.rooms.claim_turns(room.id, uuid4(), claims))


@case
async def a_bot_begins_where_it_came_in(stage: Stage) -> None:
    room, (_, bob) = await stage.seat("ada", "bob")
    bea = await stage.bot()
    await stage.member(bea, room)
    joined = await bea.rooms.join_room(room.id)
    said = await bob.rooms.insert_message(room.id, "said while they enter")
    entry = await bea.rooms.enter_turns(room.id, position=joined.head)
    assert (entry.position, entry.head) == (None, said.seq)
    assert await verdict(stage, bea, room, said) == "granted"
    moved = await bea.rooms.claim_turns(room.id, uuid4(), [], position=said.seq + 100)
    assert moved == []
    assert (await bea.rooms.enter_turns(room.id, position=1)).position == said.seq


@case
async def the_first_who_comes_answers(stage: Stage) -> None:
    room, (_, bob), (bea, bix) = await bots_in(stage, "bea", "bix", turn_mode="first")
    said = await bob.rooms.insert_message(room.id, "well?")
    holder = uuid4()
    assert (await claim(stage, bix, room, holder, said.seq)).status is TurnStatus.GRANTED
    assert await verdict(stage, bea, room, said) == "taken"
    await done(bix, room, holder, said.seq)
    assert await verdict(stage, bea, room, said) == "done"
    named = await bob.rooms.insert_message(room.id, "what do you say, @BEA?")
    assert await verdict(stage, bix, room, named) == "not_mentioned"
    assert await verdict(stage, bea, room, named) == "granted"


@case
async def who_declines_leaves_it_to_the_others(stage: Stage) -> None:
    for mode in ("first", "round_robin"):
        room, (_, bob), (bea, bix) = await bots_in(stage, f"bea-{mode}", f"bix-{mode}", turn_mode=mode)
        await stage.configure(turn_offer_s=5)
        said = await bob.rooms.insert_message(room.id, "well?")
        holder, other = uuid4(), uuid4()
        assert (await claim(stage, bea, room, holder, said.seq)).status is TurnStatus.GRANTED
        assert await verdict(stage, bix, room, said) == "taken"
        declined = [FinishedTurn(position=said.seq, purpose=ANSWER, outcome=TurnOutcome.DECLINED)]
        assert await bea.rooms.finish_turns(room.id, holder, declined) == 1
        assert await verdict(stage, bea, room, said) == "done"
        assert (await bea.rooms.enter_turns(room.id, takes_turns=True)).open == []
        assert (await claim(stage, bix, room, other, said.seq)).status is TurnStatus.GRANTED
        await done(bix, room, other, said.seq)
        handlers = [FinishedTurn(position=said.seq, purpose="message:echo", outcome=TurnOutcome.DECLINED)]
        await stage.refused("invalid_argument", bea.rooms.finish_turns(room.id, holder, handlers))


@case
async def a_declined_turn_counts_in_no_budget(stage: Stage) -> None:
    room, (ada, bob), (bea, bix) = await bots_in(stage, "bea", "bix", bot_messages_per_day=1)
    visit = await stage.enter(ada, room)
    said = await bob.rooms.insert_message(room.id, "well?")
    holder = uuid4()
    await claim(stage, bea, room, holder, said.seq)
    declined = [FinishedTurn(position=said.seq, purpose=ANSWER, outcome=TurnOutcome.DECLINED)]
    await bea.rooms.finish_turns(room.id, holder, declined)
    assert await verdict(stage, bix, room, said) == "granted"
    assert len(await visit.hears(room)) == 4, "the message, and three times what the budget is"


@case
async def everyone_or_who_is_mentioned(stage: Stage) -> None:
    room, (ada, bob), (bea, bix) = await bots_in(stage, "bea", "bix", turn_mode="everyone")
    said = await bob.rooms.insert_message(room.id, "all of you?")
    assert [await verdict(stage, bot, room, said) for bot in (bea, bix)] == ["granted", "granted"]
    await ada.rooms.update_room_state(room.id, settings={"spaces": {"turn_mode": "mention"}})
    said = await bob.rooms.insert_message(room.id, "nobody? mail bea@bix.example")
    assert [await verdict(stage, bot, room, said) for bot in (bea, bix)] == ["not_mentioned", "not_mentioned"]
    said = await bob.rooms.insert_message(room.id, "@bix @Bea")
    assert [await verdict(stage, bot, room, said) for bot in (bea, bix)] == ["granted", "granted"]
    said = await bob.rooms.insert_message(room.id, "@beatrice")
    assert await verdict(stage, bea, room, said) == "not_mentioned"
    theirs = await bea.rooms.insert_message(room.id, "I say", message_type="ai_response")
    said = await bob.rooms.insert_message(room.id, "really?", reply_to=theirs.id)
    assert [await verdict(stage, bot, room, said) for bot in (bea, bix)] == ["granted", "not_mentioned"]


@case
async def one_after_the_other(stage: Stage) -> None:
    room, (_, bob), (bea, bix) = await bots_in(stage, "bea", "bix", turn_mode="round_robin")
    holder = uuid4()
    for following, other in ((bea, bix), (bix, bea), (bea, bix)):
        said = await bob.rooms.insert_message(room.id, "well?")
        assert await verdict(stage, other, room, said) == "taken", "it was offered to whose turn it is"
        assert (await claim(stage, following, room, holder, said.seq)).status is TurnStatus.GRANTED
        await done(following, room, holder, said.seq)
        assert await verdict(stage, other, room, said) == "done"


@case
async def who_lets_their_turn_pass(stage: Stage) -> None:
    room, (_, bob), (bea, bix) = await bots_in(stage, "bea", "bix", turn_mode="round_robin")
    await stage.configure(turn_offer_s=0.2)
    said = await bob.rooms.insert_message(room.id, "well?")
    assert await verdict(stage, bix, room, said) == "taken"
    await stage.let_pass(0.4)
    assert await verdict(stage, bix, room, said) == "granted"
    following = await bob.rooms.insert_message(room.id, "and now?")
    assert await verdict(stage, bix, room, following) == "granted", "who has not been heard of is waited for once"
    assert await verdict(stage, bea, room, said) == "taken"
    assert [turn.position for turn in (await bea.rooms.enter_turns(room.id, takes_turns=True)).open] == [said.seq]


@case
async def who_is_muted_gives_the_turn_back(stage: Stage) -> None:
    room, (ada, bob), (bea, bix) = await bots_in(stage, "bea", "bix", turn_mode="first", bot_tokens_per_day=100)
    said = await bob.rooms.insert_message(room.id, "well?")
    holder, other = uuid4(), uuid4()
    await claim(stage, bea, room, holder, said.seq)
    await ada.rooms.mute_participant(room.id, bea.user_id)
    assert (await claim(stage, bea, room, holder, said.seq)).reason == "muted"
    assert (await claim(stage, bix, room, other, said.seq)).status is TurnStatus.GRANTED
    await ada.rooms.set_participant_kind(room.id, bix.user_id, Kind.HUMAN)
    assert await done(bix, room, other, said.seq, tokens=100) == 1
    await ada.rooms.mute_participant(room.id, bea.user_id, False)
    following = await bob.rooms.insert_message(room.id, "and now?")
    assert await verdict(stage, bea, room, following) == "granted", "what people tell of tokens counts nothing"


@case
async def bots_answer_bots_to_a_depth(stage: Stage) -> None:
    room, (ada, bob), (bea, bix) = await bots_in(stage, "bea", "bix", turn_mode="everyone")
    await bob.rooms.insert_message(room.id, "discuss")
    first = await bea.rooms.insert_message(room.id, "one", message_type="ai_response")
    assert await verdict(stage, bix, room, first) == "depth"
    await ada.rooms.update_room_state(room.id, settings={"spaces": {"bot_depth": 2}})
    assert await verdict(stage, bix, room, first) == "granted"
    second = await bix.rooms.insert_message(room.id, "two", message_type="ai_response", reply_to=first.id)
    assert await verdict(stage, bea, room, second) == "granted"
    third = await bea.rooms.insert_message(room.id, "three", message_type="ai_response")
    assert await verdict(stage, bix, room, third) == "depth"


@case
async def a_bot_rests_between_two_answers(stage: Stage) -> None:
    room, (ada, bob), (bea,) = await bots_in(stage, "bea", turn_mode="first", bot_cooldown_s=60)
    holder = uuid4()
    first = await bob.rooms.insert_message(room.id, "one")
    second = await bob.rooms.insert_message(room.id, "two")
    await claim(stage, bea, room, holder, first.seq)
    await done(bea, room, holder, first.seq)
    waiting = await claim(stage, bea, room, holder, second.seq)
    assert (waiting.status, waiting.reason) == (TurnStatus.LATER, "cooldown")
    await ada.rooms.update_room_state(room.id, settings={"spaces": {"bot_cooldown_s": 0.5}})
    await stage.let_pass(0.6)
    assert (await claim(stage, bea, room, holder, second.seq)).status is TurnStatus.GRANTED


@case
async def a_budget_is_used_up_and_all_see_it(stage: Stage) -> None:
    ours: JsonObject = {"turn_mode": "first", "bot_messages_per_day": 1}
    room, (ada, bob), (bea,) = await bots_in(stage, "bea", **ours)
    visit = await stage.enter(ada, room)
    first = await bob.rooms.insert_message(room.id, "one")
    second = await bob.rooms.insert_message(room.id, "two")
    holder = uuid4()
    await claim(stage, bea, room, holder, first.seq)
    assert await verdict(stage, bea, room, second) == "budget"
    assert (await visit.hears(room))[-1].endswith("bots rest")
    await done(bea, room, holder, first.seq, tokens=100)
    more: JsonObject = {"spaces": {"bot_messages_per_day": 10, "bot_tokens_per_day": 100}}
    state = await ada.rooms.update_room_state(room.id, settings=more)
    assert state.bots_resume_at is not None, "of tokens there are none left"
    state = await ada.rooms.update_room_state(room.id, settings={"spaces": {"bot_tokens_per_day": 101}})
    assert state.bots_resume_at is None
    assert await verdict(stage, bea, room, second) == "granted"
    assert len(await visit.hears(room)) == 2


@case
async def the_host_picks_who_answers(stage: Stage) -> None:
    room, (ada, bob), (bea, bix) = await bots_in(stage, "bea", "bix", turn_mode="host_picks")
    visit = await stage.enter(ada, room)
    said = await bob.rooms.insert_message(room.id, "who?")
    assert await verdict(stage, bea, room, said) == "mode"
    await stage.refused("not_allowed", bob.rooms.give_turn(room.id, bea.user_id))
    await stage.refused("not_allowed", ada.rooms.give_turn(room.id, bob.user_id))
    await stage.refused("participant_not_found", ada.rooms.give_turn(room.id, uuid4()))
    await stage.refused("message_not_found", ada.rooms.give_turn(room.id, bea.user_id, uuid4()))
    pick = (await ada.rooms.give_turn(room.id, bea.user_id)).turn
    assert pick is not None
    assert (pick.user_id, pick.message_id) == (bea.user_id, said.id)
    assert (await ada.rooms.give_turn(room.id, bea.user_id)).turn == pick, "the same pick once more"
    assert await verdict(stage, bix, room, pick.position) == "picked_other"
    (turn,) = (await bea.rooms.enter_turns(room.id, takes_turns=True)).open
    assert (turn.position, turn.purpose, turn.message_id) == (pick.position, ANSWER, said.id)
    other = (await ada.rooms.give_turn(room.id, bix.user_id, said.id)).turn
    assert other is not None
    assert await verdict(stage, bea, room, pick.position) == "picked_other"
    assert await verdict(stage, bix, room, other.position) == "granted"
    third = (await ada.rooms.give_turn(room.id, bea.user_id)).turn
    assert third is not None
    await bob.rooms.delete_message(room.id, said.id)
    assert await verdict(stage, bea, room, third.position) == "gone"
    assert len(await visit.hears(room)) == 5


@case
async def whom_a_person_stops_does_not_begin_anew(stage: Stage) -> None:
    room, (_, bob), (bea,) = await bots_in(stage, "bea", turn_mode="first")
    said = [await bob.rooms.insert_message(room.id, text) for text in ("one", "two", "three")]
    for question, stop in zip(said, ("by bob", "by itself", "deleted"), strict=True):
        await claim(stage, bea, room, uuid4(), question.seq)
        begun = await bea.rooms.begin_stream(room.id, reply_to=question.id)
        if stop == "deleted":
            await (await stage.person("ada")).rooms.delete_message(room.id, begun.message.id)
        else:
            stopper = bob if stop == "by bob" else bea
            ended = await stopper.rooms.stop_stream(room.id, begun.message.id)
            assert ended.status is MessageStatus.STOPPED
    verdicts = [await verdict(stage, bea, room, question) for question in said]
    assert verdicts == ["done", "taken", "done"]
