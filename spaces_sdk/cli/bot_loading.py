"""Finds a bot by `module:variable`, or by its file."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from spaces_sdk.bots import Bot
from spaces_sdk.errors import ConfigError

_HINT = "name its file, `spaces bot run bots/dice.py`, or its module and variable, `spaces bot run bots.dice:bot`"


def load_bot(target: str, folder: Path) -> Bot:
    """Import the file or module, and take the bot of it.

    Args:
        target: `bots/dice.py`, `bots/dice:bot` or `bots.dice:bot`. The variable may be left out where there is one bot.
        folder: Where files and modules are looked for; modules also where Python does.

    Raises:
        ConfigError: There is no such file, module or bot. What the module itself raises goes through.
    """
    head, _, tail = target.rpartition(":")
    name, variable = (head, tail) if head and tail.isidentifier() else (target, "")
    module = _file(name, folder) if name.endswith(".py") or {"/", os.sep} & {*name} else _module(name, folder)
    bots = {key: value for key, value in vars(module).items() if isinstance(value, Bot)}
    if not variable and len(set(bots.values())) == 1:
        return next(iter(bots.values()))
    if variable in bots:
        return bots[variable]
    if not variable and bots:
        choices = ", ".join(f"{name}:{key}" for key in bots)
        raise ConfigError(f"cannot choose a bot: {name} has {len(bots)}", hint=f"say which: {choices}")
    raise ConfigError(
        f"cannot find the bot: {name} has no Bot{f' {variable!r}' if variable else ''}",
        hint=f"it has {', '.join(bots)}" if bots else 'a module has a bot by a line like `bot = Bot("Dice")`',
    )


def _file(name: str, folder: Path) -> ModuleType:
    """As `python FILE` does: what lies beside it can be imported; and what lies in the folder."""
    path = (folder / name).resolve()
    path = path if path.suffix == ".py" else path.with_name(f"{path.name}.py")
    if not path.is_file():
        raise ConfigError(f"cannot find the bot: there is no file {path}", hint=_HINT)
    _look_in(folder, path.parent)
    module_name = f"spaces_bot_{path.stem}"  # a file called random.py is not to be anybody's `random`
    spec = spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"cannot find the bot: {path} is no Python file", hint=_HINT)
    module = sys.modules[module_name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _module(name: str, folder: Path) -> ModuleType:
    _look_in(folder)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"cannot find the bot: there is no module {name}", hint=_HINT) from error


def _look_in(*folders: Path) -> None:
    """The last one first."""
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
