"""`spaces up` as a process: how it begins, how it ends, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from spaces_sdk.local.ports import ReservedPort
from tests.support.eventually import eventually
from tests.support.spaces_up import SpacesUp, data_folder, nothing_lives, run_spaces, spaces_up

pytestmark = pytest.mark.stack


PARTS = {"postgres", "lite", "realtime", "gateway"}


async def _sign_up(up: SpacesUp, email: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=20.0) as http:
        body = {"email": email, "password": "correct horse"}
        return await http.post(f"{up.url}/auth/v1/signup", json=body, headers={"apikey": up.told["publishable_key"]})


def _commands_naming(text: str) -> list[list[str]]:
    found: list[list[str]] = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(text in word for word in process.cmdline()):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


async def test_status_tells_what_runs_and_down_ends_it(data_dir: Path) -> None:
    async with spaces_up(data_dir) as up:
        family = up.family()
        status = await run_spaces("status", "--json", "--data-dir", str(data_dir))
        told = json.loads(status.out)
        assert status.status == 0
        assert set(told["parts"]) == PARTS
        assert told["url"] == up.url
        text = await run_spaces("status", "--data-dir", str(data_dir))
        assert f"\nexport SUPABASE_URL={up.url}\nexport SUPABASE_PUBLISHABLE_KEY=sb_publishable_" in text.out
        down = await run_spaces("down", "--data-dir", str(data_dir))
        assert (down.status, down.err) == (0, "")
        assert "Stopped" in down.out
        assert (await up.finish()).status == 0
        await nothing_lives(family)
        assert not (data_dir / "state.json").exists()
    assert _commands_naming(str(data_dir)) == []
    status = await run_spaces("status", "--data-dir", str(data_dir))
    assert (status.status, status.out) == (1, "")
    assert "Nothing runs" in status.err
    assert (await run_spaces("down", "--data-dir", str(data_dir))).status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])  # `spaces down` is SIGTERM
async def test_a_signal_ends_it_cleanly(data_dir: Path, number: signal.Signals) -> None:
    async with spaces_up(data_dir) as up:
        family = up.family()
        finished = await up.finish(number)
        assert finished.status == 0, finished
        await nothing_lives(family)
        assert not (data_dir / "state.json").exists()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(up.url.rsplit(":", 1)[1]))).close()


@pytest.fixture
def reserved_port() -> Iterator[int]:
    """For a stack that starts twice: nobody else is given it meanwhile."""
    reserved = ReservedPort()
    yield reserved.port
    reserved.release()


async def test_after_sigkill_nothing_lives_on_and_the_data_is_kept(data_dir: Path, reserved_port: int) -> None:
    email, port = f"{uuid4().hex}@example.com", str(reserved_port)
    async with spaces_up(data_dir, "--port", port) as up:
        family = up.family()
        assert (await _sign_up(up, email)).status_code == 200
        keys = {name: up.told[name] for name in ("publishable_key", "secret_key")}
        finished = await up.finish(signal.SIGKILL)
        assert finished.status == -signal.SIGKILL
        # At once again, while the old parts may still be on their way out.
        async with spaces_up(data_dir, "--port", port) as again:
            await nothing_lives(family)
            assert again.url == up.url
            assert {name: again.told[name] for name in keys} == keys
            repeated = await _sign_up(again, email)
            assert repeated.json()["error_code"] == "user_already_exists"
    assert _commands_naming(str(data_dir)) == []


@pytest.mark.parametrize("part", sorted(PARTS))
async def test_the_crash_of_any_part_ends_all_and_says_which(data_dir: Path, part: str) -> None:
    async with spaces_up(data_dir) as up:
        family = up.family()
        os.kill(up.part(part), signal.SIGKILL)
        finished = await up.finish()
        assert finished.status == 1
        error = json.loads(finished.out)["error"]
        assert error["code"] == "part_crashed"
        # Whoever depends on it may go down with it; the first to be noticed is named.
        assert f"the part {part} ended unasked, by signal 9" in error["message"]
        if part != "gateway":  # which says nothing while all is well
            assert error["log_tail"]
        await nothing_lives(family)


async def test_sigterm_while_it_starts_leaves_nothing(data_dir: Path) -> None:
    starting = asyncio.create_task(run_spaces("up", "--port", "0", "--data-dir", str(data_dir)))
    await eventually(lambda: (data_dir / "lock").exists() and _commands_naming(str(data_dir / "postgres")))
    down = await run_spaces("down", "--data-dir", str(data_dir))
    assert down.status == 0, down
    finished = await starting
    assert finished.status == 0, finished
    await eventually(lambda: not _commands_naming(str(data_dir)))


async def test_reset_makes_new_keys_and_an_empty_database(data_dir: Path) -> None:
    email = f"{uuid4().hex}@example.com"
    async with spaces_up(data_dir) as up:
        assert (await _sign_up(up, email)).status_code == 200
        first = up.told["publishable_key"]
        await up.finish(signal.SIGTERM)
    async with spaces_up(data_dir, "--reset") as up:
        assert up.told["publishable_key"] != first
        assert (await _sign_up(up, email)).status_code == 200


async def test_with_trace_the_frames_of_realtime_are_in_a_file_without_keys() -> None:
    with data_folder() as folder:
        async with spaces_up(folder, "--trace") as up:
            key = up.told["publishable_key"]
            address = f"{up.url.replace('http', 'ws', 1)}/realtime/v1/websocket?apikey={key}&vsn=2.0.0"
            async with connect(address, proxy=None) as socket:
                await socket.send('[null,"1","phoenix","heartbeat",{}]')
                await socket.recv()
            path = folder / "logs" / "trace.log"
            await eventually(lambda: " gone" in path.read_text())
        text = path.read_text()
    assert 'phoenix phx_reply ref=1 {"status":"ok","response":{}}' in text
    assert key not in text
    assert "eyJ" not in text
