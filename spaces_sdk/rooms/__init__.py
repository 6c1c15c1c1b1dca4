"""Every operation on rooms, as one typed call each: `spaces.rooms`."""

from spaces_sdk.drafts import StateChanges
from spaces_sdk.rooms.manager import RoomManager
from spaces_sdk.rooms.models import (
    Ban,
    CleanupResult,
    CreatedInvitation,
    Invitation,
    RoomDetails,
    RoomListing,
    RoomScope,
)

__all__ = [
    "Ban",
    "CleanupResult",
    "CreatedInvitation",
    "Invitation",
    "RoomDetails",
    "RoomListing",
    "RoomManager",
    "RoomScope",
    "StateChanges",
]
