"""`ctx.answer`: what a model reads, what becomes of its answer, and what of its failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from spaces_sdk.bots import (
    Answer,
    AnswerEnd,
    AnswerOptions,
    Bot,
    CannedModel,
    ChatMessage,
    Context,
    LimitedModel,
    Model,
    ModelError,
)
from spaces_sdk.bots.personas import FALLBACK
from spaces_sdk.errors import ConnectionLostError, SpacesError, UsageError
from spaces_sdk.models import Kind, Message, MessageStatus, RoomMode
from spaces_sdk.rooms import RoomManager
from spaces_sdk.testing import TalkRoom, VirtualClock, dialog, settle
from spaces_sdk.testing.fake.rpc import FakeRpc
from tests.support.replica import Replicas

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

Piece = str | AnswerEnd | float | Exception
"""Said; or so many seconds of silence; or raised."""


class Scripted:
    """Says its pieces. Keeps what it read, and whether it was closed."""

    name = "scripted"

    def __init__(self, clock: VirtualClock, *pieces: Any) -> None:
        self._clock = clock
        self._pieces: tuple[Piece, ...] = pieces
        self.read: list[Sequence[ChatMessage]] = []
        self.given = 0
        self.is_closed = False

    async def answer(self, messages: Sequence[ChatMessage], /) -> AsyncIterator[str | AnswerEnd]:
        self.read.append(messages)
        try:
            for piece in self._pieces:
                if isinstance(piece, float | int):
                    await self._clock.sleep(piece)
                elif isinstance(piece, Exception):
                    raise piece
                else:
                    self.given += 1
                    yield piece
        finally:
            self.is_closed = True


class Bench:
    """A bot in a room without a server, that answers with a model whenever somebody speaks."""

    def __init__(self, *, is_person: bool = False) -> None:
        self.clock = VirtualClock()
        self.room = TalkRoom(self.clock, "Bea", ["ada", "bob"])
        self._is_person = is_person
        self.is_quiet: Callable[[], bool] = lambda: True
        self.errors: list[Exception] = []
        self.answers: list[Answer] = []

    async def ask(self, model: Model, content: str = "why?", *, after_s: float = 0, **options: Any) -> Message:
        """Somebody asks; so much time passes; what the bot has said last."""
        await self.tell(model, content, after_s=after_s, **options)
        return self.room.said[-1]

    async def tell(self, model: Model, content: str = "why?", *, after_s: float = 0, **options: Any) -> None:
        """Somebody asks, and so much time passes."""
        bot = Bot("Bea")
        chosen: AnswerOptions = options  # pyright: ignore[reportAssignmentType]

        @bot.on_message
        async def answer(ctx: Context) -> None:
            self.answers.append(await ctx.answer(model, **chosen))

        async with self.serving(bot):
            self.room.say("ada", content)
            await self.clock.advance(after_s)
            while not self.is_quiet():
                await settle()

    @asynccontextmanager
    async def serving(self, bot: Bot, *, is_logged: bool = False) -> AsyncGenerator[None]:
        """The bot is in the room; what its handlers raise is kept, or logged."""
        async with self.room.join() as session:
            if self._is_person:
                self.room.rows.set_kind(self.room.bot.user_id, Kind.HUMAN)
            on_unhandled = None if is_logged else self.errors.append
            served = bot.serve(session, clock=self.clock, on_unhandled=on_unhandled)
            self.is_quiet = lambda: session.position == self.room.head and served.activity.is_quiet
            task = asyncio.create_task(served.run())
            await settle()
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait({task})

    def model(self, *pieces: Piece) -> Scripted:
        return Scripted(self.clock, *pieces)

    @property
    def error(self) -> ModelError:
        """What `on_error` heard."""
        (error,) = self.errors
        assert isinstance(error, ModelError)
        return error


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_an_answer_and_its_figures(bench: Bench) -> None:
    model = bench.model(1.5, "It ", 0.25, "is.", AnswerEnd("stop", 31, 7))
    message = await bench.ask(model, after_s=5)
    question = next(m for m in bench.room.rows.rows if m.content == "why?")
    assert (message.content, message.status, message.reply_to) == ("It is.", MessageStatus.FINAL, question.id)
    assert message.metadata == {
        "model": "scripted",
        "mode": "playful",
        "finish_reason": "stop",
        "prompt_tokens": 31,
        "completion_tokens": 7,
        "tokens": "counted",
        "first_token_ms": 1500,
        "total_ms": 1750,
    }
    assert bench.answers == [Answer("It is.", "stop", "scripted", "playful", 31, 7, True, 1500, 1750)]
    assert [(m.role, m.content) for m in model.read[0][1:]] == [("user", "<ada> why?")]
    assert model.is_closed


async def test_tokens_that_nobody_counted_are_estimated(bench: Bench) -> None:
    model = bench.model("x" * 9, "é")
    message = await bench.ask(model)
    assert (message.metadata["tokens"], message.metadata["completion_tokens"]) == ("estimated", 3)
    read = "".join(m.content for m in model.read[0])
    assert message.metadata["prompt_tokens"] == -(-len(read) // 4)


async def test_the_hosts_change_of_mode_changes_the_next_answer(bench: Bench) -> None:
    model = bench.model("yes")
    bench.room.backend.tables.modes["pirate"] = RoomMode(
        name="pirate", label="Pirate", system_prompt="Talk like a pirate."
    )
    first = await bench.ask(model, instructions="Be brief.")
    bench.room.steer(mode="pirate")
    second = await bench.ask(model, instructions="Be brief.")
    assert [first.metadata["mode"], second.metadata["mode"]] == ["playful", "pirate"]
    systems = [read[0] for read in model.read]
    assert [message.name for message in systems] == ["playful", "pirate"]
    assert systems[0].content.startswith("Answer as a playful would.\n\nBe brief.\n\nYou are Bea")
    assert systems[1].content.startswith("Talk like a pirate.\n\nBe brief.\n\nYou are Bea")


class CountingRooms(RoomManager):
    """Counts reads of modes; they fail while it is told so."""

    reads = 0
    failure: SpacesError | None = None

    async def find_mode(self, name: str, *, timeout_s: float = 10.0) -> RoomMode | None:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        return await super().find_mode(name, timeout_s=timeout_s)


class Personas:
    """A bot that is asked four times, 20 s apart."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.room = TalkRoom(self.clock, "Bea", ["ada"])
        self.modes = self.room.backend.tables.modes
        self.rooms = CountingRooms(FakeRpc(self.room.backend.tables, self.room.bot.account))

    async def told(self, act: Callable[[int], object]) -> list[str]:
        """The first line of the system prompt at each question; before each, something is done."""
        bot, model = Bot("Bea"), Scripted(self.clock, "yes")

        @bot.on_message
        async def answer(ctx: Context) -> None:
            await ctx.answer(model)

        async with self.room.join(self.rooms) as session:
            task = asyncio.create_task(bot.serve(session, clock=self.clock).run())
            for number in range(4):
                act(number)
                await settle()
                self.room.say("ada", "why?")
                await self.clock.advance(20)
            task.cancel()
            await asyncio.wait({task})
        return [read[0].content.splitlines()[0] for read in model.read]


