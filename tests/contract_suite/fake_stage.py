"""The suite on the fake backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from spaces_sdk.models import Kind
from spaces_sdk.testing import FakeBackend, FakeUser, settle
from tests.contract_suite.stage import HARDLY, SHARED_LIMITS, Stage

T = TypeVar("T")

LONGEST_S = 30.0
STEP_S = 0.25


class FakeStage(Stage):
    """Its time passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.backend = FakeBackend()
        for name in SHARED_LIMITS:
            del self.backend.limits[name]

    async def person(self, name: str, *, kind: Kind = Kind.HUMAN) -> FakeUser:
        user = self.backend.user(name, kind=kind)
        self.names[user.user_id] = name
        return user

    async def let_pass(self, seconds: float) -> None:
        await self.backend.clock.advance(seconds)

    async def until(self, fact: Callable[[], object]) -> None:
        for _ in range(int(LONGEST_S / STEP_S)):
            await settle()
            if fact():
                return
            await self.backend.clock.advance(STEP_S)
        raise AssertionError("it never came to that")

    async def configure(self, **values: float) -> None:
        for name, value in values.items():
            setattr(self.backend.config, name, value)

    async def stop_refill(self, action: str) -> None:
        self.backend.limits[action] = replace(self.backend.limits[action], refill_per_s=HARDLY)

    async def sweep(self) -> None:
        self.backend.sweep()

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        while not task.done():
            await self.backend.clock.advance(STEP_S)
        return await task
