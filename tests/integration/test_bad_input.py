"""Bad input: a clear error with a stable code, and nothing changed.

Each case goes in twice: through the SDK, and past its checks straight to the database, which has the
last word and says the same code.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import jwt
import pytest
import pytest_asyncio

from spaces_sdk import Spaces
from spaces_sdk.codes import STATUS_OF_CODE
from spaces_sdk.config import ProjectConfig
from spaces_sdk.errors import (
    ConfigError,
    ConnectError,
    InvalidCredentialsError,
    InvalidRequestError,
    PermissionDeniedError,
    RoomFullError,
    SessionExpiredError,
    SpacesError,
)
from spaces_sdk.local.ports import ReservedPort
from spaces_sdk.local.stack import LocalStack
from spaces_sdk.models import Room
from spaces_sdk.rooms import RoomManager
from tests.integration.people import LocalPeople, Person

pytestmark = pytest.mark.integration

SNAPSHOT = """
with mine as (select id from public.rooms where host_user_id = any(%s))
select md5(coalesce(string_agg(line, e'\n' order by line), '')) from (
  select 'room ' || r from public.rooms r join mine using (id)
  union all select 'participant ' || p from public.room_participants p where room_id in (select id from mine)
  union all select 'message ' || m from public.room_messages m where room_id in (select id from mine)
  union all select 'head ' || h from spaces.room_heads h where room_id in (select id from mine)
  union all select 'lease ' || c from spaces.connections c where room_id in (select id from mine)
  union all select 'event ' || e from realtime.messages e join mine on e.topic like 'spaces:' || mine.id || ':%%'
  union all select 'user ' || u.id from auth.users u
) as everything (line)
"""
"""Whatever a call could leave behind in the rooms of some hosts, and who has an account.

Not the buckets: refused calls count, too. Not other rooms: leases that other tests left run out meanwhile.
"""

TOO_MUCH = {"text": "x" * 16_384}


@dataclass(frozen=True, slots=True)
class Case:
    """One bad input.

    Attributes:
        call: Through the SDK, as Bob, a human member of the room (Ada is its host).
        function: The database function that the call ends in.
        arguments: The same input for it, sent by hand.
        raw_has_code: False where Postgres refuses the value before our function sees it: only the status tells.
    """

    kind: type[SpacesError]
    code: str
    call: Callable[[RoomManager, Room], Awaitable[object]]
    function: str
    arguments: Callable[[Room], dict[str, Any]]
    is_host: bool = False
    raw_has_code: bool = True


def create(**values: Any) -> Callable[[RoomManager, Room], Awaitable[object]]:
    arguments: dict[str, Any] = {"name": "Jam"} | values
    return lambda rooms, _: rooms.create_room(**arguments)


def create_raw(**values: Any) -> Callable[[Room], dict[str, Any]]:
    return lambda _: {"p_name": "Jam"} | values


def send(**values: Any) -> Callable[[RoomManager, Room], Awaitable[object]]:
    arguments: dict[str, Any] = {"content": "hello"} | values
    return lambda rooms, room: rooms.insert_message(room.id, **arguments)


def send_raw(**values: Any) -> Callable[[Room], dict[str, Any]]:
    return lambda room: {"p_room_id": str(room.id), "p_content": "hello"} | values


def state(**values: Any) -> Callable[[RoomManager, Room], Awaitable[object]]:
    return lambda rooms, room: rooms.update_room_state(room.id, **values)


def state_raw(**values: Any) -> Callable[[Room], dict[str, Any]]:
    return lambda room: {"p_room_id": str(room.id), "p_changes": values}


def code_case(code: str) -> Case:
    return Case(
        InvalidRequestError,
        "invalid_room_code",
        lambda rooms, _: rooms.get_room_by_code(code),
        "get_room_by_code",
        lambda _: {"p_code": code},
    )


def create_case(wrong: dict[str, Any], raw: dict[str, Any]) -> Case:
    return Case(InvalidRequestError, "invalid_argument", create(**wrong), "create_room", create_raw(**raw))


def state_case(**wrong: Any) -> Case:
    return Case(
        InvalidRequestError, "invalid_argument", state(**wrong), "update_room_state", state_raw(**wrong), is_host=True
    )


def send_case(
    wrong: dict[str, Any],
    raw: dict[str, Any],
    kind: type[SpacesError] = InvalidRequestError,
    code: str = "invalid_argument",
    *,
    raw_has_code: bool = True,
) -> Case:
    return Case(kind, code, send(**wrong), "insert_message", send_raw(**raw), raw_has_code=raw_has_code)


def name_case(name: str) -> Case:
    return Case(
        InvalidRequestError,
        "invalid_argument",
        lambda rooms, room: rooms.join_room(room.id, name),
        "join_room",
        lambda room: {"p_room_id": str(room.id), "p_display_name": name},
    )


CASES = {
    "code too short": code_case("XJ9K2"),
    "code too long": code_case("XJ9K2MM"),
    "code empty": code_case(""),
    "code with O": code_case("XJ9K2O"),
    "code with 1": code_case("XJ9K21"),
    "code with another sign": code_case("XJ9K2!"),
    "room name empty": create_case({"name": ""}, {"p_name": ""}),
    "room name blank": create_case({"name": "  \t "}, {"p_name": "  \t "}),
    "room name too long": create_case({"name": "x" * 101}, {"p_name": "x" * 101}),
    "display name empty": name_case(""),
    "display name too long": name_case("x" * 51),
    "capacity 0": create_case({"max_participants": 0}, {"p_max_participants": 0}),
    "capacity 51": create_case({"max_participants": 51}, {"p_max_participants": 51}),
    "capacity 0 later": state_case(max_participants=0),
    "capacity 51 later": state_case(max_participants=51),
    "unknown mode": create_case({"mode": "pirate"}, {"p_mode": "pirate"}),
    "unknown mode later": state_case(mode="pirate"),
    "unknown visibility": create_case({"visibility": "secret"}, {"p_visibility": "secret"}),
    "unknown state": state_case(colour="red"),
    "settings over 16 kB": create_case({"settings": TOO_MUCH}, {"p_settings": TOO_MUCH}),
    "settings over 16 kB later": state_case(settings=TOO_MUCH),
    "message empty": send_case({"content": ""}, {"p_content": ""}),
    "message blank": send_case({"content": " \n "}, {"p_content": " \n "}),
    "message too long": send_case({"content": "x" * 8001}, {"p_content": "x" * 8001}),
    "message with NUL": send_case({"content": "a\x00b"}, {"p_content": "a\x00b"}, raw_has_code=False),
    "unknown type": send_case({"message_type": "shout"}, {"p_message_type": "shout"}),
    "human sends ai_response": send_case(
        {"message_type": "ai_response"}, {"p_message_type": "ai_response"}, PermissionDeniedError, "not_allowed"
    ),
    "human sends system": send_case(
        {"message_type": "system"}, {"p_message_type": "system"}, PermissionDeniedError, "not_allowed"
    ),
    "metadata over 16 kB": send_case({"metadata": TOO_MUCH}, {"p_metadata": TOO_MUCH}),
    "metadata with NUL": send_case({"metadata": {"a": "\x00"}}, {"p_metadata": {"a": "\x00"}}, raw_has_code=False),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Ada hosts a room, Bob is a human member of it."""

    people: LocalPeople
    ada: Person
    bob: Person
    room: Room

    @asynccontextmanager
    async def unchanged(self, *others: Person) -> AsyncGenerator[None]:
        """Fails if anything that a call of these people could change is not as it was."""
        hosts = [person.user_id for person in (self.ada, self.bob, *others)]
        async with self.people.sql() as connection:
            before = await (await connection.execute(SNAPSHOT, (hosts,))).fetchone()
            yield
            after = await (await connection.execute(SNAPSHOT, (hosts,))).fetchone()
        assert after == before, "something changed"


