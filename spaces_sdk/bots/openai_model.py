"""A model behind an OpenAI-compatible server, through the `openai` package (extra `ai`)."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import urlsplit

from spaces_sdk.bots.errors import ModelError
from spaces_sdk.bots.models import LONGEST_REASON, AnswerEnd, ChatMessage
from spaces_sdk.bots.openai_failures import LONGEST_PAUSE_S, Failure, judge
from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import ConfigError
from spaces_sdk.realtime.backoff import backoff

if TYPE_CHECKING:
    from openai import AsyncStream
    from openai.types.chat import ChatCompletionChunk

TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.5
TAIL_S: Final = 2.0
"""How long the count of tokens is waited for, which comes after the end of the answer, if at all."""

OPENAI_HOST: Final = "api.openai.com"
_OURS: Final = frozenset({"model", "messages", "stream", "stream_options", "n"})


class OpenAIModel:
    """A model of OpenAI, or of any server that speaks its chat completions: Ollama, vLLM, LM Studio, llama.cpp …

    What a server cannot do is left out: a refused `stream_options`, a missing count of tokens. Reasoning is not
    shown; it counts as a sign of life. A request that fails before its answer begins is made up to three times; a
    `Retry-After` up to 30 s is waited for, a longer one fails at once. It may be used in several rooms at once.

    Args:
        model: Its name on the server.
        base_url: `http://127.0.0.1:11434/v1` for Ollama, say. None: `OPENAI_BASE_URL`, else OpenAI itself.
        api_key: None: `OPENAI_API_KEY`, else none, which only a server of your own lets through.
        max_tokens: Most tokens of an answer; None: the server's limit.
        options: More of what `chat.completions.create` takes: `{"temperature": 0.2}`.
        timeout_s: Longest silence of the server, > 0. The limits of `ctx.answer` come first.
        clock: Time of pauses; a test passes its own.

    Attributes:
        max_tokens: See above.

    Raises:
        ConfigError: The package `openai` is not installed, there is no key, or the URL is none.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_tokens: int | None = None,
        options: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
        clock: Clock | None = None,
    ) -> None:
        try:
            from openai import AsyncOpenAI
        except ImportError:
            raise ConfigError(
                "cannot use OpenAIModel: the package openai is not installed", hint="pip install 'spaces-sdk[ai]'"
            ) from None
        url = (base_url or os.environ.get("OPENAI_BASE_URL") or f"https://{OPENAI_HOST}/v1").strip()
        self._host = _host_of(url)
        self._key = _key_of(api_key or os.environ.get("OPENAI_API_KEY") or "", is_needed=self._host == OPENAI_HOST)
        if wrong := sorted(_OURS & (options or {}).keys()):
            raise ConfigError(f"cannot use OpenAIModel: {', '.join(wrong)} cannot be among the options")
        self.name = model
        self._options = dict(options or {})
        self.max_tokens = max_tokens
        self._clock = clock or SystemClock()
        self._client = AsyncOpenAI(base_url=url, api_key=self._key or "none", max_retries=0, timeout=timeout_s)
        self._learned = _Learned()

    def limited(self, max_tokens: int, /) -> OpenAIModel:
        """The same model, whose answers have at most so many tokens."""
        other = copy.copy(self)
        other.max_tokens = min(max_tokens, self.max_tokens or max_tokens)
        return other

    async def answer(self, messages: Sequence[ChatMessage], /) -> AsyncIterator[str | AnswerEnd]:
        """The pieces of the answer.

        Raises:
            ModelError: The server cannot be reached, refused, is over its limit, or broke off.
        """
        stream = await self._begin(_request_messages(messages))
        chunks = aiter(stream)
        end = _End()
        failure: ModelError | None = None
        try:
            async for chunk in chunks:
                piece = end.take(chunk)
                if piece is not None:
                    yield piece
                if end.reason:
                    break
            if end.reason:
                # The answer is whole. What comes after it is good to have, and no reason to fail.
                with suppress(Exception):
                    async with deadline(self._clock, TAIL_S):
                        async for chunk in chunks:
                            end.take(chunk)
        except Exception as error:  # noqa: BLE001 - of a library and a server; `judge` knows them
            failure = judge(error, self._cannot, key=self._key, clock=self._clock).error
            if failure.code == "model_unreachable":  # it was reached before
                failure.code = "model_broken_off"
        finally:
            await stream.close()
        if failure is None and not end.reason:
            failure = ModelError(
                f"{self._cannot}: the server ended before the answer did",
                code="model_broken_off",
                hint="" if end.has_text else "does it stream, and is the base_url right? It mostly ends with /v1",
                retryable=True,
            )
        if failure is not None:  # raised out here, so that the library's error is not chained: it may quote the key
            raise failure
        yield AnswerEnd(end.reason, end.prompt_tokens, end.completion_tokens)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _begin(self, messages: list[dict[str, str]]) -> AsyncStream[ChatCompletionChunk]:
        """Ask, and ask again where that may help, until the answer begins."""
        pauses = backoff(random.Random(), base_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S)  # noqa: S311 - spreads retries
        tries = 0
        while True:
            asks_count = self._learned.counts_tokens is not False
            answer = await self._try(messages, asks_count=asks_count)
            if not isinstance(answer, Failure):
                self._learned.counts_tokens = asks_count
                return answer
            if answer.is_about_request and self._learned.counts_tokens is None:
                self._learned.counts_tokens = False  # an older server, perhaps, that takes no `stream_options`
                answer = await self._try(messages, asks_count=False)
                if not isinstance(answer, Failure):
                    return answer
                self._learned.counts_tokens = None
            tries += 1
            pause_s = next(pauses) if answer.pause_s is None else answer.pause_s
            if not answer.may_try_again or tries >= TRIES or pause_s > LONGEST_PAUSE_S:
                raise answer.error
            await self._clock.sleep(pause_s)

    async def _try(
        self, messages: list[dict[str, str]], *, asks_count: bool
    ) -> AsyncStream[ChatCompletionChunk] | Failure:
        options: dict[str, Any] = {"stream": True, **self._options}
        if asks_count:
            options["stream_options"] = {"include_usage": True}
        if self.max_tokens is not None:
            # OpenAI's newer models refuse the older name, other servers do not know the newer one.
            options["max_completion_tokens" if self._host == OPENAI_HOST else "max_tokens"] = self.max_tokens
        create: Any = self._client.chat.completions.create  # its overloads say nothing of `options`
        try:
            return cast("AsyncStream[ChatCompletionChunk]", await create(model=self.name, messages=messages, **options))
        except Exception as error:  # noqa: BLE001 - of a library and a server; `judge` knows them
            return judge(error, self._cannot, key=self._key, clock=self._clock)

    @property
    def _cannot(self) -> str:
        return f"cannot answer with {self.name} at {self._host}"

    def __repr__(self) -> str:
        return f"<OpenAIModel {self.name} at {self._host}>"


