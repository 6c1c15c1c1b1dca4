"""REST and Auth through the gateway, as a client sees them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import httpx
import jwt
import psycopg
import pytest
import pytest_asyncio

from spaces_sdk.local.stack import LocalStack
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

PASSWORD = "correct horse"


@dataclass
class Api:
    """A bare HTTP client of a stack."""

    http: httpx.AsyncClient
    stack: LocalStack

    async def call(
        self, method: str, path: str, *, key: str | None = None, token: str | None = None, json: Any = None
    ) -> httpx.Response:
        headers = {"apikey": self.stack.publishable_key if key is None else key}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return await self.http.request(method, path, headers=headers, json=json)

    async def sign_up(self) -> dict[str, Any]:
        body = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "data": {"nick": "Ada"}}
        answer = await self.call("POST", "/auth/v1/signup", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def claims(self, session: dict[str, Any]) -> dict[str, Any]:
        secret = self.stack.jwt_secret
        return jwt.decode(session["access_token"], secret, algorithms=["HS256"], audience="authenticated")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api(stack: LocalStack) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=20.0) as http:
        yield Api(http, stack)


async def test_health_names_every_part_behind_the_gateway(api: Api) -> None:
    answer = await api.http.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "parts": {"lite": "ok", "realtime": "ok"}}


async def test_a_function_answers_the_publishable_key_of_a_user(api: Api) -> None:
    session = await api.sign_up()
    answer = await api.call("POST", "/rest/v1/rpc/schema_version", token=session["access_token"], json={})
    assert (answer.status_code, answer.json()) == (200, 1)


async def test_without_a_key_the_hosted_words(api: Api) -> None:
    answer = await api.http.get("/rest/v1/rooms")
    assert answer.status_code == 401
    assert answer.json() == {
        "message": "No API key found in request",
        "hint": "No `apikey` request header or url param was found.",
    }


@pytest.mark.parametrize("key", ["sb_publishable_nonsense", "a.b.c", jwt.encode({"role": "anon"}, "x" * 32)])
async def test_an_unknown_key_is_refused(api: Api, key: str) -> None:
    answer = await api.call("GET", "/rest/v1/rooms", key=key)
    assert answer.status_code == 401
    assert answer.json()["message"] == "Invalid API key"


async def test_the_key_may_stand_in_the_address(api: Api) -> None:
    answer = await api.http.get("/auth/v1/settings", params={"apikey": api.stack.publishable_key})
    assert answer.status_code == 200


async def test_keys_of_older_projects_are_accepted(api: Api) -> None:
    rooms = "/rest/v1/rooms?select=id&limit=1"
    key = api.stack.service_role_key
    assert (await api.call("GET", rooms, key=key, token=key)).status_code == 200
    key = api.stack.anon_key
    answer = await api.call("GET", rooms, key=key, token=key)
    assert answer.json()["code"] == "42501"  # the key is fine, the role anon sees no table


async def test_sign_up_sign_in_and_refresh_carry_the_hosted_claims(api: Api) -> None:
    signed_up = await api.sign_up()
    body = {"email": signed_up["user"]["email"], "password": PASSWORD}
    signed_in = (await api.call("POST", "/auth/v1/token?grant_type=password", json=body)).json()
    body = {"refresh_token": signed_in["refresh_token"]}
    refreshed = (await api.call("POST", "/auth/v1/token?grant_type=refresh_token", json=body)).json()
    for session in (signed_up, signed_in, refreshed):
        claims = api.claims(session)
        assert claims["sub"] == signed_up["user"]["id"]
        assert claims["role"] == "authenticated"
        assert claims["app_metadata"] == {"provider": "email", "providers": ["email"]}
        assert claims["user_metadata"]["nick"] == "Ada"
        assert claims["is_anonymous"] is False
        assert claims["iss"] == f"{api.stack.url}/auth/v1"
        assert claims["exp"] - claims["iat"] == 3600
    assert api.claims(refreshed)["session_id"] == api.claims(signed_in)["session_id"]


async def test_a_refresh_whose_answer_was_lost_may_be_repeated_however_often_it_was_sent(api: Api) -> None:
    body = {"refresh_token": (await api.sign_up())["refresh_token"]}

    async def refresh() -> httpx.Response:
        return await api.call("POST", "/auth/v1/token?grant_type=refresh_token", json=body)

    answers = [*await asyncio.gather(refresh(), refresh(), refresh()), await refresh()]
    assert [answer.status_code for answer in answers] == [200] * 4, answers[-1].text
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1, "one token has one heir"


async def test_a_wrong_password_is_refused(api: Api) -> None:
    session = await api.sign_up()
    body = {"email": session["user"]["email"], "password": "wrong one"}
    answer = await api.call("POST", "/auth/v1/token?grant_type=password", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "invalid_credentials")


async def test_an_anonymous_user_can_act_refresh_and_become_permanent(api: Api) -> None:
    session = (await api.call("POST", "/auth/v1/signup", json={"data": {"nick": "guest"}})).json()
    assert session["user"]["is_anonymous"] is True
    assert session["user"]["user_metadata"] == {"nick": "guest"}
    body = {"refresh_token": session["refresh_token"]}
    answer = await api.call("POST", "/auth/v1/token?grant_type=refresh_token", json=body)
    assert answer.status_code == 200, answer.text
    claims = api.claims(answer.json())
    assert (claims["sub"], claims["is_anonymous"]) == (session["user"]["id"], True)
    token = answer.json()["access_token"]
    user = (await api.call("GET", "/auth/v1/user", token=token)).json()
    assert (user["id"], user["is_anonymous"]) == (session["user"]["id"], True)
    answer = await api.call("POST", "/rest/v1/rpc/schema_version", token=token, json={})
    assert (answer.status_code, answer.json()) == (200, 1)
    # The admin gives the account an address and a password: from then on it is an ordinary one.
    path = f"/auth/v1/admin/users/{user['id']}"
    email = f"{uuid4().hex}@example.com"
    body = {"email": email, "password": PASSWORD, "email_confirm": True}
    assert (await api.call("PUT", path, key=api.stack.secret_key, json=body)).status_code == 200
    body = {"email": email, "password": PASSWORD}
    signed_in = (await api.call("POST", "/auth/v1/token?grant_type=password", json=body)).json()
    assert api.claims(signed_in)["is_anonymous"] is False


async def test_the_admin_makes_shows_and_deletes_a_bot(api: Api) -> None:
    secret, email = api.stack.secret_key, f"{uuid4().hex}@example.com"
    body = {
        "email": email,
        "password": PASSWORD,
        "email_confirm": True,
        "app_metadata": {"spaces_kind": "bot"},
        "user_metadata": {"name": "Marvin"},
    }
    made = await api.call("POST", "/auth/v1/admin/users", key=secret, json=body)
    assert made.status_code == 200, made.text
    user = made.json()
    assert user["app_metadata"]["spaces_kind"] == "bot"
    assert user["email_confirmed_at"]
    again = await api.call("POST", "/auth/v1/admin/users", key=secret, json=body)
    assert (again.status_code, again.json()["error_code"]) == (422, "email_exists")
    body = {"email": email, "password": PASSWORD}
    session = (await api.call("POST", "/auth/v1/token?grant_type=password", json=body)).json()
    assert api.claims(session)["app_metadata"]["spaces_kind"] == "bot"
    listed = (await api.call("GET", "/auth/v1/admin/users?per_page=1000", key=secret)).json()["users"]
    assert user["id"] in {one["id"] for one in listed}
    path = f"/auth/v1/admin/users/{user['id']}"
    assert (await api.call("GET", path, key=secret)).json()["user_metadata"]["name"] == "Marvin"
    assert (await api.call("DELETE", path, key=secret)).status_code == 200
    assert (await api.call("GET", path, key=secret)).status_code == 404


async def test_a_banned_user_cannot_sign_in_until_the_ban_is_lifted(api: Api) -> None:
    session = await api.sign_up()
    path, secret = f"/auth/v1/admin/users/{session['user']['id']}", api.stack.secret_key
    body = {"email": session["user"]["email"], "password": PASSWORD}
    sign_in = "/auth/v1/token?grant_type=password"
    assert (await api.call("PUT", path, key=secret, json={"ban_duration": "24h"})).json()["banned_until"]
    assert (await api.call("POST", sign_in, json=body)).json()["error_code"] == "user_banned"
    assert (await api.call("PUT", path, key=secret, json={"ban_duration": "none"})).status_code == 200
    assert (await api.call("POST", sign_in, json=body)).status_code == 200
    assert (await api.call("PUT", path, key=secret, json={"ban_duration": "a while"})).status_code == 400


async def test_a_link_from_a_mail_needs_no_key_and_gives_the_hosted_claims(api: Api) -> None:
    session = await api.sign_up()
    email = session["user"]["email"]
    assert (await api.call("POST", "/auth/v1/magiclink", json={"email": email})).status_code == 200
    link = await eventually(
        lambda: re.search(r"https?://[^\s]+(/auth/v1/verify\?\S+)", api.stack.logs("lite").partition(f"To: {email}")[2])
    )
    assert link is not None
    answer = await api.http.get(link.group(1))
    assert answer.status_code == 303, answer.text
    fragment = dict(parse_qsl(answer.headers["location"].partition("#")[2]))
    claims = api.claims(fragment)
    assert (claims["email"], claims["app_metadata"]["provider"]) == (email, "email")
    user = await api.call("GET", "/auth/v1/user", token=fragment["access_token"])
    assert user.json()["email"] == email


async def test_nobody_else_reaches_the_admin_api(api: Api) -> None:
    session = await api.sign_up()
    path = "/auth/v1/admin/users"
    assert (await api.call("GET", path)).status_code == 403
    assert (await api.call("GET", path, token=session["access_token"])).status_code == 403
    # As hosted: with a user's token it is the user who asks, whatever the key.
    answer = await api.call("GET", path, key=api.stack.secret_key, token=session["access_token"])
    assert answer.status_code == 403
    forged = jwt.encode({"role": "service_role", "exp": time.time() + 60}, "x" * 32)
    assert (await api.call("GET", path, token=forged)).status_code == 403


async def test_an_expired_token_is_named_as_postgrest_names_it(api: Api) -> None:
    claims = {"sub": str(uuid4()), "role": "authenticated", "exp": int(time.time()) - 60}
    token = jwt.encode(claims, api.stack.jwt_secret)
    answer = await api.call("POST", "/rest/v1/rpc/schema_version", token=token, json={})
    assert (answer.status_code, answer.json()["code"]) == (401, "PGRST303")


async def test_times_are_iso_8601(api: Api) -> None:
    session = await api.sign_up()
    answer = await api.call("GET", "/auth/v1/user", token=session["access_token"])
    assert "T" in answer.json()["created_at"]
    assert " " not in answer.json()["created_at"]


async def test_any_page_may_call_it_and_answers_are_marked(api: Api) -> None:
    headers = {"origin": "https://example.com", "access-control-request-headers": "apikey,authorization"}
    preflight = await api.http.options("/rest/v1/rooms", headers=headers)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"] == "apikey,authorization"
    for answer in (await api.call("GET", "/auth/v1/settings"), await api.http.get("/rest/v1/rooms")):
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]


async def test_an_unknown_path_says_what_there_is(api: Api) -> None:
    answer = await api.http.get("/nothing")
    assert answer.status_code == 404
    assert "/rest/v1" in answer.json()["hint"]


async def test_no_request_target_leads_elsewhere(api: Api) -> None:
    """A path is routed by what it decodes to: it must not become part of the next hop's host."""
    reached: list[bytes] = []

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.read(4096))
        writer.close()

    async def status_of(target: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(api.stack.url).port)
        head = f"GET {target} HTTP/1.1\r\nhost: x\r\napikey: {api.stack.publishable_key}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode())
        answer = await reader.read()
        writer.close()
        return answer.split(b" ", 2)[1]

    async with await asyncio.start_server(stranger, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await status_of(f"%2frest%2fv1%2f@127.0.0.1:{port}/") == b"400"
        assert await status_of(f"/rest/v1/@127.0.0.1:{port}/") in {b"403", b"404"}
        assert await status_of(f"http://127.0.0.1:{port}/rest/v1/rooms") == b"404"
        assert await status_of("/rest/v1/../../auth/v1/admin/users") == b"403"
    assert reached == []


async def test_of_two_keys_the_first_counts_and_none_is_passed_on(api: Api) -> None:
    keys = [("apikey", api.stack.publishable_key), ("apikey", api.stack.secret_key)]
    address = f"/auth/v1/admin/users?apikey={api.stack.secret_key}"
    assert (await api.http.get(address, headers=keys)).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/auth/v1/admin/users", {"email": "a@example.com", "app_metadata": "bot"}),
        ("POST", "/auth/v1/admin/users", {"email": "a@example.com", "user_metadata": [1]}),
        ("POST", "/auth/v1/signup", {"data": {"nick": "\0"}}),
        ("PUT", "/auth/v1/admin/users/{user}", {"ban_duration": "99999999999999h"}),
    ],
)
async def test_a_bad_value_is_the_callers_mistake(api: Api, method: str, path: str, body: dict[str, Any]) -> None:
    user = (await api.sign_up())["user"]["id"]
    answer = await api.call(method, path.format(user=user), key=api.stack.secret_key, json=body)
    assert answer.status_code == 400, answer.text


