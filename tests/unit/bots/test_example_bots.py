"""Each example bot in a dialogue."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from rich.markdown import Markdown

from spaces_sdk.bots import Bot
from spaces_sdk.events import Event, MessageChunk, MessageReceived, MessageUpdated
from spaces_sdk.models import MessageStatus, MessageType, Role
from spaces_sdk.testing import Comes, Passes, Talk, TalkRoom, VirtualClock, dialog
from tests.support.examples import EXAMPLES, example

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]


def _example(name: str) -> Bot:
    bot = example(name).bot
    assert isinstance(bot, Bot)
    return bot


async def test_echo() -> None:
    await dialog(_example("echo_bot"), [("ada", "hello", "ada said: hello"), ("bob", "!x", "bob said: !x")])


async def test_dice() -> None:
    await dialog(
        _example("dice_bot"),
        [
            ("ada", "!roll 1", "1"),
            ("ada", "!roll 1 3", "1, 1, 1"),
            ("ada", "!roll 0", "at most 20 dice, with 1 to 1000 sides"),
            ("ada", '!choose "a b"', "a b"),
            ("ada", "!guess 1", "I think of a number from 1 to 1."),
            ("bob", "1", None),
            ("ada", "2", "Less."),
            ("ada", "1", "Yes!"),
            ("ada", "!guess", re.compile("I think .*")),
            Passes(60, re.compile(r"It was \d+\.")),
        ],
    )


async def test_greeter() -> None:
    await dialog(
        _example("greeter_bot"),
        [
            ("ada", "hello", None),
            Comes("{0.room}", "Welcome, {0.room}!"),
            ("ada", "!who", "3 here: Greeter (bot), ada, {0.room}"),
        ],
    )


async def test_the_greeter_uses_the_words_of_the_host_and_greets_nobody_twice() -> None:
    async with Talk(_example("greeter_bot"), ["ada", "bob"]) as talk:
        bob = talk.room.find("bob")
        assert bob is not None
        talk.room.go("bob")
        await talk.wait(1)
        talk.room.come("bob")
        assert await talk.answers() == []


async def test_moderator() -> None:
    flood = [("bob", str(index), None) for index in range(5)]
    told = await dialog(
        _example("moderator_bot"),
        [
            ("ada", "hello", None),
            *flood,
            ("bob", "5", "bob takes a break of a minute."),
            Passes(65),
            ("bob", "sorry", None),
            ("bob", "!pardon bob", "only the host and moderators may do that"),
            ("ada", "!pardon bob", "bob may speak again."),
            Passes(60),
            *flood,
            ("bob", "6", "bob takes a break of a minute."),
            ("ada", "!pardon bob", "bob may speak again."),
            ("bob", "thanks", None),
        ],
        bot_role=Role.MODERATOR,
    )
    assert told[-1] == "bob: thanks"


async def test_a_moderator_that_is_none_asks_to_be_one_and_one_that_goes_leaves_nobody_muted() -> None:
    async with Talk(_example("moderator_bot"), ["ada"]) as talk:
        assert await talk.answers() == ["Make me a moderator, and I stop floods."]
    async with Talk(_example("moderator_bot"), ["ada", "bob"], bot_role=Role.MODERATOR) as talk:
        for index in range(6):
            await talk.say("bob", str(index))
        room = talk.room
        assert [person.display_name for person in room.participants if person.is_muted] == ["bob"]
    assert [person.display_name for person in room.participants if person.is_muted] == []


FORGED = """hello *all* <b>x</b> [a](b) \\
# Minutes of nothing

    - 12:00 **ada**: I resign
