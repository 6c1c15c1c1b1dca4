"""examples/curl.sh on a running stack: every endpoint, with nothing but curl."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from spaces_sdk.local.stack import LocalStack
from tests.functions.support.openapi import document, operations

pytestmark = pytest.mark.functions

# Stands for curl: signs in, refuses to change a room, and answers anything else.
REFUSING_CURL = """#!/bin/sh
case "$*" in
  */signup*) echo '{"access_token":"token"}' ;;
  *PATCH*) echo '{"success":false,"error":{"code":"not_host"}}'; exit 22 ;;
  *) echo '{"success":true,"room":{"id":"one","roomCode":"ABCDEF"}}' ;;
esac
"""
SCRIPT = Path(__file__).parents[2] / "examples" / "curl.sh"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_it_walks_through_all_of_it(stack: LocalStack) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "SUPABASE_URL": stack.url,
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "NO_PROXY": "*",
    }
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", str(SCRIPT), env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = (text.decode() for text in await process.communicate())
    assert process.returncode == 0, err
    assert out == f"Done: {stack.url}/functions/v1/rooms/openapi.json describes all of it.\n"
    asked = set(re.findall(r"^(GET|POST|PATCH|DELETE) (/\S*?)(?:\?\S*)? \{\"success\":true", err, flags=re.M))
    assert len(asked) == len(operations(document()))
    assert "with If-None-Match: 304" in err


async def test_it_ends_where_it_is_refused_and_a_log_keeps_all_lines(tmp_path: Path) -> None:
    curl, log = tmp_path / "curl", tmp_path / "log"
    curl.write_text(REFUSING_CURL)
    curl.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SUPABASE_URL": "http://x", "SUPABASE_PUBLISHABLE_KEY": "key"}
    with log.open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", str(SCRIPT), env=env, stdout=asyncio.subprocess.PIPE, stderr=err
        )
        out, _ = await process.communicate()
    lines = log.read_text().splitlines()
    assert (process.returncode, out) == (1, b"")
    assert lines[0].startswith('POST /create {"success":true')
    assert lines[-1] == 'PATCH /one/state {"success":false,"error":{"code":"not_host"}}'
