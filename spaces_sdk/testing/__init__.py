"""Tests without a server: dialogues with bots, and a backend in memory, on a clock that the test turns.

Names are loaded when they are first used: pytest loads the plugin of this package at each of its starts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spaces_sdk.testing.clock import VirtualClock, settle
    from spaces_sdk.testing.dialogue import Comes, Passes, dialog
    from spaces_sdk.testing.fake import FakeBackend, FakeRoom, FakeUser, Faults
    from spaces_sdk.testing.talk import Talk
    from spaces_sdk.testing.talk_room import TalkRoom

_MODULE_OF = {
    "Comes": "dialogue",
    "FakeBackend": "fake",
    "FakeRoom": "fake",
    "FakeUser": "fake",
    "Faults": "fake",
    "Passes": "dialogue",
    "Talk": "talk",
    "TalkRoom": "talk_room",
    "VirtualClock": "clock",
    "dialog": "dialogue",
    "settle": "clock",
}

__all__ = [
    "Comes",
    "FakeBackend",
    "FakeRoom",
    "FakeUser",
    "Faults",
    "Passes",
    "Talk",
    "TalkRoom",
    "VirtualClock",
    "dialog",
    "settle",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