@pytest.fixture
def personas() -> Personas:
    return Personas()


async def test_a_persona_is_read_anew_after_half_a_minute(personas: Personas) -> None:
    changed = RoomMode(name="playful", label="Playful", system_prompt="Joke.")

    def act(number: int) -> None:
        if number == 1:
            personas.modes["playful"] = changed

    assert await personas.told(act) == ["Answer as a playful would."] * 2 + ["Joke."] * 2
    assert personas.rooms.reads == 2


async def test_a_persona_that_is_kept_is_that_of_its_mode(personas: Personas) -> None:
    modes = ("playful", "philosopher", "playful", "philosopher")
    told = await personas.told(lambda number: personas.room.steer(mode=modes[number]))
    assert told == [f"Answer as a {mode} would." for mode in modes]


async def test_a_mode_without_a_row_has_the_fallback(personas: Personas) -> None:
    personas.modes.clear()
    assert await personas.told(lambda _: None) == [FALLBACK] * 4
    assert personas.rooms.reads == 2


async def test_a_persona_that_cannot_be_read_fails_no_answer(
    personas: Personas, caplog: pytest.LogCaptureFixture
) -> None:
    def act(number: int) -> None:
        failure = ConnectionLostError("cannot find the mode: cut")
        personas.rooms.failure = failure if number in (0, 3) else None

    assert await personas.told(act) == [FALLBACK] + ["Answer as a playful would."] * 3
    assert caplog.messages == ["the persona of mode playful cannot be read: cannot find the mode: cut"] * 2


