"""Bots on a real stack: the framework, the command that makes and runs them, and the examples."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from spaces_sdk import Bot, Context, MessageReceived, ParticipantUpdated, Role
from spaces_sdk.events import MessageUpdated, ParticipantJoined, ParticipantLeft
from spaces_sdk.models import MessageStatus
from tests.integration.people import People, Visit
from tests.support.spaces_up import heed_signals

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples"
WITHIN_S = 90.0


def _environment(people: People, **more: str) -> dict[str, str]:
    project = people.project
    return {**os.environ, "SUPABASE_URL": project.url, "SUPABASE_PUBLISHABLE_KEY": project.publishable_key, **more}


@asynccontextmanager
async def _program(people: People, *arguments: str, **environment: str) -> AsyncGenerator[Process]:
    """A Python program in the folder of the examples; killed at the end if it runs still."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=EXAMPLES,
        env=_environment(people, **environment),
        stdout=PIPE,
        stderr=STDOUT,
        preexec_fn=heed_signals,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_one_bot_serves_two_rooms_until_it_is_removed_from_both(people: People) -> None:
    bot = Bot("Bea")
    ended: list[str] = []

    @bot.command
    async def count(ctx: Context, to: int = 3) -> None:
        async with ctx.stream() as out:
            for number in range(1, to + 1):
                await out.write(f"{number} ")

    @bot.on_message
    async def ask(ctx: Context) -> None:
        await ctx.reply("why?")
        said = await ctx.wait_for(MessageReceived, lambda e: e.message.user_id == ctx.message.user_id)
        await ctx.send(f"because {said.message.content}")

    @bot.on_close
    async def close(ctx: Context) -> None:
        ended.append(ctx.room.name)

    ada, account = await people.person("Ada"), await people.person("Bea", is_bot=True)
    rooms = [await ada.spaces.rooms.create_room(name) for name in ("one", "two")]
    visits = [await people.enter(ada, room) for room in rooms]
    task = asyncio.create_task(bot.start(account.spaces, *(room.room_code for room in rooms)))
    for visit in visits:
        await visit.sees(ParticipantJoined, lambda e: e.participant.display_name == "Bea")
        said = await visit.session.send("hm")
        await visit.sees(MessageReceived, lambda e, id_=said.id: e.message.reply_to == id_)
        await visit.session.send("of this")
        await visit.sees(MessageReceived, lambda e: e.message.content == "because of this")
    asked = await visits[0].session.send("!count 4")
    whole = await visits[0].sees(
        MessageUpdated, lambda e: e.message.reply_to == asked.id and e.message.status is MessageStatus.FINAL
    )
    assert (whole.message.content.split(), whole.message.sender_kind) == (["1", "2", "3", "4"], "bot")
    await visits[0].session.kick(account.user_id)
    await ada.spaces.rooms.delete_room(rooms[1].id)
    await asyncio.wait_for(task, WITHIN_S)
    assert sorted(ended) == ["one", "two"]


async def test_the_command_makes_an_account_and_runs_a_bot_with_it(people: People) -> None:
    command = ("-m", "spaces_sdk.cli.main", "bot")
    secret = people.project.secret_key
    async with _program(people, *command, "create", "Dice", "--json", SUPABASE_SECRET_KEY=secret) as process:
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 0, out.decode()
    made = json.loads(out)
    ada = await people.person("Ada")
    room = await ada.spaces.rooms.create_room("Dice")
    visit = await people.enter(ada, room)
    async with _program(
        people,
        *(*command, "run", "dice_bot:bot", "--room", room.room_code),
        SPACES_BOT_EMAIL=made["email"],
        SPACES_BOT_PASSWORD=made["password"],
    ) as process:
        await visit.sees(ParticipantJoined, lambda e: e.participant.kind == "bot", within_s=WITHIN_S)
        asked = await visit.session.send("!roll 1 2")
        answer = await visit.sees(MessageReceived, lambda e: e.message.reply_to == asked.id)
        assert answer.message.content == "1, 1"
        process.send_signal(signal.SIGTERM)
        await visit.sees(ParticipantLeft, lambda e: e.participants[0].display_name == "Dice")
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 0, out.decode()
        assert "Dice has ended" in out.decode()
        assert "Traceback" not in out.decode()


async def test_a_wrong_code_ends_the_command_with_a_hint(people: People) -> None:
    email, password = await people.account("Dice", is_bot=True)
    async with _program(
        people,
        *("-m", "spaces_sdk.cli.main", "bot", "run", "dice_bot:bot", "--room", "AAAAAA"),
        SPACES_BOT_EMAIL=email,
        SPACES_BOT_PASSWORD=password,
    ) as process:
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 1, out.decode()
        assert "error: cannot" in out.decode()
        assert "Traceback" not in out.decode()


async def test_a_secret_key_that_the_project_does_not_know_is_named(people: People) -> None:
    command = ("-m", "spaces_sdk.cli.main", "bot", "create", "Dice")
    async with _program(people, *command, SUPABASE_SECRET_KEY="sb_secret_of_another_project") as process:
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 1, out.decode()
        assert "does not know the key in SUPABASE_SECRET_KEY" in out.decode()
        assert "hint: " in out.decode()


