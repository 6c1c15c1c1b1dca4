"""What is shown to a newcomer runs: the examples, and the first Python block of the README."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from spaces_sdk.events import MessageReceived, ParticipantJoined
from spaces_sdk.models import MessageType
from tests.integration.people import People

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SAID = re.compile(r"^Ada in [A-HJ-NP-Z2-9]{6}: hello$", re.MULTILINE)
WITHIN_S = 30.0


def _environment(people: People, **more: str) -> dict[str, str]:
    project = people.project
    return {**os.environ, "SUPABASE_URL": project.url, "SUPABASE_PUBLISHABLE_KEY": project.publishable_key, **more}


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
