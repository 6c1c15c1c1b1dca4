"""Finds a bot by `module:variable`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from spaces_sdk.bots import Bot
from spaces_sdk.errors import ConfigError

_HINT = "write module:variable, from the folder of the module: `spaces bot run dice:bot`"


def load_bot(target: str, folder: Path) -> Bot:
    """Import the module, from the folder or what is installed, and take the bot of it.

    Raises:
        ConfigError: There is no such module or bot. What the module itself raises goes through.
    """
    module_name, _, variable = target.partition(":")
    module_name = module_name.removesuffix(".py").replace("/", ".")
    if not module_name or not variable:
        raise ConfigError(f"cannot find the bot: {target!r} is not of the form module:variable", hint=_HINT)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"cannot find the bot: there is no module {module_name}", hint=_HINT) from error
    bot = getattr(module, variable, None)
    if not isinstance(bot, Bot):
        found = [name for name, value in vars(module).items() if isinstance(value, Bot)]
        raise ConfigError(
            f"cannot find the bot: {module_name} has no Bot {variable!r}",
            hint=f"it has {', '.join(found)}" if found else _HINT,
        )
    return bot