async def test_the_moderator_mutes_who_floods(people: People) -> None:
    email, password = await people.account("Guard", is_bot=True)
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Calm")
    host = await people.enter(ada, room)
    async with _program(
        people, "moderator_bot.py", room.room_code, SPACES_BOT_EMAIL=email, SPACES_BOT_PASSWORD=password
    ):
        came = await host.sees(ParticipantJoined, lambda e: e.participant.display_name == "Guard", within_s=WITHIN_S)
        await host.session.set_role(came.participant.user_id, Role.MODERATOR)
        visit = await people.enter(bob, room.room_code)
        for index in range(6):
            await visit.session.send(f"flood {index}")
        await host.sees(ParticipantUpdated, lambda e: e.participant.user_id == bob.user_id and e.participant.is_muted)
        await host.sees(MessageReceived, lambda e: e.message.content == "Bob takes a break of a minute.")


SLOW = """
from spaces_sdk import Bot
bot = Bot("Bea")

@bot.on_message
async def count(ctx):
    async with ctx.stream() as out:
        for number in range(100_000):
            await out.write(f"{number} ")
            await ctx.sleep(0.001)
"""


async def test_in_the_console_an_answer_grows_and_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW, "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spaces_sdk.cli.main", "bot", "run", "slow.py", "--console"),
        cwd=tmp_path,
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"/mode nonsense\n/as bob\ncount\n")
    assert (await process.stdout.readline()).startswith(b"# cannot update the room's state: there is no such mode")
    assert await process.stdout.readexactly(13) == b"Bea: 0 1 2 3 "
    process.stdin.write(b"/stop\n")
    process.stdin.close()
    out, _ = await process.communicate()
    assert out.endswith(b" (stopped)\n")
    assert process.returncode == 0


async def test_a_command_that_was_killed_handles_what_it_missed_and_says_so(people: People) -> None:
    email, password = await people.account("Dice", is_bot=True)
    ada = await people.person("Ada")
    room = await ada.spaces.rooms.create_room("Dice")
    visit = await people.enter(ada, room)
    command = ("-m", "spaces_sdk.cli.main", "bot", "run", "dice_bot:bot", "--room", room.room_code)
    account = {"SPACES_BOT_EMAIL": email, "SPACES_BOT_PASSWORD": password}
    async with _program(people, *command, **account) as process:
        await visit.sees(ParticipantJoined, lambda e: e.participant.kind == "bot", within_s=WITHIN_S)
        first = await visit.session.send("!roll 1")
        await visit.sees(MessageReceived, lambda e: e.message.reply_to == first.id, within_s=WITHIN_S)
        process.kill()
        await process.wait()
    missed = await visit.session.send("!roll 1 2")
    async with _program(people, *command, **account) as process:
        answer = await visit.sees(MessageReceived, lambda e: e.message.reply_to == missed.id, within_s=WITHIN_S)
        assert answer.message.content == "1, 1"
        process.send_signal(signal.SIGTERM)
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert f"room {room.room_code}: handles what was missed" in out.decode()
    replies = [m.reply_to for m in visit.session.messages if m.sender_kind == "bot"]
    assert replies == [first.id, missed.id], "each once"


ENDLESS = """
import asyncio, time
from spaces_sdk import Bot
bot = Bot("Bea")

@bot.on_message
async def talk(ctx):
    told = asyncio.create_task(ctx.reply("here"))  # it is heard when the handler is where it stays
    if ctx.message.content == "thread":
        await asyncio.to_thread(time.sleep, 3600)
    while ctx.message.content == "task":
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
    await told
    raise RuntimeError(f"what is {ctx.message.content}?")
"""


@asynccontextmanager
async def _endless(people: People, folder: Path) -> AsyncGenerator[tuple[Visit, Process]]:
    """Ada in a room that the command has brought this bot into, and the command."""
    (folder / "bea.py").write_text(ENDLESS, "utf-8")
    email, password = await people.account("Bea", is_bot=True)
    ada = await people.person("Ada")
    room = await ada.spaces.rooms.create_room("Endless")
    visit = await people.enter(ada, room)
    async with _program(
        people,
        *("-m", "spaces_sdk.cli.main", "bot", "run", str(folder / "bea.py"), "--room", room.room_code),
        SPACES_BOT_EMAIL=email,
        SPACES_BOT_PASSWORD=password,
    ) as process:
        await visit.sees(ParticipantJoined, lambda e: e.participant.kind == "bot", within_s=WITHIN_S)
        yield visit, process


@pytest.mark.parametrize(("goes_on", "told"), [("task", signal.SIGTERM), ("thread", signal.SIGINT)])
async def test_the_command_ends_whatever_its_handlers_do(
    people: People, tmp_path: Path, goes_on: str, told: signal.Signals
) -> None:
    async with _endless(people, tmp_path) as (visit, process):
        asked = await visit.session.send(goes_on)
        await visit.sees(MessageReceived, lambda e: e.message.reply_to == asked.id, within_s=WITHIN_S)
        process.send_signal(told)
        await visit.sees(ParticipantLeft, lambda e: e.participants[0].display_name == "Bea", within_s=WITHIN_S)
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert process.returncode == 1, out.decode()
    assert "the process ends without its handlers" in out.decode()


async def test_a_message_writes_nothing_of_its_own_into_the_log(people: People, tmp_path: Path) -> None:
    async with _endless(people, tmp_path) as (visit, process):
        await visit.session.send("\x1b[2J\u009b1mnews\n12:00:00 INFO    all is well\r")
        asked = await visit.session.send("and")  # it is heard when the first has failed
        await visit.sees(MessageReceived, lambda e: e.message.reply_to == asked.id, within_s=WITHIN_S)
        process.send_signal(signal.SIGTERM)
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    lines = out.decode().split("\n")
    assert not [line for line in lines if not line.isprintable()]
    assert {line for line in lines if "all is well" in line} == {"  12:00:00 INFO    all is well"}
