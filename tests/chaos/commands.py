"""What the harness and a session's process say to each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from spaces_sdk.session import RoomSession


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
    """

    state: str
    position: int
    read_to: int
    connection_id: str = ""
    online: dict[str, bool] = field(default_factory=dict[str, bool])
    messages: dict[str, int] = field(default_factory=dict[str, int])
    error: str = ""


def status_of(session: RoomSession | None, read_to: int | None) -> Status:
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
        error="" if session.error is None else session.error.code,
    )
