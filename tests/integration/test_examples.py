"""What is shown to a newcomer runs: the examples, and the first Python block of the README."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from spaces_sdk.events import MessageChunk, MessageReceived, MessageUpdated, ParticipantJoined
from spaces_sdk.local.ports import ReservedPort
from spaces_sdk.models import MessageStatus, MessageType
from tests.integration.people import People
from tests.support.openai_server import OpenAIServer, saying

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SAID = re.compile(r"^Ada in [A-HJ-NP-Z2-9]{6}: hello$", re.MULTILINE)
WITHIN_S = 90.0


def _environment(people: People, **more: str) -> dict[str, str]:
    project = people.project
    return {**os.environ, "SUPABASE_URL": project.url, "SUPABASE_PUBLISHABLE_KEY": project.publishable_key, **more}


@asynccontextmanager
async def _program(people: People, folder: Path, name: str, *arguments: str, **more: str) -> AsyncGenerator[Process]:
    """An example that runs in a folder of its own; killed at the end if it runs still."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / name),
        *arguments,
        cwd=folder,
        env=_environment(people, **more),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _output(people: People, program: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), env=_environment(people), stdout=PIPE, stderr=STDOUT
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, out.decode()
    return out.decode()


def _first_block() -> str:
    readme = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert found, "no Python block in the README"
    return found[1]


def _lines(program: str) -> list[str]:
    return [line for line in program.splitlines() if line.strip()]


async def test_the_quickstart_says_hello(people: People) -> None:
    assert SAID.search(await _output(people, EXAMPLES / "quickstart.py"))


async def test_the_first_python_block_of_the_readme_runs(people: People, tmp_path: Path) -> None:
    block = _first_block()
    assert len(_lines(block)) <= 15
    program = tmp_path / "readme.py"
    program.write_text(block, "utf-8")
    assert SAID.search(await _output(people, program))


async def test_the_readme_shows_the_quickstart() -> None:
    program = (EXAMPLES / "quickstart.py").read_text("utf-8").split('"""', 2)[2]
    assert _lines(program) == _lines(_first_block())


async def test_the_examples_meet_in_one_room(people: People, tmp_path: Path) -> None:
    """A person in the terminal makes it; greeter, bridge and scribe come; somebody new comes, too."""
    async with AsyncExitStack() as programs:

        async def start(name: str, *arguments: str, **more: str) -> Process:
            return await programs.enter_async_context(_program(people, tmp_path, name, *arguments, **more))

        chat = await start("chat.py", "Ada")
        assert chat.stdin is not None
        assert chat.stdout is not None
        first = (await asyncio.wait_for(chat.stdout.readline(), WITHIN_S)).decode()
        code = first.split()[4].rstrip(";")
        bob = await people.person("Bob")
        visit = await people.enter(bob, code)
        reserved = ReservedPort()
        programs.callback(reserved.release)
        port = str(reserved.port)
        for name in ("Greeter", "Scribe", "Bridge"):
            email, password = await people.account(name, is_bot=True)
            account = {"SPACES_BOT_EMAIL": email, "SPACES_BOT_PASSWORD": password}
            await start(f"{name.lower()}_bot.py", code, **account, BRIDGE_SECRET="s3cret", BRIDGE_PORT=port)
        for name in ("Greeter", "Scribe", "Bridge"):
            await visit.sees(ParticipantJoined, lambda e, name=name: e.participant.display_name == name, WITHIN_S)

        chat.stdin.write(b"hello\n")
        await visit.sees(MessageReceived, lambda e: (e.message.display_name, e.message.content) == ("Ada", "hello"))
        await people.enter(await people.person("Eve"), code)
        await visit.sees(MessageReceived, lambda e: e.message.content == "Welcome, Eve!")
        async with httpx.AsyncClient(trust_env=False, headers={"X-Bridge-Secret": "s3cret"}) as sender:
            for _ in range(2):
                posted = await sender.post(f"http://127.0.0.1:{port}/{code}", json={"id": "7", "text": "All is green"})
                assert posted.status_code == 202
        await visit.sees(MessageReceived, lambda e: e.message.content == "All is green")
        asked = await visit.session.send("!minutes")
        answer = await visit.sees(MessageReceived, lambda e: e.message.reply_to == asked.id)
        written = (tmp_path / answer.message.content.split(" in ")[1]).read_text("utf-8")
        for line in ("*Eve joined the room*", "**Ada**: hello", "**Greeter** (bot): Welcome, Eve!"):
            assert line in written
        assert written.count("**Bridge** (bot): All is green") == 1

        async with visit.session.stream(message_type="user_text") as out:
            for word in ("said ", "bit ", "by ", "bit"):
                await out.write(word)
        async with visit.session.stream(message_type="user_text") as out:
            await out.write("without end")
            await visit.sees(MessageChunk, lambda e: e.message_id == out.message_id)
            chat.stdin.write(b"/stop\n")
            await out.wait_ended()
        shown = (await asyncio.wait_for(chat.stdout.readuntil(b"(stopped)\n"), WITHIN_S)).decode()
        for line in ("Bridge: All is green\n", "Bob: said bit by bit\n", "Bob: without end (stopped)\n"):
            assert line in shown
        chat.stdin.close()
        assert await asyncio.wait_for(chat.wait(), WITHIN_S) == 0


