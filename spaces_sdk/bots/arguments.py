"""The arguments of a command, from the signature of its function."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from spaces_sdk.bots.errors import CommandError
from spaces_sdk.bots.words import split_words
from spaces_sdk.errors import UsageError
from spaces_sdk.models import Participant

Convert = Callable[[str, Sequence[Participant]], Any]

_YES: Final = frozenset({"yes", "y", "true", "on", "1"})
_NO: Final = frozenset({"no", "n", "false", "off", "0"})
_LONGEST_SHOWN: Final = 40
"""Characters of a word in a reply; a number has no more either."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command.

    Attributes:
        takes_rest: The rest of the line as it is (`*, text: str`).
        takes_many: Any number of words (`*names: str`).
    """

    name: str
    convert: Convert
    is_required: bool
    takes_rest: bool = False
    takes_many: bool = False

    @property
    def usage(self) -> str:
        """As a line of help shows it."""
        dots = "..." if self.takes_rest or self.takes_many else ""
        return f"<{self.name}{dots}>" if self.is_required else f"[{self.name}{dots}]"


def arguments_of(function: Callable[..., Any]) -> list[Argument]:
    """What a command takes after its context.

    Raises:
        UsageError: The signature cannot be a command's.
    """
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise UsageError(f"cannot make a command of {function.__name__}: its first argument is the context")
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise UsageError(
            f"cannot make a command of {function.__name__}: {error}",
            hint="its annotations are read when it is registered: import their names outside of `if TYPE_CHECKING`",
        ) from error
    arguments: list[Argument] = []
    for parameter in parameters[1:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD or (arguments and arguments[-1].takes_rest):
            raise UsageError(
                f"cannot make a command of {function.__name__}: {parameter.name} cannot be filled from a line",
                hint="one argument after `*` takes the rest of the line",
            )
        many = parameter.kind is inspect.Parameter.VAR_POSITIONAL
        rest = parameter.kind is inspect.Parameter.KEYWORD_ONLY
        has_default = parameter.default is not inspect.Parameter.empty
        convert = _converter(hints.get(parameter.name, str), f"{function.__name__}({parameter.name})")
        arguments.append(Argument(parameter.name, convert, not (has_default or many), rest, many))
    return arguments


def read_arguments(
    arguments: Sequence[Argument], line: str, people: Sequence[Participant]
) -> tuple[list[Any], dict[str, Any]]:
    """The values for a call, from what follows the command.

    Raises:
        CommandError: Something is missing, too much, or not of its type.
    """
    if arguments and arguments[-1].takes_rest:
        return _with_rest(arguments, line, people)
    words = split_words(line)
    values: list[Any] = []
    for argument in arguments:
        if argument.takes_many:
            values += [_value(argument, word, people) for word in words]
            words = []
        elif words:
            values.append(_value(argument, words.pop(0), people))
        elif argument.is_required:
            raise CommandError(f"{argument.name} is missing")
        else:
            break
    if words:
        raise CommandError(f"{words[0][:_LONGEST_SHOWN]!r} is too much")
    return values, {}


def _with_rest(
    arguments: Sequence[Argument], line: str, people: Sequence[Participant]
) -> tuple[list[Any], dict[str, Any]]:
    """The words before it are split at spaces alone: the rest is taken as it was written."""
    *before, last = arguments
    pieces = line.split(None, len(before))
    values: list[Any] = []
    for argument, word in zip(before, pieces, strict=False):
        values.append(_value(argument, word, people))
    if len(pieces) < len(before) and before[len(pieces)].is_required:
        raise CommandError(f"{before[len(pieces)].name} is missing")
    if len(pieces) > len(before):
        return values, {last.name: _value(last, pieces[-1].strip(), people)}
    if last.is_required:
        raise CommandError(f"{last.name} is missing")
    return values, {}


def _value(argument: Argument, word: str, people: Sequence[Participant]) -> Any:
    try:
        return argument.convert(word, people)
    except ValueError as error:
        raise CommandError(f"{argument.name}: {error}") from None


def _converter(kind: Any, where: str) -> Convert:
    simple: dict[Any, Convert] = {
        inspect.Parameter.empty: lambda word, _: word,
        Any: lambda word, _: word,
        str: lambda word, _: word,
        int: lambda word, _: _integer(word),
        float: lambda word, _: _number(word),
        bool: lambda word, _: _truth(word),
        Participant: _person,
    }
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice({str(member.value): member for member in kind})
    if get_origin(kind) is Literal:
        return _choice({str(value): value for value in get_args(kind)})
    if get_origin(kind) in (Union, types.UnionType):
        inner = [one for one in get_args(kind) if one is not types.NoneType]
        if len(inner) == 1:
            return _converter(inner[0], where)
    elif kind in simple:
        return simple[kind]
    raise UsageError(
        f"cannot make a command: {where} is of type {kind.__name__ if isinstance(kind, type) else kind!r}",
        hint="str, int, float, bool, a Literal, an Enum, Participant, or one of them | None",
    )


def _integer(word: str) -> int:
    try:
        if len(word) <= _LONGEST_SHOWN:
            return int(word)
    except ValueError:
        pass
    raise ValueError(f"{word[:_LONGEST_SHOWN]!r} is not a whole number")


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ValueError(f"{word[:_LONGEST_SHOWN]!r} is not a number")
    return value


def _truth(word: str) -> bool:
    if word.lower() in _YES | _NO:
        return word.lower() in _YES
    raise ValueError(f"{word[:_LONGEST_SHOWN]!r} is neither yes nor no")


def _choice(values: dict[str, Any]) -> Convert:
    by_name = {name.casefold(): value for name, value in values.items()}

    def choose(word: str, _: Sequence[Participant]) -> Any:
        if word.casefold() not in by_name:
            raise ValueError(f"{word[:_LONGEST_SHOWN]!r} is none of {', '.join(values)}")
        return by_name[word.casefold()]

    return choose


def _person(word: str, people: Sequence[Participant]) -> Participant:
    name = word.removeprefix("@").casefold()
    found = [person for person in people if person.display_name.casefold() == name]
    if len(found) != 1:
        raise ValueError(f"{word[:_LONGEST_SHOWN]!r} is {'nobody' if not found else 'more than one'} here")
    return found[0]
