"""What the harness and a session's process say to each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from spaces_sdk.models import RoomState
from spaces_sdk.session import RoomSession
from tests.chaos.follower import Follower


@dataclass(frozen=True, slots=True)
class Order:
    """All that a session's process needs to know; told over its standard input, because a password is in it.

    Attributes:
        life: How often it was started before.
        buffer_size: Of `events()`; small ones make the reader fall behind.
        slowness: Chance that the reader rests after an event.
        control_fd: The socket that commands come over.
    """

    index: int
    life: int
    seed: int
    name: str
    url: str
    key: str
    email: str
    password: str
    room_code: str
    is_host: bool
    journal: str
    buffer_size: int
    slowness: float
    heartbeat_s: float
    heartbeat_timeout_s: float
    control_fd: int


@dataclass(frozen=True, slots=True)
class Status:
    """What a session knows just now.

    Attributes:
        read_to: The position of its reader.
        online: User ids by mark.
        messages: Revisions of the newest messages that it holds, by id.
        followed, followed_state: What its reader alone would know; None if nothing has named it since the start.
    """

    state: str
    position: int
    read_to: int
    connection_id: str = ""
    online: dict[str, bool] = field(default_factory=dict[str, bool])
    messages: dict[str, int] = field(default_factory=dict[str, int])
    state_json: str = ""
    followed: dict[str, bool] | None = None
    followed_state: str | None = None
    error: str = ""


def status_of(session: RoomSession | None, read_to: int | None, follower: Follower) -> Status:
    """The status of a session, or of none."""
    if session is None:
        return Status("none", 0, 0)
    return Status(
        state=session.connection_state.value,
        position=session.position,
        read_to=read_to or 0,
        connection_id=str(session.connection_id),
        online={str(one.user_id): one.is_online for one in session.participants},
        messages={str(message.id): message.revision for message in session.messages[-50:]},
        state_json=_json(session.room_state) or "",
        followed=follower.online,
        followed_state=_json(follower.state),
        error="" if session.error is None else session.error.code,
    )


def _json(state: RoomState | None) -> str | None:
    return None if state is None else state.model_dump_json()
