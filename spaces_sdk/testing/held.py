"""Something asynchronous that is held open for code that has no loop, or more than one."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def held(manager: AbstractAsyncContextManager[T]) -> Generator[T]:
    """Enter it on a loop in a thread of its own, and leave it there at the end.

    Raises:
        Exception: What entering or leaving raises.
    """
    entered: Future[tuple[T, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def hold() -> None:
        ended = asyncio.Event()
        async with manager as value:
            entered.set_result((value, asyncio.get_running_loop(), ended))
            await ended.wait()

    with ThreadPoolExecutor(1, thread_name_prefix="held") as pool:
        running = pool.submit(lambda: asyncio.run(hold()))
        either: list[Future[Any]] = [entered, running]
        wait(either, return_when=FIRST_COMPLETED)
        if not entered.done():
            running.result()
        value, loop, ended = entered.result()
        try:
            yield value
        finally:
            loop.call_soon_threadsafe(ended.set)
            running.result()
