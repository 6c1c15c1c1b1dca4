"""The sends of one session: in the order of the calls, several in one request when they queue up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.drafts import MessageDraft
from spaces_sdk.errors import (
    ApiError,
    ConnectTimeoutError,
    OutcomeUnknownError,
    RateLimitedError,
    SendCancelledError,
    SendQueueFullError,
    SessionClosedError,
    SpacesError,
)
from spaces_sdk.events import ConnectionState
from spaces_sdk.models import Message
from spaces_sdk.session.api import SessionApi
from spaces_sdk.session.options import SessionOptions
from spaces_sdk.session.outbox import BATCH_MESSAGES, Outbox, Outgoing, PendingSend, Stopwatch, size_of
from spaces_sdk.session.stats import SessionStats
from spaces_sdk.session.tasks import TaskOwner

# In both the database has just answered. Without a channel sends go over HTTP all the same.
_ONLINE = frozenset({ConnectionState.LIVE, ConnectionState.DEGRADED})
# After a refusal for the rate: what was let through the last time, but not fewer than a human's limit refills in 1 s.
_LEAST_AFTER_LIMIT = 5


class Sender:
    """One queue and, while there is something to do about it, one task that empties it.

    One request at a time is what keeps the order: the database steps in the order of arrival. A send alone goes at
    once; those that come while a request is under way share the next one.
    """

    def __init__(
        self,
        api: SessionApi,
        room_id: Callable[[], UUID],
        *,
        clock: Clock,
        tasks: TaskOwner,
        options: SessionOptions,
        stats: SessionStats,
    ) -> None:
        self._api = api
        self._room_id = room_id
        self._clock = clock
        self._tasks = tasks
        self._size = options.send_queue_size
        self._is_queueing = options.queue_while_offline
        self._stats = stats
        self._outbox = Outbox()
        self._in_flight: list[Outgoing] = []
        # Runs while sends may go, so what waits for a connection does not come nearer to its deadline.
        self._watch = Stopwatch(clock)
        self._is_online = True
        self._was_offline = False
        self._is_pausing = False
        self._most = BATCH_MESSAGES
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def pending(self) -> list[PendingSend]:
        """What has no answer yet, in order."""
        on_its_way = [self._told(outgoing, True) for outgoing in self._in_flight if not outgoing.answer.done()]
        return on_its_way + [self._told(outgoing, False) for outgoing in self._outbox]

    def notice(self, state: ConnectionState) -> None:
        """The session's state has changed; without `queue_while_offline` that is nothing to a send."""
        if not self._is_queueing:
            return
        self._is_online = state in _ONLINE
        if not self._is_online:
            self._was_offline = True
            self._watch.hold()
        elif not self._is_pausing:
            self._watch.go_on()
            self._start()

    async def send(self, draft: MessageDraft, *, timeout_s: float) -> Message:
        """Store one message; see `RoomSession.send`."""
        if self._is_closed:
            raise SessionClosedError("cannot send: the session has ended")
        if len(self._outbox) >= self._size:
            raise SendQueueFullError(
                f"cannot send: {self._size} sends are waiting already", hint="await some of them first"
            )
        outgoing = Outgoing(
            draft,
            asyncio.get_running_loop().create_future(),
            since=self._clock.now(),
            ends_at_s=self._watch.elapsed_s + timeout_s,
            size_bytes=size_of(draft),
        )
        self._outbox.add(outgoing)
        self._start()
        try:
            return await self._answer(outgoing)
        finally:
            if not outgoing.answer.done():
                self._outbox.discard(outgoing)
                outgoing.answer.cancel()

    def close(self) -> None:
        """Fail what waits: what was on its way has an open outcome, the rest was never sent."""
        self._is_closed = True
        for outgoing in (*self._in_flight, *self._outbox):
            error: SpacesError = SessionClosedError("cannot send: the session has ended; it was not sent")
            if outgoing.was_sent:
                error = OutcomeUnknownError("cannot send: the session has ended", operation_id=outgoing.draft.id)
            outgoing.fail(error)
        self._outbox.clear()

    # -- the caller's side -----------------------------------------------------------------------------

    async def _answer(self, outgoing: Outgoing) -> Message:
        while not outgoing.answer.done():
            if self._watch.is_held:
                await asyncio.wait({outgoing.answer, self._watch.released()}, return_when=asyncio.FIRST_COMPLETED)
                continue
            left_s = outgoing.ends_at_s - self._watch.elapsed_s
            if left_s <= 0.001:
                raise _late(outgoing)
            try:
                async with deadline(self._clock, left_s):
                    await asyncio.wait({outgoing.answer})
            except TimeoutError:
                continue  # unless the watch was held meanwhile, the time is over
        return outgoing.answer.result()

    def _told(self, outgoing: Outgoing, is_on_its_way: bool) -> PendingSend:
        def cancel() -> bool:
            if not self._outbox.discard(outgoing):
                return False
            outgoing.fail(_cancelled(outgoing))
            return True

        draft = outgoing.draft
        return PendingSend(draft.id, draft.content, outgoing.since, is_on_its_way, cancel)

    # -- the queue's side ------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._watch.is_held or not self._outbox or self._is_closed:
            return
        if self._task is None or self._task.done():
            self._task = self._tasks.start(self._empty(), name="sender")

    async def _empty(self) -> None:
        while self._is_online and (batch := self._outbox.take(self._most)):
            self._in_flight = batch
            self._was_offline = False
            for outgoing in batch:
                outgoing.was_sent = True
            try:
                answers = await self._store(batch)
            except SpacesError as error:
                answers = [_error_for(outgoing, error) for outgoing in batch]
            except BaseException as error:
                for outgoing in batch:
                    outgoing.fail(OutcomeUnknownError(f"cannot send: {error!r}", operation_id=outgoing.draft.id))
                raise
            finally:
                self._in_flight = []
            pause_s = self._settle(batch, answers)
            if pause_s > 0:
                await self._pause(pause_s)

    def _settle(self, batch: Sequence[Outgoing], answers: Sequence[Message | SpacesError]) -> float:
        """Tell the callers, or put back what may wait; returns the seconds to wait before the next request."""
        self._stats.send_requests += 1
        stored, pause_s = 0, 0.0
        again: list[Outgoing] = []
        for outgoing, answer in zip(batch, answers, strict=True):
            if not isinstance(answer, SpacesError):
                stored += 1
                outgoing.store(answer)
            elif self._is_queueing and isinstance(answer, RateLimitedError):
                outgoing.was_sent = outgoing.is_open  # this request has not stored it
                pause_s = max(pause_s, answer.retry_after_s)
                again.append(outgoing)
            elif self._was_offline and answer.retryable:
                outgoing.is_open = True
                again.append(outgoing)
            elif outgoing.is_open and (answer.retryable or not isinstance(answer, ApiError)):
                outgoing.fail(_late(outgoing))  # the earlier request may have stored it
            else:
                outgoing.fail(answer)
        self._stats.sends += stored
        self._outbox.put_back(again)
        self._most = max(_LEAST_AFTER_LIMIT, stored) if pause_s > 0 else BATCH_MESSAGES
        return pause_s

    async def _pause(self, seconds: float) -> None:
        self._watch.hold()
        self._is_pausing = True
        try:
            await self._clock.sleep(seconds)
        finally:
            self._is_pausing = False
        if self._is_online:
            self._watch.go_on()

    async def _store(self, batch: list[Outgoing]) -> list[Message | SpacesError]:
        timeout_s = max(0.1, max(outgoing.ends_at_s for outgoing in batch) - self._watch.elapsed_s)
        if len(batch) > 1:
            answers = await self._api.insert_messages(
                self._room_id(), [outgoing.draft for outgoing in batch], timeout_s=timeout_s
            )
            if len(answers) != len(batch):
                return [
                    OutcomeUnknownError("cannot send: the answer has another length", operation_id=outgoing.draft.id)
                    for outgoing in batch
                ]
            return answers
        draft = batch[0].draft
        return [
            await self._api.insert_message(
                self._room_id(),
                draft.content,
                message_type=draft.message_type,
                metadata=draft.metadata,
                reply_to=draft.reply_to,
                message_id=draft.id,
                timeout_s=timeout_s,
            )
        ]


def _late(outgoing: Outgoing) -> SpacesError:
    if outgoing.was_sent:
        return OutcomeUnknownError("cannot send: no answer in time", operation_id=outgoing.draft.id)
    return ConnectTimeoutError(
        "cannot send: earlier sends of this session took too long; this one was not sent",
        hint=f"send it again with message_id={outgoing.draft.id}",
    )


def _cancelled(outgoing: Outgoing) -> SpacesError:
    if outgoing.was_sent:  # before the connection was lost
        return OutcomeUnknownError("cannot send: it was taken back too late", operation_id=outgoing.draft.id)
    return SendCancelledError("cannot send: it was taken back before it was sent")


def _error_for(outgoing: Outgoing, error: SpacesError) -> SpacesError:
    """An open outcome of a batch is one of each of its messages, told with the message's own id."""
    if isinstance(error, OutcomeUnknownError) and error.operation_id != outgoing.draft.id:
        return OutcomeUnknownError("cannot send: no answer in time", operation_id=outgoing.draft.id)
    return error