async def test_nobody_gives_oneself_a_role(api: Api) -> None:
    wanted = {"role": "service_role", "app_metadata": {"spaces_kind": "bot"}, "is_super_admin": True}
    with_password: dict[str, Any] = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    anonymous: dict[str, Any] = {"data": {}}
    for given in (with_password, anonymous):
        session = (await api.call("POST", "/auth/v1/signup", json={**given, **wanted})).json()
        await api.call("PUT", "/auth/v1/user", token=session["access_token"], json=wanted)
        renewal = {"refresh_token": session["refresh_token"]}
        session = (await api.call("POST", "/auth/v1/token?grant_type=refresh_token", json=renewal)).json()
        claims = api.claims(session)
        assert claims["role"] == "authenticated"
        assert "spaces_kind" not in claims["app_metadata"]


async def test_an_unsigned_token_is_nobody(api: Api) -> None:
    forged = jwt.encode({"role": "service_role", "exp": time.time() + 60}, "", algorithm="none")
    assert (await api.call("GET", "/rest/v1/rooms", key=forged)).status_code == 401
    assert (await api.call("GET", "/rest/v1/rooms", token=forged)).status_code == 401
    assert (await api.call("GET", "/auth/v1/admin/users", token=forged)).status_code == 403


async def test_a_body_over_the_limit_is_refused(api: Api) -> None:
    answer = await api.http.post(
        "/rest/v1/rpc/schema_version", headers={"apikey": api.stack.publishable_key}, content=b"x" * (11 * 1024 * 1024)
    )
    assert answer.status_code == 413


