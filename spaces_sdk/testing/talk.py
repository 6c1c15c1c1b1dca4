"""A bot in a room of a fake backend, on a clock that the test turns."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from spaces_sdk.bots import Bot
from spaces_sdk.models import Message, MessageStatus, Role
from spaces_sdk.testing.clock import VirtualClock, settle
from spaces_sdk.testing.talk_room import TalkRoom

POLL_S = 0.002


class Talk:
    """Speaks with a bot: `async with Talk(bot, ["ada"]) as talk: answers = await talk.say("ada", "hello")`.

    Each call returns what the bot has said since the one before, once it has nothing left to do: all its handlers
    have ended, or wait for somebody (`ctx.wait_for`) or for time (`ctx.sleep`). Time passes by `wait` alone.

    The bot is there by a real session; `room.backend.faults` breaks its network.

    Args:
        bot: Not changed by it; one bot may be in several at once.
        people: Who is in the room from the beginning.
        host: Whose room it is; None: the first of the people.
        bot_role: What the bot may do in the room.
        within_s: How long a handler may be at work, in seconds of real time.
    """

    def __init__(
        self,
        bot: Bot,
        people: list[str],
        *,
        host: str | None = None,
        bot_role: Role = Role.MEMBER,
        within_s: float = 5.0,
    ) -> None:
        self.clock = VirtualClock()
        self.room = TalkRoom(self.clock, bot.name, people, host=host, bot_role=bot_role)
        self.session = self.room.join()
        self.errors: list[Exception] = []
        self._served = bot.serve(self.session, clock=self.clock, on_unhandled=self.errors.append)
        self._within_s = within_s
        self._heard = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.session.__aenter__()
        self._task = asyncio.create_task(self._served.run(), name="talk")
        await settle()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leaving = asyncio.create_task(self._leave(), name="talk-end")
        while not leaving.done():
            await self.clock.advance(1)
        await leaving

    async def _leave(self) -> None:
        """As `Bot.start` does when it is cancelled: the handlers end, then the session."""
        if self._task is not None:
            self.stop()
            await asyncio.wait({self._task})
        await self.session.aclose()

    def stop(self) -> None:
        """The bot is told to leave; what it does then is its `on_close`."""
        if self._task is not None:
            self._task.cancel()

    async def say(self, name: str, content: str) -> list[str]:
        """Somebody says something."""
        self.room.say(name, content)
        return await self.answers()

    async def come(self, name: str) -> list[str]:
        """Somebody comes into the room."""
        self.room.come(name)
        return await self.answers()

    async def wait(self, seconds: float) -> list[str]:
        """Time passes."""
        await self.clock.advance(seconds)
        return await self.answers()

    async def answers(self) -> list[str]:
        """What the bot has said since it was asked last.

        Raises:
            TimeoutError: A handler is at work for too long.
            Exception: What a handler raised, if the bot has no `on_error`.
        """
        scope = asyncio.timeout(self._within_s)
        try:
            async with scope:
                await self._quiet()
        except TimeoutError:
            if not scope.expired():
                raise
            raise TimeoutError(
                f"{self.room.bot.name} is still at work after {self._within_s:g} s: a handler waits for something else "
                "than ctx.wait_for and ctx.sleep, or speaks without end"
            ) from None
        if self.errors:
            raise self.errors.pop(0)
        said = self.messages[self._heard :]
        self._heard += len(said)
        return [message.content for message in said]

    @property
    def messages(self) -> list[Message]:
        """All that the bot has said."""
        return [m for m in self.room.said if m.status is not MessageStatus.STREAMING]

    async def _quiet(self) -> None:
        while True:
            await settle()
            if self._task is not None and self._task.done():
                self._task.result()
                return
            if self._is_idle:
                await settle()
                if self._is_idle:
                    return
            else:
                await asyncio.sleep(POLL_S)

    @property
    def _is_idle(self) -> bool:
        """The bot has heard what it can hear, and has nothing to do."""
        is_behind = self.session.is_connected and self.session.position < self.room.head
        return self._served.activity.is_quiet and not is_behind
