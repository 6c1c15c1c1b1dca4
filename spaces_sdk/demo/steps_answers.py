"""The bot answers: at once, bit by bit, and until somebody has heard enough."""

from __future__ import annotations

from spaces_sdk.demo.cast import Person
from spaces_sdk.demo.checks import check, refused
from spaces_sdk.demo.stage import Stage, after
from spaces_sdk.events import MessageChunk, MessageReceived, MessageUpdated
from spaces_sdk.models import Message, MessageStatus, MessageType

FEWEST_PARTS = 2
"""Usually 9: the tale takes a second, in at most 10 parts a second; a slow machine joins some."""
HEARD_ENOUGH = 20
"""Characters of the counting before Bob stops it."""


async def bot_answers(stage: Stage) -> None:
    """Bob asks, Sage answers as `ai_response`; a human may not."""
    bob, sage = stage.bob, stage.sage
    all_three = (stage.ada, bob, sage)
    question = await stage.say(bob, "@Sage who is here?", all_three)
    began_ms = stage.ledger.now_ms()
    heard = await stage.all_see(
        all_three, MessageReceived, lambda e: e.message.reply_to == question.id, what="the bot's answer"
    )
    for name, (event, _) in heard.items():
        facts = (event.message.message_type, event.message.sender_kind, event.message.user_id)
        expected = (MessageType.AI_RESPONSE, "bot", sage.user_id)
        check(facts == expected, expected=f"{name} to hear an ai_response of the bot Sage", seen=facts)
    answer = heard["Ada"][0].message
    check(answer.content == "I count 3 of us: Ada, Bob, Sage.", expected="Sage to see the three", seen=answer.content)
    stage.ledger.ids |= {"question_id": str(question.id), "answer_id": str(answer.id)}
    stage.ledger.note(f"Sage (ai_response): {answer.content}")
    stage.ledger.note(f"  heard by {after(heard, began_ms)}")
    error = await refused(
        bob.session.send("I am a bot, too", message_type=MessageType.AI_RESPONSE),
        "not_allowed",
        what="Bob's ai_response",
    )
    stage.ledger.note(f"Bob, who is human, may not: {error.message}")


async def answer_grows(stage: Stage) -> None:
    """Ada asks for a tale: all three see the same words come."""
    ada = stage.ada
    all_three = (ada, stage.bob, stage.sage)
    question = await stage.say(ada, "@Sage a story, please.", all_three)
    began_ms = stage.ledger.now_ms()
    first = await _all_see_it_grow(stage, all_three, question)
    ended = await stage.all_see(
        all_three,
        MessageUpdated,
        lambda e: e.message.reply_to == question.id and e.message.status is MessageStatus.FINAL,
        what="the end of the tale",
    )
    tale = ended["Ada"][0].message
    parts = {person.name: _parts(person, tale) for person in all_three}
    for name, texts in parts.items():
        # The last words may come with the end.
        heard, whole = "".join(texts), ended[name][0].message.content
        check(tale.content.startswith(heard), expected=f"{name} to hear each word once", seen=heard)
        check(whole == tale.content, expected=f"{name} to have it whole", seen=whole)
        check(len(texts) >= FEWEST_PARTS, expected=f"{name} to see it grow", seen=f"{len(texts)} parts")
    stage.ledger.ids |= {"answer_id": str(tale.id)}
    stage.ledger.note(f"Sage: {tale.content.strip()}")
    stage.ledger.note(f"  the first words heard by {after(first, began_ms)}")
    stage.ledger.note(f"  {len(parts['Ada'])} parts; whole for {after(ended, began_ms)}")


async def stop_answer(stage: Stage) -> None:
    """Bob has asked for numbers without end, and stops them; what was said stays."""
    bob = stage.bob
    all_three = (stage.ada, bob, stage.sage)
    question = await stage.say(bob, "@Sage count, and do not stop.", all_three)
    first = await _all_see_it_grow(stage, all_three, question, beyond=HEARD_ENOUGH)
    began_ms = stage.ledger.now_ms()
    stopped = await bob.session.stop_stream(first["Bob"][0].message_id)
    seen = await stage.all_see(
        all_three, MessageUpdated, lambda e: e.message.id == stopped.id, what="the end of the counting"
    )
    stage.ledger.note(f"Sage: {stopped.content.strip()} (stopped by Bob)")
    stage.ledger.note(f"  silence for {after(seen, began_ms)}")
    # A message after the stop: what Sage had gone on to say would have come before it.
    await stage.say(bob, "Enough, thank you.", all_three)
    for name, (event, _) in seen.items():
        facts = (event.message.status, event.message.content)
        check(facts == (MessageStatus.STOPPED, stopped.content), expected=f"{name} to see it stopped", seen=facts)
    for person in all_three:
        heard = "".join(_parts(person, stopped))
        check(heard == stopped.content, expected=f"{person.name} to hear nothing after the stop", seen=heard)
    stage.ledger.ids |= {"stopped_id": str(stopped.id)}


async def _all_see_it_grow(
    stage: Stage, people: tuple[Person, ...], question: Message, *, beyond: int = 0
) -> dict[str, tuple[MessageChunk, float]]:
    """Wait until each has a part of the answer that begins there, or later."""
    begun = await stage.all_see(
        people,
        MessageReceived,
        lambda e: e.message.reply_to == question.id and e.message.status is MessageStatus.STREAMING,
        what="the answer begin",
    )
    answer_id = begun[people[0].name][0].message.id
    return await stage.all_see(
        people, MessageChunk, lambda e: e.message_id == answer_id and e.offset >= beyond, what="the answer grow"
    )


def _parts(person: Person, message: Message) -> list[str]:
    return [event.text for event in person.witness.seen(MessageChunk, lambda e: e.message_id == message.id)]
