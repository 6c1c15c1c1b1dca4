"""Time limits on the package's clock, and work that many share."""

from __future__ import annotations

import asyncio

import pytest

from spaces_sdk.deadline import deadline
from spaces_sdk.errors import UsageError
from spaces_sdk.single_flight import SingleFlight
from tests.support.clock import FakeClock, settle

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]


async def test_a_body_in_time_is_left_alone() -> None:
    clock = FakeClock()
    async with deadline(clock, 5):
        await asyncio.sleep(0)
    assert clock.sleepers == 0


async def test_a_body_that_is_late_is_cancelled() -> None:
    clock = FakeClock()
    ended: list[str] = []

    async def late() -> None:
        async with deadline(clock, 5):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

    task = asyncio.ensure_future(late())
    await clock.advance(4.9)
    assert not task.done()
    await clock.advance(0.2)
    with pytest.raises(TimeoutError):
        await task
    assert ended == ["cancelled"]
    assert clock.sleepers == 0


async def test_the_inner_of_two_ends_first_and_only_itself() -> None:
    clock = FakeClock()

    async def nested() -> str:
        async with deadline(clock, 5):
            try:
                async with deadline(clock, 2):
                    await asyncio.Event().wait()
            except TimeoutError:
                await clock.sleep(1)
                return "went on"
        return "never"

    task = asyncio.ensure_future(nested())
    await clock.advance(3.5)
    assert await task == "went on"


async def test_a_cancellation_from_outside_stays_one() -> None:
    clock = FakeClock()

    async def waiting() -> None:
        async with deadline(clock, 5):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(waiting())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.sleepers == 0


async def test_an_error_of_the_body_goes_through() -> None:
    clock = FakeClock()
    with pytest.raises(KeyError):
        async with deadline(clock, 5):
            raise KeyError
    assert clock.sleepers == 0


async def test_one_flight_for_all_and_a_new_one_afterwards() -> None:
    runs = 0

    async def work() -> int:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        return runs

    flight = SingleFlight(work, name="work")
    assert await asyncio.gather(*(flight.run() for _ in range(10))) == [1] * 10
    assert await flight.run() == 2


async def test_an_error_reaches_everybody_and_is_not_kept() -> None:
    errors = [ValueError("first")]

    async def work() -> str:
        await asyncio.sleep(0)
        if errors:
            raise errors.pop()
        return "fine"

    flight = SingleFlight(work, name="work")
    outcomes = await asyncio.gather(flight.run(), flight.run(), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["first", "first"]
    assert await flight.run() == "fine"


async def test_the_work_outlives_its_callers() -> None:
    go = asyncio.Event()
    done: list[bool] = []

    async def work() -> None:
        await go.wait()
        done.append(True)

    flight = SingleFlight(work, name="work")
    caller = asyncio.ensure_future(flight.run())
    await settle()
    caller.cancel()
    await settle()
    assert caller.cancelled()
    go.set()
    await settle()
    assert done == [True]


async def test_closing_tells_those_who_wait() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    flight = SingleFlight(work, name="work")
    caller = asyncio.ensure_future(flight.run())
    await settle()
    await flight.aclose()
    await flight.aclose()
    with pytest.raises(UsageError, match="closed"):
        await caller