@pytest.mark.parametrize(
    ("pieces", "after_s", "code", "text"),
    [
        ([3600.0, "late"], 60, "model_timeout", "it was silent for 60 s"),
        (["", 3600.0], 30, "model_timeout", "it was silent for 30 s"),
        ([], 0, "model_silent", "it said nothing, and ended with stop"),
        (["", " \n", AnswerEnd("content_filter")], 0, "model_silent", "it said nothing, and ended with content_filter"),
        ([b"bytes"], 0, "model_failed", "it gave a piece that is no text: bytes"),
        ([ModelError("cannot answer: no such model", code="model_refused")], 0, "model_refused", "no such model"),
    ],
)
async def test_a_failure_before_the_first_word_is_excused(
    bench: Bench, pieces: list[Any], after_s: float, code: str, text: str
) -> None:
    model = bench.model(*pieces)
    message = await bench.ask(model, after_s=after_s)
    assert (message.content, message.status) == ("Sorry, I cannot answer just now.", MessageStatus.FINAL)
    assert (message.metadata["finish_reason"], message.metadata["first_token_ms"]) == ("error", None)
    assert bench.error.code == code
    assert text in str(bench.error)
    assert model.is_closed
    assert bench.answers == []


@pytest.mark.parametrize(
    ("pieces", "after_s", "code"),
    [
        (["It is ", 3600.0, "late"], 30, "model_timeout"),
        (["It is ", ModelError("cut", code="model_broken_off")], 0, "model_broken_off"),
        (["It is ", None], 0, "model_failed"),
    ],
)
async def test_a_failure_in_the_middle_keeps_what_was_said(
    bench: Bench, pieces: list[Any], after_s: float, code: str
) -> None:
    model = bench.model(*pieces)
    message = await bench.ask(model, after_s=after_s)
    assert (message.content, message.status) == ("It is ", MessageStatus.STOPPED)
    assert message.metadata["model"] == "scripted"
    assert bench.error.code == code
    assert model.is_closed


async def test_without_on_error_a_failed_model_is_one_line_of_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.answer(bench.model(ModelError("cannot answer with small: no", code="model_refused")))

    async with bench.serving(bot, is_logged=True):
        bench.room.say("ada", "why?")
        await bench.clock.advance(1)
    assert [(record.message, record.exc_info) for record in caplog.records] == [
        ("answer in TALKED failed: cannot answer with small: no", None)
    ]


async def test_what_a_model_raises_comes_as_it_is(bench: Bench) -> None:
    await bench.ask(bench.model(KeyError("mine")))
    await bench.ask(bench.model("so ", TimeoutError("its own")))
    assert [repr(error) for error in bench.errors] == ["KeyError('mine')", "TimeoutError('its own')"]


class NoIterator:
    """Forgot to `yield`."""

    name = "forgetful"

    def answer(self, messages: Sequence[ChatMessage], /) -> AsyncIterator[str]:
        return ["yes"]  # pyright: ignore[reportReturnType]


class Refusing:
    """Fails before it has begun."""

    name = "refusing"

    def answer(self, messages: Sequence[ChatMessage], /) -> AsyncIterator[str]:
        raise LookupError("no weights")


