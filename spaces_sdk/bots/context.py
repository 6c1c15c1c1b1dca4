"""What a handler gets: the room that something happened in, and ways to answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar, Unpack
from uuid import UUID

from spaces_sdk.bots.activity import Activity
from spaces_sdk.bots.answering import Answer, Answering, AnswerOptions
from spaces_sdk.bots.models import Model
from spaces_sdk.bots.personas import Personas
from spaces_sdk.bots.port import SessionPort, WriterPort
from spaces_sdk.bots.waiting import Waiters
from spaces_sdk.clock import Clock
from spaces_sdk.errors import NotJoinedError, RateLimitedError, UsageError
from spaces_sdk.events import Event
from spaces_sdk.models import JsonObject, Kind, Message, MessageType, Page, Participant, Room, RoomState

E = TypeVar("E", bound=Event)

SEND_TRIES: Final = 3
LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class RoomTools:
    """What the contexts of one room share."""

    session: SessionPort
    clock: Clock
    activity: Activity
    waiters: Waiters
    personas: Personas = field(default_factory=Personas)


class Context:
    """One call of a handler.

    Attributes:
        session: The session in the room, for what is not here: `ctx.session.mute(…)`.
        command: The name of the command, as it was written; empty outside of commands.
    """

    def __init__(self, tools: RoomTools, message: Message | None = None, *, command: str = "") -> None:
        self.session = tools.session
        self.command = command
        self._tools = tools
        self._message = message
        self._seen = tools.waiters.count
        self._tokens = 0

    @property
    def message(self) -> Message:
        """What was said.

        Raises:
            UsageError: The handler was called for something else.
        """
        if self._message is None:
            raise UsageError("cannot read the message: this handler was not called for one")
        return self._message

    @property
    def room(self) -> Room:
        """The room."""
        room = self.session.current_room
        if room is None:
            raise NotJoinedError("cannot read the room: the bot is not in it")
        return room

    @property
    def state(self) -> RoomState:
        """What the host steers."""
        state = self.session.room_state
        if state is None:
            raise NotJoinedError("cannot read the room's state: the bot is not in it")
        return state

    @property
    def now(self) -> datetime:
        """The time, aware, UTC, by the bot's clock, which a test turns."""
        return self._tools.clock.now()

    @property
    def participants(self) -> list[Participant]:
        """Who is in the room, online first; a copy."""
        return self.session.participants

    @property
    def author(self) -> Participant | None:
        """Who wrote the message; None when they are in the room no more."""
        user_id = self.message.user_id
        return next((p for p in self.participants if p.user_id == user_id), None)

    async def send(self, content: str, *, reply_to: UUID | None = None, metadata: JsonObject | None = None) -> Message:
        """Say something, as `ai_response` if the account is a bot's. Over the limit it waits, and tries three times.

        Raises:
            SpacesError: As `RoomSession.send`.
        """
        self._seen = self._tools.waiters.count
        for _ in range(SEND_TRIES - 1):
            try:
                return await self._send(content, reply_to, metadata)
            except RateLimitedError as error:
                await self.sleep(min(error.retry_after_s, LONGEST_PAUSE_S))
        return await self._send(content, reply_to, metadata)

    async def _send(self, content: str, reply_to: UUID | None, metadata: JsonObject | None) -> Message:
        return await self.session.send(content, message_type=self._message_type, reply_to=reply_to, metadata=metadata)

    async def reply(self, content: str, *, metadata: JsonObject | None = None) -> Message:
        """Answer the message; where the handler was not called for one, just say it."""
        return await self.send(content, reply_to=self._message.id if self._message else None, metadata=metadata)

    def stream(self, *, metadata: JsonObject | None = None) -> WriterPort:
        """An answer that grows while all watch: `async with ctx.stream() as out: await out.write("…")`."""
        self._seen = self._tools.waiters.count
        return self.session.stream(
            reply_to=self._message.id if self._message else None, message_type=self._message_type, metadata=metadata
        )

    async def answer(self, model: Model, **options: Unpack[AnswerOptions]) -> Answer:
        """Let a model answer the room, and stream what it says.

        It reads the persona of the room's mode, as it is now, and the newest messages. Everybody sees the message
        from the beginning; whoever may stop it ends the model's work, too. The message's metadata tells
        `finish_reason`, `model`, `mode`, the tokens and the time. A model that fails before its first word is excused
        with `apology`; one that fails later leaves what it said, as a message that was stopped.

        Args:
            model: See `Model`.
            **options: See `AnswerOptions`.

        Raises:
            ModelError: The model is silent for too long, says nothing, or failed; what else it raises comes as it is.
            UsageError: An option is out of its range.
            SpacesError: As `stream`.
        """
        answering = Answering(
            self,
            self._message,
            model,
            options,
            clock=self._tools.clock,
            personas=self._tools.personas,
            message_type=self._message_type,
        )
        return await answering.run()

    def count_tokens(self, tokens: int) -> None:
        """Add to what this call has cost; `answer` does so by itself."""
        self._tokens += tokens

    async def history(self, *, before: int | None = None, limit: int = 50) -> Page[Message]:
        """Older messages, oldest first; see `RoomSession.history`."""
        return await self.session.history(before=before, limit=limit)

    async def wait_for(self, kind: type[E], check: Callable[[E], bool] | None = None, *, timeout_s: float = 60.0) -> E:
        """The next event of a kind in this room, not the bot's own; what came since the handler's last send counts.

        Args:
            kind: The class of the event.
            check: Which of them; None takes any.
            timeout_s: How long, in seconds, > 0.

        Raises:
            TimeoutError: None came in time.
            SessionClosedError: The room has ended for the bot.
        """
        self._seen, event = await self._tools.waiters.wait(kind, check, since=self._seen, timeout_s=timeout_s)
        return event

    async def sleep(self, seconds: float) -> None:
        """Wait, by the bot's clock, which a test turns."""
        with self._tools.activity.parked():
            await self._tools.clock.sleep(seconds)

    @property
    def _message_type(self) -> MessageType:
        me = self.session.me
        return MessageType.AI_RESPONSE if me is not None and me.kind is Kind.BOT else MessageType.USER_TEXT
