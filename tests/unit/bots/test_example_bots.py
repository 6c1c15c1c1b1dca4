"""Each example bot in a dialogue."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from spaces_sdk.bots import Bot
from spaces_sdk.models import Role
from spaces_sdk.testing import Comes, Passes, dialog

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

EXAMPLES = Path(__file__).parents[3] / "examples"


def _example(name: str) -> Bot:
    spec = spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module.bot, Bot)
    return module.bot


async def test_echo() -> None:
    await dialog(_example("echo_bot"), [("ada", "hello", "ada said: hello"), ("bob", "!x", "bob said: !x")])


async def test_dice() -> None:
    await dialog(
        _example("dice_bot"),
        [
            ("ada", "!roll 1", "1"),
            ("ada", "!roll 1 3", "1, 1, 1"),
            ("ada", "!roll 0", "at most 20 dice, with 1 to 1000 sides"),
            ("ada", '!choose "a b"', "a b"),
            ("ada", "!guess 1", "I think of a number from 1 to 1."),
            ("bob", "1", None),
            ("ada", "2", "Less."),
            ("ada", "1", "Yes!"),
            ("ada", "!guess", re.compile("I think .*")),
            Passes(60, re.compile(r"It was \d+\.")),
        ],
    )


async def test_moderator() -> None:
    flood = [("bob", str(index), None) for index in range(5)]
    told = await dialog(
        _example("moderator_bot"),
        [
            ("ada", "hello", None),
            Comes("bob", "Welcome, bob!"),
            *flood,
            ("bob", "5", "bob takes a break of a minute."),
            Passes(65),
            ("bob", "sorry", None),
            ("bob", "!pardon bob", "only the host and moderators may do that"),
            ("ada", "!pardon bob", "bob may speak again."),
            Passes(60),
            *flood,
            ("bob", "6", "bob takes a break of a minute."),
            ("ada", "!pardon bob", "bob may speak again."),
            ("bob", "thanks", None),
        ],
        bot_role=Role.MODERATOR,
    )
    assert told[-1] == "bob: thanks"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_listed(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 100
    assert f"({path.name})" in (EXAMPLES / "README.md").read_text("utf-8")
