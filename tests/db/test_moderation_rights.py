"""Who may do what to whom: every actor, every act, every target, as one table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from tests.db.support.actors import Actor, Refused, check_refusal
from tests.db.support.database import Database
from tests.db.support.rooms import Member, Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db

ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "kick": ("kick_participant", {}),
    "ban": ("ban_participant", {"p_reason": "spam"}),
    "unban": ("unban_participant", {}),
    "mute": ("mute_participant", {"p_is_muted": True}),
    "unmute": ("mute_participant", {"p_is_muted": False}),
    "set role": ("set_participant_role", {"p_role": "moderator"}),
    "set kind": ("set_participant_kind", {"p_kind": "bot"}),
    "transfer": ("transfer_host", {}),
}
ON_THE_ROOM = {
    "rotate": "rotate_code",
    "list": "list_bans",
    "invite": "create_invitation",
    "list invitations": "list_invitations",
}
TARGETS = ("host", "moderator", "member", "muted", "kicked", "banned", "outsider", "self")
ACTORS = ("host", "moderator", "member", "muted", "kicked", "banned", "outsider", "host elsewhere")

YES, NOT_HOST, NOT_ALLOWED, NOBODY = "yes", "not_host", "not_allowed", "participant_not_found"

# What a host and a moderator hear, target by target in the order of TARGETS.
HOST: dict[str, tuple[str, ...]] = {
    #            host         moderator    member  muted  kicked  banned  outsider self
    "kick": (NOT_ALLOWED, YES, YES, YES, YES, YES, NOBODY, NOT_ALLOWED),
    "ban": (NOT_ALLOWED, YES, YES, YES, YES, YES, NOBODY, NOT_ALLOWED),
    "unban": (YES, YES, YES, YES, YES, YES, YES, YES),
    "mute": (NOT_ALLOWED, YES, YES, YES, NOBODY, NOBODY, NOBODY, NOT_ALLOWED),
    "unmute": (YES, YES, YES, YES, NOBODY, NOBODY, NOBODY, YES),
    "set role": (NOT_ALLOWED, YES, YES, YES, NOBODY, NOBODY, NOBODY, NOT_ALLOWED),
    "set kind": (YES, YES, YES, YES, NOBODY, NOBODY, NOBODY, YES),
    "transfer": (YES, YES, YES, YES, NOBODY, NOBODY, NOBODY, YES),
}
MODERATOR: dict[str, tuple[str, ...]] = {
    "kick": (NOT_ALLOWED, NOT_ALLOWED, YES, YES, YES, YES, NOBODY, NOT_ALLOWED),
    "ban": (NOT_ALLOWED, NOT_ALLOWED, YES, YES, YES, YES, NOBODY, NOT_ALLOWED),
    "unban": (YES, YES, YES, YES, YES, YES, YES, YES),
    "mute": (NOT_ALLOWED, NOT_ALLOWED, YES, YES, NOBODY, NOBODY, NOBODY, NOT_ALLOWED),
    "unmute": (NOT_ALLOWED, NOT_ALLOWED, YES, YES, NOBODY, NOBODY, NOBODY, NOT_ALLOWED),
    "set role": (NOT_HOST,) * 8,
    "set kind": (NOT_HOST,) * 8,
    "transfer": (NOT_HOST,) * 8,
}
# Everybody else is refused before it is asked whom it is about: what is the host's alone, and the rest.
OTHERS = {
    "member": (NOT_HOST, NOT_ALLOWED),
    "muted": (NOT_HOST, NOT_ALLOWED),
    "kicked": (NOT_HOST, "kicked"),
    "banned": (NOT_HOST, "banned"),
    "outsider": (NOT_HOST, "not_participant"),
    "host elsewhere": (NOT_HOST, "not_participant"),
}
HOSTS_ALONE = {"set role", "set kind", "transfer", "rotate"}


def expected(actor: str, act: str, target: str) -> str:
    tables: Mapping[str, Mapping[str, tuple[str, ...]]] = {"host": HOST, "moderator": MODERATOR}
    if actor in tables:
        return tables[actor][act][TARGETS.index(target)]
    return OTHERS[actor][act not in HOSTS_ALONE]


ROLES = ("moderator", "member", "muted", "kicked", "banned")
MADE_BY: dict[str, tuple[str, dict[str, Any]]] = {
    "moderator": ("set_participant_role", {"p_role": "moderator"}),
    "muted": ("mute_participant", {"p_is_muted": True}),
    "kicked": ("kick_participant", {}),
    "banned": ("ban_participant", {}),
}


class Cast:
    """A room with somebody of each kind; two of those who may be both actor and target."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.actors: dict[str, Actor] = {"host": space.host}
        self.targets: dict[str, UUID] = {"host": space.host.id}

    @classmethod
    async def of(cls, db: Database, actors: Collection[str] = ROLES, targets: Collection[str] = ROLES) -> Cast:
        """A new room with these kinds of people in it, and those who are in every cast."""
        await db.sql("update spaces.limits set capacity = 1000 where action in ('join', 'moderation', 'create')")
        cast = cls(await open_space(db))
        await cast.space.enter(cast.space.host, "Ada")
        for role in ROLES:
            if role in actors:
                cast.actors[role] = (await cast.somebody(role)).actor
            if role in targets:
                cast.targets[role] = (await cast.somebody(role)).id
        cast.actors["outsider"] = await db.user("outsider")
        cast.targets["outsider"] = (await db.user("outsider")).id
        cast.actors["host elsewhere"] = (await open_space(db)).host
        return cast

    async def somebody(self, role: str) -> Member:
        """A newcomer, made what the role says."""
        one = await self.space.newcomer(role)
        if role in MADE_BY:
            rpc, arguments = MADE_BY[role]
            await self.space.call(self.space.host, rpc, p_user_id=one.id, **arguments)
        return one

    def target(self, actor: str, target: str) -> UUID:
        return self.actors[actor].id if target == "self" else self.targets[target]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def everybody(db: Database) -> Cast:
    """For calls that are refused, which change nothing."""
    return await Cast.of(db)


