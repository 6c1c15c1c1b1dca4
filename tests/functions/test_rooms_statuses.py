"""Each status of each endpoint that the OpenAPI document names: brought about, and held against the document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import pytest_asyncio

from spaces_sdk.local.stack import LocalStack
from tests.functions.support.openapi import Json, check_answer, document, operations
from tests.functions.support.operations import OPERATIONS
from tests.functions.support.rest import Caller, ok, sign_in

pytestmark = pytest.mark.functions

NOWHERE = str(uuid4())
# Those of a project or a function that is broken; brought about in rooms_test.ts.
BROKEN = {"500", "502", "503"}


@dataclass
class Scene:
    """A host, a participant, somebody who was kicked out, an outsider; and a room."""

    doc: Json
    stack: LocalStack
    host: Caller
    bob: Caller
    kicked: Caller
    outsider: Caller
    room: Json

    def path(self, operation_id: str, room_id: str | None = None, code: str | None = None) -> str:
        path = operations(self.doc)[operation_id][1]
        return path.format(roomId=room_id or self.room["id"], roomCode=code or self.room["roomCode"])

    async def ask(self, operation_id: str, who: Caller | None = None, body: Any = None, **more: Any) -> httpx.Response:
        """The operation in the open room, as the host unless somebody else is named."""
        where = {name: more.pop(name) for name in ("room_id", "code") if name in more}
        method = operations(self.doc)[operation_id][0]
        return await (who or self.host).send(method, self.path(operation_id, **where), body, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(http: httpx.AsyncClient, stack: LocalStack) -> Scene:
    host, bob, kicked, outsider = [await sign_in(http, stack) for _ in range(4)]
    room = await host.create()
    for who in (host, bob, kicked):
        await who.enter(room)
    await host.rpc("kick_participant", room_id=room["id"], user_id=kicked.user_id)
    return Scene(document(stack.url), stack, host, bob, kicked, outsider, room)


Case = Callable[[Scene], Awaitable[httpx.Response]]
BODIES: dict[str, Any] = {"createRoom": {"name": "My Room"}, "joinRoom": {"displayName": "Ada"}, "updateRoomState": {}}
TAGGED = ["getRoom", "getParticipants", "getMessages"]


def well(operation_id: str) -> Case:
    async def case(scene: Scene) -> httpx.Response:
        if operation_id == "deleteRoom":
            return await scene.ask(operation_id, room_id=(await scene.host.create())["id"])
        return await scene.ask(operation_id, body=BODIES.get(operation_id))

    return case


def held(operation_id: str) -> Case:
    async def case(scene: Scene) -> httpx.Response:
        tag = (await scene.ask(operation_id)).headers["etag"]
        return await scene.ask(operation_id, headers={"if-none-match": tag})

    return case


def malformed(operation_id: str) -> Case:
    async def case(scene: Scene) -> httpx.Response:
        if operation_id == "createRoom":
            return await scene.ask(operation_id, body={"name": 7})
        return await scene.ask(operation_id, body=BODIES.get(operation_id), room_id="7", code="7")

    return case


def unsigned(operation_id: str) -> Case:
    async def case(scene: Scene) -> httpx.Response:
        return await scene.ask(operation_id, headers={"authorization": "Bearer a.b.c"}, body=BODIES.get(operation_id))

    return case


def limited(operation_id: str) -> Case:
    async def case(scene: Scene) -> httpx.Response:
        who = await sign_in(scene.host.http, scene.stack)
        await who.rpc("take_request")
        async with await psycopg.AsyncConnection.connect(scene.stack.db_url, autocommit=True) as conn:
            await conn.execute("update spaces.rate_buckets set tokens = 0 where user_id = %s", [who.user_id])
        return await scene.ask(operation_id, who, BODIES.get(operation_id))

    return case


def of(operation_id: str, who: str, *, is_nowhere: bool = False) -> Case:
    async def case(scene: Scene) -> httpx.Response:
        where = {"room_id": NOWHERE, "code": "222222"} if is_nowhere else {}
        return await scene.ask(operation_id, getattr(scene, who), BODIES.get(operation_id), **where)

    return case


def sent(operation_id: str, content: bytes, kind: str) -> Case:
    async def case(scene: Scene) -> httpx.Response:
        return await scene.ask(operation_id, content=content, headers={"content-type": kind})

    return case


def in_closed_room(operation_id: str, who: str, body: Any) -> Case:
    async def case(scene: Scene) -> httpx.Response:
        # Made here: the next clean-up deletes a closed room.
        room, caller = await scene.host.create(), getattr(scene, who)
        await scene.host.enter(room)
        await scene.bob.enter(room)
        ok(await scene.host.patch(f"/rooms/{room['id']}/state", {"isActive": False}))
        return await scene.ask(operation_id, caller, body, room_id=room["id"])

    return case


async def one_room_too_many(scene: Scene) -> httpx.Response:
    who = await sign_in(scene.host.http, scene.stack)
    for _ in range(5):
        await who.create()
    return await scene.ask("createRoom", who, BODIES["createRoom"])


async def an_id_that_is_taken(scene: Scene) -> httpx.Response:
    return await scene.ask("createRoom", scene.bob, {"name": "Mine", "roomId": scene.room["id"]})


CASES: dict[tuple[str, str], Case] = {
    **{(one, "201" if one == "createRoom" else "200"): well(one) for one in OPERATIONS},
    **{(one, "304"): held(one) for one in TAGGED},
    **{(one, "400"): malformed(one) for one in OPERATIONS},
    **{(one, "401"): unsigned(one) for one in OPERATIONS},
    ("createRoom", "403"): one_room_too_many,
    ("joinRoom", "403"): of("joinRoom", "kicked"),
    ("leaveRoom", "403"): of("leaveRoom", "outsider"),
    ("getParticipants", "403"): of("getParticipants", "kicked"),
    ("getMessages", "403"): of("getMessages", "outsider"),
    ("updateRoomState", "403"): of("updateRoomState", "bob"),
    ("deleteRoom", "403"): of("deleteRoom", "bob"),
    **{(one, "404"): of(one, "host", is_nowhere=True) for one in OPERATIONS if one != "createRoom"},
    ("createRoom", "409"): an_id_that_is_taken,
    ("joinRoom", "409"): in_closed_room("joinRoom", "bob", BODIES["joinRoom"]),
    ("updateRoomState", "409"): in_closed_room("updateRoomState", "host", {"name": "Another"}),
    **{(one, "413"): sent(one, b" " * 70_000, "application/json") for one in BODIES},
    **{(one, "415"): sent(one, b"{}", "text/plain") for one in BODIES},
    **{(one, "429"): limited(one) for one in OPERATIONS},
}


def test_every_documented_status_has_its_case() -> None:
    documented = {(one, status) for one, (_, _, what) in operations(document()).items() for status in what["responses"]}
    assert {(one, status) for one, status in documented if status not in BROKEN} == set(CASES)


@pytest.mark.parametrize(("operation_id", "status"), CASES, ids=[f"{one} {status}" for one, status in CASES])
async def test_it_answers_as_documented(scene: Scene, operation_id: str, status: str) -> None:
    await plenty(scene)
    answer = await CASES[operation_id, status](scene)
    assert answer.status_code == int(status), answer.text
    check_answer(scene.doc, operation_id, answer)
    if status[0] in "45":
        assert answer.json()["error"]["hint"]


async def plenty(scene: Scene) -> None:
    """The people of the scene call more often than a quarter of an hour allows, and make more rooms than a minute."""
    async with await psycopg.AsyncConnection.connect(scene.stack.db_url, autocommit=True) as conn:
        ids = [who.user_id for who in (scene.host, scene.bob, scene.kicked, scene.outsider)]
        await conn.execute("delete from spaces.rate_buckets where user_id = any (%s::uuid[])", [ids])
