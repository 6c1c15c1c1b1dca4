"""Rooms where people and AI bots hold one conversation that everyone sees at the same time, on Supabase.

```python
async with Spaces(url, key) as spaces:
    await spaces.auth.sign_in_with_password(email=email, password=password)
    room = await spaces.rooms.create_room("Friday jam", max_participants=10)
    async with spaces.join(room.room_code, display_name="Ada") as session:
        await session.send("hello")
        async for event in session.events():
            match event:
                case MessageReceived(message=m):
                    print(m.display_name, m.content)
```

Names are loaded when they are first used: `import spaces_sdk` itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from spaces_sdk.auth import AuthClient, AuthSession, ConfirmationRequired, SignedIn, User
    from spaces_sdk.bots import (
        Answer,
        AnswerEnd,
        Bot,
        CannedModel,
        ChatMessage,
        CommandError,
        Context,
        HandlerOverflowError,
        ModelError,
        OpenAIModel,
        host_only,
        moderators_only,
    )
    from spaces_sdk.client import Spaces
    from spaces_sdk.clock import Clock, SystemClock
    from spaces_sdk.config import ApiKey, KeyKind, ProjectConfig
    from spaces_sdk.drafts import MessageDraft, StateChanges
    from spaces_sdk.errors import (
        ApiError,
        AuthError,
        ChannelError,
        ConfigError,
        ConflictError,
        ConnectError,
        ConnectionLostError,
        ConnectTimeoutError,
        InvalidCredentialsError,
        InvalidRequestError,
        JoinRejectedError,
        NotFoundError,
        NotJoinedError,
        OutcomeUnknownError,
        PayloadTooLargeError,
        PermissionDeniedError,
        ProtocolError,
        RateLimitedError,
        RemovedError,
        RoomFullError,
        SchemaMismatchError,
        SendCancelledError,
        SendQueueFullError,
        ServerError,
        SessionClosedError,
        SessionExpiredError,
        SpacesError,
        StreamStoppedError,
        TransportError,
        UsageError,
    )
    from spaces_sdk.events import (
        CatchUpProgressed,
        CaughtUp,
        ConnectionState,
        ConnectionStateChanged,
        EndReason,
        Event,
        EventsDropped,
        GapDetected,
        GapReason,
        LeftReason,
        MessageChunk,
        MessageReceived,
        MessageUpdated,
        ParticipantJoined,
        ParticipantLeft,
        ParticipantUpdated,
        RejoinRefused,
        RoomError,
        RoomJoined,
        RoomLeft,
        RoomMoved,
        SessionEnded,
        SignalKind,
        SignalReceived,
        StateUpdated,
        VoiceStarted,
        VoiceStopped,
    )
    from spaces_sdk.models import (
        BegunStream,
        JoinedRoom,
        JsonObject,
        Kind,
        LeaseStatus,
        Message,
        MessageStatus,
        MessageType,
        Page,
        Participant,
        PickedTurn,
        PreviewParticipant,
        ReadMark,
        Role,
        Room,
        RoomMode,
        RoomPreview,
        RoomState,
        StreamProgress,
        SyncPage,
        Visibility,
    )
    from spaces_sdk.realtime import RealtimeOptions
    from spaces_sdk.rooms import (
        Ban,
        CleanupResult,
        CreatedInvitation,
        Invitation,
        RoomDetails,
        RoomListing,
        RoomManager,
        RoomScope,
    )
    from spaces_sdk.rpc import TokenProvider
    from spaces_sdk.session import MessageWriter, PendingSend, RoomSession, SessionOptions
    from spaces_sdk.turns import BotEntry, ClaimedTurn, FinishedTurn, TurnClaim, TurnOutcome, TurnStatus

_NAMES_OF = {
    "auth": "AuthClient AuthSession ConfirmationRequired SignedIn User",
    "bots": (
        "Answer AnswerEnd Bot CannedModel ChatMessage CommandError Context HandlerOverflowError ModelError "
        "OpenAIModel host_only moderators_only"
    ),
    "client": "Spaces",
    "clock": "Clock SystemClock",
    "config": "ApiKey KeyKind ProjectConfig",
    "drafts": "MessageDraft StateChanges",
    "errors": (
        "ApiError AuthError ChannelError ConfigError ConflictError ConnectError ConnectTimeoutError "
        "ConnectionLostError InvalidCredentialsError InvalidRequestError JoinRejectedError NotFoundError "
        "NotJoinedError OutcomeUnknownError PayloadTooLargeError PermissionDeniedError ProtocolError "
        "RateLimitedError RemovedError RoomFullError SchemaMismatchError SendCancelledError "
        "SendQueueFullError ServerError SessionClosedError "
        "SessionExpiredError SpacesError StreamStoppedError TransportError UsageError"
    ),
    "events": (
        "CatchUpProgressed CaughtUp ConnectionState ConnectionStateChanged EndReason Event EventsDropped GapDetected "
        "GapReason LeftReason "
        "MessageChunk MessageReceived MessageUpdated ParticipantJoined ParticipantLeft ParticipantUpdated "
        "RejoinRefused RoomError RoomJoined RoomLeft RoomMoved SessionEnded SignalKind SignalReceived "
        "StateUpdated VoiceStarted VoiceStopped"
    ),
    "models": (
        "BegunStream JoinedRoom JsonObject Kind LeaseStatus Message MessageStatus MessageType Page Participant "
        "PickedTurn PreviewParticipant ReadMark Role Room RoomMode RoomPreview RoomState StreamProgress SyncPage "
        "Visibility"
    ),
    "realtime": "RealtimeOptions",
    "rooms": "Ban CleanupResult CreatedInvitation Invitation RoomDetails RoomListing RoomManager RoomScope",
    "session": "MessageWriter PendingSend RoomSession SessionOptions",
    "rpc": "TokenProvider",
    "turns": "BotEntry ClaimedTurn FinishedTurn TurnClaim TurnOutcome TurnStatus",
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names.split()}

__all__ = [
    "Answer",
    "AnswerEnd",
    "ApiError",
    "ApiKey",
    "AuthClient",
    "AuthError",
    "AuthSession",
    "Ban",
    "BegunStream",
    "Bot",
    "BotEntry",
    "CannedModel",
    "CatchUpProgressed",
    "CaughtUp",
    "ChannelError",
    "ChatMessage",
    "ClaimedTurn",
    "CleanupResult",
    "Clock",
    "CommandError",
    "ConfigError",
    "ConfirmationRequired",
    "ConflictError",
    "ConnectError",
    "ConnectTimeoutError",
    "ConnectionLostError",
    "ConnectionState",
    "ConnectionStateChanged",
    "Context",
    "CreatedInvitation",
    "EndReason",
    "Event",
    "EventsDropped",
    "FinishedTurn",
    "GapDetected",
    "GapReason",
    "HandlerOverflowError",
    "InvalidCredentialsError",
    "InvalidRequestError",
    "Invitation",
    "JoinRejectedError",
    "JoinedRoom",
    "JsonObject",
    "KeyKind",
    "Kind",
    "LeaseStatus",
    "LeftReason",
    "Message",
    "MessageChunk",
    "MessageDraft",
    "MessageReceived",
    "MessageStatus",
    "MessageType",
    "MessageUpdated",
    "MessageWriter",
    "ModelError",
    "NotFoundError",
    "NotJoinedError",
    "OpenAIModel",
    "OutcomeUnknownError",
    "Page",
    "Participant",
    "ParticipantJoined",
    "ParticipantLeft",
    "ParticipantUpdated",
    "PayloadTooLargeError",
    "PendingSend",
    "PermissionDeniedError",
    "PickedTurn",
    "PreviewParticipant",
    "ProjectConfig",
    "ProtocolError",
    "RateLimitedError",
    "ReadMark",
    "RealtimeOptions",
    "RejoinRefused",
    "RemovedError",
    "Role",
    "Room",
    "RoomDetails",
    "RoomError",
    "RoomFullError",
    "RoomJoined",
    "RoomLeft",
    "RoomListing",
    "RoomManager",
    "RoomMode",
    "RoomMoved",
    "RoomPreview",
    "RoomScope",
    "RoomSession",
    "RoomState",
    "SchemaMismatchError",
    "SendCancelledError",
    "SendQueueFullError",
    "ServerError",
    "SessionClosedError",
    "SessionEnded",
    "SessionExpiredError",
    "SessionOptions",
    "SignalKind",
    "SignalReceived",
    "SignedIn",
    "Spaces",
    "SpacesError",
    "StateChanges",
    "StateUpdated",
    "StreamProgress",
    "StreamStoppedError",
    "SyncPage",
    "SystemClock",
    "TokenProvider",
    "TransportError",
    "TurnClaim",
    "TurnOutcome",
    "TurnStatus",
    "UsageError",
    "User",
    "Visibility",
    "VoiceStarted",
    "VoiceStopped",
    "__version__",
    "host_only",
    "moderators_only",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