@pytest.mark.parametrize(("model", "error"), [(NoIterator(), "TypeError"), (Refusing(), "LookupError")])
async def test_a_model_that_does_not_even_begin(bench: Bench, model: Model, error: str) -> None:
    message = await bench.ask(model)
    assert (message.content, message.metadata["finish_reason"]) == ("Sorry, I cannot answer just now.", "error")
    assert [type(each).__name__ for each in bench.errors] == [error]


@pytest.mark.parametrize("wrong", [{"prompt_tokens": -1}, {"completion_tokens": -1}, {"finish_reason": "x" * 41}])
def test_an_end_that_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at most 40|0 or more"):
        AnswerEnd(**wrong)


async def test_an_apology_is_not_told_to_the_model(bench: Bench) -> None:
    await bench.ask(bench.model(), apology="Not now.")
    assert bench.room.said[-1].content == "Not now."
    model = bench.model("yes")
    await bench.ask(model, "and now?")
    assert [m.content for m in model.read[0][1:]] == ["<ada> why?", "<ada> and now?"]


async def test_without_an_apology_nothing_is_said(bench: Bench) -> None:
    message = await bench.ask(bench.model(), apology="")
    assert (message.content, message.status, bench.error.code) == ("", MessageStatus.STOPPED, "model_silent")


async def test_a_sign_of_life_keeps_it_waiting(bench: Bench) -> None:
    thinking: list[Piece] = [20.0, ""] * 10
    message = await bench.ask(bench.model(*thinking, "so!"), after_s=300)
    assert (message.content, message.metadata["first_token_ms"]) == ("so!", 200_000)


class Deaf:
    """Catches its cancellation, and goes on."""

    name = "deaf"

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    async def answer(self, messages: Sequence[ChatMessage], /) -> AsyncIterator[str]:
        try:
            await self._clock.sleep(3600)
        except asyncio.CancelledError:
            yield "What?"


async def test_a_model_that_catches_its_cancellation(bench: Bench) -> None:
    message = await bench.ask(Deaf(bench.clock), after_s=60)
    assert bench.error.code == "model_timeout"
    assert (message.content, message.status) == ("What?", MessageStatus.STOPPED)


@pytest.mark.parametrize("pieces", [["x" * 10_000_000], ["x" * 1000] * 10_000])
async def test_ten_megabytes_are_cut_at_the_length_of_a_message(bench: Bench, pieces: list[Any]) -> None:
    model = bench.model(*pieces)
    message = await bench.ask(model)
    assert (len(message.content), message.metadata["finish_reason"]) == (200_000, "length")
    assert model.given <= 201
    assert model.is_closed
    assert bench.errors == []


async def test_the_account_of_a_person_says_less() -> None:
    bench = Bench(is_person=True)
    message = await bench.ask(bench.model("x" * 9000))
    assert (len(message.content), message.metadata["finish_reason"]) == (8000, "length")


async def test_what_no_message_can_hold_is_replaced(bench: Bench) -> None:
    message = await bench.ask(bench.model("<Bea> ", "a\0b \ud83d", "\ude00 \ud83d!"))
    assert message.content == "a\ufffdb \U0001f600 \ufffd!"


async def test_most_tokens_are_an_estimate_where_the_model_takes_no_limit(bench: Bench) -> None:
    model = bench.model(*["abcd"] * 100)
    message = await bench.ask(model, max_tokens=10)
    assert (message.content, message.metadata["finish_reason"], model.given) == ("abcd" * 10, "length", 10)


class Limited(Scripted):
    """Takes a limit."""

    limit: int | None = None

    def limited(self, max_tokens: int, /) -> Model:
        self.limit = max_tokens
        return self


async def test_a_model_that_takes_a_limit_is_told(bench: Bench) -> None:
    model = Limited(bench.clock, *["abcd"] * 100, AnswerEnd("length", 1, 10))
    assert isinstance(model, LimitedModel)
    message = await bench.ask(model, max_tokens=10)
    assert (model.limit, model.given, message.metadata["finish_reason"]) == (10, 101, "length")


