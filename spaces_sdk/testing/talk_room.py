"""A room of a fake backend with a bot in it, and people who need no session: what they do is done at once."""

from __future__ import annotations

from typing import Any, Final, Unpack
from uuid import UUID, uuid4

from spaces_sdk.clock import Clock
from spaces_sdk.drafts import StateChanges
from spaces_sdk.models import JsonObject, Kind, Message, MessageStatus, MessageType, Participant, Role, Visibility
from spaces_sdk.rooms import RoomManager
from spaces_sdk.rooms.message_calls import INSERT_MESSAGE
from spaces_sdk.rooms.room_calls import UPDATE_STATE
from spaces_sdk.rooms.turn_calls import GIVE_TURN
from spaces_sdk.rpc.procedures import Procedure
from spaces_sdk.session import RoomSession, SessionOptions
from spaces_sdk.testing.fake import FakeBackend, FakeRoom, FakeUser
from spaces_sdk.testing.fake.members import Lease
from spaces_sdk.testing.fake.rpc import FakeRpc
from spaces_sdk.testing.fake.tables import Account
from spaces_sdk.testing.hasty_clock import HastyClock

UNPACED: Final = SessionOptions(stream_messages_per_s=1e9)


class TalkRoom:
    """The rules are those of the database, but for the limits: time stands still, and what is used up never comes back.

    Args:
        clock: Its time.
        bot_name: Whose account is in it.
        people: Who is there from the beginning.
        host: Whose room it is; None: the first of the people.
        bot_role: What the bot may do; `Role.HOST`: it is the bot's own room.

    Attributes:
        backend: Where the room is; `backend.faults` breaks the bot's network.
        rows: The room itself.
        bot: The bot's account.
    """

    def __init__(
        self,
        clock: Clock,
        bot_name: str,
        people: list[str],
        *,
        host: str | None = None,
        bot_role: Role = Role.MEMBER,
    ) -> None:
        self.backend = FakeBackend(clock=clock)
        self.backend.limits.clear()
        tables = self.backend.tables
        self._accounts: dict[str, Account] = {}
        self.bot = FakeUser(tables, Account(tables.new_id(), bot_name, Kind.BOT), clock=HastyClock(clock))
        is_bots = bot_role is Role.HOST
        host_name = host or (people[0] if people else "")
        self._host = self.bot.account if is_bots else self._account(host_name)
        self.rows = FakeRoom(
            clock,
            host=self._host.user_id,
            code="TALKED",
            name="A room without a server",
            mode="playful",
            max_participants=50,
            visibility=Visibility.PRIVATE,
            config=tables.config,
            faults=tables.faults,
        )
        tables.rooms[self.rows.id] = self.rows
        self.rows.come(self.bot.user_id, bot_name, Kind.BOT, is_online=False)
        if bot_role is Role.MODERATOR:
            self.rows.update(self.bot.user_id, role=bot_role)
        for name in dict.fromkeys(people):
            self.come(name)

    def join(self, rooms: RoomManager | None = None) -> RoomSession:
        """A session of the bot's account: another process, perhaps; its calls go through `rooms`, if given."""
        return self.bot.join(self.rows.id, display_name=self.bot.name, options=UNPACED, api=rooms)

    # -- as the people of the room ---------------------------------------------------------------------

    def say(self, name: str, content: str) -> Message:
        """Somebody says something; who is not there yet comes first.

        Raises:
            PermissionDeniedError: They are muted, or were removed.
            InvalidRequestError: Too long, or nothing.
        """
        if self.find(name) is None:
            self.come(name)
        arguments: JsonObject = {
            "p_content": content,
            "p_message_type": MessageType.USER_TEXT,
            "p_metadata": {},
            "p_id": str(uuid4()),
            "p_reply_to": None,
        }
        answer = self._call(self._account(name), INSERT_MESSAGE, **arguments)
        return Message.model_validate(answer["message"])

    def come(self, name: str) -> Participant:
        """Somebody comes into the room, or comes back."""
        account = self._account(name)
        is_new = account.user_id not in self.rows.participants
        person = self.rows.come(account.user_id, name)
        self.rows.leases[uuid4()] = Lease(account.user_id)
        if is_new:
            self.rows.announce(person, "joined")
        return self.rows.shown(person)

    def go(self, name: str) -> None:
        """Somebody leaves."""
        account = self._account(name)
        self.rows.end_leases(account.user_id)
        self.rows.send_home(account.user_id)

    def find(self, name: str) -> Participant | None:
        """Who has that name, in any case."""
        return next((p for p in self.participants if p.display_name.casefold() == name.casefold()), None)

    def steer(self, **changes: Unpack[StateChanges]) -> None:
        """The host changes the room.

        Raises:
            InvalidRequestError: There is no such mode, or no such setting.
        """
        self._call(self._host, UPDATE_STATE, p_changes=dict(changes))

    def pick(self, message: Message) -> None:
        """The host picks the bot to answer a message."""
        self._call(self._host, GIVE_TURN, p_user_id=str(self.bot.user_id), p_message_id=str(message.id))

    def stop(self, message_id: UUID) -> None:
        """Whoever may stops an answer."""
        self.rows.end_turns_of(self.rows.messages[message_id])
        self.rows.finish(message_id, MessageStatus.STOPPED)

    # -- what the room has -----------------------------------------------------------------------------

    @property
    def participants(self) -> list[Participant]:
        return self.rows.people()

    @property
    def said(self) -> list[Message]:
        """What the bot has said so far, in order."""
        return [message for message in self.rows.rows if message.user_id == self.bot.user_id]

    @property
    def head(self) -> int:
        """The room's step."""
        return self.rows.head

    def store(
        self,
        author: Participant,
        content: str,
        message_type: MessageType = MessageType.USER_TEXT,
        *,
        metadata: JsonObject | None = None,
        reply_to: UUID | None = None,
        status: MessageStatus = MessageStatus.FINAL,
    ) -> Message:
        """Keep a message as it is, without asking whether its author may say it."""
        return self.rows.write(
            content,
            author=author,
            message_type=message_type,
            metadata=metadata,
            reply_to=reply_to,
            status=status,
        )

    def change(self, message: Message, **fields: Any) -> Message:
        """Change a message and tell it."""
        if fields.get("status", MessageStatus.STREAMING) is not MessageStatus.STREAMING:
            self.rows.streams.pop(message.id, None)
        return self.rows.change(message.id, **{"updated_at": self.rows.now(), **fields})

    def _account(self, name: str) -> Account:
        key = name.casefold()
        if key not in self._accounts:
            self._accounts[key] = Account(self.backend.tables.new_id(), name)
        return self._accounts[key]

    def _call(self, account: Account, procedure: Procedure, **arguments: object) -> Any:
        rpc = FakeRpc(self.backend.tables, account)
        return rpc.execute(procedure, {"p_room_id": str(self.rows.id), **arguments})
