"""The server as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import httpx
import pytest

from spaces_sdk.local.ports import ReservedPort
from tests.realtime_server.support.tokens import SECRET
from tests.support.eventually import PATIENCE_S, eventually

pytestmark = pytest.mark.stack

COMMAND = (sys.executable, "-m", "spaces_sdk.local.realtime")


async def test_it_gets_ready_and_ends_with_0_on_sigterm(db_url: str) -> None:
    reserved = ReservedPort()
    port = reserved.port
    environment = os.environ | {
        "SPACES_REALTIME_PORT": str(port),
        "SPACES_REALTIME_DB_URL": db_url,
        "SPACES_REALTIME_JWT_SECRET": SECRET,
    }
    process = await asyncio.create_subprocess_exec(*COMMAND, env=environment, stderr=asyncio.subprocess.PIPE)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

            async def is_ready() -> bool:
                try:
                    return (await http.get("/ready")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(is_ready)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            _, errors = await process.communicate()
        assert process.returncode == 0
        assert SECRET not in errors.decode()
        assert "Traceback" not in errors.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        reserved.release()


async def test_it_says_what_is_missing(db_url: str) -> None:
    environment = os.environ | {"SPACES_REALTIME_DB_URL": db_url}
    process = await asyncio.create_subprocess_exec(*COMMAND, env=environment, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode() == "cannot start the Realtime server: SPACES_REALTIME_JWT_SECRET is not set\n"
