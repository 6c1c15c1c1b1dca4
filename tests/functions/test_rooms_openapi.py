"""The OpenAPI document against what the function does with requests that nobody thought of; the page made from it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest
import pytest_asyncio

from spaces_sdk.local.stack import LocalStack
from tests.functions.rest_page import page
from tests.functions.support.openapi import Json, document, operations
from tests.functions.support.operations import OPERATIONS
from tests.functions.support.probing import FailureGroup, GenerationMode, probe, validate
from tests.functions.support.rest import BASE, Caller, sign_in

pytestmark = pytest.mark.functions

PAGE = Path(__file__).parents[2] / "docs" / "rest.md"
# `make test-functions` asks for more of them than `make test` has time for.
EXAMPLES = int(os.environ.get("SPACES_TEST_PROBES", "4"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hardly_limited(stack: LocalStack) -> AsyncIterator[None]:
    """As many requests as it takes."""
    async with await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True) as conn:
        await conn.execute("create temp table limits_before as select * from spaces.limits")
        await conn.execute(
            "update spaces.limits set capacity = 1000000 where action in ('rest', 'moderation', 'join', 'create')"
        )
        yield
        await conn.execute(
            "update spaces.limits l set capacity = b.capacity from limits_before b where b.action = l.action"
        )


@pytest_asyncio.fixture(loop_scope="session")
async def prober(http: httpx.AsyncClient, stack: LocalStack, hardly_limited: None) -> Caller:
    """Somebody new: what is made up may use up their rooms."""
    return await sign_in(http, stack)


@pytest_asyncio.fixture(loop_scope="session")
async def room(prober: Caller) -> Json:
    """A new one: what is made up may close it."""
    room = await prober.create()
    await prober.connect(room)
    return room


async def test_it_is_served_to_everybody(http: httpx.AsyncClient, stack: LocalStack) -> None:
    for prefix in ("/rooms", "/rooms/api/rooms"):
        answer = await http.get(f"{BASE}{prefix}/openapi.json")
        assert (answer.status_code, answer.json()) == (200, document(stack.url))


def test_it_is_a_document_that_tools_accept() -> None:
    doc = document()
    validate(doc)
    assert set(operations(doc)) == set(OPERATIONS)


def test_the_page_is_made_from_it() -> None:
    assert PAGE.read_text() == page(document()), "run: python -m tests.functions.rest_page"


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_it_does_what_it_says(
    operation_id: str, mode: GenerationMode, stack: LocalStack, prober: Caller, room: Json
) -> None:
    doc = document(stack.url)
    method, path, _ = operations(doc)[operation_id]
    # What is well-formed meets a room that is there; who deletes takes what comes.
    real = {"roomId": room["id"], "roomCode": room["roomCode"]}
    is_aimed = mode is GenerationMode.POSITIVE and operation_id != "deleteRoom"
    aimed = {name: value for name, value in real.items() if f"{{{name}}}" in path} if is_aimed else {}
    statuses = probe(
        doc, method, path, mode, base_url=stack.url + BASE, token=prober.token, aimed=aimed, examples=EXAMPLES
    )
    if is_aimed:
        assert {200, 201} & set(statuses), statuses
    else:
        assert max(statuses) >= 400, statuses


def test_a_document_that_is_wrong_is_found_out(stack: LocalStack, prober: Caller, room: Json) -> None:
    doc = document(stack.url)
    method, path, what = operations(doc)["getRoom"]
    what["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["head"] = {"type": "string"}
    aimed = {"roomId": room["id"]}
    with pytest.raises(FailureGroup):
        probe(
            doc,
            method,
            path,
            GenerationMode.POSITIVE,
            base_url=stack.url + BASE,
            token=prober.token,
            aimed=aimed,
            examples=1,
        )
