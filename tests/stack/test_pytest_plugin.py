"""The fixtures that an app's tests get with the package, in a project of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytestmark = pytest.mark.stack

REPOSITORY = Path(__file__).parents[2]
PLUGIN = "spaces_sdk.testing.pytest_plugin"

APP = """
import asyncio
from spaces_sdk import Spaces


def test_backend(spaces_backend):
    async def meet():
        async with spaces_backend as backend:
            ada, bob = backend.user("ada"), backend.user("bob")
            room = await ada.rooms.create_room("Jam")
            async with ada.join(room.room_code) as here, bob.join(room.room_code) as there:
                await there.send("hello")
                await backend.clock.advance(0)
                return [message.content for message in here.messages if message.user_id]

    assert asyncio.run(meet()) == ["hello"]


def test_each_has_a_backend_of_its_own(spaces_backend):
    assert spaces_backend.tables.rooms == {}


def test_stack(spaces_stack):
    async def meet(number):
        async with Spaces(spaces_stack.url, spaces_stack.secret_key) as operator:
            email = f"ada-{number}@example.com"
            await operator.auth.admin.create_user(email=email, password="long enough")
        async with Spaces(spaces_stack.url, spaces_stack.publishable_key) as spaces:
            await spaces.auth.sign_in_with_password(email=email, password="long enough")
            room = await spaces.rooms.create_room("Jam")
            async with spaces.join(room.room_code, display_name="Ada") as session:
                return (await session.send("hello")).content

    assert [asyncio.run(meet(number)) for number in range(2)] == ["hello", "hello"], "whatever the loop"
"""

WITHOUT_EXTRA = """
import sys

sys.modules["psutil"] = None


def test_stack(spaces_stack):
    raise AssertionError("there is one")
"""


def run(folder: Path, test: str) -> tuple[int, str]:
    """A run of pytest in a project that has the package, and nothing else of ours."""
    (folder / "test_app.py").write_text(test)
    is_installed = any(each.value == PLUGIN for each in entry_points(group="pytest11"))
    plugin = [] if is_installed else ["-p", PLUGIN]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:schemathesis", "-p", "no:cacheprovider", *plugin]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_fixtures_in_an_app(tmp_path: Path) -> None:
    code, told = run(tmp_path, APP)
    assert code == 0, told
    assert "3 passed" in told


def test_without_the_extra_the_stack_says_what_to_install(tmp_path: Path) -> None:
    code, told = run(tmp_path, WITHOUT_EXTRA)
    assert code == 1
    assert "the package psutil is not installed (pip install 'spaces-sdk[local]')" in told
    assert "Traceback" not in told


def test_the_plugin_is_named_to_pytest_and_loads_nothing() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"spaces_sdk": PLUGIN}
    code = f"import pytest, sys; a = {{*sys.modules}}; import {PLUGIN}; print(sorted({{*sys.modules}} - a))"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == str(["spaces_sdk", "spaces_sdk.testing", PLUGIN])
