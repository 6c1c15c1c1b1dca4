"""The nine endpoints on a running stack: what they answer, and what they change."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from spaces_sdk.local.stack import LocalStack
from tests.functions.conftest import NewCaller
from tests.functions.support.rest import BASE, Caller, ok, refused
from tests.support.eventually import eventually

pytestmark = pytest.mark.functions

# The documentation of the service that this one is to be, word for word.
SEED_CREATE = """POST /api/rooms/create
Authorization: Bearer <token>
Content-Type: application/json

{
  "name": "My Room",
  "maxParticipants": 10
}"""
SEED_CREATED = {
    "id": "uuid",
    "roomCode": "XJ9K2M",
    "name": "My Room",
    "maxParticipants": 10,
    "hostUserId": "uuid",
    "currentMode": "gangster",
    "createdAt": "timestamp",
    "joinLink": "http://localhost:5173/spaces/XJ9K2M",
}
SEED_GET = """GET /api/rooms/code/:roomCode
Authorization: Bearer <token>"""
SEED_GOT = {
    **{name: value for name, value in SEED_CREATED.items() if name != "joinLink"},
    "isActive": True,
    "participants": [...],
    "participantCount": 3,
    "lastActivity": "timestamp",
}
ENDPOINTS = [
    ("POST", "/api/rooms/create"),
    ("GET", "/api/rooms/code/:roomCode"),
    ("GET", "/api/rooms/:roomId"),
    ("POST", "/api/rooms/:roomId/join"),
    ("DELETE", "/api/rooms/:roomId/leave"),
    ("GET", "/api/rooms/:roomId/participants"),
    ("GET", "/api/rooms/:roomId/messages"),
    ("PATCH", "/api/rooms/:roomId/state"),
    ("DELETE", "/api/rooms/:roomId"),
]


async def replay(http: httpx.AsyncClient, text: str, token: str, **values: str) -> httpx.Response:
    """Send a request as it is written."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.splitlines()
    method, _, path = first.partition(" ")
    for name, value in values.items():
        path = path.replace(f":{name}", value)
    headers = dict(line.replace("<token>", token).split(": ", 1) for line in lines)
    return await http.request(method, f"{BASE}/rooms{path}", headers=headers, content=body.encode() or None)


def check_like(shown: Any, documented: dict[str, Any], code: str) -> None:
    for name, value in documented.items():
        given = shown[name]
        match value:
            case "uuid":
                assert str(UUID(given)) == given
            case "timestamp":
                assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", given)
            case str() if "XJ9K2M" in value:
                assert given == value.replace("XJ9K2M", code)
            case list():
                assert isinstance(given, list)
            case _:
                assert given == value


async def test_the_documentation_as_it_is_written(http: httpx.AsyncClient, ada: Caller, stack: LocalStack) -> None:
    made = await replay(http, SEED_CREATE, ada.token)
    room = ok(made, 201)["room"]
    assert re.fullmatch("[A-HJ-NP-Z2-9]{6}", room["roomCode"])
    check_like(room, SEED_CREATED, room["roomCode"])
    await ada.connect(room)
    for _ in range(2):
        answer = await http.post("/auth/v1/signup", headers={"apikey": stack.publishable_key}, json={})
        guest = Caller(http, stack.publishable_key, answer.json()["access_token"], "")
        ok(await guest.get(f"/rooms/code/{room['roomCode']}"))
        await guest.connect(room, "Guest")
    got = ok(await replay(http, SEED_GET, ada.token, roomCode=room["roomCode"]))["room"]
    check_like(got, SEED_GOT, room["roomCode"])
    assert {one["displayName"] for one in got["participants"]} == {"Ada", "Guest"}


@pytest.mark.parametrize(("method", "path"), ENDPOINTS, ids=[f"{m} {p}" for m, p in ENDPOINTS])
async def test_each_endpoint_answers_under_both_prefixes(ada: Caller, method: str, path: str) -> None:
    for prefix in ("/rooms", "/rooms/api/rooms"):
        room = await ada.create()
        await ada.enter(room)
        place = path.removeprefix("/api/rooms").replace(":roomId", room["id"]).replace(":roomCode", room["roomCode"])
        body = {"POST": {"name": "My Room"} if "create" in path else {"displayName": "Ada"}, "PATCH": {}}.get(method)
        answer = await ada.send(method, prefix + place, body)
        assert answer.json()["success"] is True, answer.text
        if (method, path) != ("DELETE", "/api/rooms/:roomId"):
            ok(await ada.delete(f"/rooms/{room['id']}"))


