"""One room of the fake backend for the tests of sessions: people speak without a session, and calls fail as told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from spaces_sdk.clock import Clock
from spaces_sdk.errors import SpacesError
from spaces_sdk.models import JoinedRoom, JsonObject, Kind, Message, MessageStatus, MessageType, Participant
from spaces_sdk.rooms import Ban, RoomManager
from spaces_sdk.rpc.procedures import Procedure
from spaces_sdk.testing.fake import FakeBackend, FakeRoom
from spaces_sdk.testing.fake.channel import FakeRealtime
from spaces_sdk.testing.fake.config import Limit
from spaces_sdk.testing.fake.limits import Buckets
from spaces_sdk.testing.fake.rpc import FakeRpc, Functions
from spaces_sdk.testing.fake.tables import Account, Admission, InvitationRow, Tables


def realtime_of(room: LooseRoom, user_id: UUID) -> FakeRealtime:
    """Realtime for one user."""
    return FakeRealtime(room.clock, room.faults, user_id, room.backend.tables.may_listen)


class LooseRoom(FakeRoom):
    """A room without limits and without lines about who comes and goes, whose host is there without a session.

    Attributes:
        silent_steps: Steps whose events no version of today knows.
    """

    def __init__(self, clock: Clock, *, page_rows: int = 200) -> None:
        self.backend = FakeBackend(clock=clock)
        self.backend.limits.clear()
        tables = self.backend.tables
        tables.config.page_rows = page_rows
        super().__init__(clock, host=uuid4(), config=tables.config, faults=tables.faults)
        self.announces = False
        self.silent_steps: set[int] = set()
        self._is_large = False
        tables.rooms[self.id] = self
        self.token = "t" * 32
        tables.invitations[self.id] = InvitationRow(
            id=self.id, room_id=self.id, created_by=self.host, created_at=self.now(), tokens=[self.token]
        )

    def post(
        self, content: str, *, user_id: UUID | None = None, message_id: UUID | None = None, is_large: bool = False
    ) -> Message:
        """A message of the host, or of somebody else; the event of a large one goes without its content."""
        if message_id is not None and message_id in self.messages:
            return self.messages[message_id]
        self._is_large = is_large
        message = self.write(content, author=self._author(user_id), message_id=message_id)
        self._is_large = False
        return message

    def event_of(self, message: Message) -> JsonObject:
        if self._is_large:
            return {"message": None, "message_id": str(message.id), "is_truncated": True}
        return super().event_of(message)

    def edit(self, message: Message, content: str) -> Message:
        return self.change(message.id, content=content, updated_at=self.now())

    def begin(
        self, *, user_id: UUID | None = None, message_id: UUID | None = None, reply_to: UUID | None = None
    ) -> Message:
        """A message that grows, by the host or somebody else."""
        if message_id is not None and message_id in self.messages:
            return self.messages[message_id]
        bot = self._author(user_id).model_copy(update={"display_name": "Bot", "kind": Kind.BOT})
        kind, status = MessageType.AI_RESPONSE, MessageStatus.STREAMING
        return self.write("", author=bot, message_id=message_id, message_type=kind, reply_to=reply_to, status=status)

    def bring(self, name: str) -> UUID:
        """Somebody comes online without a session of ours."""
        return self.come(uuid4(), name).user_id

    def kick(self, user_id: UUID, reason: str = "kicked") -> None:
        if reason == "banned":
            name, at = self.participants[user_id].display_name, self.now()
            ban = Ban(user_id=user_id, display_name=name, banned_by=self.host, reason=None, created_at=at)
            self.bans[user_id] = ban
        self.backend.tables.remove(self, user_id, reason)

    def join(self, user_id: UUID, name: str, connection_id: UUID | None = None, latest: int = 50) -> JoinedRoom:
        """Somebody joins without a session of ours."""
        self.backend.tables.admissions[self.id, user_id] = Admission()
        somebody = Functions(self.backend.tables, Account(user_id, name))
        answer = somebody.join_room(self.id, name, connection_id or uuid4(), latest)
        return JoinedRoom.model_validate(answer)

    def say_unknown(self, *, is_durable: bool) -> None:
        """An event of a later version."""
        if is_durable:
            self.silent_steps.add(self.step("room:poll-opened", {"poll": 1}))
        else:
            self.publish("room:weather", {"head": self.head})

    def delete(self) -> None:
        self.backend.tables.delete(self)

    def _author(self, user_id: UUID | None) -> Participant:
        known = self.participants.get(user_id or self.host)
        return known or self.newcomer(user_id or self.host, "Ada")

    @property
    def host(self) -> UUID:
        assert self.state.host is not None
        return self.state.host


class FakeApi(RoomManager):
    """The calls of one user; keeps their names.

    Attributes:
        down: Raised by every call while it is set.
        gates: A call waits while its name stands here.
        failures: Raised once, by the next call of that name.
        lost_answers: Raised once, by the next call of that name, after it was carried out.
        parts: Of messages that grow: when, offset and text of each call.
        tokens: Messages that the limit still lets through; None: there is no limit.
    """

    def __init__(self, room: LooseRoom, user_id: UUID | None = None) -> None:
        self.room = room
        self.user_id = user_id or uuid4()
        self.down: SpacesError | None = None
        self.calls: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.failures: dict[str, BaseException] = {}
        self.lost_answers: dict[str, BaseException] = {}
        self.parts: list[tuple[float, int, str]] = []
        self.tokens: int | None = None
        tables = room.backend.tables
        tables.admissions.setdefault((room.id, self.user_id), Admission())
        super().__init__(_Calls(self, tables))

    def gate(self, name: str) -> asyncio.Event:
        """Hold calls of that name until the event is set; remove it with `gates.pop`."""
        return self.gates.setdefault(name, asyncio.Event())


class _Calls(FakeRpc):
    """Fails as the attributes of an api say."""

    def __init__(self, api: FakeApi, tables: Tables) -> None:
        super().__init__(tables, Account(api.user_id, "Bob", Kind.BOT))  # so they may write everything
        self._api = api
        self._db = tables

    async def call(
        self,
        procedure: Procedure,
        arguments: Mapping[str, object],
        *,
        timeout_s: float,
        operation_id: UUID | None = None,
        unknown_hint: str = "",
    ) -> Any:
        api, name = self._api, procedure.name
        api.calls.append(name)
        await asyncio.sleep(0)
        if (gate := api.gates.get(name)) is not None:
            await gate.wait()
        if api.down is not None:
            raise api.down
        if (failure := api.failures.pop(name, None)) is not None:
            raise failure
        if name == "append_stream":
            part = (self.clock.monotonic(), int(str(arguments["p_offset"])), str(arguments["p_text"]))
            api.parts.append(part)
        answer = self._limited(procedure, arguments)
        if (lost := api.lost_answers.pop(name, None)) is not None:
            raise lost
        return answer

    def _limited(self, procedure: Procedure, arguments: Mapping[str, object]) -> Any:
        api, db = self._api, self._db
        if api.tokens is None or not procedure.name.startswith("insert_message"):
            return self.execute(procedure, arguments)
        before, db.buckets = db.buckets, Buckets(db.clock, dict.fromkeys(("send", "send_bot"), Limit(api.tokens, 1)))
        try:
            return self.execute(procedure, arguments)
        finally:
            api.tokens = db.buckets.take(api.user_id, "send", api.room.id, wanted=1000)
            db.buckets = before
