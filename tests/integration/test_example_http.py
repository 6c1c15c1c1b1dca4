"""The example bots that speak HTTP: a door of their own, and a model behind a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from spaces_sdk.bots import Bot, Context
from spaces_sdk.testing import Talk, dialog
from tests.support.examples import example
from tests.support.openai_server import OpenAIServer, refusing, saying

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_task_left")]

SECRET = "long and ünguessable"


@asynccontextmanager
async def _post_to(door: type[BaseHTTPRequestHandler]) -> AsyncGenerator[Callable[..., Awaitable[int]]]:
    """The example's own door on a free port, and a client of it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), door) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{server.server_port}") as client:

                async def post(data: bytes | dict[str, Any], secret: str, path: str) -> int:
                    body = data if isinstance(data, bytes) else json.dumps(data).encode()
                    headers = [(b"X-Bridge-Secret", secret.encode())]
                    answer = await client.post(f"/{path}", content=body, headers=headers)
                    return answer.status_code

                yield post
        finally:
            await asyncio.to_thread(server.shutdown)
            thread.join()


async def test_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_SECRET", SECRET)
    module = example("bridge_bot")
    async with Talk(module.bot, ["ada"]) as talk, _post_to(module.Door) as post:

        async def status(
            data: bytes | dict[str, Any], secret: str = "long and ünguessable", path: str = "talked"
        ) -> int:
            return await post(data, secret, path)

        build = {"id": "7", "text": "Build 7 is green"}
        assert await status(build, "long and guessable") == 401
        assert await status(build, "") == 401
        assert await status(build, path="NOROOM") == 404
        for wrong in (
            b"",
            b"{",
            b"[]",
            b"\xff",
            b"[" * 60_000,
            {"id": "7"},
            {"id": 7, "text": "x"},
            {"id": "7", "text": " "},
        ):
            assert await status(wrong) == 400
        assert await status({"id": "7", "text": "x" * 8001}) == 400
        assert await status(b"x" * 64_001) == 413
        assert await status(b"x" * 900_000) == 413
        assert await talk.wait(1) == []

        assert await status(build) == 202
        assert await status(build) == 202
        assert await talk.wait(1) == ["Build 7 is green"]
        assert await status(build | {"text": "again"}) == 202
        assert await talk.wait(1) == []

        assert [await status({"id": f"x{n}", "text": str(n)}) for n in range(102)] == [202] * 100 + [429] * 2
        assert await talk.wait(1) == [str(n) for n in range(100)]
        assert await status({"id": "last", "text": "free again"}) == 202


async def test_ai_host_with_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    async with OpenAIServer().running() as server:
        server.replies(saying("It", " is."), refusing(401), saying("So."))
        monkeypatch.setenv("OPENAI_MODEL", "small")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        module = example("ai_host_bot")
        bot: Bot = module.bot
        errors: list[Exception] = []

        @bot.on_error
        async def failed(ctx: Context, error: Exception) -> None:
            errors.append(error)

        sorry = "Sorry, I cannot answer just now."
        async with module.model:
            await dialog(bot, [("ada", "why?", "It is."), ("bob", "and?", sorry), ("bob", "and?", "So.")])
        system, *said = server.requests[-1].body["messages"]
        assert system["content"].startswith("Answer as a playful would.\n\nYou are the host of the evening")
        assert said == [
            {"role": "user", "content": "<ada> why?"},
            {"role": "assistant", "content": "It is."},
            {"role": "user", "content": "<bob> and?\n<bob> and?"},
        ]
        assert server.requests[-1].body["max_tokens"] == 400
        assert [getattr(error, "code", "") for error in errors] == ["model_refused"]