async def test_serving_requests_widens_no_rights(api: Api) -> None:
    session = await api.sign_up()
    await api.call("GET", "/rest/v1/rooms", token=session["access_token"])
    async with await psycopg.AsyncConnection.connect(api.stack.db_url) as conn:
        cursor = await conn.execute(
            """select grantee, table_name, privilege_type from information_schema.role_table_grants
               where table_schema = 'public' and grantee in ('anon', 'authenticated')
                 and (grantee = 'anon' or privilege_type <> 'SELECT')"""
        )
        assert await cursor.fetchall() == []
        cursor = await conn.execute("select prosrc from pg_proc where oid = 'auth.uid()'::regprocedure")
        row = await cursor.fetchone()
        assert row is not None
        assert "request.jwt.claims" in row[0]


async def test_a_table_made_later_is_served_after_notify_pgrst(api: Api) -> None:
    async with await psycopg.AsyncConnection.connect(api.stack.migration_db_url, autocommit=True) as conn:
        await conn.execute("create table public.made_later (id int primary key)")
        try:
            await conn.execute("grant select on public.made_later to service_role")
            await conn.execute("notify pgrst, 'reload schema'")

            async def is_served() -> bool:
                answer = await api.call("GET", "/rest/v1/made_later", key=api.stack.secret_key)
                return answer.status_code == 200

            await eventually(is_served)
        finally:
            await conn.execute("drop table public.made_later")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def echo(api: Api) -> AsyncIterator[Api]:
    """With a function `echo_json` that answers its arguments."""
    async with await psycopg.AsyncConnection.connect(api.stack.migration_db_url, autocommit=True) as conn:
        await conn.execute(
            """create function public.echo_json(p_value jsonb, p_text text) returns jsonb language sql as
               $$ select jsonb_build_object('value', p_value, 'text', p_text) $$"""
        )
        try:
            await conn.execute("grant execute on function public.echo_json(jsonb, text) to service_role")
            await conn.execute("notify pgrst, 'reload schema'")

            async def is_served() -> bool:
                body = {"p_value": 1, "p_text": ""}
                answer = await api.call("POST", "/rest/v1/rpc/echo_json", key=api.stack.secret_key, json=body)
                return answer.status_code == 200

            await eventually(is_served)
            yield api
        finally:
            await conn.execute("drop function public.echo_json(jsonb, text)")


