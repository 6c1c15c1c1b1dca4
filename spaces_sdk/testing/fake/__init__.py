"""A backend in memory: rooms, calls and channels as the database and Realtime have them, and faults to inject."""

from spaces_sdk.testing.fake.backend import FakeBackend
from spaces_sdk.testing.fake.faults import Faults
from spaces_sdk.testing.fake.room import FakeRoom
from spaces_sdk.testing.fake.user import FakeUser

__all__ = ["FakeBackend", "FakeRoom", "FakeUser", "Faults"]
