"""The TypeScript of the rooms function: formatted, linted, type-checked, and its handler in-process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from deno import find_deno_bin

from spaces_sdk.install.package_files import supabase_dir
from spaces_sdk.local.deno import DenoProgram

pytestmark = pytest.mark.functions

FUNCTION = supabase_dir() / "functions" / "rooms"
HANDLER_TEST = Path(__file__).with_name("rooms_test.ts")


@pytest.mark.parametrize(
    "arguments",
    [
        ["fmt", "--check", FUNCTION, HANDLER_TEST],
        ["lint", FUNCTION, HANDLER_TEST],
        ["check", "--frozen", FUNCTION / "index.ts", HANDLER_TEST],
        ["test", "--frozen", "--cached-only", "--no-prompt", HANDLER_TEST],
    ],
    ids=lambda arguments: arguments[0],
)
async def test_deno_finds_nothing(arguments: list[str | Path]) -> None:
    program = DenoProgram.of_function(FUNCTION / "index.ts")
    await program.fetch(print)
    command = [find_deno_bin(), arguments[0], "--config", FUNCTION / "deno.json", *arguments[1:]]
    env = program.environment()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: ASYNC221
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_is_one_that_hosted_runtimes_read() -> None:
    # Deno writes version 5 by now; the runtime of hosted functions refuses it, or did until March 2026.
    assert '"version": "4"' in (FUNCTION / "deno.lock").read_text()


def test_what_is_imported_is_pinned() -> None:
    lines = [line for path in FUNCTION.glob("*.ts") for line in path.read_text().splitlines()]
    sources = {line.rpartition(" from ")[2].strip('";') for line in lines if line.startswith(("import ", "} from "))}
    assert {source for source in sources if not source.startswith("./")} == {"hono"}
    assert '"hono": "npm:hono@4.13.19"' in (FUNCTION / "deno.json").read_text()