@pytest.mark.parametrize("value", [{"a": [1, {"b": "ü"}]}, [1, 2], "text", '{"looks": "like json"}', 5, True, None])
async def test_a_json_argument_arrives_as_it_was_sent(echo: Api, value: Any) -> None:
    body = {"p_value": value, "p_text": '{"a": 1}'}
    answer = await echo.call("POST", "/rest/v1/rpc/echo_json", key=echo.stack.secret_key, json=body)
    assert answer.json() == {"value": value, "text": '{"a": 1}'}


@pytest.mark.parametrize("value", [{"a": [1, {"b": "ü"}]}, [1, 2], 5, None])
async def test_json_goes_into_a_table_and_comes_back(api: Api, value: Any) -> None:
    async with await psycopg.AsyncConnection.connect(api.stack.migration_db_url, autocommit=True) as conn:
        await conn.execute("create table public.json_kept (id int primary key, value jsonb)")
        try:
            await conn.execute("grant select, insert on public.json_kept to service_role")
            await conn.execute("notify pgrst, 'reload schema'")

            async def is_served() -> bool:
                return (await api.call("GET", "/rest/v1/json_kept", key=api.stack.secret_key)).status_code == 200

            await eventually(is_served)
            body = {"id": 1, "value": value}
            made = await api.call("POST", "/rest/v1/json_kept", key=api.stack.secret_key, json=body)
            assert made.status_code == 201, made.text
            read = await api.call("GET", "/rest/v1/json_kept", key=api.stack.secret_key)
            assert read.json() == [body]
        finally:
            await conn.execute("drop table public.json_kept")
