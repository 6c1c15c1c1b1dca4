"""What a session is writing bit by bit: `RoomSession.stream` returns it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import (
    InvalidRequestError,
    RateLimitedError,
    SessionClosedError,
    SpacesError,
    StreamStoppedError,
    UsageError,
)
from spaces_sdk.models import JsonObject, Message, MessageStatus, MessageType
from spaces_sdk.realtime.backoff import backoff
from spaces_sdk.session.api import SessionApi
from spaces_sdk.session.core import SessionCore
from spaces_sdk.session.options import SessionOptions
from spaces_sdk.session.tasks import TaskOwner, run_to_end, wait_for_event

logger = logging.getLogger("spaces_sdk.session")

T = TypeVar("T")

PART_LENGTH: Final = 8000
"""What `append_stream` takes at once."""
MAX_PENDING: Final = 4 * PART_LENGTH
"""More than this waits for its turn: then `write` waits too."""
SHORTEST_PAUSE_S: Final = 0.1
"""The limit `stream` of the migrations: 10 parts a second."""
LONGEST: Final = {MessageType.AI_RESPONSE: 200_000, MessageType.USER_TEXT: 8000, MessageType.USER_VOICE: 8000}


class MessageWriter:
    """A message that grows while all watch; enter it to begin, leave it to finish.

    What is written is sent in parts: the first at once, then at most 10 a second, fewer in a full room. A part whose
    answer is lost is sent again and stored once. Left by an exception or a cancellation, the message is stopped as
    it stands. When somebody else ends it, the block is cancelled where it waits, for a model perhaps, as
    `asyncio.timeout` does it; that goes no further than the block: look at `is_stopped` after it.

    Attributes:
        metadata: Merged into the message's when it is finished: why it ended, which model, how many tokens …
        is_stopped: It ended as `stopped` or `deleted`: by somebody else, or for want of any text.
        is_repeated: Its id was begun before, by another process perhaps. If it has ended, the block is passed over.
    """

    def __init__(
        self,
        core: Callable[[], SessionCore],
        api: SessionApi,
        *,
        message_id: UUID,
        message_type: MessageType,
        metadata: JsonObject | None,
        reply_to: UUID | None,
        timeout_s: float,
        options: SessionOptions,
        clock: Clock,
        random: Random,
        tasks: TaskOwner,
    ) -> None:
        self._live_core = core
        self._api = api
        self._message_id = message_id
        self._message_type = message_type
        self._begin_metadata = metadata
        self._reply_to = reply_to
        self._timeout_s = timeout_s
        self._options = options
        self._clock = clock
        self._random = random
        self._tasks = tasks
        self._core: SessionCore | None = None
        self._message: Message | None = None
        self._error: SpacesError | None = None
        self._task: asyncio.Task[None] | None = None
        self._block: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._is_cut = False
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._pending = ""
        self._sent = 0
        self._lease_s = 30.0
        self._sent_at = float("-inf")
        self._is_closing = False
        self._is_ended = False
        self.metadata: JsonObject = {}
        self.is_stopped = False
        self.is_repeated = False

    @property
    def message_id(self) -> UUID:
        """The id of the message, chosen before it begins."""
        return self._message_id

    @property
    def message(self) -> Message:
        """The message as the database answered it last: empty at first, whole after the block.

        Raises:
            UsageError: It has not begun.
        """
        if self._message is None:
            raise UsageError("cannot read the message: it has not begun", hint="enter it with `async with`")
        return self._message

    @property
    def length(self) -> int:
        """Characters written so far, stored or on their way."""
        return self._sent + len(self._pending)

    async def __aenter__(self) -> Self:
        """Make the message; everybody sees it, empty. Without an answer it is tried again, and made once.

        Raises:
            SpacesError: As `RoomManager.begin_stream`.
            SessionClosedError: The session has ended.
            UsageError: It was entered before.
        """
        if self._core is not None:
            raise UsageError("cannot begin the message twice", hint="ask the session for another stream")
        core = self._core = self._live_core()
        core.writers[self._message_id] = self._learn
        try:
            begun = await self._insist(
                lambda: self._api.begin_stream(
                    core.room_id,
                    message_type=self._message_type,
                    metadata=self._begin_metadata,
                    reply_to=self._reply_to,
                    message_id=self._message_id,
                )
            )
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or (isinstance(error, SpacesError) and error.retryable):
                # It may stand already, and nobody would go on with it.
                await run_to_end(asyncio.create_task(self._stop(core), name="stream-stop"))
            core.writers.pop(self._message_id, None)
            raise
        self._message = self._message or begun.message
        self._lease_s = begun.lease_s
        self._sent = len(begun.message.content)
        self._block = asyncio.current_task()
        self._cancelling = self._block.cancelling() if self._block else 0
        self.is_repeated = begun.is_repeated
        if begun.message.status is not MessageStatus.STREAMING:
            self._learn(begun.message)
        if self._is_ended:
            asyncio.get_running_loop().call_soon(self._cut)  # when the block waits for the first time
        self._task = self._tasks.start(self._run(core), name="message-writer")
        return self

    async def write(self, text: str) -> None:
        """Add to the message. Returns before it is stored; waits while too much is on its way.

        Raises:
            StreamStoppedError: Somebody has ended the message.
            InvalidRequestError: The message would be too long, or the text is not valid Unicode; nothing was added.
            SpacesError: What was written before could not be stored: removed from the room, or no answer for too long.
        """
        if self._task is None or self._is_closing:
            raise UsageError("cannot write: the message is not open", hint="write inside its `async with`")
        self._raise_if_over()
        _check_text(text)
        longest = LONGEST.get(self._message_type, PART_LENGTH)
        if self.length + len(text) > longest:
            raise InvalidRequestError(f"cannot write: the message would have over {longest} characters", status=400)
        self._pending += text
        self._wake.set()
        while len(self._pending) > MAX_PENDING and not self._task.done():
            self._news.clear()
            await self._news.wait()
        self._raise_if_over()

    async def flush(self) -> None:
        """Return when all that was written is stored.

        Raises:
            StreamStoppedError, SpacesError: As `write`.
        """
        while self._pending and self._task is not None and not self._task.done():
            self._news.clear()
            await self._news.wait()
        self._raise_if_over()

    async def wait_ended(self) -> None:
        """Return when somebody else has ended the message, or it cannot go on: for other tasks than the block's."""
        while not (self._is_ended or self._error):
            self._news.clear()
            await self._news.wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Send the rest and finish; after an error, stop.

        Raises:
            SpacesError: What was written could not be stored.
        """
        core, task = self._core, self._task
        if core is None or task is None:
            return False
        self._is_closing = True
        is_cut = self._was_cut_only(error)
        is_done = False
        try:
            if error is None and not self._is_ended and self._error is None:
                self._wake.set()
                await asyncio.wait({task})
                if not (self._is_ended or self._error):
                    await self._finish(core)
            is_done = True
        finally:
            task.cancel()
            if not self._is_ended and (not is_done or error is not None or self._error is not None):
                await run_to_end(asyncio.create_task(self._stop(core), name="stream-stop"))
            await run_to_end(task)
            core.writers.pop(self._message_id, None)
        if (error is None or is_cut) and self._error is not None:
            raise self._error from None
        return self._is_ended and (is_cut or isinstance(error, StreamStoppedError))

    def _was_cut_only(self, error: BaseException | None) -> bool:
        """Whether it is our own cancellation that ends the block, and nobody else's besides."""
        if not self._is_cut or self._block is None:
            return False
        others = self._block.uncancel()
        return others <= self._cancelling and isinstance(error, asyncio.CancelledError)

    # -- in the background -----------------------------------------------------------------------------

    async def _run(self, core: SessionCore) -> None:
        """Send what is written, part by part, and something empty in time when nothing is."""
        try:
            while not (self._is_ended or (self._is_closing and len(self._pending) <= PART_LENGTH)):
                if not self._pending and not self._is_closing:
                    self._wake.clear()
                    await wait_for_event(self._wake, self._clock, self._lease_s / 3)
                    if self._is_closing or self._is_ended:
                        continue
                await self._send_part(core)
        except SpacesError as error:
            self._error = error
        except asyncio.CancelledError:
            if not self._is_closing:
                self._error = SessionClosedError("cannot go on with the message: the session has ended")
            raise
        finally:
            self._news.set()
            if self._error is not None:
                self._cut()

    async def _send_part(self, core: SessionCore) -> None:
        await self._clock.sleep(self._sent_at + self._pause_s(core) - self._clock.monotonic())
        text = self._pending[:PART_LENGTH]
        self._sent_at = self._clock.monotonic()
        progress = await self._insist(lambda: self._api.append_stream(core.room_id, self._message_id, self._sent, text))
        if progress.status is MessageStatus.STREAMING:
            self._sent += len(text)
            self._pending = self._pending[len(text) :]
        else:
            self._learn(await self._insist(lambda: self._api.finish_stream(core.room_id, self._message_id)))
        self._news.set()

    async def _finish(self, core: SessionCore) -> None:
        await self._clock.sleep(self._sent_at + self._pause_s(core) - self._clock.monotonic())
        text, metadata = self._pending or None, self.metadata or None
        message = await self._insist(
            lambda: self._api.finish_stream(core.room_id, self._message_id, text=text, metadata=metadata)
        )
        self._sent, self._pending = len(message.content), ""
        self._learn(message)

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call that may be repeated until it is answered, refused, or `timeout_s` is over."""
        until = self._clock.monotonic() + self._timeout_s
        pauses = backoff(self._random, base_s=0.25, cap_s=2.0)
        while True:
            try:
                return await call()
            except SpacesError as error:
                if not error.retryable or self._clock.monotonic() >= until:
                    raise
                pause_s = error.retry_after_s if isinstance(error, RateLimitedError) else next(pauses)
            await self._clock.sleep(pause_s)

    async def _stop(self, core: SessionCore) -> None:
        """End it as it stands, if that can be done quickly; else its lease runs out."""
        try:
            async with deadline(self._clock, self._options.leave_timeout_s):
                self._learn(
                    await self._api.stop_stream(core.room_id, self._message_id, timeout_s=self._options.leave_timeout_s)
                )
        except (SpacesError, TimeoutError) as error:
            logger.info("room %s: message %s was not stopped: %r", core.room_id, self._message_id, error)
        finally:
            core.writers.pop(self._message_id, None)

    def _learn(self, message: Message) -> None:
        """The message as it stands now, from an answer or from the room."""
        self._message = message
        self._is_ended = message.status is not MessageStatus.STREAMING
        self.is_stopped = message.status in (MessageStatus.STOPPED, MessageStatus.DELETED)
        self._wake.set()
        self._news.set()
        if self._is_ended and self._task is not None:
            self._cut()

    def _cut(self) -> None:
        """Cancel the block, which may wait for anything: nobody wants more of it."""
        if self._block is not None and not (self._is_cut or self._is_closing):
            self._is_cut = True
            self._block.cancel()

    def _pause_s(self, core: SessionCore) -> float:
        """Each part is a message to every listener, and a plan allows so many a second."""
        listeners = sum(participant.is_online for participant in core.view.participants)
        return max(SHORTEST_PAUSE_S, (listeners + 1) / self._options.stream_messages_per_s)

    def _raise_if_over(self) -> None:
        if self._error is not None:
            raise self._error
        if self._is_ended:
            raise StreamStoppedError(
                f"cannot write: the message {self._message_id} was ended by somebody else",
                hint="leave the block; what was stored stays",
            )


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError("cannot write: the text is not valid Unicode", status=400) from None
    if "\x00" in text:
        raise InvalidRequestError("cannot write: the text has a NUL character", status=400)
