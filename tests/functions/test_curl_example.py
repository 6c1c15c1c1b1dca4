"""examples/curl.sh, with something that stands for curl: where it ends, and what its log keeps."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

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
