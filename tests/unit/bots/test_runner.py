"""Where a bot runs: many rooms, new tries after failures, and when it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import pytest

from spaces_sdk import Spaces
from spaces_sdk.bots import Bot, Context
from spaces_sdk.bots.runner import sign_in
from spaces_sdk.errors import (
    ConfigError,
    ConnectTimeoutError,
    InvalidCredentialsError,
    NotFoundError,
    RemovedError,
    RoomFullError,
    SpacesError,
    UsageError,
)
from spaces_sdk.session import RoomSession
from spaces_sdk.testing import TalkRoom, VirtualClock, settle

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

Script = list[SpacesError | float]
"""For each try: an error of the join, or how long the session lives before its place is lost."""


class Project:
    """Stands in for `Spaces`: its sessions do as a script says, and then go on without end."""

    def __init__(self, clock: VirtualClock, **scripts: Script) -> None:
        self.clock = clock
        self.scripts = scripts
        self.joins: list[tuple[str, float]] = []
        self.rooms: dict[str, TalkRoom] = {}
        self.sessions: dict[str, RoomSession] = {}
        self.auth: object = None
        self.end: SpacesError = RemovedError("lost", code="room_full", retryable=True)

    @asynccontextmanager
    async def join(self, room: str | UUID, *, display_name: str) -> AsyncGenerator[RoomSession]:
        code = str(room)
        self.joins.append((code, self.clock.monotonic()))
        script = self.scripts.get(code, [])
        entry = script.pop(0) if script else None
        if isinstance(entry, SpacesError):
            raise entry
        made = self.rooms[code] = TalkRoom(self.clock, display_name, ["ada"])
        session = self.sessions[code] = made.join()
        if entry is None:
            async with session:
                yield session
            return
        life = asyncio.create_task(self._end_later(session, entry))
        try:
            async with session:
                yield session
        finally:
            await asyncio.wait({life})
        raise self.end

    async def _end_later(self, session: RoomSession, seconds: float) -> None:
        await self.clock.sleep(seconds)
        await session.aclose()

    @property
    def spaces(self) -> Spaces:
        return cast("Spaces", self)


def _bot(clock: VirtualClock) -> Bot:
    bot = Bot("Bea", clock=clock)

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(ctx.message.content)

    return bot


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def test_each_room_is_served_once_and_on_its_own() -> None:
    clock = VirtualClock()
    project = Project(clock)
    task = asyncio.create_task(_bot(clock).start(project.spaces, "one", "two", "one"))
    await settle()
    assert [code for code, _ in project.joins] == ["one", "two"]
    project.rooms["one"].say("ada", "hello")
    await settle()
    assert [m.content for m in project.rooms["one"].said] == ["hello"]
    assert project.rooms["two"].said == []
    for session in project.sessions.values():
        await session.aclose()
    await task


async def test_it_comes_back_after_failures_with_longer_pauses() -> None:
    clock = VirtualClock()
    project = Project(clock, one=[*[ConnectTimeoutError("cannot connect")] * 5, 1.0, 200.0])
    task = asyncio.create_task(_bot(clock).start(project.spaces, "one"))
    await clock.advance(400)
    assert len(project.joins) == 8
    pauses = [later - sooner for (_, sooner), (_, later) in zip(project.joins, project.joins[1:], strict=False)]
    assert all(pause <= 2**index for index, pause in enumerate(pauses[:5]))
    assert pauses[6] <= 201  # it had lived long: the pause begins anew
    project.rooms["one"].say("ada", "still there?")
    await settle()
    assert [m.content for m in project.rooms["one"].said] == ["still there?"]
    await _cancel(task)


@pytest.mark.parametrize("code", ["kicked", "banned", "room_not_found", "room_inactive", "not_participant"])
async def test_who_is_removed_stays_away(code: str) -> None:
    clock = VirtualClock()
    project = Project(clock, one=[1.0])
    project.end = RemovedError("removed", code=code)
    task = asyncio.create_task(_bot(clock).start(project.spaces, "one"))
    await clock.advance(1)
    await task
    assert len(project.joins) == 1


async def test_a_room_that_ended_meanwhile_is_the_end() -> None:
    clock = VirtualClock()
    project = Project(clock, one=[1.0, RoomFullError("full"), NotFoundError("gone", code="room_not_found")])
    task = asyncio.create_task(_bot(clock).start(project.spaces, "one"))
    await clock.advance(100)
    await task
    assert len(project.joins) == 3


async def test_a_room_that_cannot_be_entered_at_all_is_raised_when_the_others_have_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = VirtualClock()
    gone = [NotFoundError("cannot find the room: no open room has this code", code="room_not_found")]
    project = Project(clock, two=[*gone])
    task = asyncio.create_task(_bot(clock).start(project.spaces, "one", "two"))
    await settle()
    assert "Bea is not in two: cannot find the room" in caplog.text
    project.rooms["one"].say("ada", "hello")
    await settle()
    assert [m.content for m in project.rooms["one"].said] == ["hello"]
    await project.sessions["one"].aclose()
    with pytest.raises(NotFoundError):
        await task
    with pytest.raises(NotFoundError):
        await _bot(clock).start(Project(clock, two=[*gone]).spaces, "two")


async def test_a_mistake_in_our_own_code_ends_the_bot_at_once() -> None:
    clock = VirtualClock()

    class Broken(Project):
        def join(self, room: str | UUID, *, display_name: str) -> Any:
            if room == "two":
                raise RuntimeError("a mistake")
            return super().join(room, display_name=display_name)

    with pytest.raises(RuntimeError, match="a mistake"):
        await _bot(clock).start(Broken(clock).spaces, "one", "two")


async def test_without_rooms_or_account(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = _bot(VirtualClock())
    for variable in ("SPACES_BOT_EMAIL", "SPACES_BOT_PASSWORD", "SPACES_BOT_ROOMS"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UsageError, match="no room"):
        await bot.start(Project(VirtualClock()).spaces)
    with pytest.raises(ConfigError, match="SPACES_BOT_EMAIL"):
        bot.run("XJ9K2M")
    monkeypatch.setenv("SPACES_BOT_EMAIL", "a@example.com")
    monkeypatch.setenv("SPACES_BOT_PASSWORD", "secret")
    with pytest.raises(UsageError, match="SPACES_BOT_ROOMS"):
        bot.run()


async def test_signing_in_is_tried_again_while_the_project_does_not_answer() -> None:
    clock = VirtualClock()
    answers: list[SpacesError | None] = [ConnectTimeoutError("cannot connect"), ConnectTimeoutError("no"), None]

    class Auth:
        async def sign_in_with_password(self, **_: str) -> None:
            answer = answers.pop(0)
            if answer is not None:
                raise answer

    project = Project(clock)
    project.auth = Auth()
    task = asyncio.create_task(sign_in(_bot(clock), project.spaces, "a@example.com", "secret"))
    await clock.advance(4)
    await task
    assert answers == []
    answers.append(InvalidCredentialsError("cannot sign in: wrong"))
    with pytest.raises(
        InvalidCredentialsError, match=r"cannot sign in: wrong .*SPACES_BOT_PASSWORD.*spaces bot create"
    ):
        await sign_in(_bot(clock), project.spaces, "a@example.com", "secret")
