"""Tests without a server: dialogues with bots, and a backend in memory, on a clock that the test turns."""

from spaces_sdk.testing.clock import VirtualClock, settle
from spaces_sdk.testing.dialogue import Comes, Passes, dialog
from spaces_sdk.testing.fake import FakeBackend, FakeRoom, FakeUser, Faults
from spaces_sdk.testing.room import MemoryRoom
from spaces_sdk.testing.talk import Talk

__all__ = [
    "Comes",
    "FakeBackend",
    "FakeRoom",
    "FakeUser",
    "Faults",
    "MemoryRoom",
    "Passes",
    "Talk",
    "VirtualClock",
    "dialog",
    "settle",
]