async def test_joining_takes_no_place_and_is_told_once(ada: Caller, bob: Caller) -> None:
    room = await ada.create(maxParticipants=1)
    await ada.connect(room)
    joined = await bob.enter(room, "Bob")
    assert joined["participant"]["displayName"] == "Bob"
    assert joined["participant"]["isOnline"] is False
    assert joined["room"]["participantCount"] == 1, "the host alone is online: a full room, and yet"
    again = ok(await bob.post(f"/rooms/{room['id']}/join"))
    assert (again["head"], again["participant"]["id"]) == (joined["head"], joined["participant"]["id"])
    messages = ok(await bob.get(f"/rooms/{room['id']}/messages"))["messages"]
    assert [message["content"] for message in messages].count("Bob joined the room") == 1
    with_place = await bob.http.post(
        "/rest/v1/rpc/join_room",
        headers={"apikey": bob.key, "authorization": f"Bearer {bob.token}"},
        json={"p_room_id": room["id"], "p_display_name": "Bob", "p_connection_id": str(uuid4())},
    )
    assert with_place.json()["details"] == "room_full"


async def test_leaving_ends_all_connections_of_the_caller_alone(ada: Caller, bob: Caller) -> None:
    room = await ada.create()
    await ada.connect(room)
    await bob.enter(room, "Bob")
    connections = [await bob.connect(room, "Bob") for _ in range(2)]
    place = f"/rooms/{room['id']}"
    assert ok(await ada.get(place))["room"]["participantCount"] == 2
    ok(await bob.delete(f"{place}/leave"))
    beaten = await bob.rpc("heartbeat", connection_ids=connections)
    assert [lease["status"] for lease in beaten["leases"]] == ["lease_expired"] * 2
    page = ok(await bob.get(f"{place}/participants"))
    assert page["participantCount"] == 1
    assert {one["displayName"]: one["isOnline"] for one in page["participants"]} == {"Ada": True, "Bob": False}


async def test_messages_come_in_pages(ada: Caller) -> None:
    room = await ada.create()
    await ada.enter(room)
    for number in range(5):
        await ada.rpc("insert_message", room_id=room["id"], content=f"number {number}")
    place = f"/rooms/{room['id']}/messages"
    newest = ok(await ada.get(place, params={"limit": 2}))
    assert [message["content"] for message in newest["messages"]] == ["number 3", "number 4"]
    assert newest["hasMore"] is True
    before = ok(await ada.get(place, params={"limit": 2, "before": newest["nextCursor"]}))
    assert [message["content"] for message in before["messages"]] == ["number 1", "number 2"]
    after = ok(await ada.get(place, params={"after": before["messages"][0]["seq"], "limit": 200}))
    assert [message["content"] for message in after["messages"]] == ["number 2", "number 3", "number 4"]
    assert (after["hasMore"], after["nextCursor"]) == (False, None)


async def test_what_an_app_keeps_passes_as_it_is(ada: Caller) -> None:
    room = await ada.create(settings={"my_theme": {"dark_mode": True}})
    assert room["settings"] == {"my_theme": {"dark_mode": True}}
    changed = ok(await ada.patch(f"/rooms/{room['id']}/state", {"settings": {"my_theme": None}, "mode": "playful"}))
    assert (changed["room"]["settings"], changed["state"]["mode"]) == ({}, "playful")
    assert changed["room"]["currentMode"] == "playful"


@pytest.mark.parametrize("what", ["", "/participants", "/messages"])
async def test_an_answer_that_is_held_already_is_not_sent_again(ada: Caller, what: str) -> None:
    room = await ada.create()
    await ada.enter(room)
    place = f"/rooms/{room['id']}"
    first = await ada.get(place + what)
    tag = first.headers["etag"]
    held = await ada.get(place + what, headers={"if-none-match": f'"other", {tag}'})
    assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", tag)
    ok(await ada.patch(f"{place}/state", {"name": "Another"}))
    fresh = await ada.get(place + what, headers={"if-none-match": tag})
    assert (fresh.status_code, fresh.headers["etag"] != tag) == (200, True)


async def test_a_growing_message_and_who_is_online_change_the_tag_without_a_step(
    ada: Caller, stack: LocalStack
) -> None:
    room = await ada.create()
    await ada.connect(room)
    message_id = str(uuid4())
    await ada.rpc("begin_stream", room_id=room["id"], id=message_id, message_type="user_text")
    place = f"/rooms/{room['id']}"
    tags = [(await ada.get(f"{place}{what}")).headers["etag"] for what in ("/messages", "")]
    await ada.rpc("append_stream", room_id=room["id"], message_id=message_id, offset=0, text="Hello")
    async with await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True) as conn:
        await conn.execute("update spaces.connections set expires_at = now() where room_id = %s", [room["id"]])
    after = [(await ada.get(f"{place}{what}")).headers["etag"] for what in ("/messages", "")]
    assert tags[0] != after[0]
    assert tags[1] != after[1]


