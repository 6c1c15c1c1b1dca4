"""The sends of one session: in the order of the calls, several in one request when they queue up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.drafts import MessageDraft
from spaces_sdk.errors import (
    ConnectTimeoutError,
    OutcomeUnknownError,
    SessionClosedError,
    SpacesError,
    UsageError,
)
from spaces_sdk.models import Message
from spaces_sdk.session.api import SessionApi
from spaces_sdk.session.tasks import TaskOwner

# `insert_messages` takes 50; the size keeps one request well below what gateways accept.
BATCH_MESSAGES: Final = 50
BATCH_CHARACTERS: Final = 256_000


@dataclass(slots=True, eq=False)
class _Pending:
    draft: MessageDraft
    answer: asyncio.Future[Message]
    deadline_at: float
    is_sent: bool = False


class Sender:
    """One queue and, while it is not empty, one task that empties it.

    One request at a time is what keeps the order: the database steps in the order of arrival.

    Args:
        size: Sends that may wait at most.
    """

    def __init__(
        self,
        api: SessionApi,
        room_id: Callable[[], UUID],
        *,
        clock: Clock,
        tasks: TaskOwner,
        size: int,
    ) -> None:
        self._api = api
        self._room_id = room_id
        self._clock = clock
        self._tasks = tasks
        self._size = size
        self._queue: deque[_Pending] = deque()
        self._in_flight: list[_Pending] = []
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    async def send(self, draft: MessageDraft, *, timeout_s: float) -> Message:
        """Store one message; see `RoomSession.send`."""
        if self._is_closed:
            raise SessionClosedError("cannot send: the session has ended")
        if len(self._queue) >= self._size:
            raise UsageError(
                f"cannot send: {self._size} sends are waiting already",
                code="send_queue_full",
                hint="await some of them first",
                retryable=True,
            )
        now = self._clock.monotonic()
        pending = _Pending(draft, asyncio.get_running_loop().create_future(), now + timeout_s)
        self._queue.append(pending)
        if self._task is None or self._task.done():
            self._task = self._tasks.start(self._empty(), name="sender")
        try:
            async with deadline(self._clock, timeout_s):
                return await asyncio.shield(pending.answer)
        except TimeoutError:
            if pending.answer.done():
                return pending.answer.result()  # it came in the very moment
            raise self._late(pending) from None
        finally:
            if not pending.is_sent and pending in self._queue:
                self._queue.remove(pending)
            if not pending.answer.done():
                pending.answer.cancel()

    def close(self) -> None:
        """Fail what waits: what was on its way has an open outcome, the rest was never sent."""
        self._is_closed = True
        for pending in (*self._in_flight, *self._queue):
            error: SpacesError = SessionClosedError("cannot send: the session has ended; it was not sent")
            if pending.is_sent:
                error = OutcomeUnknownError("cannot send: the session has ended", operation_id=pending.draft.id)
            _fail(pending, error)
        self._queue.clear()

    def _late(self, pending: _Pending) -> SpacesError:
        if pending.is_sent:
            return OutcomeUnknownError("cannot send: no answer in time", operation_id=pending.draft.id)
        return ConnectTimeoutError(
            "cannot send: earlier sends of this session took too long; this one was not sent",
            hint=f"send it again with message_id={pending.draft.id}",
        )

    async def _empty(self) -> None:
        while batch := self._next_batch():
            self._in_flight = batch
            try:
                answers = await self._store(batch)
            except SpacesError as error:
                answers = [_error_for(pending, error) for pending in batch]
            except BaseException as error:
                for pending in batch:
                    _fail(pending, OutcomeUnknownError(f"cannot send: {error!r}", operation_id=pending.draft.id))
                raise
            finally:
                self._in_flight = []
            for pending, answer in zip(batch, answers, strict=True):
                if isinstance(answer, SpacesError):
                    _fail(pending, answer)
                elif not pending.answer.done():
                    pending.answer.set_result(answer)

    def _next_batch(self) -> list[_Pending]:
        batch: list[_Pending] = []
        characters = 0
        while self._queue and len(batch) < BATCH_MESSAGES:
            characters += len(self._queue[0].draft.content)
            if batch and characters > BATCH_CHARACTERS:
                break
            pending = self._queue.popleft()
            if pending.answer.done():
                continue
            pending.is_sent = True
            batch.append(pending)
        return batch

    async def _store(self, batch: list[_Pending]) -> list[Message | SpacesError]:
        now = self._clock.monotonic()
        timeout_s = max(0.1, max(pending.deadline_at for pending in batch) - now)
        if len(batch) > 1:
            answers = await self._api.insert_messages(
                self._room_id(), [pending.draft for pending in batch], timeout_s=timeout_s
            )
            if len(answers) != len(batch):
                return [
                    OutcomeUnknownError("cannot send: the answer has another length", operation_id=pending.draft.id)
                    for pending in batch
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


def _error_for(pending: _Pending, error: SpacesError) -> SpacesError:
    """An open outcome of a batch is one of each of its messages, told with the message's own id."""
    if isinstance(error, OutcomeUnknownError) and error.operation_id != pending.draft.id:
        return OutcomeUnknownError("cannot send: no answer in time", operation_id=pending.draft.id)
    return error


def _fail(pending: _Pending, error: SpacesError) -> None:
    if not pending.answer.done():
        pending.answer.set_exception(error)
        # Its sender may be gone (cancelled): then nobody reads this, and asyncio must not complain.
        pending.answer.exception()
