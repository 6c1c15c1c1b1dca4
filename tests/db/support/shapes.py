"""Holds an answer of the database against a model: the same keys, no more and no less, all the way down."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel


def check_shape(
    model: type[BaseModel], value: Any, *, optional: frozenset[str] = frozenset(), extra: frozenset[str] = frozenset()
) -> None:
    """Assert that `value` is exactly one `model`.

    Args:
        optional: Keys that may be missing.
        extra: Keys that must be there although the model does not have them.
    """
    model.model_validate(value)
    _check_keys(model, value, model.__name__, optional, extra)


def _check_keys(model: type[BaseModel], value: Any, path: str, optional: frozenset[str], extra: frozenset[str]) -> None:
    assert isinstance(value, dict), f"{path} is {value!r}"
    keys = set(typing.cast("dict[str, Any]", value))
    wanted = set(model.model_fields) | extra
    assert keys - wanted == set(), f"{path} has keys that the model does not know"
    assert wanted - keys - optional == set(), f"{path} lacks keys of the model"
    for name, info in model.model_fields.items():
        if name in keys:
            _check_inside(info.annotation, value[name], f"{path}.{name}")


def _check_inside(annotation: Any, value: Any, path: str) -> None:
    if value is None:
        return
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        for part in typing.get_args(annotation):
            _check_inside(part, value, path)
    elif origin is list:
        for index, item in enumerate(value):
            _check_inside(typing.get_args(annotation)[0], item, f"{path}[{index}]")
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        _check_keys(annotation, value, path, frozenset(), frozenset())
