"""A RoomManager on a scripted project, without network and time."""

from __future__ import annotations

import random
from collections.abc import Awaitable

import pytest

from spaces_sdk.errors import SpacesError
from spaces_sdk.rooms import RoomManager
from spaces_sdk.rpc import RpcClient
from tests.support.clock import FakeClock
from tests.support.fake_project import FakeProject, FixedToken, config, turning


class RoomsBench:
    """Its calls are those that the project has answers for."""

    def __init__(self) -> None:
        self.project = FakeProject()
        self.clock = FakeClock()
        chance = random.Random(7)  # noqa: S311
        self.rpc = RpcClient(config(), FixedToken(), lambda: self.project.http, clock=self.clock, random=chance)
        self.rooms = RoomManager(self.rpc)

    async def error(self, work: Awaitable[object]) -> SpacesError:
        """What it raises, with the clock turned on while it waits."""

        async def awaited() -> None:
            await work

        with pytest.raises(SpacesError) as caught:
            await turning(self.clock, awaited())
        return caught.value

    async def aclose(self) -> None:
        await self.rpc.aclose()
        await self.project.http.aclose()
