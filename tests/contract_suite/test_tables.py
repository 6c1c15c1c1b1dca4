"""What the fake backend has as classes, the database has as rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, LiteralString

import pytest

from spaces_sdk.local.stack import LocalStack
from spaces_sdk.testing import FakeBackend
from spaces_sdk.testing.fake.config import SETTING_RANGES, TURN_MODES, Config, default_limits
from spaces_sdk.testing.fake.refusals import HINTS
from tests.integration.people import LocalPeople

pytestmark = pytest.mark.integration

OF_THE_REAL_ONE_ALONE = {"is_only", "audit_s", "activity_refresh_s"}


async def rows(stack: LocalStack, query: LiteralString) -> list[tuple[Any, ...]]:
    async with LocalPeople(stack).sql() as connection:
        return await (await connection.execute(query)).fetchall()


async def test_the_settings_are_those_of_the_database(stack: LocalStack) -> None:
    config = dict(await rows(stack, "select c.key, c.value from spaces.config t, jsonb_each(to_jsonb(t)) c"))
    ours = asdict(Config())
    assert {name: config[name] for name in ours} == ours
    assert config.keys() - ours.keys() == OF_THE_REAL_ONE_ALONE


async def test_the_limits_are_those_of_the_database(stack: LocalStack) -> None:
    limits = await rows(
        stack, "select l.action, l.capacity, l.refill_per_s from spaces.limits l where l.action <> 'rest'"
    )
    ours = {name: (limit.capacity, pytest.approx(limit.refill_per_s)) for name, limit in default_limits().items()}
    assert {name: (capacity, float(refill)) for name, capacity, refill in limits} == ours


async def test_hints_modes_and_settings_of_rooms_are_those_of_the_database(stack: LocalStack) -> None:
    assert dict(await rows(stack, "select e.code, e.hint from spaces.error_codes e")) == HINTS
    modes = {name for (name,) in await rows(stack, "select m.name from public.room_modes m")}
    assert modes == FakeBackend().tables.modes.keys()
    keys = await rows(stack, "select k.name, k.type, k.choices, k.minimum, k.maximum from spaces.setting_keys k")
    kinds = {"integer": int, "number": float}
    assert {name: (kinds[kind], low, high) for name, kind, _, low, high in keys if kind in kinds} == SETTING_RANGES
    assert [choices for name, _, choices, _, _ in keys if name == "turn_mode"] == [list(TURN_MODES)]