async def test_the_proof_of_no_change_sees_a_change(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="something changed"):
        async with scene.unchanged():
            await scene.bob.spaces.rooms.insert_message(scene.room.id, "hello")
    with pytest.raises(AssertionError, match="something changed"):
        async with scene.unchanged():
            await scene.bob.spaces.rooms.create_room("Jam")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(stack: LocalStack) -> AsyncGenerator[Scene]:
    """One for all cases: none of them changes it."""
    people = LocalPeople(stack)
    try:
        ada, bob = await people.person("Ada"), await people.person("Bob")
        room = await ada.spaces.rooms.create_room("Friday jam", max_participants=1)
        await people.member(ada, room)
        await people.member(bob, room)
        yield Scene(people, ada, bob, room)
    finally:
        await people.aclose()


@pytest.mark.parametrize("name", CASES)
async def test_bad_input_is_refused_and_changes_nothing(scene: Scene, name: str) -> None:
    case = CASES[name]
    caller = scene.ada if case.is_host else scene.bob
    async with scene.unchanged():
        with pytest.raises(case.kind) as caught:
            await case.call(caller.spaces.rooms, scene.room)
    error = caught.value
    assert (type(error), error.code, error.retryable) == (case.kind, case.code, False)
    assert error.message.startswith("cannot ")
    async with scene.unchanged(), scene.people.rest(await caller.spaces.auth.access_token()) as http:
        answer = await http.post(f"/rpc/{case.function}", json=case.arguments(scene.room))
    assert answer.status_code == STATUS_OF_CODE[case.code], answer.text
    if case.raw_has_code:
        body = answer.json()
        assert body["details"] == case.code
        assert body["message"].startswith("cannot ")


