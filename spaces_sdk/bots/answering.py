"""An answer of a model, streamed into the room: what `ctx.answer` does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol, TypeVar

from spaces_sdk.bots.answers import APOLOGY, Answer, AnswerOptions
from spaces_sdk.bots.conversation import FAILED, Brief, conversation
from spaces_sdk.bots.errors import ModelError
from spaces_sdk.bots.models import LONGEST_REASON, AnswerEnd, ChatMessage, LimitedModel, Model
from spaces_sdk.bots.patience import Patience, patience
from spaces_sdk.bots.personas import Personas
from spaces_sdk.bots.pieces import AnswerText, estimated_tokens
from spaces_sdk.bots.port import SessionPort, WriterPort
from spaces_sdk.bots.reply_writer import ReplyWriter
from spaces_sdk.bots.speakers import clean_name
from spaces_sdk.clock import Clock
from spaces_sdk.errors import NotJoinedError, UsageError
from spaces_sdk.models import JsonObject, Message, MessageStatus, MessageType, RoomState

T = TypeVar("T", int, float)

LONGEST: Final = {MessageType.AI_RESPONSE: 200_000}
LONGEST_OF_PEOPLE: Final = 8000
"""The lengths of messages in the migrations."""


class Asked(Protocol):
    """The call that is answered: what is needed of its context."""

    session: SessionPort

    @property
    def state(self) -> RoomState: ...

    def stream(self, *, metadata: JsonObject | None = ...) -> ReplyWriter: ...

    def count_tokens(self, tokens: int) -> None: ...


class Answering:
    """One answer.

    Raises:
        UsageError: An option is out of its range.
        NotJoinedError: The bot is not in the room.
    """

    def __init__(
        self,
        ctx: Asked,
        question: Message | None,
        model: Model,
        options: AnswerOptions,
        *,
        clock: Clock,
        personas: Personas,
        message_type: MessageType,
    ) -> None:
        if ctx.session.me is None:
            raise NotJoinedError("cannot answer: the bot is not in the room")
        self._ctx = ctx
        self._question = question
        self._me = ctx.session.me
        self._mode = ctx.state.mode
        self._clock = clock
        self._personas = personas
        self._options = options
        self._history = _over_0(options.get("history", 20), "history")
        self._max_chars = _over_0(options.get("max_chars", 8000), "max_chars")
        self._first_s = _over_0(options.get("first_token_timeout_s", 60.0), "first_token_timeout_s")
        self._idle_s = _over_0(options.get("idle_timeout_s", 30.0), "idle_timeout_s")
        self._max_tokens = options.get("max_tokens")
        self._model = model
        if self._max_tokens is not None:
            _over_0(self._max_tokens, "max_tokens")
            if isinstance(model, LimitedModel):
                self._model, self._max_tokens = model.limited(self._max_tokens), None
        self._began = clock.monotonic()
        self._first_ms: int | None = None
        self._prompt_bytes = 0
        self._is_heard = False
        self._text = AnswerText(clean_name(self._me.display_name), LONGEST.get(message_type, LONGEST_OF_PEOPLE))
        self._said: list[str] = []
        self._end = AnswerEnd()

    async def run(self) -> Answer:
        """Say it; see `Context.answer`."""
        failure: Exception | None = None
        is_whole = False
        metadata = {"model": self._model.name, "mode": self._mode, **self._options.get("metadata", {})}
        try:
            async with self._ctx.stream(metadata=metadata) as out:
                if out.message.status is not MessageStatus.STREAMING:
                    return self._repeated(out.message)
                failure = await self._read(out)
                if failure is not None and self._text.length:
                    await out.flush()
                    raise failure  # which stops the message: what was said of it stays
                if failure is not None:
                    self._end = AnswerEnd(FAILED)
                    await out.write(self._options.get("apology", APOLOGY))
                out.metadata.update(self._figures())
                is_whole = True
        finally:
            self._ctx.count_tokens(self._prompt_tokens + self._completion_tokens)
        if failure is not None:
            raise failure
        if not is_whole or out.is_stopped:
            self._end = AnswerEnd("stopped")
        return self._answer()

    def _repeated(self, message: Message) -> Answer:
        """What another replica has said, before it could say that it had."""
        told = message.metadata
        prompt, completion = _count(told.get("prompt_tokens")), _count(told.get("completion_tokens"))
        self._end = AnswerEnd(str(told.get("finish_reason", "stopped"))[:LONGEST_REASON], prompt, completion)
        self._said.append(message.content)
        return self._answer()

    async def _read(self, out: WriterPort) -> Exception | None:
        """Write what the model says. Returns what the model failed with; what the room fails with is raised."""
        messages = await self._messages()
        failure: Exception | None = None
        try:
            pieces = aiter(self._model.answer(messages))
        except Exception as error:  # noqa: BLE001 - a model is anybody's code; its failure is told when it is known
            return error
        try:
            async with (
                patience(self._clock, first_s=self._first_s, next_s=self._idle_s) as waiting,
                _closing(pieces),
            ):
                failure = await self._copy(pieces, waiting, out)
        except TimeoutError:
            return self._silent()
        if waiting.is_over:  # the model has caught the cancellation
            return self._silent()
        if failure is None and not self._text.length:
            return self._failed(f"it said nothing, and ended with {self._end.finish_reason}", "model_silent")
        return failure

    async def _copy(
        self, pieces: AsyncIterator[str | AnswerEnd], waiting: Patience, out: WriterPort
    ) -> Exception | None:
        """From the model into the message, until its end or the message's."""
        while not (self._is_cut or waiting.is_over):
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                break
            except Exception as error:  # noqa: BLE001 - as above
                return error
            waiting.heard()
            self._is_heard = True
            if isinstance(piece, AnswerEnd):
                self._end = piece
            elif isinstance(piece, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                await self._write(self._text.take(piece), out)
            else:
                return self._failed(f"it gave a piece that is no text: {type(piece).__name__}", "model_failed")
            waiting.listen()
        await self._write(self._text.end(), out)
        return None

    async def _write(self, text: str, out: WriterPort) -> None:
        if text:
            self._first_ms = self._since_began() if self._first_ms is None else self._first_ms
            self._said.append(text)
            await out.write(text)

    async def _messages(self) -> list[ChatMessage]:
        session = self._ctx.session
        persona = await self._personas.persona(session, self._mode, self._clock)
        messages = conversation(
            session.messages,
            Brief(self._mode, persona, self._options.get("instructions", "")),
            me=self._me,
            participants=session.participants,
            question=self._question,
            history=self._history,
            max_chars=self._max_chars,
        )
        self._prompt_bytes = sum(len(message.content.encode("utf-8", "replace")) for message in messages)
        return messages

    @property
    def _is_cut(self) -> bool:
        """The message has as much of the answer as it may have."""
        is_over_limit = self._max_tokens is not None and estimated_tokens(self._text.size_bytes) >= self._max_tokens
        return self._text.is_full or is_over_limit

    @property
    def _is_counted(self) -> bool:
        return self._end.prompt_tokens is not None and self._end.completion_tokens is not None

    @property
    def _prompt_tokens(self) -> int:
        if self._end.prompt_tokens is not None:
            return self._end.prompt_tokens
        return estimated_tokens(self._prompt_bytes) if self._is_heard else 0

    @property
    def _completion_tokens(self) -> int:
        counted = self._end.completion_tokens
        return estimated_tokens(self._text.size_bytes) if counted is None else counted

    def _figures(self) -> JsonObject:
        answer = self._answer()
        return {
            "finish_reason": answer.finish_reason,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "tokens": "counted" if answer.is_counted else "estimated",
            "first_token_ms": answer.first_token_ms,
            "total_ms": answer.total_ms,
        }

    def _answer(self) -> Answer:
        return Answer(
            text="".join(self._said),
            finish_reason="length" if self._is_cut else self._end.finish_reason,
            model=self._model.name,
            mode=self._mode,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            is_counted=self._is_counted,
            first_token_ms=self._first_ms,
            total_ms=self._since_began(),
        )

    def _since_began(self) -> int:
        return round((self._clock.monotonic() - self._began) * 1000)

    def _silent(self) -> ModelError:
        waited = self._idle_s if self._is_heard else self._first_s
        return self._failed(f"it was silent for {waited:g} s", "model_timeout")

    def _failed(self, reason: str, code: str) -> ModelError:
        return ModelError(f"cannot answer with {self._model.name}: {reason}", code=code)


def _count(value: object) -> int:
    """A number of tokens in a message's metadata, which an app can write as well."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _over_0(value: T, name: str) -> T:
    if not 0 < value < float("inf"):  # so written, NaN is refused too
        raise UsageError(f"cannot answer: {name} must be over 0")
    return value


@asynccontextmanager
async def _closing(pieces: AsyncIterator[object]) -> AsyncGenerator[None]:
    """Close the iterator at the end, if it is one that can be closed."""
    try:
        yield
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
