"""Each example bot in a dialogue."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import httpx
import pytest
from rich.markdown import Markdown

from spaces_sdk.bots import Bot, Context
from spaces_sdk.models import MessageStatus, Role
from spaces_sdk.testing import Comes, Passes, Talk, dialog
from tests.support.openai_server import OpenAIServer, refusing, saying

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

EXAMPLES = Path(__file__).parents[3] / "examples"


def _module(name: str) -> ModuleType:
    spec = spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _example(name: str) -> Bot:
    bot = _module(name).bot
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


SECRET = "long and ünguessable"
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


async def test_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_SECRET", SECRET)
    module = _module("bridge_bot")
    async with Talk(module.bot, ["ada"]) as talk, _post_to(module.Door) as post:

        async def status(
            data: bytes | dict[str, Any], secret: str = "long and ünguessable", path: str = "talked"
        ) -> int:
            return await post(data, secret, path)

        build = {"id": "7", "text": "Build 7 is green"}
        assert await status(build, "long and guessable") == 401
        assert await status(build, "") == 401
        assert await status(build, path="NOROOM") == 404
        for wrong in (
            b"",
            b"{",
            b"[]",
            b"\xff",
            b"[" * 60_000,
            {"id": "7"},
            {"id": 7, "text": "x"},
            {"id": "7", "text": " "},
        ):
            assert await status(wrong) == 400
        assert await status({"id": "7", "text": "x" * 8001}) == 400
        assert await status(b"x" * 64_001) == 413
        assert await status(b"x" * 900_000) == 413
        assert await talk.wait(1) == []

        assert await status(build) == 202
        assert await status(build) == 202
        assert await talk.wait(1) == ["Build 7 is green"]
        assert await status(build | {"text": "again"}) == 202
        assert await talk.wait(1) == []

        assert [await status({"id": f"x{n}", "text": str(n)}) for n in range(102)] == [202] * 100 + [429] * 2
        assert await talk.wait(1) == [str(n) for n in range(100)]
        assert await status({"id": "last", "text": "free again"}) == 202


async def test_debate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_MODEL", raising=False)
    module = _module("debate_bots")
    said = re.compile(r"\(canned\) .+")
    await dialog(module.pro, [("ada", "Is tea better than coffee?", said)])
    await dialog(module.con, [("ada", "I am for it.", said)])


@asynccontextmanager
async def _post_to(door: type[BaseHTTPRequestHandler]) -> AsyncGenerator[Callable[..., Awaitable[int]]]:
    """The example's own door on a free port, and a client of it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), door) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{server.server_port}") as client:

                async def post(data: bytes | dict[str, Any], secret: str, path: str) -> int:
                    body = data if isinstance(data, bytes) else json.dumps(data).encode()
                    headers = [(b"X-Bridge-Secret", secret.encode())]
                    answer = await client.post(f"/{path}", content=body, headers=headers)
                    return answer.status_code

                yield post
        finally:
            await asyncio.to_thread(server.shutdown)
            thread.join()


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


async def test_ai_host_with_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    async with OpenAIServer().running() as server:
        server.replies(saying("It", " is."), refusing(401), saying("So."))
        monkeypatch.setenv("OPENAI_MODEL", "small")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        module = _module("ai_host_bot")
        bot: Bot = module.bot
        errors: list[Exception] = []

        @bot.on_error
        async def failed(ctx: Context, error: Exception) -> None:
            errors.append(error)

        sorry = "Sorry, I cannot answer just now."
        async with module.model:
            await dialog(bot, [("ada", "why?", "It is."), ("bob", "and?", sorry), ("bob", "and?", "So.")])
        system, *said = server.requests[-1].body["messages"]
        assert system["content"].startswith("Answer as a playful would.\n\nYou are the host of the evening")
        assert said == [
            {"role": "user", "content": "<ada> why?"},
            {"role": "assistant", "content": "It is."},
            {"role": "user", "content": "<bob> and?\n<bob> and?"},
        ]
        assert server.requests[-1].body["max_tokens"] == 400
        assert [getattr(error, "code", "") for error in errors] == ["model_refused"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_listed(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 100
    assert f"({path.name})" in (EXAMPLES / "README.md").read_text("utf-8")
