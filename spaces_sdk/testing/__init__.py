"""Tests of bots without a server: dialogues, on a clock that the test turns."""

from spaces_sdk.testing.clock import VirtualClock, settle
from spaces_sdk.testing.dialogue import Comes, Passes, dialog
from spaces_sdk.testing.room import MemoryRoom
from spaces_sdk.testing.talk import Talk

__all__ = ["Comes", "MemoryRoom", "Passes", "Talk", "VirtualClock", "dialog", "settle"]