@pytest.mark.parametrize("act", sorted(ACTS))
@pytest.mark.parametrize("actor", ACTORS)
async def test_who_may_do_what_to_whom(db: Database, everybody: Cast, actor: str, act: str) -> None:
    rpc, arguments = ACTS[act]
    refused: dict[str, str] = {}
    for target in TARGETS:
        word = expected(actor, act, target)
        if word != YES:
            refused[target] = word
            continue
        cast = await Cast.of(db, actors={actor}, targets={target})
        call = {"p_user_id": cast.target(actor, target), **arguments}
        assert (await cast.space.call(cast.actors[actor], rpc, **call))["ok"], f"{actor} {act} {target}"
        await check_steps(cast.space)
    async with unchanged(db):
        for target, word in refused.items():
            with pytest.raises(Refused) as caught:
                await everybody.space.call(
                    everybody.actors[actor], rpc, p_user_id=everybody.target(actor, target), **arguments
                )
            check_refusal(caught.value, word)


@pytest.mark.parametrize("act", sorted(ON_THE_ROOM))
async def test_who_may_do_what_to_the_room(db: Database, act: str) -> None:
    cast = await Cast.of(db)
    for actor in ACTORS:
        if actor == "host" or (actor == "moderator" and act not in HOSTS_ALONE):
            assert await cast.space.call(cast.actors[actor], ON_THE_ROOM[act])
            continue
        word = NOT_HOST if act in HOSTS_ALONE else {"moderator": YES, **{k: v[1] for k, v in OTHERS.items()}}[actor]
        async with unchanged(db):
            with pytest.raises(Refused) as caught:
                await cast.space.call(cast.actors[actor], ON_THE_ROOM[act])
        check_refusal(caught.value, word)


async def test_the_database_decides_it_in_one_function(db: Database) -> None:
    # What the function says of roles is what the calls above did.
    for action, act in {"set_role": "set role", "set_kind": "set kind", "transfer_host": "transfer"}.items():
        assert await may(db, action, "host", "member") is (HOST[act][2] == YES)
        assert await may(db, action, "moderator", "member") is False
    for action in ("kick", "ban", "mute", "unmute"):
        assert [await may(db, action, "moderator", role) for role in ("host", "moderator", "member")] == [
            False,
            False,
            True,
        ]
    for role in ("member", None):
        for action in ("kick", "ban", "unban", "list_bans", "invite", "mute", "rotate_code", "set_role"):
            assert await may(db, action, role, "member") is False
    assert await may(db, "anything else", "host", "member") is False


async def may(db: Database, action: str, mine: str | None, theirs: str) -> bool:
    return await db.value("select spaces.may_moderate(%s, %s, %s)", [action, mine, theirs])
