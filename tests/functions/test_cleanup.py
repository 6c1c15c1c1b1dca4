"""The clean-up function: its TypeScript, its handler in-process, and as Deno serves it beside a running stack."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest
from deno import find_deno_bin

from spaces_sdk.install.package_files import supabase_dir
from spaces_sdk.local.ports import ReservedPort
from spaces_sdk.local.stack import LocalStack
from tests.support.eventually import eventually

pytestmark = pytest.mark.functions

FUNCTION = supabase_dir() / "functions" / "cleanup"
HANDLER_TEST = Path(__file__).with_name("cleanup_test.ts")
SECRET = "a-secret-of-the-tests-0123456789-abcdef"


def deno_environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": str(folder), "DENO_DIR": str(folder), "NO_COLOR": "1"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["fmt", "--check", FUNCTION, HANDLER_TEST],
        ["lint", FUNCTION, HANDLER_TEST],
        ["check", FUNCTION / "index.ts", HANDLER_TEST],
        ["test", "--no-prompt", "--no-remote", "--no-npm", HANDLER_TEST],
    ],
    ids=lambda arguments: arguments[0],
)
def test_deno_finds_nothing(tmp_path: Path, arguments: list[str | Path]) -> None:
    command = [find_deno_bin(), arguments[0], "--config", FUNCTION / "deno.json", *arguments[1:]]
    done = subprocess.run(command, env=deno_environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_imports_nothing_from_elsewhere() -> None:
    lines = [line for path in FUNCTION.glob("*.ts") for line in path.read_text().splitlines()]
    assert [line for line in lines if line.startswith("import ")] == ['import { makeHandler } from "./handler.ts";']


@pytest.fixture
async def served(stack: LocalStack, tmp_path: Path) -> AsyncIterator[str]:
    """The function's URL, with the environment that a hosted one has."""
    reserved = ReservedPort()
    port = reserved.port
    environment = {
        **deno_environment(tmp_path),
        "SUPABASE_URL": stack.url,
        "SUPABASE_SECRET_KEYS": f'{{"default": "{stack.secret_key}"}}',
        "CLEANUP_SECRET": SECRET,
        "DENO_SERVE_ADDRESS": f"tcp:127.0.0.1:{port}",
    }
    process = await asyncio.create_subprocess_exec(
        find_deno_bin(), "run", "--quiet", "--no-prompt", "--allow-env", "--allow-net=127.0.0.1",
        FUNCTION / "index.ts", env=environment,
    )  # fmt: skip
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=30.0) as http:

            async def answers() -> bool:
                try:
                    return (await http.get(f"http://127.0.0.1:{port}/")).status_code == 405
                except httpx.ConnectError:
                    return False

            await eventually(answers)
        yield f"http://127.0.0.1:{port}/cleanup"
    finally:
        process.kill()
        await process.wait()
        reserved.release()


async def test_it_deletes_what_has_run_out_and_nothing_else(stack: LocalStack, served: str) -> None:
    async with await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True) as conn:
        # A run deletes twenty rooms at most: those that other tests have left first.
        while (await (await conn.execute("select public.cleanup_inactive_rooms()")).fetchone() or [{}])[0]["has_more"]:
            pass
        await conn.execute(
            """with made as (
                 insert into public.rooms (name, room_code, last_activity)
                 values ('old', public.generate_room_code(), now() - interval '25 hours'),
                        ('young', public.generate_room_code(), now() - interval '23 hours') returning id)
               insert into spaces.room_heads (room_id) select id from made"""
        )
        async with httpx.AsyncClient(trust_env=False, timeout=30.0) as http:
            refused = await http.post(served, headers={"authorization": "Bearer wrong"})
            done = await http.post(served, headers={"authorization": f"Bearer {SECRET}"})
        cursor = await conn.execute("select name from public.rooms where name in ('old', 'young')")
        left = [name for (name,) in await cursor.fetchall()]
        await conn.execute("delete from public.rooms where name in ('old', 'young')")
    assert refused.status_code == 401
    body = done.json()
    assert (done.status_code, body["success"], body["hasMore"]) == (200, True, False)
    assert body["roomsDeleted"] >= 1
    assert left == ["young"]
