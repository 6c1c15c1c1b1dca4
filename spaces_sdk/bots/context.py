"""What a handler gets: the room that something happened in, and ways to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Final, TypeVar, Unpack
from uuid import UUID, uuid4, uuid5

from spaces_sdk.bots.activity import Activity
from spaces_sdk.bots.answering import Answering
from spaces_sdk.bots.answers import Answer, AnswerOptions
from spaces_sdk.bots.insisting import pauses
from spaces_sdk.bots.models import Model
from spaces_sdk.bots.personas import Personas
from spaces_sdk.bots.port import SessionPort
from spaces_sdk.bots.reply_writer import ReplyWriter
from spaces_sdk.bots.waiting import Waiters
from spaces_sdk.clock import Clock
from spaces_sdk.errors import NotJoinedError, RateLimitedError, SpacesError, UsageError
from spaces_sdk.events import Event
from spaces_sdk.models import JsonObject, Kind, Message, MessageType, Page, Participant, Room, RoomState
from spaces_sdk.turns import ClaimedTurn

E = TypeVar("E", bound=Event)

SEND_TRIES: Final = 3
MOST_TOKENS: Final = 999_999_999
"""Of one call, as the database takes them."""
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
        handler: The name of the function or command that is called; in `on_error`, of the one that failed.
        command: The name of the command, as it was written; empty outside of commands.
        tokens: What `count_tokens` added up to.
    """

    def __init__(
        self,
        tools: RoomTools,
        message: Message | None = None,
        *,
        handler: str = "",
        command: str = "",
        turn: ClaimedTurn | None = None,
        seen: int | None = None,
    ) -> None:
        self.session = tools.session
        self.handler = handler
        self.command = command
        self.tokens = 0
        self._tools = tools
        self._message = message
        self._turn = turn
        self._said = 0
        self._seen = tools.waiters.count if seen is None else seen

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
    def has_message(self) -> bool:
        """The handler was called for a message."""
        return self._message is not None

    @property
    def has_spoken(self) -> bool:
        """The handler has sent something, or begun to; what it did through `session` does not count."""
        return self._said > 0

    def learn(self, message: Message | None) -> bool:
        """What was said, where that had to be looked for; False: it was not found."""
        self._message = message
        return message is not None

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

    async def send(
        self,
        content: str,
        *,
        reply_to: UUID | None = None,
        metadata: JsonObject | None = None,
        message_id: UUID | None = None,
    ) -> Message:
        """Say something, as `ai_response` if the account is a bot's. Over the limit it waits, and tries three times.

        So it does when no answer comes (each try takes up to 10 s); the message is stored once.

        The n-th message of a call that was claimed has the same id in each replica: what was said by one that did not
        come to its end is not said again.

        Args:
            content: 1 to 200000 characters for a bot's account, else 8000.
            reply_to: The message that this one answers.
            metadata: The app's own data, at most 16 kB as JSON.
            message_id: Idempotency key; None makes it as said above.

        Raises:
            SpacesError: As `RoomSession.send`.
        """
        self._seen = self._tools.waiters.count
        key = message_id or next(self._ids()) or uuid4()
        waits, tries_left = pauses(), SEND_TRIES
        while True:
            tries_left -= 1
            try:
                message = await self.session.send(
                    content, message_type=self._message_type, reply_to=reply_to, metadata=metadata, message_id=key
                )
            except SpacesError as error:
                if not (error.retryable and tries_left):
                    raise
                pause_s = error.retry_after_s if isinstance(error, RateLimitedError) else next(waits)
                await self.sleep(min(pause_s, LONGEST_PAUSE_S))
            else:
                break
        if self._is_take_over:  # said before, perhaps, and answered meanwhile
            self._seen = min(self._seen, self._tools.waiters.index_after(message.seq))
        return message

    async def reply(
        self, content: str, *, metadata: JsonObject | None = None, message_id: UUID | None = None
    ) -> Message:
        """Answer the message; where the handler was not called for one, just say it."""
        reply_to = self._message.id if self._message else None
        return await self.send(content, reply_to=reply_to, metadata=metadata, message_id=message_id)

    def stream(self, *, metadata: JsonObject | None = None) -> ReplyWriter:
        """An answer that grows while all watch: `async with ctx.stream() as out: await out.write("…")`.

        When somebody stops it, the block is cancelled where it waits and ends there; see `ReplyWriter`.
        """
        self._seen = self._tools.waiters.count
        reply_to, message_type = self._message.id if self._message else None, self._message_type
        return ReplyWriter(
            lambda message_id: self.session.stream(
                reply_to=reply_to, message_type=message_type, metadata=metadata, message_id=message_id
            ),
            self._ids(),
            is_take_over=self._is_take_over,
            clock=self._tools.clock,
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
        """Tokens that a model read and wrote for this call: they go into the room's budget of the day when it ends.

        `answer` does so by itself.
        """
        if type(tokens) is not int or tokens < 0:
            raise UsageError(f"cannot count {tokens!r} tokens: they are a whole number, 0 or more")
        self.tokens = min(self.tokens + tokens, MOST_TOKENS)

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
        with self._tools.activity.parked(self):
            self._seen, event = await self._tools.waiters.wait(kind, check, since=self._seen, timeout_s=timeout_s)
        return event

    async def sleep(self, seconds: float) -> None:
        """Wait, by the bot's clock, which a test turns."""
        with self._tools.activity.parked(self):
            await self._tools.clock.sleep(seconds)

    @property
    def _message_type(self) -> MessageType:
        me = self.session.me
        return MessageType.AI_RESPONSE if me is not None and me.kind is Kind.BOT else MessageType.USER_TEXT

    @property
    def _is_take_over(self) -> bool:
        return self._turn is not None and self._turn.attempt > 1

    def _ids(self) -> Iterator[UUID | None]:
        """The id of the next message, then those in its place if nobody will finish that one."""
        self._said += 1
        number, turn = self._said, self._turn
        if turn is None or turn.turn_id is None:
            return iter((None,))
        return _message_ids(turn.turn_id, number)


def _message_ids(turn_id: UUID, number: int) -> Iterator[UUID]:
    """Known to this bot alone, as the turn's id is: nobody else can take them first."""
    yield uuid5(turn_id, str(number))
    for index in count(1):
        yield uuid5(turn_id, f"{number}.{index}")
