"""A local stack without limits, and people on it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg

from spaces_sdk import Spaces
from spaces_sdk.local.stack import LocalStack


class Stage:
    """Makes accounts, and closes their clients at the end."""

    def __init__(self, stack: LocalStack, held: AsyncExitStack) -> None:
        self._stack = stack
        self._held = held

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncGenerator[Stage]:
        """A stack of its own; limits are counted there, and never reached."""
        async with AsyncExitStack() as held:
            fast = {"SPACES_REALTIME_MAX_EVENTS_PER_SECOND": "1000000"}
            stack = await held.enter_async_context(LocalStack.temporary(realtime_env=fast))
            async with await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True) as connection:
                await connection.execute("update spaces.limits set capacity = 1000000000, refill_per_s = 1000000")
                await connection.execute("update spaces.config set active_rooms_per_user = 1000")
            yield cls(stack, held)

    @property
    def url(self) -> str:
        """Of the stack."""
        return self._stack.url

    @property
    def publishable_key(self) -> str:
        """For a client of another kind."""
        return self._stack.publishable_key

    async def person(self, name: str, *, is_bot: bool = False) -> Spaces:
        """A client on which somebody new is signed in."""
        email, password = f"{secrets.token_hex(8)}@example.com", secrets.token_urlsafe(12)
        async with Spaces(self._stack.url, self._stack.secret_key) as operator:
            metadata = {"spaces_kind": "bot"} if is_bot else {}
            await operator.auth.admin.create_user(email=email, password=password, app_metadata=metadata)
        spaces = await self._held.enter_async_context(Spaces(self._stack.url, self._stack.publishable_key))
        await spaces.auth.sign_in_with_password(email=email, password=password)
        return spaces
