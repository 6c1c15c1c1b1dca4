"""The clock of the tests: that of the testing kit."""

from __future__ import annotations

from spaces_sdk.testing.clock import VirtualClock as FakeClock
from spaces_sdk.testing.clock import settle

START = FakeClock().now()

__all__ = ["START", "FakeClock", "settle"]
