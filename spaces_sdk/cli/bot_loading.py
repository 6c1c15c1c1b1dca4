"""Finds a bot by `module:variable`, or by its file."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import spaces_sdk
from spaces_sdk.bots import Bot
from spaces_sdk.errors import ConfigError, SpacesError

_PACKAGE = Path(spaces_sdk.__file__).parent
_HINT = "name its file, `spaces bot run bots/dice.py`, or its module and variable, `spaces bot run bots.dice:bot`"


class BotImportError(ConfigError):
    """The bot's module raised something while it was imported.

    Attributes:
        log_tail: Where, in its own code.
    """

    def __init__(self, name: str, error: Exception) -> None:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
        if isinstance(error, SpacesError):  # a handler that cannot be registered
            message, hint, more = error.message, error.hint, []
        else:
            *more, last = traceback.format_exception_only(error)  # of a SyntaxError, the line before the reason
            message = f"cannot import {name}: {last.strip()}"
            hint = f"is it installed for {sys.executable}?" if isinstance(error, ModuleNotFoundError) else ""
        super().__init__(message, hint=hint)
        self.log_tail = "".join([*traceback.format_list(frames), *more]).rstrip()


def load_bot(target: str, folder: Path) -> Bot:
    """Import the file or module, and take the bot of it.

    Args:
        target: `bots/dice.py`, `bots/dice:bot` or `bots.dice:bot`. The variable may be left out where there is one bot.
        folder: Where files and modules are looked for; modules also where Python does.

    Raises:
        ConfigError: There is no such file, module or bot.
        BotImportError: The module itself raised something.
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
    with _import_errors(name):
        spec.loader.exec_module(module)
    return module


def _module(name: str, folder: Path) -> ModuleType:
    _look_in(folder)
    with _import_errors(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            missing = error
    raise ConfigError(f"cannot find the bot: there is no module {name}", hint=_HINT) from missing


@contextmanager
def _import_errors(name: str) -> Generator[None]:
    try:
        yield
    except Exception as error:
        raise BotImportError(name, error) from error


def _is_machinery(filename: str) -> bool:
    """Of this package, or of Python's imports: nothing that the author of the bot could mend."""
    return (
        filename.startswith("<frozen importlib")
        or filename == importlib.__file__
        or Path(filename).is_relative_to(_PACKAGE)
    )


def _look_in(*folders: Path) -> None:
    """The last one first."""
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
