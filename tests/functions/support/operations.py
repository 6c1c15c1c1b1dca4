"""The operations of the service by the ids that the OpenAPI document gives them."""

OPERATIONS = (
    "createRoom",
    "getRoomByCode",
    "getRoom",
    "joinRoom",
    "leaveRoom",
    "getParticipants",
    "getMessages",
    "updateRoomState",
    "deleteRoom",
)
