"""`OpenAIModel` with the real `openai` package, against a server on loopback: what it asks, hears, and forgives."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import pytest_asyncio

from spaces_sdk.bots import AnswerEnd, ChatMessage, ModelError
from spaces_sdk.bots.openai_model import OpenAIModel
from spaces_sdk.errors import ConfigError
from spaces_sdk.testing import VirtualClock
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.fake_project import texts_of
from tests.support.openai_server import CHUNK, Exchange, OpenAIServer, refusing, saying

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_task_left")]

KEY = "sk-test-4711-very-secret"
ASKED = [ChatMessage("system", "Joke."), ChatMessage("user", "<Ada> hi", "Ada")]
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}


@pytest_asyncio.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer().running() as server:
        yield server


class Asked:
    """What a model said, what it failed with, and how much time passed before either."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.pieces: list[str] = []
        self.end: AnswerEnd | None = None
        self.error: ModelError | None = None
        self.waited_s: float | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


async def ask(server: OpenAIServer, *, messages: Sequence[ChatMessage] = ASKED, time_passes: bool = False) -> Asked:
    """Ask a new model once."""
    clock = VirtualClock()
    async with OpenAIModel("small", server.url, KEY, clock=clock) as model:
        return await ask_model(model, clock, messages=messages, time_passes=time_passes)


async def ask_model(
    model: OpenAIModel,
    clock: VirtualClock,
    *,
    messages: Sequence[ChatMessage] = ASKED,
    time_passes: bool = False,
) -> Asked:
    """Ask once; if time passes, it does so whenever the model waits for it."""
    asked = Asked(clock)
    began = clock.monotonic()

    async def read() -> None:
        try:
            async for piece in model.answer(messages):
                if asked.waited_s is None:
                    asked.waited_s = clock.monotonic() - began
                if isinstance(piece, AnswerEnd):
                    asked.end = piece
                else:
                    asked.pieces.append(piece)
        except ModelError as error:
            asked.error = error
            asked.waited_s = clock.monotonic() - began

    task = asyncio.create_task(read())
    while time_passes and not task.done():
        await (clock.advance(0.25) if clock.sleepers else asyncio.wait({task}, timeout=0.005))
    await task
    return asked


async def test_an_answer_with_its_count(server: OpenAIServer) -> None:
    server.replies(saying("Knock", ", knock", "!", usage=USAGE))
    asked = await ask(server)
    assert asked.pieces == ["Knock", ", knock", "!"]
    assert asked.end == AnswerEnd("stop", 12, 3)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "small",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "system", "content": "Joke."}, {"role": "user", "content": "<Ada> hi"}],
    }


async def test_options_and_limits_go_along(server: OpenAIServer) -> None:
    server.replies(saying("yes"))
    clock = VirtualClock()
    async with OpenAIModel("small", server.url, KEY, clock=clock, max_tokens=50, options={"temperature": 0.2}) as model:
        for limited in (model, model.limited(9), model.limited(90)):
            await ask_model(limited, clock)
    assert [(r.body["temperature"], r.body["max_tokens"]) for r in server.requests] == [(0.2, 50), (0.2, 9), (0.2, 50)]


async def test_neighbours_of_one_role_are_joined(server: OpenAIServer) -> None:
    server.replies(saying("yes"))
    roles = ["system", "assistant", "user", "user", "assistant", "assistant", "user"]
    await ask(server, messages=[ChatMessage(role, str(at)) for at, role in enumerate(roles)])  # pyright: ignore[reportArgumentType]
    assert [(m["role"], m["content"]) for m in server.requests[0].body["messages"]] == [
        ("system", "0"),
        ("user", "2\n3"),
        ("assistant", "4\n5"),
        ("user", "6"),
    ]


