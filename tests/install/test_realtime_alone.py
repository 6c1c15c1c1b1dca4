"""The Realtime client by itself: its own files, the newest `websockets`, and nothing of supabase or pydantic."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.install.support.environment import REPOSITORY

pytestmark = pytest.mark.install

WEBSOCKETS = "17.*"
TOOLS = ("pytest", "pytest-asyncio", "hypothesis")
LEAVES = ("__init__", "errors", "clock", "config", "deadline", "jwt_claims")
SUPPORT = ("clock", "eventually", "memory_wire", "phoenix", "scripted_server")
SETTINGS = """
[pytest]
pythonpath = .
addopts = --strict-markers --import-mode=importlib -p no:cacheprovider
asyncio_mode = auto
asyncio_default_fixture_loop_scope = session
asyncio_default_test_loop_scope = session
filterwarnings = error
markers =
    unit
    contract
    integration
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with that `websockets` and the test tools, in the versions of the lock file."""
    base = tmp_path_factory.mktemp("alone")
    locked = (REPOSITORY / "constraints.txt").read_text().splitlines()
    lock = base / "constraints.txt"
    lock.write_text("\n".join(line for line in locked if not line.startswith("websockets==")))
    venv.create(base / "venv", with_pip=False)
    made = base / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", made]
    done = subprocess.run(
        [*pip, "install", "-c", lock, f"websockets=={WEBSOCKETS}", *TOOLS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the client and its tests consist of."""
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    for source, names in (
        ("spaces_sdk", LEAVES),
        ("spaces_sdk/testing", ("clock",)),
        ("tests/support", SUPPORT),
        ("tests/unit", ("conftest",)),
    ):
        (tmp_path / source).mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(REPOSITORY / source / f"{name}.py", tmp_path / source)
    for tree in ("spaces_sdk/realtime", "tests/unit/realtime", "tests/fixtures/realtime-transcripts"):
        shutil.copytree(REPOSITORY / tree, tmp_path / tree, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_it_passes_its_tests(python: Path, folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "tests/unit/realtime"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 200
    assert "skipped" not in done.stdout


def test_what_it_needs(python: Path, folder: Path) -> None:
    code = (
        "import sys, spaces_sdk.realtime, websockets\n"
        "print(websockets.__version__, *sorted({name.partition('.')[0] for name in sys.modules}"
        " - sys.stdlib_module_names - {'__main__'}))"
    )
    done = subprocess.run(
        [python, "-I", "-c", f"import sys; sys.path.insert(0, '.')\n{code}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    version, *packages = done.stdout.split()
    assert version.startswith("17.")
    assert packages == ["spaces_sdk", "websockets"]