async def test_in_the_debate_each_speaks_when_the_host_picks_it(people: People, tmp_path: Path) -> None:
    more = {"SUPABASE_SECRET_KEY": people.project.secret_key, "OPENAI_MODEL": ""}
    async with _program(people, tmp_path, "debate_bots.py", "Is tea better than coffee?", **more) as program:
        out, _ = await asyncio.wait_for(program.communicate(), 2 * WITHIN_S)
    assert program.returncode == 0, out.decode()
    said = re.findall(r"^(Pro|Con): \(canned\) (.+)$", out.decode(), re.MULTILINE)
    assert [name for name, _ in said] == ["Pro", "Con", "Pro", "Con"]


async def test_the_echo_bot_answers_as_a_bot(people: People) -> None:
    email, password = await people.account("Echo", is_bot=True)
    ada = await people.person("Ada")
    room = await ada.spaces.rooms.create_room("Friday jam")
    visit = await people.enter(ada, room)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "echo_bot.py"),
        room.room_code,
        env=_environment(people, SPACES_BOT_EMAIL=email, SPACES_BOT_PASSWORD=password),
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        await visit.sees(ParticipantJoined, lambda e: e.participant.display_name == "Echo", within_s=WITHIN_S)
        said = await visit.session.send("is anybody here?")
        answer = (await visit.sees(MessageReceived, lambda e: e.message.reply_to == said.id)).message
        assert (answer.content, answer.message_type) == ("Ada said: is anybody here?", MessageType.AI_RESPONSE)
        # The end of the room ends the program, and it says why.
        await ada.spaces.rooms.delete_room(room.id)
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 0, out.decode()
        assert f"Echo is out of {room.room_code}: room_not_found" in out.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_ai_host_speaks_through_a_model(people: People, tmp_path: Path) -> None:
    email, password = await people.account("Host", is_bot=True)
    ada = await people.person("Ada")
    room = await ada.spaces.rooms.create_room("Friday jam", mode="playful")
    visit = await people.enter(ada, room)
    async with OpenAIServer().running() as server:
        server.replies(saying("It", " is."))
        account = {"SPACES_BOT_EMAIL": email, "SPACES_BOT_PASSWORD": password}
        model = {"OPENAI_MODEL": "small", "OPENAI_API_KEY": "sk-4711", "OPENAI_BASE_URL": server.url}
        async with _program(people, tmp_path, "ai_host_bot.py", room.room_code, **account, **model) as process:
            await visit.sees(ParticipantJoined, lambda e: e.participant.display_name == "Host", WITHIN_S)
            said = await visit.session.send("why?")
            answer = await visit.sees(
                MessageUpdated, lambda e: e.message.reply_to == said.id and e.message.status is MessageStatus.FINAL
            )
            await ada.spaces.rooms.delete_room(room.id)
            out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 0, out.decode()
        assert (answer.message.content, answer.message.metadata["mode"]) == ("It is.", "playful")
        assert "sk-4711" not in out.decode()
