"""The same through the REST API, where keys and tokens are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx

from tests.db.matrix.actors import ACTORS, IMPOSTORS
from tests.db.matrix.cells import tables_of
from tests.db.matrix.grid import DENIED, MARK_OF_CODE, NOTHING, THROUGH, UNEXPOSED, UNKNOWN_TOKEN, Section
from tests.db.matrix.stage import Stage
from tests.db.matrix.tally import Tally

Request = tuple[str, str, Any, dict[str, str]]


async def try_rest(stage: Stage, tables: Section, calls: Section, tally: Tally) -> None:
    """Every table for everybody; every function for those who are not whom their token names."""
    db = stage.scene.db
    functions = await db.column(
        """select proname from pg_proc where pronamespace = 'public'::regnamespace
           and prorettype <> 'trigger'::regtype order by 1"""
    )
    async with httpx.AsyncClient(base_url=f"{stage.stack.url}/rest/v1", trust_env=False, timeout=30) as http:

        async def outcomes(actors: Sequence[str], request: Request) -> dict[str, str]:
            method, path, body, headers = request
            answers = await asyncio.gather(
                *(
                    http.request(method, path, json=body, headers=stage.callers[each].headers | headers)
                    for each in actors
                )
            )
            return {actor: _mark(method, answer) for actor, answer in zip(actors, answers, strict=True)}

        for table in await tables_of(stage.scene):
            for names, request in await _on_table(stage, table):
                found = await outcomes((*ACTORS, *IMPOSTORS), request)
                tally.add(f"rest: {names[0]}", tables.marks(*names), found)
        for name in functions:
            nulls = dict.fromkeys((await db.signature(name)).argument_types)
            found = await outcomes(IMPOSTORS, ("POST", f"/rpc/{name}", nulls, {}))
            tally.add(f"impostors: {name}", calls.marks(name, "all other functions"), found)


async def _on_table(stage: Stage, table: str) -> list[tuple[tuple[str, ...], Request]]:
    schema, _, name = table.partition(".")
    if schema != "public":
        request = ("GET", f"/{name}?limit=1", None, {"Accept-Profile": schema})
        return [((f"select {table}", f"select in schema {schema}"), request)]
    column = await stage.scene.db.value(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum = 1", [table]
    )
    writes: dict[str, Any] = {"POST": {column: None}, "PATCH": {column: None}, "DELETE": None}
    attempts: list[tuple[tuple[str, ...], Request]] = [((f"select {table}",), ("GET", f"/{name}?limit=1", None, {}))]
    for action, (method, body) in zip(("insert", "update", "delete"), writes.items(), strict=True):
        attempts.append(((f"{action} {table}", f"all else on {table}"), (method, f"/{name}", body, {})))
    return attempts


def _mark(method: str, answer: httpx.Response) -> str:
    if answer.is_success:
        return NOTHING if method == "GET" and answer.json() == [] else THROUGH
    told: Any = answer.json()
    code, details = str(told.get("code")), told.get("details")
    if code == "42501" and str(told.get("message")).startswith("permission denied"):
        return DENIED
    if answer.status_code == 401:
        return MARK_OF_CODE.get(details, UNKNOWN_TOKEN) if code == "PT401" or details else UNKNOWN_TOKEN
    if answer.status_code in (404, 406):
        return UNEXPOSED
    return f"{answer.status_code} {answer.text[:100]}"
