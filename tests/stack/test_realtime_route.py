"""Realtime through the gateway: the websocket tunnel and the HTTP path."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from spaces_sdk.local.stack import LocalStack
from tests.support.eventually import PATIENCE_S

pytestmark = pytest.mark.stack


def _address(stack: LocalStack, query: str) -> str:
    return f"{stack.url.replace('http', 'ws', 1)}/realtime/v1/websocket?{query}"


async def _answer_to(stack: LocalStack, query: str, headers: dict[str, str] | None = None) -> Any:
    async with connect(_address(stack, query), proxy=None, additional_headers=headers) as socket:
        await socket.send(json.dumps([None, "1", "phoenix", "heartbeat", {}]))
        async with asyncio.timeout(PATIENCE_S):
            return json.loads(await socket.recv())


async def test_every_kind_of_key_opens_the_socket(stack: LocalStack) -> None:
    for key in (stack.publishable_key, stack.secret_key, stack.anon_key):
        answer = await _answer_to(stack, f"apikey={key}&vsn=2.0.0")
        assert answer[3:] == ["phx_reply", {"status": "ok", "response": {}}]


async def test_the_key_may_stand_in_a_header(stack: LocalStack) -> None:
    answer = await _answer_to(stack, "vsn=2.0.0", {"apikey": stack.publishable_key})
    assert answer[4]["status"] == "ok"


@pytest.mark.parametrize("query", ["vsn=2.0.0", "apikey=sb_publishable_nonsense&vsn=2.0.0"])
async def test_no_socket_without_a_known_key(stack: LocalStack, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await _answer_to(stack, query)
    assert refused.value.response.status_code == 401


async def test_a_socket_elsewhere_is_not_found(stack: LocalStack) -> None:
    address = f"{stack.url.replace('http', 'ws', 1)}/rest/v1/websocket?apikey={stack.publishable_key}"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address, proxy=None):
            pass
    assert refused.value.response.status_code == 404


async def test_large_frames_pass_both_ways_untouched(stack: LocalStack) -> None:
    text = "ü" * 60_000
    config = {"config": {"broadcast": {"self": True}, "presence": {"enabled": False}, "private": False}}
    address = _address(stack, f"apikey={stack.publishable_key}&vsn=2.0.0")
    async with connect(address, proxy=None) as socket, asyncio.timeout(PATIENCE_S):
        await socket.send(json.dumps(["1", "1", "realtime:tunnel", "phx_join", config]))
        assert json.loads(await socket.recv())[4]["status"] == "ok"
        payload = {"type": "broadcast", "event": "big", "payload": {"text": text}}
        await socket.send(json.dumps(["1", "2", "realtime:tunnel", "broadcast", payload], ensure_ascii=False))
        while (frame := json.loads(await socket.recv()))[3] != "broadcast":
            pass
        assert frame[4]["payload"]["text"] == text


async def test_broadcast_over_http_reaches_the_socket(stack: LocalStack) -> None:
    config = {"config": {"broadcast": {}, "presence": {"enabled": False}, "private": False}}
    address = _address(stack, f"apikey={stack.publishable_key}&vsn=2.0.0")
    async with connect(address, proxy=None) as socket, asyncio.timeout(PATIENCE_S):
        await socket.send(json.dumps(["1", "1", "realtime:by-http", "phx_join", config]))
        assert json.loads(await socket.recv())[4]["status"] == "ok"
        body = {"messages": [{"topic": "by-http", "event": "hello", "payload": {"n": 1}}]}
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(
                f"{stack.url}/realtime/v1/api/broadcast", json=body, headers={"apikey": stack.publishable_key}
            )
        assert answer.status_code == 202, answer.text
        while (frame := json.loads(await socket.recv()))[3] != "broadcast":
            pass
        assert frame[4]["payload"] == {"n": 1}
