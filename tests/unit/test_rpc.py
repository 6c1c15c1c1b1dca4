"""The transport of calls: deadline, retries, refresh, and what its errors say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from spaces_sdk.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    RoomFullError,
    SchemaMismatchError,
    ServerError,
    SessionExpiredError,
    SpacesError,
)
from spaces_sdk.rpc import Procedure, Repeat, RpcClient
from spaces_sdk.rpc.client import retry_pause_s
from tests.support.clock import FakeClock, settle
from tests.support.fake_project import (
    KEY,
    FakeProject,
    FixedToken,
    config,
    hang,
    html,
    ok,
    postgrest_error,
    refused,
    texts_of,
    turning,
)

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

ID = UUID("6d1f0f0e-2b5a-4c7e-9d52-7e1c6a1f0001")

READ = Procedure("get_thing", "get the thing", Repeat.READ)
WRITE = Procedure("set_thing", "set the thing", Repeat.SAFE)
ONCE = Procedure("tell_thing", "tell the thing", Repeat.NEVER)
DELETE = Procedure("delete_thing", "delete the thing", Repeat.SAFE, frozenset({"room_not_found"}))


class Bench:
    """An RpcClient on a scripted project, with a clock that the test turns."""

    def __init__(self, project: FakeProject, tokens: FixedToken) -> None:
        self.project = project
        self.tokens = tokens
        self.clock = FakeClock()
        self.rpc = RpcClient(config(), tokens, lambda: project.http, clock=self.clock, random=random.Random(7))  # noqa: S311

    async def call(self, procedure: Procedure, timeout_s: float = 10.0, **arguments: object) -> Any:
        work = self.rpc.call(procedure, arguments, timeout_s=timeout_s, operation_id=ID)
        return await turning(self.clock, work)

    async def error(self, procedure: Procedure, timeout_s: float = 10.0) -> SpacesError:
        with pytest.raises(SpacesError) as caught:
            await self.call(procedure, timeout_s)
        return caught.value


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(FakeProject(), FixedToken())
    yield bench
    await bench.rpc.aclose()
    await bench.project.http.aclose()


async def test_a_call_carries_key_token_and_named_arguments(bench: Bench) -> None:
    bench.project.on("get_thing", ok({"ok": True, "thing": 1}))
    assert await bench.call(READ, p_a="ä", p_b=None) == {"ok": True, "thing": 1}
    (request,) = bench.project.sent("get_thing")
    assert (request.method, request.url) == ("POST", httpx.URL("https://project.test/rest/v1/rpc/get_thing"))
    assert request.headers["apikey"] == KEY
    assert request.headers["authorization"] == "Bearer token-of-ada"
    assert bench.project.bodies("get_thing") == [{"p_a": "ä", "p_b": None}]


@pytest.mark.parametrize("value", [True, False, 7, None, [1], {"a": 1}])
async def test_scalars_come_back_as_they_are(bench: Bench, value: object) -> None:
    bench.project.on("get_thing", ok(value))
    assert await bench.call(READ) == value


async def test_the_token_is_pulled_for_each_try(bench: Bench) -> None:
    bench.project.on("get_thing", html(503), ok(1))
    await bench.call(READ)
    before = bench.tokens.pulled
    bench.tokens.tokens = ["token-of-bob"]
    await bench.call(READ)
    assert bench.tokens.pulled == before + 1
    assert bench.project.sent("get_thing")[-1].headers["authorization"] == "Bearer token-of-bob"


REFUSALS = [
    (refused(400, "invalid_argument"), InvalidRequestError, "invalid_argument"),
    (refused(400, "invalid_room_code"), InvalidRequestError, "invalid_room_code"),
    (refused(401, "not_authenticated"), AuthError, "not_authenticated"),
    (refused(403, "not_host"), PermissionDeniedError, "not_host"),
    (refused(403, "room_full"), RoomFullError, "room_full"),
    (refused(404, "room_not_found"), NotFoundError, "room_not_found"),
    (refused(409, "lease_expired"), ConflictError, "lease_expired"),
    (refused(429, "rate_limited"), RateLimitedError, "rate_limited"),
    (ok({"ok": False, "code": "rate_limited", "retry_after_s": 4, "message": "x"}), RateLimitedError, "rate_limited"),
    (ok({"ok": False, "code": "room_not_found", "message": "x", "hint": "y"}), NotFoundError, "room_not_found"),
    (ok({"ok": False}), ProtocolError, "protocol"),
    (postgrest_error(403, "42501", "permission denied for function x"), PermissionDeniedError, "not_allowed"),
    (postgrest_error(401, "42501", "permission denied for function x"), AuthError, "not_authenticated"),
    (postgrest_error(409, "23505", "duplicate key"), ConflictError, "conflict"),
    (postgrest_error(400, "22P05", "unsupported Unicode escape"), InvalidRequestError, "invalid_argument"),
    (postgrest_error(400, "23514", "violates check"), InvalidRequestError, "invalid_argument"),
    (postgrest_error(500, "57014", "canceling statement due to statement timeout"), ServerError, "server_error"),
    (postgrest_error(500, "XX000", "internal"), ServerError, "server_error"),
    (postgrest_error(400, "P0001", "raised by the app's own trigger"), ServerError, "server_error"),
    (postgrest_error(404, "PGRST202", "Could not find the function"), SchemaMismatchError, "schema_mismatch"),
    (postgrest_error(404, "42883", "function app.missing() does not exist"), ServerError, "server_error"),
    (httpx.Response(429, json={"message": "slow"}, headers={"retry-after": "7"}), RateLimitedError, "rate_limited"),
    (httpx.Response(401, json={"message": "Invalid API key", "hint": "Double check"}), ConfigError, "invalid_api_key"),
    (httpx.Response(401, json={"message": "No API key found in request"}), ConfigError, "invalid_api_key"),
]

JSON = {"content-type": "application/json"}
FOREIGN = [
    html(404),
    html(200),
    html(500),
    httpx.Response(404, json={"detail": "Not Found"}),
    httpx.Response(404, json=["no"]),
    httpx.Response(301, headers={"location": "https://elsewhere.test/rest/v1/rpc/x"}),
    httpx.Response(204),
    httpx.Response(200, content=b'{"cut', headers=JSON),
    httpx.Response(200, content=b'"\xff"', headers=JSON),
    httpx.Response(200, content=b"[" * 100_000, headers=JSON),
]
"""Answers that are not those of a Supabase project, or were cut short."""


@pytest.mark.parametrize("answer", FOREIGN)
async def test_an_address_that_is_not_supabase_is_said_at_once(bench: Bench, answer: httpx.Response) -> None:
    bench.project.on("schema_version", answer)
    error = await bench.error(WRITE)
    assert (type(error), error.code, error.retryable) == (ConfigError, "not_supabase", False)
    assert len(bench.project.requests) == 1


@pytest.mark.parametrize("answer", FOREIGN)
async def test_a_project_that_is_known_is_not_lost_for_one_foreign_answer(bench: Bench, answer: httpx.Response) -> None:
    """It may have come after the write was carried out: it is asked for again, or its outcome is open."""
    bench.project.on("set_thing", answer, ok(1))
    assert await bench.call(WRITE) == 1
    bench.project.on("set_thing", answer)
    assert isinstance(await bench.error(WRITE), OutcomeUnknownError)
    bench.project.on("get_thing", answer, ok(1))
    assert await bench.call(READ) == 1
    bench.project.on("tell_thing", answer)
    error = await bench.error(ONCE)
    assert (type(error), error.code, error.retryable) == (ServerError, "foreign_answer", True)
    assert len(bench.project.sent("tell_thing")) == 1


@pytest.mark.parametrize(("answer", "kind", "code"), REFUSALS)
@pytest.mark.parametrize("procedure", [READ, WRITE, ONCE], ids=lambda procedure: procedure.name)
async def test_a_refusal_is_a_typed_error_at_once(
    bench: Bench, procedure: Procedure, answer: httpx.Response, kind: type[SpacesError], code: str
) -> None:
    bench.project.on(procedure.name, answer)
    error = await bench.error(procedure)
    assert type(error) is kind
    assert error.code == code
    assert len(bench.project.sent(procedure.name)) == 1
    assert error.message
    assert "token-of-ada" not in texts_of(error)
    assert KEY not in texts_of(error)


async def test_the_words_of_the_database_are_kept(bench: Bench) -> None:
    bench.project.on(
        "set_thing", refused(403, "not_host", "cannot update the room: only the host may", "Ask the host.")
    )
    error = await bench.error(WRITE)
    assert isinstance(error, PermissionDeniedError)
    assert (error.message, error.hint, error.status) == (
        "cannot update the room: only the host may",
        "Ask the host.",
        403,
    )
    assert not error.retryable


async def test_how_long_to_wait_is_told(bench: Bench) -> None:
    bench.project.on("set_thing", ok({"ok": False, "code": "rate_limited", "retry_after_s": 4.5, "message": "x"}))
    error = await bench.error(WRITE)
    assert isinstance(error, RateLimitedError)
    assert (error.retry_after_s, error.retryable) == (4.5, True)
    bench.project.on("set_thing", httpx.Response(429, json={"message": "slow"}, headers={"retry-after": "7"}))
    error = await bench.error(WRITE)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 7


async def test_a_time_to_wait_that_is_no_number_is_passed_over(bench: Bench) -> None:
    bench.project.on("set_thing", httpx.Response(429, json={}, headers=[(b"retry-after", "²".encode())]))
    error = await bench.error(WRITE)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 1


@pytest.mark.parametrize("value", [float("nan"), "\ud800", object(), {1, 2}])
async def test_an_argument_that_is_no_json_is_refused_and_not_quoted(bench: Bench, value: object) -> None:
    with pytest.raises(InvalidRequestError, match="cannot set the thing: an argument") as caught:
        await bench.call(WRITE, p_value=value)
    assert caught.value.__cause__ is None
    assert bench.project.sent("set_thing") == []


async def test_a_redirect_says_where_to(bench: Bench) -> None:
    bench.project.on("get_thing", httpx.Response(308, headers={"location": "https://new.test/rest/v1/rpc/get_thing"}))
    assert "redirects to https://new.test" in str(await bench.error(READ))


ROLLED_BACK = ["40001", "40P01", "55P03", "PGRST003"]
UNSENT = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("late"),
    httpx.PoolTimeout("full"),
    httpx.ProxyError("no"),
]
LOST = [
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    httpx.ReadTimeout("late"),
    html(502),
    html(503),
    postgrest_error(503, "PGRST001", "no connection"),
    html(504),
    html(522),
    postgrest_error(500, "57P01", "terminating connection due to administrator command"),
    postgrest_error(500, "08006", "connection failure"),
    postgrest_error(500, "CONNECTION_CLOSED", "write CONNECTION_CLOSED 127.0.0.1:5432"),
]


@pytest.mark.parametrize("procedure", [READ, WRITE, ONCE], ids=lambda procedure: procedure.name)
@pytest.mark.parametrize("code", ROLLED_BACK)
async def test_what_was_rolled_back_is_tried_again_whatever_it_is(
    bench: Bench, procedure: Procedure, code: str
) -> None:
    failure = postgrest_error(503 if code == "PGRST003" else 500, code)
    bench.project.on(procedure.name, failure, failure, ok(1))
    assert await bench.call(procedure, p_id=str(ID)) == 1
    assert bench.project.bodies(procedure.name) == [{"p_id": str(ID)}] * 3


@pytest.mark.parametrize("procedure", [READ, WRITE, ONCE], ids=lambda procedure: procedure.name)
@pytest.mark.parametrize("failure", UNSENT, ids=lambda failure: type(failure).__name__)
async def test_what_was_never_sent_is_tried_again_whatever_it_is(
    bench: Bench, procedure: Procedure, failure: Exception
) -> None:
    bench.project.on(procedure.name, failure, failure, failure, failure, ok(1))
    assert await bench.call(procedure) == 1


@pytest.mark.parametrize("procedure", [READ, WRITE], ids=lambda procedure: procedure.name)
@pytest.mark.parametrize("failure", LOST, ids=repr)
async def test_a_lost_answer_is_asked_for_again_with_the_same_id(
    bench: Bench, procedure: Procedure, failure: httpx.Response | Exception
) -> None:
    bench.project.on(procedure.name, failure, failure, ok(1))
    assert await bench.call(procedure, p_id=str(ID)) == 1
    assert bench.project.bodies(procedure.name) == [{"p_id": str(ID)}] * 3


@pytest.mark.parametrize("failure", LOST, ids=repr)
async def test_what_must_not_happen_twice_is_not_repeated(bench: Bench, failure: httpx.Response | Exception) -> None:
    bench.project.on("tell_thing", failure)
    error = await bench.error(ONCE)
    assert isinstance(error, ConnectionLostError | ConnectTimeoutError | ServerError)
    assert error.retryable
    assert len(bench.project.sent("tell_thing")) == 1


@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), html(503), hang], ids=["lost", "unavailable", "hanging"])
async def test_an_open_write_ends_at_the_deadline_with_its_id(bench: Bench, failure: Any) -> None:
    bench.project.on("set_thing", failure)
    started = bench.clock.monotonic()
    error = await bench.error(WRITE, timeout_s=4.0)
    assert isinstance(error, OutcomeUnknownError)
    assert error.operation_id == ID
    assert str(ID) in error.hint
    assert error.__cause__ is not None
    assert bench.clock.monotonic() - started == pytest.approx(4.0, abs=0.3)
    assert len(bench.project.sent("set_thing")) >= 2


@pytest.mark.parametrize(
    "then",
    [
        html(404),
        postgrest_error(401, "PGRST303", "JWT expired"),
        postgrest_error(500, "XX000"),
        httpx.Response(401, json={"message": "Invalid API key"}),
    ],
    ids=["not Supabase", "token", "internal", "key"],
)
async def test_a_later_failure_does_not_close_an_open_outcome(bench: Bench, then: httpx.Response) -> None:
    bench.project.on("set_thing", httpx.ReadError("reset"), then)
    error = await bench.error(WRITE)
    assert isinstance(error, OutcomeUnknownError)
    assert error.operation_id == ID


async def test_a_token_that_cannot_be_had_does_not_close_an_open_outcome(bench: Bench) -> None:
    async def no_token() -> str:
        raise ConnectError("cannot refresh the session: down")

    async def lost(_: httpx.Request) -> httpx.Response:
        bench.tokens.access_token = no_token
        raise httpx.ReadError("reset")

    bench.project.on("set_thing", lost)
    error = await bench.error(WRITE)
    assert isinstance(error, OutcomeUnknownError)
    assert isinstance(error.__cause__, ConnectError)


async def test_the_databases_word_closes_an_open_outcome(bench: Bench) -> None:
    bench.project.on("set_thing", httpx.ReadError("reset"), refused(403, "kicked"))
    assert (await bench.error(WRITE)).code == "kicked"
    limited = {"ok": False, "code": "rate_limited", "retry_after_s": 4, "message": "x"}
    bench.project.on("set_thing", httpx.ReadError("reset"), ok(limited))
    assert isinstance(await bench.error(WRITE), RateLimitedError)


async def test_closing_in_the_middle_of_a_write_leaves_its_outcome_open(bench: Bench) -> None:
    async def closing(_: httpx.Request) -> httpx.Response:
        await bench.project.http.aclose()
        raise RuntimeError("Cannot send a request, as the client has been closed.")

    bench.project.on("set_thing", closing)
    assert isinstance(await bench.error(WRITE), OutcomeUnknownError)


async def test_a_hanging_read_ends_at_the_deadline(bench: Bench) -> None:
    bench.project.on("get_thing", hang)
    error = await bench.error(READ, timeout_s=4.0)
    assert type(error) is ConnectTimeoutError
    assert "cannot get the thing: no answer from https://project.test in 4 s" in str(error)


async def test_a_failing_read_says_at_the_deadline_what_failed(bench: Bench) -> None:
    bench.project.on("get_thing", html(503))
    error = await bench.error(READ, timeout_s=4.0)
    assert isinstance(error, ServerError | ConnectTimeoutError)
    assert error.retryable


async def test_a_hanging_call_that_is_never_repeated_ends_at_the_deadline(bench: Bench) -> None:
    bench.project.on("tell_thing", hang)
    assert type(await bench.error(ONCE, timeout_s=4.0)) is ConnectTimeoutError
    assert len(bench.project.sent("tell_thing")) == 1


async def test_a_write_that_never_left_is_not_unknown(bench: Bench) -> None:
    bench.project.on("get_thing", ok(1))
    await bench.call(READ)
    bench.project.on("set_thing", httpx.ConnectError("Connection refused"))
    error = await bench.error(WRITE, timeout_s=4.0)
    assert type(error) is ConnectError
    assert "Connection refused" in str(error)
    assert error.hint
    assert len(bench.project.sent("set_thing")) > 3


async def test_a_half_open_connection_costs_half_the_time_only(bench: Bench) -> None:
    bench.project.on("set_thing", hang, ok(7))
    started = bench.clock.monotonic()
    assert await bench.call(WRITE, timeout_s=10.0) == 7
    assert bench.clock.monotonic() - started < 6.0


async def test_an_address_that_never_answered_is_given_up_soon(bench: Bench) -> None:
    bench.project.on("schema_version", httpx.ConnectError("[Errno -2] Name or service not known"))
    started = bench.clock.monotonic()
    error = await bench.error(WRITE, timeout_s=30.0)
    assert type(error) is ConnectError
    assert "Name or service not known" in str(error)
    assert "SUPABASE_URL" in error.hint
    assert bench.clock.monotonic() - started < 3.0
    assert len(bench.project.requests) == 3


def test_pauses_are_random_and_grow_to_a_bound() -> None:
    chance = random.Random(7)  # noqa: S311
    pauses = [[retry_pause_s(tries, chance) for _ in range(200)] for tries in range(1, 50)]
    assert all(0.0 <= pause <= 2.0 for group in pauses for pause in group)
    assert max(pauses[0]) <= 0.4 < max(pauses[2])
    assert len({round(pause, 6) for pause in pauses[5]}) > 190


async def test_a_refused_token_is_replaced_once(bench: Bench) -> None:
    bench.tokens.tokens = ["old", "new"]
    for answer in (postgrest_error(401, "PGRST301", "JWT expired"), postgrest_error(401, "PGRST303", "JWT expired")):
        bench.tokens.tokens = ["old", "new"]
        bench.project.on("set_thing", answer, ok(1))
        assert await bench.call(WRITE) == 1
    assert bench.tokens.rejected == ["old", "old"]
    assert [request.headers["authorization"] for request in bench.project.sent("set_thing")][:2] == [
        "Bearer old",
        "Bearer new",
    ]


async def test_a_token_that_is_refused_again_ends_the_session(bench: Bench) -> None:
    bench.project.on("set_thing", httpx.Response(401, json={"message": "JWT expired", "code": "PGRST303"}))
    error = await bench.error(WRITE)
    assert type(error) is SessionExpiredError
    assert len(bench.project.sent("set_thing")) == 2


async def test_what_an_open_try_has_done_counts_as_done(bench: Bench) -> None:
    bench.project.on("delete_thing", httpx.ReadError("reset"), refused(404, "room_not_found"))
    assert await bench.call(DELETE) == {"ok": True}
    bench.project.on("delete_thing", refused(404, "room_not_found"))
    assert isinstance(await bench.error(DELETE), NotFoundError)
    bench.project.on("delete_thing", httpx.ConnectError("refused"), refused(404, "room_not_found"))
    assert isinstance(await bench.error(DELETE), NotFoundError)


async def test_the_schema_is_compared_once_for_all(bench: Bench) -> None:
    bench.project.on("get_thing", ok(1))
    await turning(bench.clock, _many(bench, 10))
    await bench.call(READ)
    assert len(bench.project.sent("schema_version")) == 1
    assert len(bench.project.sent("get_thing")) == 11


async def _many(bench: Bench, count: int) -> None:
    await asyncio.gather(*(bench.rpc.call(READ, {}, timeout_s=10) for _ in range(count)))


async def test_a_cancelled_first_caller_does_not_take_the_others_along(bench: Bench) -> None:
    answered = asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        await answered.wait()
        return ok(1)

    bench.project.on("schema_version", slow)
    bench.project.on("get_thing", ok(7))
    first, second = (asyncio.ensure_future(bench.rpc.call(READ, {}, timeout_s=10)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    answered.set()
    assert await second == 7
    assert first.cancelled()
    assert len(bench.project.sent("schema_version")) == 1


@pytest.mark.parametrize(
    ("answer", "text", "hint"),
    [
        (postgrest_error(404, "PGRST202", "Could not find"), "does not have the functions", "supabase db push"),
        (
            postgrest_error(404, "42883", "function public.schema_version() does not exist"),
            "does not have the functions",
            "supabase db push",
        ),
        (ok(0), "version 0, this package needs 1", "supabase db push"),
        (ok(2), "version 2, this package needs 1", "pip install --upgrade spaces-sdk"),
        (ok({"odd": True}), "does not have the functions", "supabase db push"),
    ],
)
async def test_another_schema_stops_every_call_until_it_is_mended(
    bench: Bench, answer: httpx.Response, text: str, hint: str
) -> None:
    bench.project.on("schema_version", answer)
    bench.project.on("set_thing", ok(1))
    for _ in range(2):
        error = await bench.error(WRITE)
        assert isinstance(error, SchemaMismatchError)
        assert text in error.message
        assert hint in error.hint
    assert bench.project.sent("set_thing") == []
    bench.project.on("schema_version", ok(1))
    assert await bench.call(WRITE) == 1


async def test_a_cancelled_call_is_cancelled(bench: Bench) -> None:
    bench.project.on("set_thing", hang)
    task = asyncio.ensure_future(bench.rpc.call(WRITE, {}, timeout_s=10, operation_id=ID))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.clock.sleepers == 0


async def test_a_deadline_of_nothing_is_refused(bench: Bench) -> None:
    assert isinstance(await bench.error(READ, timeout_s=0), InvalidRequestError)
    assert bench.project.requests == []


async def test_a_closed_client_is_said_to_be_closed(bench: Bench) -> None:
    await bench.project.http.aclose()
    error = await bench.error(READ)
    assert error.code == "closed"
