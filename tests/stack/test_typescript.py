"""The stack's TypeScript: formatted, linted and type-checked by Deno, against the locked packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import spaces_sdk.local
import tests.interop.guest
from spaces_sdk.local.deno import DenoProgram

pytestmark = pytest.mark.stack

FOLDERS = [Path(spaces_sdk.local.__file__).parent / "lite", tests.interop.guest.FOLDER]


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
async def program(request: pytest.FixtureRequest) -> DenoProgram:
    program = DenoProgram(request.param)
    await program.fetch(print)
    return program


@pytest.mark.parametrize("arguments", [["fmt", "--check"], ["lint"], ["check", "--frozen", "main.ts"]], ids=" ".join)
async def test_deno_finds_nothing(program: DenoProgram, arguments: list[str]) -> None:
    deno = program.command(net=[])[0]
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs on this loop
        [deno, *arguments], cwd=program.folder, env=program.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
