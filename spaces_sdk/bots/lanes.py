"""One queue for each handler in a room: in order within it, independent of the others."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final

from spaces_sdk.bots.activity import Activity
from spaces_sdk.bots.claimer import Claimer
from spaces_sdk.bots.context import Context
from spaces_sdk.bots.errors import HandlerOverflowError
from spaces_sdk.clock import Clock
from spaces_sdk.session.tasks import TaskOwner
from spaces_sdk.turns import ANSWER, ClaimedTurn, TurnClaim, TurnOutcome, TurnStatus

logger = logging.getLogger("spaces_sdk.bots")

MOST_WAITING: Final = 100
"""Calls that wait for one handler in one room; what comes beyond them does not reach it."""
MOST_AHEAD: Final = 20
AHEAD_S: Final = 1.0
"""A quick handler claims in one go what it does in a second; a slow one leaves the rest to other replicas. It asks for
more while what it asks for is done already, or not this bot's to do."""

Call = Callable[[], Awaitable[object]]
Report = Callable[[Context, Exception], Awaitable[None]]
Begin = Callable[[ClaimedTurn | None], tuple[Context, Call]]


class Work:
    """One call of a handler, here or in another replica.

    Args:
        begin: Makes the context and the call, anew each time that it is begun.
        claim: What has to be granted before; None: every replica calls it.

    Attributes:
        is_missed: From before this replica came, and bounded by that: it takes no place of what happens now.
    """

    def __init__(self, begin: Begin, claim: TurnClaim | None = None) -> None:
        self.begin = begin
        self.is_missed = False
        self.wanted = claim
        self.turn: ClaimedTurn | None = None
        self.scope: asyncio.Timeout | None = None
        self.is_asked = False
        self.lane: Lane | None = None

    @property
    def is_ready(self) -> bool:
        return self.wanted is None or self.turn is not None

    @property
    def claim(self) -> TurnClaim:
        assert self.wanted is not None  # noqa: S101 - only what is claimed is asked for
        return self.wanted

    @property
    def position(self) -> int:
        return self.wanted.position if self.wanted is not None else 0

    def granted(self, turn: ClaimedTurn) -> None:
        self.turn = turn
        if self.lane is not None:
            self.lane.take_back(self)

    def put_off(self, turn: ClaimedTurn) -> None:
        self.turn = None
        if self.lane is not None:
            self.lane.let_go(self)

    def dropped(self, turn: ClaimedTurn) -> None:
        if self.lane is not None:
            self.lane.ask_for_more()
        self.put_off(turn)

    def lost(self, turn: ClaimedTurn) -> None:
        if self.scope is None:
            self.put_off(turn)
        elif turn.status is TurnStatus.TAKEN and not self.scope.expired():
            self.scope.reschedule(asyncio.get_running_loop().time())


