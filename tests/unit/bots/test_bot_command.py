"""`spaces bot`: what it finds and what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spaces_sdk import __version__
from spaces_sdk.bots import Bot
from spaces_sdk.cli.bot_dev import python_files
from spaces_sdk.cli.bot_loading import load_bot
from spaces_sdk.cli.main import app
from spaces_sdk.errors import ConfigError

pytestmark = pytest.mark.unit

BOT = """
from spaces_sdk import Bot
bot = Bot("Bea")
other = 1

@bot.command
async def ping(ctx):
    await ctx.reply("pong")
"""
VARIABLES = ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SPACES_BOT_EMAIL", "SPACES_BOT_ROOMS")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    name = f"bot_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(BOT, "utf-8")
    (tmp_path / f"broken_{name}.py").write_text("import no_such_library_at_all", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def _module(folder: Path) -> str:
    return next(path.stem for path in folder.glob("bot_*.py"))


def test_a_bot_is_found_by_module_and_variable(folder: Path) -> None:
    assert isinstance(load_bot(f"{_module(folder)}:bot", folder), Bot)
    assert load_bot(_module(folder), folder).name == "Bea"


@pytest.mark.parametrize("target", ["{}.py:bot", "./{}:bot", "{}.py", "./{}", "../{folder}/{}.py", "{path}/{}.py:bot"])
def test_a_bot_is_found_by_its_file(folder: Path, target: str) -> None:
    assert load_bot(target.format(_module(folder), folder=folder.name, path=folder), folder).name == "Bea"


def test_a_file_may_import_what_lies_beside_it_and_what_lies_in_the_folder(folder: Path) -> None:
    name = _module(folder)
    (folder / "bots").mkdir()
    (folder / f"{name}_words.py").write_text("HELLO = 1", "utf-8")
    (folder / "bots" / f"{name}_more.py").write_text("BYE = 1", "utf-8")
    imports = f"from {name}_words import HELLO\nfrom {name}_more import BYE\n"
    (folder / "bots" / "random.py").write_text(imports + BOT, "utf-8")
    assert load_bot("bots/random.py", folder).name == "Bea"
    assert "bots" not in str(sys.modules["random"].__file__)


def test_of_two_bots_one_is_to_be_named(folder: Path) -> None:
    name = _module(folder)
    (folder / f"{name}.py").write_text(BOT + 'second = Bot("Cy")\nsame = bot\n', "utf-8")
    with pytest.raises(ConfigError, match="has 3") as caught:
        load_bot(f"{name}.py", folder)
    assert caught.value.hint == f"say which: {name}.py:bot, {name}.py:second, {name}.py:same"
    assert load_bot(f"{name}.py:second", folder).name == "Cy"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere_here:bot", "no module nowhere_here"),
        ("nowhere_here", "no module nowhere_here"),
        (":bot", "no module :bot"),
        ("nowhere/here.py:bot", "no file .*/nowhere/here.py"),
        ("broken", "no module broken"),
        ("{}:other", "no Bot 'other'"),
        ("{}:nothing", "no Bot 'nothing'"),
    ],
)
def test_what_is_not_found(folder: Path, target: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        load_bot(target.format(_module(folder)), folder)
    assert caught.value.hint


BROKEN = [
    (
        "import no_such_library_at_all",
        1,
        "ModuleNotFoundError: No module named 'no_such_library_at_all'",
        sys.executable,
    ),
    ("import json\njson.loads('{')", 2, "JSONDecodeError: Expecting property name", ""),
    ("bot = Bot('Bea'", 1, "SyntaxError: '(' was never closed", ""),
    ("import spaces_sdk\nspaces_sdk.Bot('')", 2, "its name has 1 to 50 characters", ""),
]


@pytest.mark.parametrize(("code", "line", "reason", "hint"), BROKEN)
def test_what_a_module_raises_is_said_with_its_place_and_without_ours(
    folder: Path, capfd: pytest.CaptureFixture[str], code: str, line: int, reason: str, hint: str
) -> None:
    path = folder / f"broken_{_module(folder)}.py"
    path.write_text(code, "utf-8")
    for target in (path.name, path.stem):
        with pytest.raises(SystemExit) as ended:
            app(["bot", "run", target, "--console"])
        said = capfd.readouterr().err
        assert ended.value.code == 2
        assert reason in said
        assert f'  |   File "{path}", line {line}' in said
        assert hint in said
        assert "Traceback" not in said
        assert "bot_loading" not in said
        assert "importlib" not in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["create", "Dice"], "SUPABASE_URL is not set"),
        (["create", "x" * 51], "1 to 50 characters"),
        (["run", "{}:bot", "--console", "--room", "XJ9K2M"], "in the console and in rooms"),
        (["run", "{}:bot", "--room", "XJ9K2M"], "SPACES_BOT_EMAIL or SPACES_BOT_PASSWORD is not set"),
    ],
)
def test_refusals_name_the_way_on(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["bot", *(word.format(_module(folder)) for word in arguments)])
    said = capfd.readouterr().err
    assert ended.value.code == 2
    assert reason in said
    assert "hint: " in said


@pytest.mark.parametrize(("key", "what"), [("sb_publishable_abc", "a publishable one"), ("hello", "no secret key")])
def test_an_account_is_made_with_the_secret_key_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], key: str, what: str
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", key)
    with pytest.raises(SystemExit):
        app(["bot", "create", "Dice"])
    said = capfd.readouterr().err
    assert f"SUPABASE_SECRET_KEY is {what}" in said
    assert "sb_secret_" in said
    assert key not in said


def test_where_no_stack_runs_the_shell_that_evals_it_is_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["status"])
    assert ended.value.code == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "Nothing runs from .spaces" in err
    assert "--data-dir" in err


def test_the_version(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["--version"])
    assert (ended.value.code, capfd.readouterr().out) == (0, f"spaces-sdk {__version__}\n")


def test_what_is_watched(tmp_path: Path) -> None:
    for name in ("a.py", "pkg/b.py", "c.txt", ".venv/d.py", "env/e.py", "env/pyvenv.cfg", "node_modules/f.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert {path.name for path in python_files(tmp_path)} == {"a.py", "b.py"}
