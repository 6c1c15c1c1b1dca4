"""What comes in wrong: the right status, the service's own words, and nothing changed."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import httpx
import jwt
import psycopg
import pytest

from spaces_sdk.local.stack import LocalStack
from tests.functions.conftest import NewCaller
from tests.functions.support.rest import BASE, Caller, ok, refused

pytestmark = pytest.mark.functions

JSON = {"content-type": "application/json"}
DEEP = b'{"name":"Jam","settings":' + b'{"a":' * 20_00 + b"1" + b"}" * 20_00 + b"}"
BODIES: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 400, "invalid_argument"),
    ("no JSON", b"{name: 'Jam'}", 400, "invalid_argument"),
    ("cut short", b'{"name": "Jam"', 400, "invalid_argument"),
    ("an array", b'[{"name": "Jam"}]', 400, "invalid_argument"),
    ("null", b"null", 400, "invalid_argument"),
    ("a text", b'"Jam"', 400, "invalid_argument"),
    ("no UTF-8", b'{"name": "\xff"}', 400, "invalid_argument"),
    ("deep", DEEP, 400, "invalid_argument"),
    ("very deep", b"[" * 60_000, 400, "invalid_argument"),
    ("64 kB and one", b'{"name":"' + b"a" * 65_526 + b'"}', 413, "body_too_large"),
    ("10 MB", b'{"name":"' + b"a" * 10_000_000 + b'"}', 413, "body_too_large"),
]
FIELDS: list[dict[str, Any]] = [
    {},
    {"name": None},
    {"name": 7},
    {"name": ""},
    {"name": "   "},
    {"name": "a" * 101},
    {"name": "a\x00b"},
    {"name": "a\ud800b"},
    {"name": "a\nb"},
    {"name": "Jam", "maxParticipants": 0},
    {"name": "Jam", "maxParticipants": 51},
    {"name": "Jam", "maxParticipants": 2.5},
    {"name": "Jam", "maxParticipants": "10"},
    {"name": "Jam", "maxParticipants": 10**12},
    {"name": "Jam", "maxParticipants": True},
    {"name": "Jam", "mode": "nobody"},
    {"name": "Jam", "visibility": "secret"},
    {"name": "Jam", "settings": []},
    {"name": "Jam", "settings": {"a": "\x00"}},
    {"name": "Jam", "settings": {"a\x00": 1}},
    {"name": "Jam", "settings": {"a": "x" * 17_000}},
    {"name": "Jam", "expiresAfterS": 0},
    {"name": "Jam", "roomId": "7"},
    {"name": "Jam", "hostUserId": str(uuid4())},
    {"name": "Jam", "__proto__": {"x": 1}},
    {"name": "Jam", "constructor": 1},
]
CODES = [
    "A",
    "ABCDEF7",
    "ABC-EF",
    "IIIIII",
    "000000",
    "' or 1=1",
    "%00",
    "%0d%0aSet-Cookie:%20a=b",
    "ÄÖÜÄÖÜ",
    "%ff%fe",
    "😀",
]
ROOM_IDS = ["7", "null", "00000000-0000-0000-0000-00000000000", "' or '1'='1", "%00", "..%2f..%2frest", "*", "id=eq.1"]
QUERIES = [
    {"limit": "0"},
    {"limit": "201"},
    {"limit": "-1"},
    {"limit": "ten"},
    {"limit": ""},
    {"limit": "1e1"},
    {"before": "1;drop table rooms"},
    {"before": "9" * 30},
    {"after": "-1"},
    {"before": "5", "after": "3"},
    {"select": "*"},
    {"limit": ["1", "2"]},
]


async def counts(stack: LocalStack) -> Any:
    """How much there is of everything that a request could make."""
    async with await psycopg.AsyncConnection.connect(stack.db_url) as conn:
        cursor = await conn.execute(
            """select (select count(*) from public.rooms), (select count(*) from public.room_participants),
                      (select count(*) from public.room_messages), (select sum(head) from spaces.room_heads)"""
        )
        return await cursor.fetchone()


@pytest.mark.parametrize(("content", "status", "code"), [each[1:] for each in BODIES], ids=[each[0] for each in BODIES])
async def test_bodies(ada: Caller, stack: LocalStack, content: bytes, status: int, code: str) -> None:
    before = await counts(stack)
    refused(await ada.post("/rooms/create", content=content, headers=JSON), status, code)
    assert await counts(stack) == before


async def test_fields(ada: Caller, stack: LocalStack) -> None:
    before = await counts(stack)
    for body in FIELDS:
        content = json.dumps(body).encode()
        refused(await ada.post("/rooms/create", content=content, headers=JSON), 400, "invalid_argument")
    assert await counts(stack) == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
async def test_what_is_not_said_to_be_json(ada: Caller, stack: LocalStack, kind: str) -> None:
    before = await counts(stack)
    answer = await ada.post("/rooms/create", content=b'{"name": "Jam"}', headers={"content-type": kind})
    refused(answer, 415, "unsupported_media_type")
    assert await counts(stack) == before


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
)
async def test_json_by_other_names(ada: Caller, kind: str) -> None:
    room = await ada.create()
    answer = await ada.patch(f"/rooms/{room['id']}/state", content=b'{"name": "Jam"}', headers={"content-type": kind})
    assert ok(answer)["room"]["name"] == "Jam"


async def test_codes_of_wrong_form(ada: Caller) -> None:
    for code in CODES:
        answer = await ada.get(f"/rooms/code/{code}")
        assert answer.headers["content-type"] == "application/json", (code, answer.text)
        assert refused(answer, 400, answer.json()["error"]["code"])["code"].startswith("invalid_")
        assert "set-cookie" not in answer.headers


async def test_ids_that_are_no_uuids(ada: Caller, stack: LocalStack) -> None:
    before = await counts(stack)
    for room_id in ROOM_IDS:
        for method, what in (
            ("GET", ""),
            ("POST", "/join"),
            ("DELETE", "/leave"),
            ("GET", "/messages"),
            ("DELETE", ""),
        ):
            refused(await ada.send(method, f"/rooms/{room_id}{what}"), 400, "invalid_argument")
    assert await counts(stack) == before


async def test_queries(ada: Caller) -> None:
    room = await ada.create()
    await ada.enter(room)
    for query in QUERIES:
        refused(await ada.get(f"/rooms/{room['id']}/messages", params=query), 400, "invalid_argument")
    for query in ({"cursor": "no"}, {"cursor": "\x00"}, {"cursor": "infinity_x"}, {"limit": "0"}):
        refused(await ada.get(f"/rooms/{room['id']}/participants", params=query), 400, "invalid_argument")


async def test_tokens(ada: Caller, stack: LocalStack, http: httpx.AsyncClient) -> None:
    room = await ada.create()
    claims = jwt.decode(ada.token, options={"verify_signature": False})
    late = {**claims, "exp": int(time.time()) - 10}
    tokens = {
        "expired": jwt.encode(late, stack.jwt_secret, algorithm="HS256"),
        "signed by somebody else": jwt.encode(claims, "x" * 32, algorithm="HS256"),
        "unsigned": jwt.encode(claims, "", algorithm="none"),
        "for another audience": jwt.encode({**claims, "aud": "elsewhere"}, stack.jwt_secret, algorithm="HS256"),
        "the key of anybody": stack.anon_key,
        "the key of servers": stack.service_role_key,
        "a key of today": stack.publishable_key,
        "a secret key of today": stack.secret_key,
        "nonsense": "nonsense",
    }
    before = await counts(stack)
    for what, token in tokens.items():
        for method, path in (("DELETE", f"/rooms/{room['id']}"), ("POST", "/rooms/create"), ("GET", "/rooms/code/7")):
            answer = await http.request(method, f"{BASE}{path}", headers={"authorization": f"Bearer {token}"})
            refused(answer, 401, "not_authenticated")
            assert answer.headers["www-authenticate"] == "Bearer", what
    missing = await http.delete(f"{BASE}/rooms/{room['id']}", headers={"apikey": stack.publishable_key})
    refused(missing, 401, "not_authenticated")
    assert await counts(stack) == before


async def test_a_text_is_kept_as_it_was_written(ada: Caller) -> None:
    for name in (
        "'; drop table public.rooms; --",
        "<script>alert(1)</script>",
        '{"$ne": null}',
        "a%0d%0aSet-Cookie: b",
    ):
        room = await ada.create(name)
        assert ok(await ada.get(f"/rooms/{room['id']}"))["room"]["name"] == name
        ok(await ada.delete(f"/rooms/{room['id']}"))


async def test_wrong_verbs_and_paths(new_caller: NewCaller) -> None:
    ada = await new_caller()
    room_id = uuid4()
    for method, path, allowed in (
        ("GET", "/rooms/create", "POST, OPTIONS"),
        ("PUT", f"/rooms/{room_id}", "GET, DELETE, HEAD, OPTIONS"),
        ("POST", f"/rooms/{room_id}/leave", "DELETE, OPTIONS"),
        ("TRACE", f"/rooms/{room_id}/join", "POST, OPTIONS"),
        ("DELETE", "/rooms/code/ABCDEF", "GET, HEAD, OPTIONS"),
        ("POST", "/rooms/openapi.json", "GET, HEAD, OPTIONS"),
    ):
        answer = await ada.send(method, path)
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == allowed
    for path in ("/rooms", "/rooms/", f"/rooms/{room_id}/nothing", f"/rooms/{room_id}/join/again", "/rooms/api/other"):
        refused(await ada.get(path), 404, "not_found")
    assert (await ada.get("/nothing")).json() == {"code": "NOT_FOUND", "message": "Requested function was not found"}
    head = await ada.send("HEAD", "/rooms/openapi.json")
    assert (head.status_code, head.content) == (200, b"")


async def test_headers_cannot_be_forged(ada: Caller) -> None:
    room = await ada.create()
    odd = {"x-request-id": "a" * 65, "x-forwarded-for": "1.2.3.4", "prefer": "tx=rollback", "accept-profile": "spaces"}
    odd |= {"content-profile": "spaces", "if-none-match": 'W/"x', "range": "0-0", "accept": "text/csv"}
    answer = await ada.get(f"/rooms/{room['id']}", headers=odd)
    assert ok(answer)["room"]["id"] == room["id"]
    assert len(answer.headers["x-request-id"]) == 36