class _Learned:
    """What all copies of a model know of its server.

    Attributes:
        counts_tokens: Whether it takes `stream_options`; None: not known yet.
    """

    counts_tokens: bool | None = None


class _End:
    """What is known of an answer when it has ended. Servers differ: a field may be missing, or of another type."""

    def __init__(self) -> None:
        self.reason = ""
        self.has_text = False
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None

    def take(self, chunk: object) -> str | None:
        """The piece of the answer in it; an empty one where the model is thinking; None for anything else."""
        usage = getattr(chunk, "usage", None)
        self.prompt_tokens = _count(getattr(usage, "prompt_tokens", None), self.prompt_tokens)
        self.completion_tokens = _count(getattr(usage, "completion_tokens", None), self.completion_tokens)
        choices = getattr(chunk, "choices", None)
        if not isinstance(choices, list) or not choices:
            return None
        choice = cast("list[object]", choices)[0]
        reason = getattr(choice, "finish_reason", None)
        if isinstance(reason, str):
            self.reason = reason[:LONGEST_REASON]
        delta = getattr(choice, "delta", None)
        for name in ("content", "refusal"):
            text = getattr(delta, name, None)
            if isinstance(text, str) and text:
                self.has_text = True
                return text
        is_thinking = any(getattr(delta, name, None) for name in ("reasoning_content", "reasoning", "thinking"))
        return "" if is_thinking else None


def _count(value: object, before: int | None) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31:
        return value
    return before


def _request_messages(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    """As a request has them. Neighbours of one role are joined: some models take only user and assistant in turn.

    A mark stands at the beginning of a line, so who said what stays told apart. For the same models a
    conversation does not begin with the assistant.
    """
    joined: list[dict[str, str]] = []
    for message in messages:
        if joined and joined[-1]["role"] == message.role:
            joined[-1]["content"] += f"\n{message.content}"
        elif message.role != "assistant" or (joined and joined[-1]["role"] == "user"):
            joined.append({"role": message.role, "content": message.content})
    return joined


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        # The URL is not quoted: a password may stand in it.
        raise ConfigError(
            "cannot use OpenAIModel: its base_url is no http(s) URL without a user name",
            hint="for example http://127.0.0.1:11434/v1",
        )
    return host if port is None else f"{host}:{port}"


def _key_of(key: str, *, is_needed: bool) -> str:
    key = key.strip()
    if is_needed and not key:
        raise ConfigError(
            "cannot use OpenAIModel: there is no API key",
            hint="set OPENAI_API_KEY or pass api_key; for a server of your own, pass base_url",
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError("cannot use OpenAIModel: the API key has characters that no key has")
    return key