async def test_metadata_of_the_app(bench: Bench) -> None:
    message = await bench.ask(bench.model("yes"), metadata={"topic": "jam"})
    assert message.metadata["topic"] == "jam"


@pytest.mark.parametrize(
    "option", ["history", "max_chars", "max_tokens", "first_token_timeout_s", "idle_timeout_s"], ids=str
)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
async def test_an_option_out_of_its_range(bench: Bench, option: str, value: float) -> None:
    chosen: dict[str, Any] = {option: value}
    await bench.tell(bench.model("yes"), **chosen)
    assert bench.room.said == []
    assert [type(error) for error in bench.errors] == [UsageError]
    assert option in str(bench.errors[0])


async def test_the_canned_model_has_the_manner_of_the_mode() -> None:
    bot = Bot("Bea")

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.answer(CannedModel())

    await dialog(bot, [("ada", "why?", "(canned) Ha! Riddle me this: who asked first?")])


async def test_tokens_are_counted_for_each_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr(Context, "count_tokens", lambda _, tokens: counted.append(tokens))  # pyright: ignore
    await bench.ask(bench.model("abcd", AnswerEnd("stop", 31, 7)))
    await bench.ask(bench.model("abcd", ModelError("cut")))
    await bench.ask(bench.model(ModelError("never reached")))
    assert counted[0] == 38
    assert counted[1] > 1
    assert counted[2] == 0


def answering_replicas(pauses: Callable[[int], float]) -> tuple[Replicas, list[Answer]]:
    """Processes of one bot whose model says three words, with a pause before each."""
    answers: list[Answer] = []

    def make(number: int) -> Bot:
        bot = Bot("Bea")
        pause_s = pauses(number)

        @bot.on_turn
        async def answer(ctx: Context) -> None:
            said = (pause_s, f"{number}:so ", pause_s, "it ", pause_s, "is", AnswerEnd("stop", 31, 7))
            answers.append(await ctx.answer(Scripted(stage.clock, *said)))
            await ctx.sleep(5)

        return bot

    stage = Replicas(make)
    return stage, answers


async def test_a_replica_that_takes_over_in_the_middle_asks_the_model_anew() -> None:
    stage, _ = answering_replicas(lambda _: 5.0)
    async with stage:
        first = await stage.start()
        await stage.start()
        question = await stage.say("is it?")
        await stage.clock.advance(7)
        first.kill()
        await stage.clock.advance(60)
        told = [(m.content, m.status, m.reply_to) for m in stage.room.said]
        assert told == [
            ("1:so ", MessageStatus.STOPPED, question.id),
            ("2:so it is", MessageStatus.FINAL, question.id),
        ]


async def test_a_replica_that_takes_over_a_whole_answer_asks_no_model() -> None:
    stage, answers = answering_replicas(lambda _: 1.0)
    async with stage:
        first = await stage.start()
        await stage.start()
        await stage.say("is it?")
        await stage.clock.advance(4)
        first.kill()
        await stage.clock.advance(60)
        assert stage.said == ["1:so it is"]
    assert [(a.text, a.finish_reason, a.prompt_tokens, a.completion_tokens) for a in answers] == [
        ("1:so it is", "stop", 31, 7)
    ] * 2


async def test_who_stops_the_answer_ends_the_models_work(bench: Bench) -> None:
    model = bench.model("It ", 3600.0, "is.")
    bot = Bot("Bea")

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        bench.answers.append(await ctx.answer(model))

    async with bench.serving(bot):
        bench.room.say("ada", "why?")
        await bench.clock.advance(1)
        assert not model.is_closed
        bench.room.stop(bench.room.said[-1].id)
        await bench.clock.advance(0)
        assert model.is_closed
        assert (bench.room.said[-1].content, bench.room.said[-1].status) == ("It ", MessageStatus.STOPPED)
        assert [(a.text, a.finish_reason) for a in bench.answers] == [("It ", "stopped")]
        assert bench.errors == []
