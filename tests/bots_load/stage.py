"""A stack of its own with the limits of a hosted project, and people whose networks can be broken one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from spaces_sdk import Spaces
from spaces_sdk.local.stack import LocalStack
from tests.chaos.proxy import Network
from tests.integration.people import LocalPeople

FREE_PLAN: Final = 100
"""Messages a second that Realtime lets through, each delivery counted."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody signed in, and their own way to the stack."""

    name: str
    spaces: Spaces
    network: Network


class Stage(LocalPeople):
    """People of a stack that nobody else uses."""

    @classmethod
    @asynccontextmanager
    async def running(cls, *, message_limit: int = FREE_PLAN, tick_s: float = 5.0) -> AsyncGenerator[Stage]:
        """From the start of the stack to the end of all that was made on it.

        Args:
            message_limit: Messages a second.
            tick_s: How often Realtime holds the last minute, twelve ticks, against it.
        """
        settings = {"MAX_EVENTS_PER_SECOND": message_limit, "LIMIT_TICK_S": tick_s, "FAITHFUL_LOSS": True}
        environment = {f"SPACES_REALTIME_{name}": str(value) for name, value in settings.items()}
        async with LocalStack.temporary(realtime_env=environment) as stack:
            stage = cls(stack)
            try:
                yield stage
            finally:
                await stage.aclose()

    async def guest(self, name: str, *, is_bot: bool = False) -> Guest:
        """Somebody new, behind a network of their own."""
        email, password = await self.account(name, is_bot=is_bot)
        network = Network(urlsplit(self.stack.url).port or 0)
        await network.open()
        self._held.push_async_callback(network.aclose)
        spaces = await self._held.enter_async_context(Spaces(network.url, self.stack.publishable_key))
        await spaces.auth.sign_in_with_password(email=email, password=password)
        return Guest(name, spaces, network)

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """What the database says, asked as its superuser."""
        async with self.sql() as connection:
            cursor = await connection.execute(query.encode(), arguments)
            return await cursor.fetchall()

    async def run(self, statement: str, *arguments: Any) -> None:
        """Let the database's superuser do something."""
        async with self.sql() as connection:
            await connection.execute(statement.encode(), arguments)
