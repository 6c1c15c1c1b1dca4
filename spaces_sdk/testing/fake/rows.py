"""One room as rows: its state, its steps, and what it tells of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from spaces_sdk.clock import Clock
from spaces_sdk.models import JsonObject, Room, RoomState, Visibility
from spaces_sdk.testing.fake.config import Config
from spaces_sdk.testing.fake.faults import Faults


class RoomRows:
    """The row of a room and its head. What changes is written by one step each, and told on the topic.

    Attributes:
        head, epoch: As in the database.
        announces: The conversation says who comes and goes.
        is_full: A fault: there is no place for anybody without a live lease.
        is_deleted: It is gone; the object stays for those who hold it.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        host: UUID,
        room_id: UUID | None = None,
        code: str = "XJ9K2M",
        name: str = "Jam",
        mode: str = "gangster",
        max_participants: int = 20,
        visibility: Visibility = Visibility.UNLISTED,
        settings: JsonObject | None = None,
        expires_after_s: int | None = 86_400,
        config: Config | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.clock = clock
        self.config = config or Config()
        self.faults = faults or Faults()
        self.id = room_id or uuid4()
        self.code = code
        self.head = 0
        self.epoch = 1
        self.announces = True
        self.is_full = False
        self.is_deleted = False
        self.state = RoomState(
            mode=mode,
            conversation_active=False,
            name=name,
            max_participants=max_participants,
            settings=settings or {},
            host=host,
            visibility=visibility,
            is_active=True,
        )
        self._expires_after_s = expires_after_s
        self._ticks = 0
        self._created_at = self.last_activity = self.now()

    @property
    def host(self) -> UUID | None:
        return self.state.host

    @property
    def topic(self) -> str:
        return self.topic_of(self.epoch)

    def topic_of(self, epoch: int) -> str:
        return f"spaces:{self.id}:{epoch}"

    def now(self) -> datetime:
        """The time; no two moments in a room are the same, though the clock stands still."""
        self._ticks += 1
        return self.clock.now() + timedelta(microseconds=self._ticks)

    def room(self) -> Room:
        """The room, as its participants see it."""
        return Room(
            id=self.id,
            room_code=self.code,
            name=self.state.name,
            host_user_id=self.host,
            max_participants=self.state.max_participants,
            is_active=self.state.is_active,
            current_mode=self.state.mode,
            conversation_active=self.state.conversation_active,
            settings=self.state.settings,
            visibility=self.state.visibility,
            expires_after_s=self._expires_after_s,
            created_at=self._created_at,
            last_activity=self.last_activity,
        )

    def set_state(self, *, room_code: str | None = None, **changes: Any) -> None:
        """Change what the host steers, and say so."""
        self.state = self.state.model_copy(update=changes)
        body: JsonObject = {"state": self.state.model_dump(mode="json")}
        if room_code is not None:
            self.code = body["room_code"] = room_code
        self.step("room:state-updated", body)

    def touch(self) -> None:
        """Something happened here."""
        if self.clock.now() - self.last_activity >= timedelta(minutes=1):
            self.last_activity = self.now()

    # -- telling ---------------------------------------------------------------------------------------

    def step(self, event: str, body: JsonObject) -> int:
        """Take the next step and tell of it."""
        self.head += 1
        self.publish(event, {"pos": self.head, **body})
        return self.head

    def publish(self, event: str, body: JsonObject, *, topic: str | None = None) -> None:
        payload = {"room_id": str(self.id), "epoch": self.epoch, "at": self.now().isoformat(), **body}
        self.faults.broadcast(topic or self.topic, event, payload)

    def signal(self, user_id: UUID, kind: str, payload: JsonObject | None = None, ttl_s: float = 5.0) -> None:
        """Something that nobody keeps."""
        body: JsonObject = {"user_id": str(user_id), "kind": kind, "payload": payload or {}, "ttl_s": ttl_s}
        self.publish("room:signal", {**body, "head": self.head})

    def move(self) -> None:
        """Another topic; the old one hears of it, and nothing more."""
        self.epoch += 1
        self.publish("room:moved", {"epoch": self.epoch, "head": self.head}, topic=self.topic_of(self.epoch - 1))
