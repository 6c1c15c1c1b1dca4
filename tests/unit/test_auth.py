"""Who is signed in, and the one token: sign-in, refresh, sign-out, and what each refusal becomes."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from spaces_sdk.auth import AuthClient, ConfirmationRequired, SignedIn
from spaces_sdk.errors import (
    AuthError,
    ConfigError,
    ConnectError,
    ConnectTimeoutError,
    InvalidCredentialsError,
    InvalidRequestError,
    ProtocolError,
    RateLimitedError,
    ServerError,
    SessionExpiredError,
    SpacesError,
    UsageError,
)
from tests.support.clock import FakeClock, settle
from tests.support.fake_project import (
    KEY,
    SECRET_KEY,
    FakeProject,
    config,
    hang,
    html,
    ok,
    texts_of,
    turning,
)

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

T = TypeVar("T")

ADA = "7f4c2c1e-3df0-4f0e-8a51-0b8a1f1d0001"
LIFETIME_S = 3600


def user(user_id: str = ADA, **fields: object) -> dict[str, object]:
    """As Supabase Auth answers."""
    return {
        "id": user_id,
        "aud": "authenticated",
        "role": "authenticated",
        "email": "ada@example.com",
        "phone": "",
        "app_metadata": {"provider": "email", "spaces_kind": "human"},
        "user_metadata": {"spaces_kind": "bot"},
        "identities": [],
        "is_anonymous": False,
        "created_at": "2026-11-23T09:44:50.617Z",
        "updated_at": "2026-11-23T09:44:50.617Z",
        **fields,
    }


def session(name: str = "1", **fields: object) -> httpx.Response:
    body = {
        "access_token": f"access-{name}",
        "refresh_token": f"refresh-{name}",
        "token_type": "bearer",
        "expires_in": LIFETIME_S,
        "expires_at": 4102444800,
        "user": user(),
        **fields,
    }
    return ok(body)


def failure(status: int, code: str, message: str = "No.", **headers: str) -> httpx.Response:
    body = {"code": code, "message": message}
    return httpx.Response(status, json=body, headers={"x-supabase-api-version": "2024-01-01", **headers})


class Bench:
    """An AuthClient on a scripted project, with a clock that the test turns."""

    def __init__(self, project: FakeProject, key: str = KEY) -> None:
        self.project = project
        self.clock = FakeClock()
        chance = random.Random(7)  # noqa: S311
        self.auth = AuthClient(config(key), lambda: project.http, clock=self.clock, random=chance)
        self.told: list[str] = []
        self.auth.listeners.add(self.told.append)

    async def sign_in(self) -> SignedIn:
        self.project.on("token", session("1"))
        signed_in = await self.auth.sign_in_with_password(email="ada@example.com", password="correct horse")
        self.project.on("token", session("2"), session("3"))
        return signed_in

    def refreshes(self) -> list[Any]:
        return [body for body in self.project.bodies("token") if "refresh_token" in body]

    async def error(self, work: Coroutine[Any, Any, object]) -> SpacesError:
        with pytest.raises(SpacesError) as caught:
            await turning(self.clock, work)
        for secret in ("correct horse", "access-", "refresh-", KEY, SECRET_KEY):
            assert secret not in texts_of(caught.value)
        return caught.value


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(FakeProject())
    yield bench
    await bench.auth.aclose()
    await bench.project.http.aclose()


async def test_sign_in_with_password(bench: Bench) -> None:
    signed_in = await bench.sign_in()
    (request,) = bench.project.sent("token")
    assert request.url.params["grant_type"] == "password"
    assert request.headers["apikey"] == KEY
    assert signed_in.user.id == UUID(ADA)
    assert (signed_in.user.email, signed_in.user.phone) == ("ada@example.com", None)
    assert signed_in.user.app_metadata["spaces_kind"] == "human"
    assert bench.auth.session == signed_in.session
    assert bench.auth.user == signed_in.user
    assert await bench.auth.access_token() == "access-1"
    assert bench.told == ["access-1"]


async def test_what_the_user_wrote_is_never_taken_over(bench: Bench) -> None:
    signed_in = await bench.sign_in()
    assert "user_metadata" not in signed_in.user.model_dump()
    assert "'bot'" not in repr(signed_in)


async def test_tokens_are_not_part_of_any_text(bench: Bench) -> None:
    signed_in = await bench.sign_in()
    for text in (repr(signed_in), str(signed_in), repr(signed_in.session), str(signed_in.session), repr(bench.auth)):
        assert "access-1" not in text
        assert "refresh-1" not in text


async def test_sign_up_that_needs_no_confirmation(bench: Bench) -> None:
    bench.project.on("signup", session("1"))
    result = await bench.auth.sign_up(email="ada@example.com", password="correct horse", data={"nick": "A"})
    assert isinstance(result, SignedIn)
    assert bench.project.bodies("signup")[0]["data"] == {"nick": "A"}
    assert await bench.auth.access_token() == "access-1"


async def test_sign_up_that_waits_for_a_confirmation(bench: Bench) -> None:
    bench.project.on("signup", ok(user(confirmation_sent_at="2026-11-23T09:44:50.617Z")))
    result = await bench.auth.sign_up(email="ada@example.com", password="correct horse")
    assert isinstance(result, ConfirmationRequired)
    assert result.user.id == UUID(ADA)
    assert bench.auth.session is None
    assert bench.told == []


async def test_sign_in_anonymously(bench: Bench) -> None:
    bench.project.on("signup", session("1", user=user(email="", is_anonymous=True)))
    signed_in = await bench.auth.sign_in_anonymously()
    assert signed_in.user.is_anonymous
    assert signed_in.user.email is None


@pytest.mark.parametrize(
    ("email", "phone", "password"), [(None, None, "x"), ("a@b.c", "+4912", "x"), ("a@b.c", None, "")]
)
async def test_incomplete_credentials_are_refused_before_any_io(
    bench: Bench, email: str | None, phone: str | None, password: str
) -> None:
    for work in (
        bench.auth.sign_up(email=email, phone=phone, password=password),
        bench.auth.sign_in_with_password(email=email, phone=phone, password=password),
    ):
        assert isinstance(await bench.error(work), InvalidRequestError)
    assert bench.project.requests == []


REFUSALS = [
    (failure(400, "invalid_credentials", "Invalid login credentials"), InvalidCredentialsError, "invalid_credentials"),
    (
        httpx.Response(400, json={"error": "invalid_grant", "error_description": "Invalid login credentials"}),
        InvalidCredentialsError,
        "invalid_credentials",
    ),
    (failure(400, "email_not_confirmed", "Email not confirmed"), AuthError, "email_not_confirmed"),
    (failure(422, "anonymous_provider_disabled"), AuthError, "anonymous_provider_disabled"),
    (failure(422, "user_already_exists"), AuthError, "user_already_exists"),
    (failure(403, "user_banned"), AuthError, "user_banned"),
    (failure(429, "over_request_rate_limit", **{"retry-after": "30"}), RateLimitedError, "rate_limited"),
    (httpx.Response(401, json={"message": "Invalid API key", "hint": "…"}), ConfigError, "invalid_api_key"),
    (failure(500, "unexpected_failure"), ServerError, "server_error"),
    (html(503), ServerError, "server_error"),
    (html(404), ConfigError, "not_supabase"),
    (html(200), ConfigError, "not_supabase"),
    (ok({"hello": "world"}), ConfigError, "not_supabase"),
    (httpx.Response(404, json={"detail": "Not Found"}), ConfigError, "not_supabase"),
    (httpx.Response(302, headers={"location": "https://login.test/"}), ConfigError, "not_supabase"),
    (httpx.ConnectError("Name or service not known"), ConnectError, "connect_failed"),
    (httpx.ReadTimeout("late"), ConnectTimeoutError, "connect_timeout"),
]


@pytest.mark.parametrize(("answer", "kind", "code"), REFUSALS)
async def test_a_refused_sign_in(
    bench: Bench, answer: httpx.Response | Exception, kind: type[SpacesError], code: str
) -> None:
    bench.project.on("token", answer)
    error = await bench.error(bench.auth.sign_in_with_password(email="ada@example.com", password="correct horse"))
    assert type(error) is kind
    assert error.code == code
    assert str(error).startswith("cannot sign in: ")
    assert bench.auth.session is None


async def test_a_weak_password_says_why(bench: Bench) -> None:
    body = {"code": "weak_password", "message": "Too weak.", "weak_password": {"reasons": ["length", "characters"]}}
    bench.project.on("signup", httpx.Response(422, json=body, headers={"x-supabase-api-version": "2024-01-01"}))
    error = await bench.error(bench.auth.sign_up(email="ada@example.com", password="correct horse"))
    assert (type(error), error.code) == (AuthError, "weak_password")
    assert "length, characters" in error.hint


async def test_a_user_with_another_kind_of_id_is_not_one_of_supabase(bench: Bench) -> None:
    bench.project.on("token", session("1", user=user("4711")))
    error = await bench.error(bench.auth.sign_in_with_password(email="ada@example.com", password="x"))
    assert isinstance(error, ProtocolError)
    assert bench.auth.session is None


async def test_what_cannot_be_written_as_json_is_refused_and_not_quoted(bench: Bench) -> None:
    password = "hunter2\ud800"
    error = await bench.error(bench.auth.sign_in_with_password(email="ada@example.com", password=password))
    assert isinstance(error, InvalidRequestError)
    assert error.__suppress_context__
    assert "hunter2" not in str(error)
    error = await bench.error(bench.auth.sign_up(email="ada@example.com", password="x", data={"at": object()}))
    assert isinstance(error, InvalidRequestError)
    assert bench.project.requests == []


async def test_a_hanging_sign_in_ends_in_time(bench: Bench) -> None:
    bench.project.on("token", hang)
    work = bench.auth.sign_in_with_password(email="ada@example.com", password="correct horse", timeout_s=3)
    assert type(await bench.error(work)) is ConnectTimeoutError


async def test_nobody_is_signed_in(bench: Bench) -> None:
    for work in (bench.auth.access_token(), bench.auth.refresh_session(), bench.auth.get_user()):
        error = await bench.error(work)
        assert (type(error), error.code) == (AuthError, "not_authenticated")
        assert "sign_in" in error.hint
    assert bench.project.requests == []


async def test_a_secret_key_stands_for_itself() -> None:
    project = FakeProject()
    bench = Bench(project, SECRET_KEY)
    assert await bench.auth.access_token() == SECRET_KEY
    await project.http.aclose()


async def test_the_token_is_refreshed_a_minute_before_its_end(bench: Bench) -> None:
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S - 61)
    assert await bench.auth.access_token() == "access-1"
    await bench.clock.advance(2)
    assert await bench.auth.access_token() == "access-2"
    assert bench.refreshes() == [{"refresh_token": "refresh-1"}]
    assert bench.told == ["access-1", "access-2"]
    await bench.clock.advance(LIFETIME_S)
    assert await bench.auth.access_token() == "access-3"
    assert bench.refreshes()[-1] == {"refresh_token": "refresh-2"}


async def test_a_clock_that_differs_from_the_servers_does_not_matter(bench: Bench) -> None:
    bench.project.on("token", session("1", expires_at=1))
    await bench.auth.sign_in_with_password(email="ada@example.com", password="correct horse")
    assert await bench.auth.access_token() == "access-1"
    assert bench.refreshes() == []


async def test_concurrent_callers_share_one_refresh(bench: Bench) -> None:
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S)
    tokens = await asyncio.gather(*(bench.auth.access_token() for _ in range(50)), bench.auth.replace("access-1"))
    assert set(tokens) == {"access-2"}
    assert len(bench.refreshes()) == 1


async def test_a_cancelled_caller_does_not_lose_the_rotated_token(bench: Bench) -> None:
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S)
    answered = asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        await answered.wait()
        return session("2")

    bench.project.on("token", slow)
    callers = [asyncio.ensure_future(bench.auth.access_token()) for _ in range(3)]
    await settle()
    for caller in callers[:2]:
        caller.cancel()
    await settle()
    answered.set()
    assert await callers[2] == "access-2"
    bench.project.on("token", html(500))
    assert await bench.auth.access_token() == "access-2"


async def test_a_refresh_that_nobody_waits_for_is_kept(bench: Bench) -> None:
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S)
    answered = asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        await answered.wait()
        return session("2")

    bench.project.on("token", slow)
    caller = asyncio.ensure_future(bench.auth.access_token())
    await settle()
    caller.cancel()
    await settle()
    answered.set()
    await settle()
    assert bench.auth.session is not None
    assert bench.auth.session.access_token == "access-2"


@pytest.mark.parametrize(
    "answer",
    [
        failure(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"),
        failure(400, "refresh_token_already_used"),
        failure(403, "user_banned"),
        httpx.Response(400, json={"error": "invalid_grant", "error_description": "Invalid Refresh Token"}),
    ],
)
async def test_a_session_that_cannot_be_refreshed_is_over(bench: Bench, answer: httpx.Response) -> None:
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S)
    bench.project.on("token", answer)
    for _ in range(3):
        error = await bench.error(bench.auth.access_token())
        assert type(error) is SessionExpiredError
    assert len(bench.refreshes()) == 1
    assert bench.auth.session is None
    await bench.sign_in()
    assert await bench.auth.access_token() == "access-1"


@pytest.mark.parametrize(
    "answer",
    [httpx.ConnectError("down"), html(503), hang, failure(429, "over_request_rate_limit")],
    ids=["down", "unavailable", "hanging", "limited"],
)
async def test_a_token_that_is_still_good_outlives_an_outage_of_auth(bench: Bench, answer: Any) -> None:
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S - 55)
    bench.project.on("token", answer)
    assert await turning(bench.clock, bench.auth.access_token()) == "access-1"
    tries = len(bench.refreshes())
    assert await bench.auth.access_token() == "access-1"
    assert len(bench.refreshes()) == tries, "not asked again at once"
    await bench.clock.advance(10)
    bench.project.on("token", session("2"))
    assert await bench.auth.access_token() == "access-2"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(httpx.ConnectError("down"), ConnectError), (html(503), ServerError), (hang, ConnectTimeoutError)],
)
async def test_an_outage_at_the_tokens_end_is_said(bench: Bench, answer: Any, kind: type[SpacesError]) -> None:
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S - 4)
    bench.project.on("token", answer)
    assert type(await bench.error(bench.auth.access_token())) is kind
    bench.project.on("token", session("2"))
    assert await bench.auth.access_token() == "access-2"


@pytest.mark.parametrize("answer", [html(404), html(200), ok({"detail": "Welcome"})])
async def test_a_foreign_answer_to_a_refresh_ends_nothing(bench: Bench, answer: httpx.Response) -> None:
    await bench.sign_in()
    bench.project.on("token", answer)
    await bench.clock.advance(LIFETIME_S - 30)
    assert await turning(bench.clock, bench.auth.access_token()) == "access-1"
    await bench.clock.advance(30)
    error = await bench.error(bench.auth.access_token())
    assert (type(error), error.code, error.retryable) == (ServerError, "foreign_answer", True)
    bench.project.on("token", session("2"))
    assert await bench.auth.access_token() == "access-2"


async def test_a_short_outage_is_not_noticed(bench: Bench) -> None:
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S)
    bench.project.on("token", httpx.ReadError("reset"), html(502), session("2"))
    assert await turning(bench.clock, bench.auth.access_token()) == "access-2"


async def test_replace_takes_what_was_refreshed_meanwhile(bench: Bench) -> None:
    await bench.sign_in()
    assert await bench.auth.replace("access-0") == "access-1"
    assert bench.refreshes() == []
    assert await bench.auth.replace("access-1") == "access-2"


async def test_a_refresh_does_not_overwrite_a_newer_sign_in(bench: Bench) -> None:
    await bench.sign_in()
    answered = asyncio.Event()

    async def by_grant(request: httpx.Request) -> httpx.Response:
        if request.url.params["grant_type"] == "password":
            return session("of-bob")
        await answered.wait()
        return session("2")

    bench.project.on("token", by_grant)
    refresh = asyncio.ensure_future(bench.auth.refresh_session())
    await settle()
    await bench.auth.sign_in_with_password(email="bob@example.com", password="correct horse")
    answered.set()
    assert (await refresh).access_token == "access-of-bob"
    assert await bench.auth.access_token() == "access-of-bob"
    assert bench.told == ["access-1", "access-of-bob"]


async def test_a_refused_refresh_does_not_end_a_newer_sign_in(bench: Bench) -> None:
    await bench.sign_in()
    answered = asyncio.Event()

    async def by_grant(request: httpx.Request) -> httpx.Response:
        if request.url.params["grant_type"] == "password":
            return session("of-bob")
        await answered.wait()
        return failure(400, "refresh_token_not_found")

    bench.project.on("token", by_grant)
    refresh = asyncio.ensure_future(bench.auth.refresh_session())
    await settle()
    await bench.auth.sign_in_with_password(email="bob@example.com", password="correct horse")
    answered.set()
    assert (await refresh).access_token == "access-of-bob"


async def test_sign_out_is_local_by_default(bench: Bench) -> None:
    await bench.sign_in()
    bench.project.on("logout", httpx.Response(204))
    await bench.auth.sign_out()
    (request,) = bench.project.sent("logout")
    assert request.url.params["scope"] == "local"
    assert request.headers["authorization"] == "Bearer access-1"
    assert bench.auth.session is None
    await bench.auth.sign_out()
    assert len(bench.project.sent("logout")) == 1


@pytest.mark.parametrize(("scope", "is_kept"), [("local", False), ("global", True), ("others", True)])
async def test_sign_out_without_network(bench: Bench, scope: Any, is_kept: bool) -> None:
    await bench.sign_in()
    bench.project.on("logout", httpx.ConnectError("down"))
    assert isinstance(await bench.error(bench.auth.sign_out(scope)), ConnectError)
    assert (bench.auth.session is not None) is is_kept


async def test_sign_out_of_a_session_that_the_server_has_ended(bench: Bench) -> None:
    await bench.sign_in()
    bench.project.on("logout", failure(403, "session_not_found"))
    await bench.auth.sign_out("global")
    assert bench.auth.session is None


async def test_sign_out_of_the_others_keeps_this_one(bench: Bench) -> None:
    await bench.sign_in()
    bench.project.on("logout", httpx.Response(204))
    await bench.auth.sign_out("others")
    assert bench.auth.session is not None


async def test_get_user_asks_the_server(bench: Bench) -> None:
    await bench.sign_in()
    bench.project.on("user", ok(user(email="lovelace@example.com")))
    assert (await bench.auth.get_user()).email == "lovelace@example.com"
    assert bench.project.sent("user")[0].headers["authorization"] == "Bearer access-1"


async def test_get_user_replaces_a_token_that_is_refused_before_its_time(bench: Bench) -> None:
    await bench.sign_in()
    bench.project.on("user", failure(403, "bad_jwt"), ok(user()))
    await bench.auth.get_user()
    assert [request.headers["authorization"] for request in bench.project.sent("user")] == [
        "Bearer access-1",
        "Bearer access-2",
    ]
    bench.project.on("user", failure(403, "session_not_found"))
    bench.project.on("token", failure(400, "refresh_token_not_found"))
    assert isinstance(await bench.error(bench.auth.get_user()), SessionExpiredError)
    assert bench.auth.session is None


def jwt_until(clock: FakeClock, seconds: float) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'exp': clock.now().timestamp() + seconds})}.c2ln"


async def test_set_session_goes_on_with_kept_tokens(bench: Bench) -> None:
    bench.project.on("user", ok(user()))
    token = jwt_until(bench.clock, 1800)
    signed_in = await bench.auth.set_session(token, "refresh-1")
    assert signed_in.user.id == UUID(ADA)
    assert await bench.auth.access_token() == token
    bench.project.on("token", session("2"))
    await bench.clock.advance(1750)
    assert await bench.auth.access_token() == "access-2"


async def test_short_lived_tokens_are_not_refreshed_at_every_call(bench: Bench) -> None:
    bench.project.on("token", session("1", expires_in=20), session("2", expires_in=20))
    await bench.auth.sign_in_with_password(email="ada@example.com", password="correct horse")
    await bench.clock.advance(14)
    assert await bench.auth.access_token() == "access-1"
    await bench.clock.advance(2)
    assert await bench.auth.access_token() == "access-2"
    assert await bench.auth.access_token() == "access-2"
    assert len(bench.refreshes()) == 1


async def test_signing_out_does_not_forget_who_signs_in_meanwhile(bench: Bench) -> None:
    for scope in ("local", "global"):
        await bench.sign_in()
        answered = asyncio.Event()

        async def slow(_: httpx.Request, answered: asyncio.Event = answered) -> httpx.Response:
            await answered.wait()
            return httpx.Response(204)

        bench.project.on("logout", slow)
        leaving = asyncio.ensure_future(bench.auth.sign_out(scope))
        await settle()
        bench.project.on("token", session("of-bob"))
        await bench.auth.sign_in_with_password(email="bob@example.com", password="correct horse")
        answered.set()
        await leaving
        assert await bench.auth.access_token() == "access-of-bob"


async def test_signing_out_of_a_session_at_its_end_uses_a_fresh_token(bench: Bench) -> None:
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S + 10)
    bench.project.on("logout", httpx.Response(204))
    await bench.auth.sign_out()
    assert bench.project.sent("logout")[0].headers["authorization"] == "Bearer access-2"
    await bench.sign_in()
    await bench.clock.advance(LIFETIME_S + 10)
    bench.project.on("token", failure(400, "refresh_token_not_found"))
    await bench.auth.sign_out()
    assert bench.auth.session is None


async def test_set_session_refreshes_at_the_end(bench: Bench) -> None:
    bench.project.on("token", session("2"))
    await bench.auth.set_session(jwt_until(bench.clock, 3), "refresh-1")
    assert await bench.auth.access_token() == "access-2"


async def test_set_session_refreshes_a_token_that_is_refused_before_its_time(bench: Bench) -> None:
    bench.project.on("user", failure(403, "bad_jwt"))
    bench.project.on("token", session("2"))
    await bench.auth.set_session(jwt_until(bench.clock, 1800), "refresh-1")
    assert await bench.auth.access_token() == "access-2"


@pytest.mark.parametrize("tokens", [("", "refresh-1"), ("a.b.c", ""), ("a b", "refresh-1"), ("a\nb", "refresh-1")])
async def test_set_session_refuses_what_is_no_token(bench: Bench, tokens: tuple[str, str]) -> None:
    with pytest.raises(AuthError):
        await bench.auth.set_session(*tokens)
    assert bench.project.requests == []


async def test_closing_ends_a_running_refresh(bench: Bench) -> None:
    await bench.sign_in()
    bench.project.on("token", hang)
    caller = asyncio.ensure_future(bench.auth.refresh_session())
    await settle()
    await bench.auth.aclose()
    with pytest.raises(UsageError, match="closed"):
        await caller
    assert bench.clock.sleepers == 0


async def test_admin_makes_accounts_with_the_secret_key() -> None:
    project = FakeProject()
    bench = Bench(project, SECRET_KEY)
    project.on("users", ok(user(app_metadata={"spaces_kind": "bot"})))
    made = await bench.auth.admin.create_user(
        email="bot@example.com", password="correct horse", app_metadata={"spaces_kind": "bot"}
    )
    assert made.app_metadata == {"spaces_kind": "bot"}
    (request,) = project.sent("users")
    assert request.headers["authorization"] == f"Bearer {SECRET_KEY}"
    assert project.bodies("users")[0]["email_confirm"] is True
    assert bench.auth.session is None
    await project.http.aclose()


async def test_admin_needs_the_secret_key(bench: Bench) -> None:
    error = await bench.error(bench.auth.admin.create_user(email="bot@example.com", password="correct horse"))
    assert (type(error), error.code) == (ConfigError, "secret_key_required")
    assert bench.project.requests == []