async def test_a_server_that_does_less(server: OpenAIServer) -> None:
    """No count, events without choices, roles alone, reasoning, unknown fields, comments."""

    async def reply(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.chunk(b": keep-alive\n\n")
        await exchange.event({"choices": []})
        await exchange.event({"choices": None})
        await exchange.event({**CHUNK, "choices": [{"index": 0}]})
        await exchange.event({**CHUNK, "choices": [{"index": 0, "delta": None}]})
        await exchange.delta(role="assistant")
        await exchange.delta(content=None, reasoning_content="Let me think.")
        await exchange.delta(reasoning="Hm.")
        await exchange.delta(content=["no", "text"])
        await exchange.delta(content="Yes", surprise={"a": 1})
        await exchange.event({**CHUNK, "choices": [{"delta": {"content": "."}, "finish_reason": "length"}], "usage": 3})
        await exchange.end()

    server.replies(reply)
    asked = await ask(server)
    assert asked.pieces == ["", "", "Yes", "."]
    assert asked.end == AnswerEnd("length", None, None)


async def test_a_refusal_of_the_model_is_its_answer(server: OpenAIServer) -> None:
    async def reply(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.delta(refusal="I cannot help with that.")
        await exchange.finish()

    server.replies(reply)
    assert (await ask(server)).text == "I cannot help with that."


async def test_a_server_that_takes_no_stream_options_is_asked_without_from_then_on(server: OpenAIServer) -> None:
    async def old(exchange: Exchange) -> None:
        is_new = "stream_options" in exchange.request.body
        await (refusing(400, "extra fields not permitted") if is_new else saying("y"))(exchange)

    server.replies(old)
    clock = VirtualClock()
    async with OpenAIModel("small", server.url, KEY, clock=clock) as model:
        for each in (model, model.limited(5), model):
            assert (await ask_model(each, clock)).text == "y"
    assert ["stream_options" in request.body for request in server.requests] == [True, False, False, False]


@pytest.mark.parametrize("broken", [{"prompt_tokens": -1, "completion_tokens": "3"}, {"prompt_tokens": True}, [], "x"])
async def test_a_count_that_is_none(server: OpenAIServer, broken: object) -> None:
    server.replies(saying("yes", usage=broken))
    assert (await ask(server)).end == AnswerEnd("stop", None, None)


async def test_after_its_end_an_answer_cannot_fail(server: OpenAIServer) -> None:
    async def reply(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.say("yes")
        await exchange.stop()
        await exchange.event("{broken")
        await exchange.hang()

    async def silent(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.say("yes")
        await exchange.stop()
        await exchange.hang()

    for each in (reply, silent):
        server.replies(each)
        asked = await ask(server, time_passes=True)
        assert (asked.text, asked.end, asked.error) == ("yes", AnswerEnd("stop"), None)


async def test_an_answer_of_ten_megabytes_in_one_event(server: OpenAIServer) -> None:
    server.replies(saying("x" * 10_000_000))
    assert len((await ask(server)).text) == 10_000_000


async def test_half_of_a_character_comes_through(server: OpenAIServer) -> None:
    server.replies(saying("\ud83d", "\ude00", "a\0b"))
    assert (await ask(server)).pieces == ["\ud83d", "\ude00", "a\0b"]


# -- failures ------------------------------------------------------------------------------------------


async def breaks_off(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.say("It is ")
    await exchange.raw(b"ff\r\ndata: {")
    exchange.cut()


async def ends_early(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.say("It is ")
    await exchange.end()


async def garbles(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.say("It is ")
    await exchange.event('{"choices": [')
    await exchange.end()


async def no_utf8(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.say("It is ")
    await exchange.event(b'{"choices": [{"delta": {"content": "\xff\xfe"}}]}')
    await exchange.end()


async def error_object(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.say("It is ")
    await exchange.event({"error": {"message": f"out of memory\n with {KEY}", "code": 500}})
    await exchange.end()


async def no_events(exchange: Exchange) -> None:
    await exchange.respond(200, b"<html>Welcome to nginx!</html>")


@pytest.mark.parametrize(
    ("reply", "text", "code", "reason"),
    [
        (breaks_off, "It is ", "model_broken_off", "RemoteProtocolError"),
        (ends_early, "It is ", "model_broken_off", "the server ended before the answer did"),
        (garbles, "It is ", "model_failed", "the server sent what is no JSON"),
        (no_utf8, "It is ", "model_failed", "the server sent what is no UTF-8"),
        (error_object, "It is ", "model_failed", "the server said: out of memory  with ***"),
        (no_events, "", "model_broken_off", "is the base_url right? It mostly ends with /v1"),
        (refusing(400, "context too long"), "", "model_refused", "the server answered 400: context too long"),
        (refusing(401, f"Incorrect API key provided: {KEY[:8]}"), "", "model_refused", "answered 401 (is the key"),
        (refusing(403, f"not with {KEY}"), "", "model_refused", "the server answered 403 (is the key right?)"),
        (refusing(404, "no model small"), "", "model_refused", "answered 404: no model small (is the name of the"),
        (refusing(422, "no"), "", "model_refused", "the server answered 422: no"),
        (refusing(500, "x" * 5000), "", "model_failed", "the server answered 500: " + "x" * 200),
        (refusing(503, f"busy {KEY}"), "", "model_failed", "the server answered 503: busy ***"),
        (refusing(429, "slow down"), "", "model_rate_limited", "the server answered 429: slow down"),
    ],
)
async def test_what_a_server_does_wrong(
    server: OpenAIServer, caplog: pytest.LogCaptureFixture, reply: Any, text: str, code: str, reason: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server.replies(reply)
    asked = await ask(server, time_passes=True)
    assert asked.error is not None
    assert (asked.text, asked.error.code, asked.end) == (text, code, None)
    assert reason in str(asked.error)
    assert str(asked.error).startswith("cannot answer with small at 127.0.0.1:")
    assert len(asked.error.message) < 400
    told = texts_of(asked.error) + caplog.text + repr(asked.error.__dict__)
    assert KEY not in told
    assert KEY[:8] not in told


@pytest.mark.parametrize(
    ("status", "requests"), [(400, 2), (401, 1), (404, 1), (408, 3), (409, 3), (429, 3), (500, 3), (529, 3)]
)
async def test_another_try_only_where_it_may_help(server: OpenAIServer, status: int, requests: int) -> None:
    server.replies(refusing(status))
    asked = await ask(server, time_passes=True)
    assert asked.error is not None
    assert asked.error.status == status
    assert len(server.requests) == requests
    assert asked.error.retryable is (requests == 3)


async def test_it_goes_on_when_the_server_is_back(server: OpenAIServer) -> None:
    server.replies(refusing(503), refusing(429), saying("back"))
    asked = await ask(server, time_passes=True)
    assert (asked.text, asked.error) == ("back", None)
    assert asked.waited_s is not None
    assert asked.waited_s <= 2.0


async def test_a_server_that_nobody_has_started() -> None:
    async with OpenAIServer().running() as gone:
        pass
    asked = await ask(gone, time_passes=True)
    assert asked.error is not None
    assert (asked.error.code, asked.error.retryable) == ("model_unreachable", True)
    assert "ConnectError" in str(asked.error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after": format_datetime(VirtualClock().now() + timedelta(seconds=12), usegmt=True)}, 12.0),
        ({"retry_after": format_datetime(VirtualClock().now() - timedelta(hours=1), usegmt=True)}, 0.0),
        ({"retry_after": "-5"}, 0.0),
    ],
)
async def test_it_waits_as_long_as_the_server_wishes(
    server: OpenAIServer, headers: dict[str, str], seconds: float
) -> None:
    server.replies(refusing(429, **headers), saying("now"))
    asked = await ask(server, time_passes=True)
    assert asked.text == "now"
    assert asked.waited_s is not None
    assert seconds <= asked.waited_s <= seconds + 0.25


@pytest.mark.parametrize("wish", ["31", "86400", "1e300"])
async def test_a_long_wish_fails_at_once_and_is_told(server: OpenAIServer, wish: str) -> None:
    server.replies(refusing(429, retry_after=wish))
    asked = await ask(server)
    assert asked.error is not None
    assert (asked.error.code, asked.error.retry_after_s, asked.waited_s) == ("model_rate_limited", float(wish), 0.0)
    assert len(server.requests) == 1


@pytest.mark.parametrize("wish", ["nan", "inf", "soon", "", "9" * 400, "Mon, 99 Foo 2026"])
async def test_a_wish_that_is_none_is_passed_over(server: OpenAIServer, wish: str) -> None:
    server.replies(refusing(429, retry_after=wish), saying("now"))
    asked = await ask(server, time_passes=True)
    assert asked.text == "now"
    assert asked.waited_s is not None
    assert asked.waited_s <= 1.0


async def test_a_spent_quota_is_not_waited_for(server: OpenAIServer) -> None:
    server.replies(refusing(429, "You exceeded your quota", code="insufficient_quota"))
    asked = await ask(server)
    assert asked.error is not None
    assert (asked.error.retryable, len(server.requests)) == (False, 1)


@pytest.mark.parametrize("is_begun", [False, True])
async def test_closing_it_closes_the_connection(server: OpenAIServer, is_begun: bool) -> None:
    async def hangs(exchange: Exchange) -> None:
        if is_begun:
            await exchange.begin()
            await exchange.say("It is ")
        await exchange.hang()

    server.replies(hangs)
    async with OpenAIModel("small", server.url, KEY) as model:
        first = asyncio.Event()

        async def read() -> None:
            async for _ in model.answer(ASKED):
                first.set()

        task = asyncio.create_task(read())
        async with asyncio.timeout(PATIENCE_S):
            await eventually(lambda: server.exchanges and (first.is_set() or not is_begun))
            task.cancel()
            await asyncio.wait({task})
            await server.exchanges[0].is_gone.wait()
    assert task.cancelled()


async def test_a_server_that_is_silent_for_too_long(server: OpenAIServer) -> None:
    server.replies(Exchange.hang)
    clock = VirtualClock()
    async with OpenAIModel("small", server.url, KEY, clock=clock, timeout_s=1.0) as model:
        asked = await ask_model(model, clock, time_passes=True)
    assert asked.error is not None
    assert (asked.error.code, len(server.requests)) == ("model_timeout", 3)


# -- settings ------------------------------------------------------------------------------------------


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.usefixtures("no_settings")
def test_a_server_of_ones_own_needs_no_key() -> None:
    model = OpenAIModel("small", "http://127.0.0.1:11434/v1")
    assert repr(model) == "<OpenAIModel small at 127.0.0.1:11434>"
    with pytest.raises(ConfigError, match="there is no API key") as caught:
        OpenAIModel("small")
    assert "OPENAI_API_KEY" in caught.value.hint


async def test_settings_of_the_environment(server: OpenAIServer, no_settings: pytest.MonkeyPatch) -> None:
    no_settings.setenv("OPENAI_BASE_URL", server.url)
    no_settings.setenv("OPENAI_API_KEY", f" {KEY}\n")
    server.replies(saying("yes"))
    clock = VirtualClock()
    async with OpenAIModel("small", clock=clock) as model:
        assert (await ask_model(model, clock)).text == "yes"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_openai_itself_takes_the_newer_name_of_the_limit(no_settings: pytest.MonkeyPatch) -> None:
    import openai

    asked: dict[str, Any] = {}

    async def create(**fields: Any) -> None:
        asked.update(fields)
        raise RuntimeError

    model = OpenAIModel("gpt", api_key=KEY, max_tokens=5)
    assert repr(model) == "<OpenAIModel gpt at api.openai.com>"
    no_settings.setattr(openai.resources.chat.AsyncCompletions, "create", lambda _, **fields: create(**fields))  # pyright: ignore
    with pytest.raises(ModelError, match="RuntimeError"):
        [piece async for piece in model.answer(ASKED)]
    assert (asked["max_completion_tokens"], "max_tokens" in asked) == (5, False)


@pytest.mark.parametrize(
    "url",
    ["ftp://h/v1", "localhost:11434", "", "http://", "http://user:hunter2@h/v1", "http://h:port/v1", "http://[::1/v1"],
)
def test_what_is_no_url(no_settings: pytest.MonkeyPatch, url: str) -> None:
    no_settings.setenv("OPENAI_API_KEY", KEY)
    if not url:
        no_settings.setenv("OPENAI_BASE_URL", "nowhere")
    with pytest.raises(ConfigError, match="base_url") as caught:
        OpenAIModel("small", url)
    assert "hunter2" not in texts_of(caught.value)


@pytest.mark.parametrize("key", ["sk-se cret", "sk-secr\u00e9t", "sk-\x00secret", "sk-sec\r\nret"])
def test_what_is_no_key_is_not_quoted(key: str) -> None:
    with pytest.raises(ConfigError, match="no key has") as caught:
        OpenAIModel("small", "http://h/v1", key)
    assert "ret" not in texts_of(caught.value)


@pytest.mark.parametrize("name", ["model", "messages", "stream", "stream_options", "n"])
def test_options_that_are_ours(name: str) -> None:
    with pytest.raises(ConfigError, match=f": {name} cannot be"):
        OpenAIModel("small", "http://h/v1", KEY, options={name: 1})


def test_without_the_package_it_says_which_extra_to_install() -> None:
    code = """
import sys
sys.modules["openai"] = None
from spaces_sdk import ConfigError, OpenAIModel
try:
    OpenAIModel("small", "http://h/v1")
except ConfigError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip().endswith("the package openai is not installed (pip install 'spaces-sdk[ai]')")


def test_the_package_is_loaded_when_it_is_used() -> None:
    code = "import sys; from spaces_sdk import OpenAIModel; import spaces_sdk.bots; print('openai' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
