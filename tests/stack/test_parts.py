"""Single parts stopped, started, crashed."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress

import httpx
import psycopg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.stack import LocalStack
from tests.support.eventually import PATIENCE_S, eventually

pytestmark = pytest.mark.stack


async def _rest(stack: LocalStack) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:
        return await http.get(f"{stack.url}/rest/v1/rooms", headers={"apikey": stack.secret_key})


async def test_rest_is_unavailable_while_its_part_is_stopped(stack: LocalStack) -> None:
    await stack.stop_part("lite")
    try:
        answer = await _rest(stack)
        assert (answer.status_code, answer.json()["code"]) == (503, "part_unavailable")
        assert answer.json()["hint"]
    finally:
        await stack.start_part("lite")
    assert (await _rest(stack)).status_code == 200


async def test_realtime_is_unavailable_while_its_part_is_stopped(stack: LocalStack) -> None:
    await stack.stop_part("realtime")
    try:
        address = f"{stack.url.replace('http', 'ws', 1)}/realtime/v1/websocket?apikey={stack.publishable_key}"
        with pytest.raises(InvalidStatus) as refused:
            async with connect(address, proxy=None):
                pass
        assert refused.value.response.status_code == 503
        assert (await _rest(stack)).status_code == 200
        async with httpx.AsyncClient(trust_env=False) as http:
            health = await http.get(f"{stack.url}/health")
        assert health.status_code == 503
        assert health.json()["parts"]["lite"] == "ok"
    finally:
        await stack.start_part("realtime")


async def test_a_stopped_gateway_refuses_connections_and_comes_back_on_its_port(stack: LocalStack) -> None:
    await stack.stop_part("gateway")
    try:
        with pytest.raises(httpx.ConnectError):
            await _rest(stack)
    finally:
        await stack.start_part("gateway")
    assert (await _rest(stack)).status_code == 200


async def test_postgres_comes_back_with_its_data() -> None:
    async with LocalStack.temporary() as own:
        async with await psycopg.AsyncConnection.connect(own.db_url, autocommit=True) as conn:
            await conn.execute("create table kept as select 1 as n")
        await own.stop_part("postgres")
        await own.start_part("postgres")
        async with await psycopg.AsyncConnection.connect(own.db_url) as conn:
            cursor = await conn.execute("select n from kept")
            assert await cursor.fetchone() == (1,)


async def test_rest_comes_back_when_the_connections_of_its_transactions_are_lost() -> None:
    async with LocalStack.temporary() as own:
        first = own.pids["lite"]
        failed = asyncio.create_task(own.wait_failed())

        async def ask() -> None:
            async with httpx.AsyncClient(trust_env=False, timeout=10.0) as http:
                while own.pids.get("lite") == first:
                    with suppress(httpx.HTTPError):
                        await http.get(f"{own.url}/rest/v1/rooms", headers={"apikey": own.secret_key})

        async def cut() -> None:
            async with await psycopg.AsyncConnection.connect(own.db_url, autocommit=True) as conn:
                while own.pids.get("lite") == first:
                    await conn.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'"
                    )
                    await asyncio.sleep(0.01)

        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(cut(), *(ask() for _ in range(4)))

        async def is_back() -> bool:
            return (await _rest(own)).status_code == 200

        await eventually(is_back)
        assert own.pids["lite"] != first
        assert not failed.done(), "the stack goes on"
        failed.cancel()


async def test_what_breaks_a_start_from_outside_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("spaces_sdk.local.stack.migrate", full)
    with pytest.raises(StackError, match=r"cannot start the stack: .*No space left") as refused:
        async with LocalStack.temporary():
            pass
    assert "logs" in refused.value.hint


async def test_an_unknown_part_is_a_usage_error(stack: LocalStack) -> None:
    with pytest.raises(StackError, match="no such part"):
        await stack.start_part("studio")


async def test_it_cannot_be_used_before_it_is_started() -> None:
    from spaces_sdk.local.settings import StackSettings

    with pytest.raises(StackError, match="not been started"):
        _ = LocalStack(StackSettings()).db_url
