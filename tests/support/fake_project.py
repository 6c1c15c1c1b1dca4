"""A Supabase project at the level of HTTP: scripted answers, and every request kept."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import httpx

from spaces_sdk.config import ProjectConfig
from tests.support.clock import FakeClock, settle

T = TypeVar("T")

URL = "https://project.test"
KEY = "sb_publishable_test-key-4711"
SECRET_KEY = "sb_secret_test-key-0815"

Answer = httpx.Response | Exception | Callable[[httpx.Request], Awaitable[httpx.Response]]


def config(key: str = KEY, url: str = URL) -> ProjectConfig:
    return ProjectConfig.parse(url, key)


def ok(body: object = None) -> httpx.Response:
    return httpx.Response(200, content=json.dumps(body), headers={"content-type": "application/json; charset=utf-8"})


def refused(
    status: int, code: str, message: str = "cannot do it: no", hint: str | None = "Do otherwise."
) -> httpx.Response:
    """As PostgREST answers `raise sqlstate 'PT403' using detail = …`."""
    return httpx.Response(status, json={"code": f"PT{status}", "details": code, "message": message, "hint": hint})


def postgrest_error(status: int, code: str, message: str = "something", details: str | None = None) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "details": details, "message": message, "hint": None})


def html(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, html="<html><body>Welcome to nginx!</body></html>", headers=headers)


async def hang(_: httpx.Request) -> httpx.Response:
    """No answer, ever."""
    await asyncio.Event().wait()
    raise AssertionError


class FakeProject:
    """Answers by the last part of the path (`create_room`, `token` …); the last answer of a list is repeated."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._answers: dict[str, deque[Answer]] = defaultdict(deque)
        self.on("schema_version", ok(1))
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._handle))

    def on(self, name: str, *answers: Answer) -> None:
        """From now on, answer so."""
        self._answers[name] = deque(answers)

    def sent(self, name: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.url.path.rsplit("/", 1)[-1] == name]

    def bodies(self, name: str) -> list[Any]:
        return [json.loads(request.content) for request in self.sent(name)]

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self._answers[request.url.path.rsplit("/", 1)[-1]]
        if not answers:
            raise AssertionError(f"nothing scripted for {request.url}")
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            # A fresh one each time: a response can be read once.
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return await answer(request)


class FixedToken:
    """A token source without Auth behind it."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens) or ["token-of-ada"]
        self.pulled = 0
        self.rejected: list[str] = []

    async def access_token(self) -> str:
        self.pulled += 1
        return self.tokens[0]

    async def replace(self, rejected: str) -> str:
        self.rejected.append(rejected)
        self.tokens = self.tokens[1:] or self.tokens
        return self.tokens[0]


async def turning(clock: FakeClock, work: Coroutine[Any, Any, T], *, step_s: float = 0.25) -> T:
    """Run it while time passes."""
    task = asyncio.ensure_future(work)
    try:
        await settle()
        while not task.done():
            await clock.advance(step_s)
    finally:
        task.cancel()
    return await task


def texts_of(error: BaseException) -> str:
    """All that a log of the error would show, causes included."""
    texts: list[str] = []
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one)]
        todo += [one.__cause__, one.__context__]
    return "\n".join(texts)