async def test_a_code_in_lower_case_is_the_same_code(scene: Scene) -> None:
    eve = await scene.people.person("Eve")
    assert (await eve.spaces.rooms.get_room_by_code(scene.room.room_code.lower())).room.id == scene.room.id
    async with scene.people.rest(await eve.spaces.auth.access_token()) as http:
        answer = await http.post("/rpc/get_room_by_code", json={"p_code": f" {scene.room.room_code.lower()} "})
    assert answer.json()["room"]["id"] == str(scene.room.id)


async def test_a_sixth_active_room(scene: Scene) -> None:
    eve = await scene.people.person("Eve")
    for number in range(5):
        await eve.spaces.rooms.create_room(f"Room {number}")
    async with scene.unchanged(eve):
        with pytest.raises(PermissionDeniedError) as caught:
            await eve.spaces.rooms.create_room("One too many")
    assert caught.value.code == "room_limit_reached"


async def test_a_full_room(scene: Scene) -> None:
    await scene.ada.spaces.rooms.join_room(scene.room.id, connection_id=uuid4())
    async with scene.unchanged():
        with pytest.raises(RoomFullError) as caught:
            await scene.bob.spaces.rooms.join_room(scene.room.id, connection_id=uuid4())
    assert caught.value.code == "room_full"


async def test_a_wrong_password(scene: Scene) -> None:
    email, password = await scene.people.account("Eve")
    spaces = await scene.people.client()
    async with scene.unchanged():
        with pytest.raises(InvalidCredentialsError) as caught:
            await spaces.auth.sign_in_with_password(email=email, password=password[:-1])
    assert caught.value.code == "invalid_credentials"
    assert password[:-1] not in str(caught.value)
    assert spaces.auth.session is None


async def test_an_expired_token(scene: Scene) -> None:
    secret = scene.people.stack.jwt_secret
    good = await scene.ada.spaces.auth.access_token()
    claims = jwt.decode(good, secret, algorithms=["HS256"], audience="authenticated")
    expired = jwt.encode(claims | {"exp": claims["iat"] - 1}, secret, algorithm="HS256")

    async def provider() -> str:
        return expired

    project = scene.people.project
    async with scene.unchanged(), Spaces(project.url, project.publishable_key, access_token=provider) as spaces:
        with pytest.raises(SessionExpiredError) as caught:
            await spaces.rooms.create_room("Jam")
    assert caught.value.code == "session_expired"
    assert expired not in str(caught.value)


async def test_no_network(scene: Scene) -> None:
    reserved = ReservedPort()  # bound, and nobody listens: nobody else can be given it meanwhile
    port = reserved.port
    key = scene.people.project.publishable_key
    async with scene.unchanged(), Spaces(f"http://127.0.0.1:{port}", key) as spaces:
        with pytest.raises(ConnectError) as caught:
            await spaces.auth.sign_in_with_password(email="ada@example.com", password="correct horse")
    assert caught.value.retryable
    assert f"127.0.0.1:{port} could not be reached" in caught.value.message
    assert "spaces up" in caught.value.hint

    async def provider() -> str:
        return "a.b.c"

    async with Spaces(f"http://127.0.0.1:{port}", key, access_token=provider) as spaces:
        with pytest.raises(ConnectError, match="could not be reached"):
            await spaces.rooms.create_room("Jam")
    reserved.release()


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, "SUPABASE_URL"),
        ({"SUPABASE_ANON_KEY": "sb_publishable_x"}, "SUPABASE_URL"),
        ({"SUPABASE_URL": "https://project.test"}, "SUPABASE_PUBLISHABLE_KEY"),
    ],
)
def test_a_missing_url_or_key(environ: dict[str, str], missing: str) -> None:
    with pytest.raises(ConfigError, match=missing) as caught:
        ProjectConfig.from_env(environ)
    assert "spaces up" in caught.value.hint


@pytest.mark.parametrize("status", [200, 404, 301, 500])
async def test_a_server_that_is_not_supabase(scene: Scene, status: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<html>Welcome!</html>"
        head = f"HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        head += "Location: http://127.0.0.1/elsewhere\r\n" if status == 301 else ""
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    async def provider() -> str:
        return "a.b.c"

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    key = scene.people.project.publishable_key
    async with server, scene.unchanged():
        async with Spaces(url, key, access_token=provider) as spaces:
            with pytest.raises(ConfigError) as caught:
                await spaces.rooms.create_room("Jam")
            assert caught.value.code == "not_supabase"
            assert url in caught.value.message
        async with Spaces(url, key) as spaces:
            with pytest.raises(SpacesError) as refused:
                await spaces.auth.sign_in_with_password(email="ada@example.com", password="correct horse")
        assert refused.value.code == ("server_error" if status == 500 else "not_supabase")


async def test_a_key_of_another_project(scene: Scene) -> None:
    async with scene.unchanged(), Spaces(scene.people.project.url, "sb_publishable_of-another-project") as spaces:
        with pytest.raises(ConfigError) as caught:
            await spaces.auth.sign_in_with_password(email="ada@example.com", password="correct horse")
    assert caught.value.code == "invalid_api_key"
    assert "of-another-project" not in str(caught.value)
