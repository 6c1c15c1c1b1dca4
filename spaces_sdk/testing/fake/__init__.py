"""A backend in memory: rooms, calls and channels as the database and Realtime have them, and faults to inject."""

from spaces_sdk.testing.fake.api import FakeApi
from spaces_sdk.testing.fake.channel import FakeChannel, FakeRealtime
from spaces_sdk.testing.fake.refusals import refusal
from spaces_sdk.testing.fake.room import START, FakeRoom, Lease

__all__ = ["START", "FakeApi", "FakeChannel", "FakeRealtime", "FakeRoom", "Lease", "refusal"]
