"""What `from spaces_sdk import …` offers."""

from __future__ import annotations

import tomllib
from enum import Enum
from pathlib import Path
from types import ModuleType

import pytest

import spaces_sdk
from spaces_sdk import errors, events, models

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", spaces_sdk.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(spaces_sdk, name) is not None
    assert name in dir(spaces_sdk)


def test_names_are_sorted_and_single() -> None:
    assert list(spaces_sdk.__all__) == sorted(set(spaces_sdk.__all__))


@pytest.mark.parametrize("module", [errors, events, models])
def test_every_public_class_of_these_modules_is_exported(module: ModuleType) -> None:
    public = {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and name != "Model"
    }
    assert public - set(spaces_sdk.__all__) == set()


def test_every_error_has_one_root_and_a_code() -> None:
    for name in spaces_sdk.__all__:
        value = getattr(spaces_sdk, name)
        if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Enum):
            assert issubclass(value, errors.SpacesError), name
            assert value.default_code


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Space'"):
        spaces_sdk.Space  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert spaces_sdk.__version__ == project["version"]
