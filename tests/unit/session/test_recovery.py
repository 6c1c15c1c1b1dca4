"""How soon a session is live again after an outage: the whole of it on one clock, over many seeds."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import pytest

from spaces_sdk.errors import ServerError
from spaces_sdk.events import ConnectionState
from tests.support.bridge import whole_session
from tests.support.clock import FakeClock

pytestmark = [pytest.mark.stress, pytest.mark.usefixtures("no_task_left")]

SEEDS = 60
STEP_S = 0.25


async def until(is_so: Callable[[], bool], clock: FakeClock, *, within_s: float) -> float:
    """Turn the clock until it is so; how long that took."""
    begun = clock.monotonic()
    while not is_so():
        assert clock.monotonic() - begun < within_s, "not in time"
        await clock.advance(STEP_S)
    return clock.monotonic() - begun


async def recovery_s(seed: int, *, outage_s: float, is_database_away: bool) -> float:
    async with whole_session(seed) as whole:
        await whole.clock.advance(40 + seed % 7)
        whole.cut()
        if is_database_away:
            whole.api.down = ServerError("cannot do it: down", status=503)
        await whole.clock.advance(0.1)
        assert whole.session.connection_state is not ConnectionState.LIVE
        await whole.clock.advance(outage_s - 0.1)
        whole.network.is_down, whole.api.down = False, None
        return await until(lambda: whole.session.is_connected, whole.clock, within_s=30)


@pytest.mark.parametrize("is_database_away", [False, True], ids=["realtime", "everything"])
@pytest.mark.parametrize("outage_s", [1.0, 30.0])
async def test_recovery_after_an_outage(outage_s: float, is_database_away: bool) -> None:
    took = sorted(
        [await recovery_s(seed, outage_s=outage_s, is_database_away=is_database_away) for seed in range(SEEDS)]
    )
    assert median(took) < 3.0
    assert took[int(SEEDS * 0.95)] < 8.0


async def test_a_half_open_connection_is_noticed_and_mended_within_35_s_and_a_recovery() -> None:
    async with whole_session() as whole:
        await whole.clock.advance(60)
        whole.wire.manners.override = lambda _: []  # what is sent vanishes, and nothing comes
        noticed_s = await until(lambda: not whole.session.is_connected, whole.clock, within_s=40)
        assert noticed_s <= 35.0 + STEP_S
        await until(lambda: whole.session.is_connected, whole.clock, within_s=8)
