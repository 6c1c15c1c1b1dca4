"""`ctx.stream()`: an answer that grows, told once, however many replicas begin it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self
from uuid import UUID

from spaces_sdk.bots.port import WriterPort
from spaces_sdk.clock import Clock
from spaces_sdk.errors import StreamStoppedError, UsageError
from spaces_sdk.models import JsonObject, Message, MessageStatus


class ReplyWriter:
    """A message that grows while all watch, as a handler writes it; see `MessageWriter`.

    When somebody stops it, or it cannot go on, whatever the block waits for is cancelled at once; the block ends there,
    and `is_stopped` tells it after it. A replica that takes the call over passes over the block if the message is whole
    already; else it stops what the one before has left, and begins another.

    Args:
        open_message: A writer for an id; None: a random one.
        ids: The first to try, and those that follow if a message is there already that nobody will finish.
        is_take_over: Another replica may have begun it.

    Attributes:
        metadata: Merged into the message's when it is finished. `finish_reason` ("stop"), `first_token_ms` and
            `total_ms` are added to it unless they are set.
    """

    def __init__(
        self,
        open_message: Callable[[UUID | None], WriterPort],
        ids: Iterator[UUID | None],
        *,
        is_take_over: bool,
        clock: Clock,
    ) -> None:
        self._open_message = open_message
        self._ids = ids
        self._is_take_over = is_take_over
        self._clock = clock
        self._began_at = 0.0
        self._first_at: float | None = None
        self._writer: WriterPort | None = None
        self.metadata: JsonObject = {}

    @property
    def message(self) -> Message:
        """The message as the database answered it last; whole after the block.

        Raises:
            UsageError: It has not begun.
        """
        return self._entered().message

    @property
    def is_stopped(self) -> bool:
        """It was ended by somebody else, or for want of any text."""
        return self._writer is not None and self._writer.is_stopped

    @property
    def is_repeated(self) -> bool:
        """Another replica has begun it, and finished it."""
        return self._writer is not None and self._writer.is_repeated

    async def __aenter__(self) -> Self:
        if self._writer is not None:
            raise UsageError("cannot begin the message twice", hint="ask the context for another stream")
        for message_id in self._ids:
            writer = self._open_message(message_id)
            await writer.__aenter__()
            if not (self._is_take_over and writer.is_repeated) or _is_settled(writer.message):
                self._writer = writer
                break
            # Begun by a replica that is gone. With an error it is stopped, if nobody has done so.
            left = StreamStoppedError("cannot go on with what another replica has begun")
            await writer.__aexit__(type(left), left, None)
        self._began_at = self._clock.monotonic()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        writer = self._entered()
        now = self._clock.monotonic()
        first_at = now if self._first_at is None else self._first_at
        writer.metadata.update(
            {
                "finish_reason": "stop",
                "first_token_ms": round(1000 * (first_at - self._began_at)),
                "total_ms": round(1000 * (now - self._began_at)),
                **self.metadata,
            }
        )
        return bool(await writer.__aexit__(kind, error, trace))

    async def write(self, text: str) -> None:
        """Add to the message; see `MessageWriter.write`."""
        if self._first_at is None and text:
            self._first_at = self._clock.monotonic()
        await self._entered().write(text)

    async def flush(self) -> None:
        """Return when all that was written is stored; see `MessageWriter.flush`."""
        await self._entered().flush()

    async def wait_ended(self) -> None:
        """Return when somebody else has ended it, or it cannot go on: for other tasks than the block's."""
        await self._entered().wait_ended()

    def _entered(self) -> WriterPort:
        if self._writer is None:
            raise UsageError("cannot use the message: it has not begun", hint="enter it with `async with`")
        return self._writer


def _is_settled(message: Message) -> bool:
    """Whole, or taken away: there is nothing more to say."""
    return message.status in (MessageStatus.FINAL, MessageStatus.DELETED)