async def test_requests_are_limited_and_say_how_much_is_left(ada: Caller, stack: LocalStack) -> None:
    room = await ada.create()
    answer = await ada.get(f"/rooms/{room['id']}")
    assert answer.headers["ratelimit-policy"] == "100;w=900"
    assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("100", "98")
    async with await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True) as conn:
        bucket = "update spaces.rate_buckets set {} where user_id = %s and action = 'rest'"
        await conn.execute(bucket.format("tokens = 1, refilled_at = clock_timestamp()"), [ada.user_id])
        assert (await ada.get(f"/rooms/{room['id']}")).headers["ratelimit-remaining"] == "0"
        limited = await ada.get(f"/rooms/{room['id']}")
        error = refused(limited, 429, "rate_limited")
        assert 0 < error["retryAfterS"] <= 9
        assert 1 <= int(limited.headers["retry-after"]) <= 9
        assert limited.headers["ratelimit-remaining"] == "0"
        await conn.execute(bucket.format("refilled_at = refilled_at - interval '15 minutes'"), [ada.user_id])
    assert (await ada.get(f"/rooms/{room['id']}")).headers["ratelimit-remaining"] == "99"


async def test_a_refusal_counts_and_says_what_is_left(ada: Caller) -> None:
    answer = await ada.get("/rooms/nonsense")
    refused(answer, 400, "invalid_argument")
    assert answer.headers["ratelimit-remaining"] == "99"


async def test_request_ids_come_back_and_into_the_log(ada: Caller, stack: LocalStack) -> None:
    mine = f"test-{uuid4()}"
    answer = await ada.get("/rooms/nonsense", headers={"x-request-id": mine})
    assert answer.headers["x-request-id"] == mine
    odd = await ada.get("/rooms/nonsense", headers={"x-request-id": 'a b"{}'})
    assert str(UUID(odd.headers["x-request-id"])) == odd.headers["x-request-id"]
    log = stack.folder.logs / "function-rooms.log"
    # The answer may be here before its line is.
    (found,) = await eventually(lambda: [line for line in log.read_text().split("\n")[:-1] if mine in line])
    line = json.loads(found)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/nonsense", 400)
    assert ada.token not in log.read_text()


async def test_codes_do_not_stand_in_the_log(ada: Caller, stack: LocalStack) -> None:
    room = await ada.create()
    mine = f"test-{uuid4()}"
    ok(await ada.get(f"/rooms/code/{room['roomCode']}", headers={"x-request-id": mine}))
    log = stack.folder.logs / "function-rooms.log"
    (line,) = await eventually(lambda: [line for line in log.read_text().split("\n")[:-1] if mine in line])
    assert '"/code/…"' in line
    assert room["roomCode"] not in log.read_text()


async def test_a_browser_may_call_from_anywhere(http: httpx.AsyncClient, ada: Caller) -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "PATCH"}
    answer = await http.options(f"{BASE}/rooms/{uuid4()}/state", headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]
    refusal = await ada.get("/rooms/nonsense", headers={"origin": "https://app.example"})
    assert refusal.headers["access-control-allow-origin"] == "*"
    assert "ratelimit-remaining" in refusal.headers["access-control-expose-headers"]


async def test_two_tabs_delete_at_once(ada: Caller) -> None:
    for _ in range(3):
        room = await ada.create()
        answers = await asyncio.gather(*(ada.delete(f"/rooms/{room['id']}") for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [200, 404]


async def test_the_same_room_id_makes_one_room(ada: Caller, bob: Caller) -> None:
    room_id = str(uuid4())
    first, second = [await ada.create(roomId=room_id) for _ in range(2)]
    assert first == second
    refused(await bob.post("/rooms/create", {"name": "Mine", "roomId": room_id}), 409, "conflict")


async def test_clean_up_is_served_too(http: httpx.AsyncClient) -> None:
    path = f"{BASE}/cleanup"
    assert (await http.post(path, headers={"authorization": "Bearer wrong"})).status_code == 401
    done = await http.post(path, headers={"authorization": f"Bearer {'0123456789' * 4}"})
    assert (done.status_code, done.json()["success"]) == (200, True)


async def test_a_participant_who_is_there_sees_the_others(new_caller: NewCaller) -> None:
    ada, outsider = await new_caller(), await new_caller()
    room = await ada.create()
    preview = ok(await outsider.get(f"/rooms/code/{room['roomCode'].lower()}"))["room"]
    assert (preview["id"], preview["participants"]) == (room["id"], [])
    refused(await outsider.get(f"/rooms/{room['id']}"), 404, "room_not_found")
    await outsider.enter(room, "Eve")
    whole = ok(await outsider.get(f"/rooms/{room['id']}"))["room"]
    assert [one["displayName"] for one in whole["participants"]] == ["Eve"]