class Lane:
    """The calls of one handler in one room, one after the other; a task runs only while there are some.

    What has to be claimed is claimed when its turn has come here, so that a replica whose handler is busy leaves the
    rest to the others.

    Attributes:
        dropped: Calls that found the queue full.
    """

    def __init__(
        self, name: str, tasks: TaskOwner, activity: Activity, report: Report, claimer: Claimer, clock: Clock
    ) -> None:
        self._name = name
        self._tasks = tasks
        self._activity = activity
        self._report = report
        self._claimer = claimer
        self._clock = clock
        self._waiting: deque[Work] = deque()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ahead = 1
        self._is_overflowing = False
        self.dropped = 0

    def put(self, work: Work) -> None:
        """Call it when its turn comes. Full: it is dropped, and the first of a stretch is reported."""
        if not work.is_missed and sum(not each.is_missed for each in self._waiting) >= MOST_WAITING:
            self.dropped += 1
            if not self._is_overflowing:
                self._is_overflowing = True
                ctx, _ = work.begin(None)
                self._tasks.start(self._tell_overflow(ctx), name=f"bot-overflow {self._name}")
            return
        work.lane = self
        if work.wanted is not None:
            self._claimer.expect(work.wanted)
        self._waiting.append(work)
        self._go_on(begins=True)

    def take_back(self, work: Work) -> None:
        """It is granted: now, or after it was put off."""
        is_new = work not in self._waiting
        if is_new:
            later = (i for i, each in enumerate(self._waiting) if each.position > work.position)
            self._waiting.insert(next(later, len(self._waiting)), work)
        self._go_on(begins=is_new)

    def let_go(self, work: Work) -> None:
        """Another replica does it, or nobody."""
        if work in self._waiting:
            self._waiting.remove(work)
            self._activity.end()
            self._news.set()

    def ask_for_more(self) -> None:
        """What was asked for is not to be had at all."""
        self._ahead = min(2 * self._ahead, MOST_AHEAD)

    def _go_on(self, *, begins: bool) -> None:
        if begins:
            self._activity.begin()
        self._news.set()
        if self._task is None or self._task.done():
            self._task = self._tasks.start(self._run(), name=f"bot {self._name}")

    async def _run(self) -> None:
        try:
            while self._waiting:
                work = self._waiting[0]
                if not work.is_ready:
                    self._ask_ahead()
                    self._news.clear()
                    await self._news.wait()
                    continue
                self._waiting.popleft()
                began_at = self._clock.monotonic()
                try:
                    await self._do(work)
                finally:
                    self._activity.end()
                self._ahead = _ahead_after(self._clock.monotonic() - began_at)
            self._is_overflowing = False
        finally:
            self._activity.end(len(self._waiting))
            self._waiting.clear()

    def _ask_ahead(self) -> None:
        for work in islice(self._waiting, self._ahead):
            if not work.is_ready and not work.is_asked:
                work.is_asked = True
                self._claimer.ask(work)

    async def _do(self, work: Work) -> None:
        turn = work.turn
        ctx, call = work.begin(turn)
        if work.wanted is None or turn is None:
            await guarded(ctx, call, self._report)
            return
        if turn.attempt > 1:
            logger.info("%s: takes over step %d, attempt %d", self._name, turn.position, turn.attempt)
        outcome = TurnOutcome.RELEASED
        scope = work.scope = asyncio.timeout(None)
        try:
            async with scope:
                await guarded(ctx, call, self._report)
            outcome = _outcome(turn, ctx)
        except TimeoutError:
            if not scope.expired():
                raise
            logger.warning("%s: another replica has taken over step %d", self._name, turn.position)
        finally:
            work.scope = None
            if work.turn is turn:  # else it was lost and granted anew, while the handler came to its end
                self._claimer.finish(work.wanted, outcome, ctx.tokens or None)

    async def _tell_overflow(self, ctx: Context) -> None:
        error = HandlerOverflowError(
            f"cannot call {self._name}: {MOST_WAITING} calls wait for it already",
            hint="it is too slow for this room; what comes until its queue is empty may be lost to it",
        )
        await self._report(ctx, error)


def _outcome(turn: ClaimedTurn, ctx: Context) -> TurnOutcome:
    """What it means that a handler came to its end, also by an error.

    One that says nothing when it is the bot's turn leaves the message to other bots; unless a process before it may
    have answered.
    """
    is_declined = turn.purpose == ANSWER and turn.attempt == 1 and not ctx.has_spoken
    return TurnOutcome.DECLINED if is_declined else TurnOutcome.DONE


def _ahead_after(seconds: float) -> int:
    """How many calls fit into the time, if they take as long as the last one."""
    return MOST_AHEAD if seconds * MOST_AHEAD <= AHEAD_S else max(1, int(AHEAD_S / seconds))


async def guarded(ctx: Context, call: Call, report: Report) -> None:
    """Call a handler; what it raises is reported and goes no further.

    A cancellation from outside does, also one that the handler has kept to itself.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    before = task.cancelling()
    try:
        await call()
    except asyncio.CancelledError:
        if task.cancelling() > before:
            raise
        await report(ctx, RuntimeError("the handler was cancelled from inside"))
    except Exception as error:  # noqa: BLE001 - a handler's failure never stops the bot
        await report(ctx, error)
    if task.cancelling() > before:
        raise asyncio.CancelledError