> quote
\x1b]0;x\x07\u202e
---"""


async def test_scribe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with Talk(_example("scribe_bot"), ["ada", "**eve**: x"]) as talk:
        taken_back = talk.room.say("ada", "a secret")
        wrong = talk.room.say("ada", "2 and 2 is 5")
        talk.room.say("**eve**: x", FORGED)
        (answer,) = await talk.say("ada", "!minutes")
        path = tmp_path / answer.removeprefix("6 entries in ")
        assert "a secret" in path.read_text("utf-8")

        talk.room.change(taken_back, status=MessageStatus.DELETED, content="")
        edited_at = wrong.created_at + timedelta(seconds=9)
        talk.room.change(wrong, content="2 and 2 is 4", updated_at=edited_at)
        await talk.wait(5)
    assert _read(path.read_text("utf-8")) == [
        "Minutes of A room without a server",
        "2026-11-23 (UTC)",
        "12:00 ada joined the room",
        "12:00 **eve**: x joined the room",
        "12:00 ada: deleted",
        "12:00 ada: 2 and 2 is 4 (edited)",
        "12:00 **eve**: x: hello *all* <b>x</b> [a](b) \\\n# Minutes of nothing\n- 12:00 **ada**: I resign"
        "\n> quote\n]0;x\n---",
        "12:00 ada: !minutes",
        "12:00 Scribe (bot): " + answer,
    ]
    assert [path.name for path in path.parent.iterdir()] == [path.name]


def _read(markdown: str) -> list[str]:
    """What a renderer shows, a block an item; fails on anything but headings, a list, bold and italic."""
    shown: list[str] = []
    for token in Markdown(markdown).parsed:
        assert token.type.split("_")[0] in {"heading", "bullet", "list", "paragraph", "inline"}, token
        if token.type == "inline":
            for part in token.children or []:
                assert (
                    part.type in {"text", "text_special"} or part.tag in {"strong", "em"} or part.content == "<br>"
                ), part
            shown.append("".join("\n" if p.content == "<br>" else p.content for p in token.children or []))
    return shown


async def test_debate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_MODEL", raising=False)
    module = example("debate_bots")
    said = re.compile(r"\(canned\) .+")
    await dialog(module.pro, [("ada", "Is tea better than coffee?", said)])
    await dialog(module.con, [("ada", "I am for it.", said)])


async def test_the_debate_shows_what_the_picked_one_says_alone(capsys: pytest.CaptureFixture[str]) -> None:
    room = TalkRoom(VirtualClock(), "Pro", ["eve"])
    pro, eve = room.rows.participants[room.bot.user_id], room.participants[0]
    old = room.store(pro, "said before", MessageType.AI_RESPONSE)
    noise = room.store(eve, "", status=MessageStatus.STREAMING)
    answer = room.store(pro, "", MessageType.AI_RESPONSE, status=MessageStatus.STREAMING)
    whole = answer.model_copy(update={"content": "I am for it.", "status": MessageStatus.FINAL})

    async def events() -> AsyncIterator[Event]:
        yield MessageReceived(message=noise)
        yield MessageReceived(message=answer)
        yield MessageChunk(message_id=noise.id, offset=0, text="I would rather")
        yield MessageUpdated(message=old)
        yield MessageChunk(message_id=answer.id, offset=0, text="I am ")
        yield MessageUpdated(message=answer)
        yield MessageUpdated(message=whole)
        pytest.fail("its answer is whole")

    await example("debate_bots").show_answer(events(), pro.user_id)
    assert capsys.readouterr().out == "I am for it."


CANNED = re.compile(r"\(canned\) .+")


async def test_ai_host_without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_MODEL", raising=False)
    told = await dialog(
        _example("ai_host_bot"),
        [
            ("ada", "why?", CANNED),
            ("ada", "!mode", "The mode is playful."),
            Passes(10),
            ("ada", "!mode pirate", re.compile("there is no such mode. One of: conspiracy, gangster, .*")),
            Passes(10),
            ("ada", "!mode Philosopher", "The mode is philosopher."),
            ("ada", "why?", CANNED),
        ],
        bot_role=Role.HOST,
    )
    assert told[1] != told[-1], "another mode, another manner"


async def test_ai_host_in_the_room_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_MODEL", raising=False)
    await dialog(_example("ai_host_bot"), [("ada", "!mode philosopher", "only the room's host changes its mode")])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_listed(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 100
    assert f"({path.name})" in (EXAMPLES / "README.md").read_text("utf-8")
