"""The table of error codes: the same in SQL, Python and the documents, and each of them can be had."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from spaces_sdk.codes import STATUS_OF_CODE
from tests.db.support.actors import Actor, Refused, check_refusal
from tests.db.support.database import Database
from tests.db.support.rooms import Space, empty_buckets, open_space

pytestmark = pytest.mark.db

_FUNCTIONS = "p.pronamespace in ('public'::regnamespace, 'spaces'::regnamespace)"


async def codes_in_functions(db: Database) -> set[str]:
    used = r"(?:spaces\.(?:fail|refusal)\(|'code',|v_code :=)\s*'([a-z_]+)'"
    found = await db.column(
        f"select distinct m[1] from pg_proc p, regexp_matches(p.prosrc, %s, 'g') as m where {_FUNCTIONS}", [used]
    )
    return set(found)


async def test_codes_and_their_statuses_are_the_same_in_python(db: Database) -> None:
    rows = await db.sql("select code, status from spaces.error_codes")
    assert {row["code"]: row["status"] for row in rows} == STATUS_OF_CODE


async def test_each_code_is_described_and_has_a_hint(db: Database) -> None:
    short = "select code from spaces.error_codes where length(description) < 10 or length(hint) < 5"
    assert await db.column(short) == []


async def test_what_passes_by_itself_may_be_tried_again(db: Database) -> None:
    assert await db.column("select code from spaces.error_codes where retryable") == ["rate_limited"]


async def test_functions_use_no_other_codes(db: Database) -> None:
    assert await codes_in_functions(db) - STATUS_OF_CODE.keys() == set()


async def test_functions_use_all_codes(db: Database) -> None:
    assert STATUS_OF_CODE.keys() - await codes_in_functions(db) == set()


async def test_errors_are_raised_in_one_place(db: Database) -> None:
    # It reads the status from the table: no function can raise a code with another status.
    raising = await db.column(
        rf"select proname from pg_proc p where {_FUNCTIONS} and prosrc ~* '\mraise\s+(exception|sqlstate)'"
    )
    assert raising == ["fail"]


async def test_the_documents_have_the_same_table(db: Database) -> None:
    text = (Path(__file__).parents[2] / "docs/database.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (\d{3}) \| `([a-z_]+)` \| (.+?) \| (.+?) \|$", text, flags=re.MULTILINE)
    rows = await db.sql("select status, code, description, hint from spaces.error_codes")
    assert {tuple(row.values()) for row in rows} == {(int(status), *rest) for status, *rest in told}


# One way to each code: a call that is refused with it.


async def invalid_argument(space: Space, bob: Actor) -> Any:
    return await space.call(bob, "insert_message", p_content="  ")


async def invalid_room_code(space: Space, bob: Actor) -> Any:
    return await space.db.call(bob, "get_room_by_code", p_code="0O1I")


async def not_authenticated(space: Space, _: Actor) -> Any:
    nobody = Actor("nobody", "authenticated", None, {"role": "authenticated"})
    return await space.call(nobody, "insert_message", p_content="hello")


async def not_host(space: Space, bob: Actor) -> Any:
    return await space.call(bob, "delete_room")


async def not_participant(space: Space, _: Actor) -> Any:
    return await space.call(await space.db.user("stranger"), "insert_message", p_content="hello")


async def not_allowed(space: Space, bob: Actor) -> Any:
    return await space.call(bob, "insert_message", p_content="hello", p_message_type="ai_response")


async def room_full(space: Space, _: Actor) -> Any:
    await space.call(space.host, "update_room_state", p_changes={"max_participants": 1})
    return await space.newcomer("late")


async def banned(space: Space, bob: Actor) -> Any:
    await space.call(space.host, "ban_participant", p_user_id=bob.id)
    return await space.call(bob, "insert_message", p_content="hello")


async def kicked(space: Space, bob: Actor) -> Any:
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    return await space.call(bob, "insert_message", p_content="hello")


async def muted(space: Space, bob: Actor) -> Any:
    await space.call(space.host, "mute_participant", p_user_id=bob.id, p_is_muted=True)
    return await space.call(bob, "insert_message", p_content="hello")


async def room_limit_reached(space: Space, _: Actor) -> Any:
    for _room in range(5):
        await open_space(space.db, space.host)


async def room_not_found(space: Space, bob: Actor) -> Any:
    return await space.db.call(bob, "get_room_by_id", p_room_id=uuid4())


async def message_not_found(space: Space, bob: Actor) -> Any:
    return await space.call(bob, "edit_message", p_message_id=uuid4(), p_content="hello")


async def participant_not_found(space: Space, _: Actor) -> Any:
    return await space.call(space.host, "kick_participant", p_user_id=uuid4())


async def room_inactive(space: Space, bob: Actor) -> Any:
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    return await space.call(bob, "insert_message", p_content="hello")


async def lease_expired(space: Space, bob: Actor) -> Any:
    await space.call(bob, "leave_room")
    return await space.call(bob, "set_voice", p_on=True)


async def conflict(space: Space, bob: Actor) -> Any:
    taken = await space.say(space.host)
    return await space.call(bob, "insert_message", p_content="hello", p_id=taken["id"])


async def rate_limited(space: Space, bob: Actor) -> Any:
    await space.say(bob)
    await empty_buckets(space.db, bob)
    return await space.call(bob, "insert_message", p_content="hello")


PROVOKED: dict[str, Callable[[Space, Actor], Awaitable[Any]]] = {
    provoke.__name__: provoke
    for provoke in (
        invalid_argument,
        invalid_room_code,
        not_authenticated,
        not_host,
        not_participant,
        not_allowed,
        room_full,
        banned,
        kicked,
        muted,
        room_limit_reached,
        room_not_found,
        message_not_found,
        participant_not_found,
        room_inactive,
        lease_expired,
        conflict,
        rate_limited,
    )
}


def test_there_is_a_way_to_each_code() -> None:
    assert PROVOKED.keys() == STATUS_OF_CODE.keys()


@pytest.mark.parametrize("code", sorted(STATUS_OF_CODE))
async def test_each_code_can_be_had(db: Database, code: str) -> None:
    space = await open_space(db)
    await space.enter(space.host)
    bob = (await space.newcomer("bob")).actor
    try:
        answer = await PROVOKED[code](space, bob)
    except Refused as refusal:
        check_refusal(refusal, code)
    else:
        # Limits are answered and not raised, or else the count would be undone.
        assert (answer["ok"], answer["code"]) == (False, code)
        assert answer["hint"]
        assert answer["message"].startswith("cannot ")
