"""Private, unlisted, public: who comes in by what; and a closed room, into which nobody does."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.db.support.actors import Actor, Refused, expect_refusal
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db

VISIBILITIES = ("private", "unlisted", "public")

IN, NO, KICKED, BANNED = "in", "room_not_found", "kicked", "banned"

# What join_room says by the id alone, by visibility; docs/database.md has the same as a table.
WHO: dict[str, tuple[str, str, str]] = {
    "host": (IN, IN, IN),
    "participant online": (IN, IN, IN),
    "participant offline": (IN, IN, IN),
    "invited": (IN, IN, IN),
    "with the code": (NO, IN, IN),
    "with the code of too long ago": (NO, NO, IN),
    "with a revoked invitation": (NO, NO, IN),
    "outsider": (NO, NO, IN),
    "kicked": (KICKED, KICKED, KICKED),
    "kicked, with the code": (KICKED, IN, IN),
    "kicked, invited": (IN, IN, IN),
    "banned": (BANNED, BANNED, BANNED),
    "banned, once with the code": (BANNED, BANNED, BANNED),
    "banned, once invited": (BANNED, BANNED, BANNED),
}


async def admit(space: Space, who: Actor, *words: str) -> None:
    """Give somebody what the words say, while the room is unlisted."""
    if "kicked" in words or "banned" in words:
        await space.enter(who)
        await space.call(space.host, f"{'kick' if 'kicked' in words else 'ban'}_participant", p_user_id=who.id)
    for word in words:
        if word.startswith("participant"):
            member = await space.enter(who)
            if word.endswith("offline"):
                await space.call(member, "leave_room")
        if "invit" in word:
            made = await space.call(space.host, "create_invitation")
            assert (await space.db.call(who, "accept_invitation", p_token=made["token"]))["ok"] is (
                "banned" not in words
            )
            if "revoked" in word:
                await space.call(space.host, "revoke_invitation", p_invitation_id=made["invitation"]["id"])
        if "with the code" in word:
            assert (await space.db.call(who, "get_room_by_code", p_code=space.code))["ok"] is ("banned" not in words)
        if word.endswith("too long ago"):
            await space.db.sql("update spaces.admissions set expires_at = now() where user_id = %s", [who.id])


@pytest.mark.parametrize("who", sorted(WHO))
@pytest.mark.parametrize("visibility", VISIBILITIES)
async def test_who_comes_in_by_the_id(db: Database, visibility: str, who: str) -> None:
    space = await open_space(db)
    caller = space.host if who == "host" else await db.user(who)
    await admit(space, caller, *who.split(", "))
    await space.call(space.host, "update_room_state", p_changes={"visibility": visibility})
    word = WHO[who][VISIBILITIES.index(visibility)]
    arguments = {"p_display_name": "Somebody", "p_connection_id": uuid4()}
    if word == IN:
        assert (await space.call(caller, "join_room", **arguments))["ok"]
        await check_steps(space)
        return
    async with unchanged(db):
        with expect_refusal(word):
            await space.call(caller, "join_room", **arguments)


@pytest.mark.parametrize("visibility", VISIBILITIES)
async def test_whom_the_code_serves(db: Database, visibility: str) -> None:
    space = await open_space(db)
    bob, kicked, banned = [await space.newcomer(label) for label in ("bob", "kicked", "banned")]
    await space.call(space.host, "kick_participant", p_user_id=kicked.id)
    await space.call(space.host, "ban_participant", p_user_id=banned.id)
    await space.call(space.host, "update_room_state", p_changes={"visibility": visibility})
    outsider = await db.user("outsider")
    served = {
        who.label: (await db.call(who, "get_room_by_code", p_code=space.code))["ok"]
        for who in (space.host, bob.actor, kicked.actor, banned.actor, outsider)
    }
    is_open = visibility != "private"
    assert served == {"host": True, "bob": True, "kicked": is_open, "banned": False, "outsider": is_open}


async def test_making_a_room_private_keeps_who_is_in_it(db: Database) -> None:
    space = await open_space(db, p_visibility="public")
    bob = await space.newcomer("bob")
    await space.call(space.host, "update_room_state", p_changes={"visibility": "private"})
    assert await space.live_count() == 1
    await space.say(bob)
    await space.call(bob, "leave_room")
    assert (await space.call(bob, "join_room", p_display_name=None, p_connection_id=bob.connection))["ok"]


class TestAClosedRoom:
    """What update_room_state(is_active: false) ends, and what it leaves."""

    @pytest.fixture
    async def space(self, db: Database) -> Space:
        made = await open_space(db, p_visibility="public")
        await made.enter(made.host)
        return made

    async def close(self, space: Space, is_active: bool = False, **more: Any) -> None:
        changes = {"is_active": is_active, **more}
        assert (await space.call(space.host, "update_room_state", p_changes=changes))["ok"]

    async def test_nobody_comes_in_by_any_way(self, space: Space) -> None:
        bob, eve, invited = await space.newcomer("bob"), await space.db.user("eve"), await space.db.user("invited")
        token = (await space.call(space.host, "create_invitation"))["token"]
        assert (await space.db.call(invited, "accept_invitation", p_token=token))["ok"]
        await space.admit(eve)
        await self.close(space)
        for who in (space.host, bob.actor, eve, invited, await space.db.user("stranger")):
            with expect_refusal("room_inactive"):
                await space.call(who, "join_room", p_display_name="X", p_connection_id=uuid4())
            assert (await space.db.call(who, "get_room_by_code", p_code=space.code))["code"] == "room_not_found"
            assert (await space.db.call(who, "accept_invitation", p_token=token))["code"] == "room_not_found"
        listed = (await space.db.call(eve, "list_rooms", p_scope="public", p_limit=200))["items"]
        assert str(space.id) not in [item["room"]["id"] for item in listed]

    async def test_nothing_is_written_and_all_is_read(self, space: Space) -> None:
        bob = await space.newcomer("bob")
        said = (await space.say(bob, "before"))["id"]
        await self.close(space)
        writes: dict[str, dict[str, Any]] = {
            "insert_message": {"p_content": "hello"},
            "edit_message": {"p_message_id": said, "p_content": "hello"},
            "react": {"p_message_id": said, "p_emoji": "👍"},
            "begin_stream": {"p_message_type": "user_text"},
            "set_voice": {"p_on": True},
            "signal": {"p_kind": "typing"},
        }
        async with unchanged(space.db):
            for rpc, arguments in writes.items():
                with pytest.raises(Refused) as caught:
                    await space.call(bob, rpc, **arguments)
                assert caught.value.code == "room_inactive", rpc
            batch = await space.call(bob, "insert_messages", p_messages=[{"id": str(uuid4()), "content": "x"}])
            assert [item["code"] for item in batch["results"]] == ["room_inactive"]
            items = (await space.call(bob, "get_room_messages"))["items"]
            assert "before" in [item["content"] for item in items]
            assert (await space.call(bob, "sync_room", p_after=0))["state"]["is_active"] is False
            assert len((await space.call(bob, "get_participants"))["items"]) == 2
            (lease,) = (await space.db.call(bob.actor, "heartbeat", p_connection_ids=[bob.connection]))["leases"]
            assert lease["status"] == "room_inactive"
            (mine,) = (await space.db.call(bob.actor, "list_rooms"))["items"]
            assert mine["room"]["is_active"] is False

    async def test_closing_and_opening_are_a_step_each_and_the_same_again_none(self, space: Space) -> None:
        bob = await space.newcomer("bob")
        await space.call(bob, "set_voice", p_on=True)
        head = await space.head()
        await self.close(space)
        async with unchanged(space.db):
            await self.close(space)
        await self.close(space, is_active=True, name="Open again")
        async with unchanged(space.db):
            await self.close(space, is_active=True)
        events = named(await space.broadcasts(), "room:state-updated")
        assert [(event.pos, event.payload["state"]["is_active"]) for event in events] == [
            (head + 1, False),
            (head + 2, True),
        ]
        assert events[1].payload["state"]["name"] == "Open again"
        row = await space.participant(bob)
        assert (row["is_online"], row["voice_since"]) == (False, None), "opening brings nobody back"
        await space.join(bob)
        await check_steps(space)

    async def test_only_the_host_closes_and_opens(self, space: Space) -> None:
        bob = await space.newcomer("bob")
        await space.call(space.host, "set_participant_role", p_user_id=bob.id, p_role="moderator")
        with expect_refusal("not_host"):
            await space.call(bob, "update_room_state", p_changes={"is_active": False})
        await self.close(space)
        with expect_refusal("not_host"):
            await space.call(bob, "update_room_state", p_changes={"is_active": True})
