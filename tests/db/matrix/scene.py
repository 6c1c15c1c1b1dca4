"""The rooms of the matrix, with somebody of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from tests.db.support.actors import ANON, SERVICE, Actor, Json
from tests.db.support.database import Database
from tests.db.support.realtime import topic_of
from tests.db.support.rooms import Member, Space, open_space

# They are, or have been, participants of the room.
MEMBERS = ("host", "moderator", "online", "offline", "muted", "bot", "kicked", "banned")

# What each of them has been granted, and to which of their processes.
HOLDER: Final = UUID(int=1)
STANDING_WORK: Final[Json] = {"position": 0, "purpose": "timers"}

OPENS_NOTHING: Final[Mapping[str, Json]] = {
    "get_room_by_code": {"p_code": "ZZZZZZ"},
    "accept_invitation": {"p_token": "Z" * 32},
}


@dataclass
class Place:
    """One of the two rooms that actions are tried on, with what is in it.

    Attributes:
        target: A plain member, online, who is no actor.
        message_id: What the target has said.
        seq: Its place in the room.
        stream_id: What the target is writing.
        invitation_id: One that the host has made.
        bot_id: A bot, online, who is no actor.
    """

    name: str
    space: Space
    target: Member
    message_id: UUID
    seq: int
    stream_id: UUID
    invitation_id: UUID
    bot_id: UUID

    @property
    def id(self) -> UUID:
        """The room's id."""
        return self.space.id


@dataclass
class Scene:
    """Who and what there is.

    Attributes:
        tokens: Of invitations, by what they open.
        misses: What a code and a token are answered that no room has.
        said: A message of each who is or was in the room, by actor.
        writing: What each of them is writing, or was when they were muted or removed.
        connections: Their connections; that of the offline one has ended.
    """

    db: Database
    here: Place
    there: Place
    public: Space
    private: Space
    actors: dict[str, Actor]
    connections: dict[str, UUID]
    tokens: dict[str, str]
    misses: list[Json]
    said: dict[str, UUID]
    writing: dict[str, UUID]
    topics: Mapping[str, str] = field(default_factory=dict[str, str])

    def message_of(self, actor: str) -> UUID:
        """A message of the actor's own, or of somebody else for whom never said anything."""
        return self.said.get(actor, self.here.message_id)

    def stream_of(self, actor: str) -> UUID:
        """The same for what is being written."""
        return self.writing.get(actor, self.here.stream_id)

    def connection_of(self, actor: str) -> UUID:
        """A connection of the actor's own, or of somebody else for whom has none."""
        return self.connections.get(actor, self.here.target.connection)


async def set_scene(db: Database) -> Scene:
    """Everybody, in a database that this is the only scene in."""
    await db.sql("update spaces.limits set capacity = 100000")
    await db.sql("update spaces.config set lease_s = 86400, stream_lease_s = 86400, active_rooms_per_user = 50")
    actors = {"publishable key": ANON, "service key": SERVICE, "outsider": await db.user("outsider")}
    actors["anonymous user"] = await db.user("anonymous user", is_anonymous=True)
    await db.sql("update auth.users set is_anonymous = true where id = %s", [actors["anonymous user"].id])
    here = await open_space(db)
    members = {"host": await here.enter(here.host, "host")}
    for name in MEMBERS[1:]:
        claims = {"app_metadata": {"spaces_kind": "bot"}} if name == "bot" else {}
        members[name] = await here.newcomer(name, **claims)
    said = {name: UUID((await here.say(member, f"I am {name}"))["id"]) for name, member in members.items()}
    writing = {name: await _stream(here, member) for name, member in members.items()}
    for member in members.values():
        await _begin_work(here, member)
    here_place = await _place("the room", here)
    await here.call(here.host, "set_participant_role", p_user_id=members["moderator"].id, p_role="moderator")
    await here.call(here.host, "mute_participant", p_user_id=members["muted"].id, p_is_muted=True)
    await here.call(here.host, "kick_participant", p_user_id=members["kicked"].id)
    await here.call(here.host, "ban_participant", p_user_id=members["banned"].id)
    await here.call(members["offline"], "leave_room")

    there = await open_space(db)
    elsewhere = await there.enter(there.host, "host elsewhere")
    await _begin_work(there, elsewhere)
    public = await open_space(db, there.host, p_visibility="public")
    await public.enter(members["banned"].actor)
    await public.call(there.host, "ban_participant", p_user_id=members["banned"].id)
    private = await open_space(db, there.host, p_visibility="private")
    stale = await open_space(db, await db.user("gone"))
    await db.sql("update public.rooms set last_activity = now() - interval '9 days' where id = %s", [stale.id])

    actors |= {name: member.actor for name, member in members.items()} | {"host elsewhere": there.host}
    connections = {name: member.connection for name, member in members.items()}
    scene = Scene(
        db,
        here_place,
        await _place("another room", there),
        public,
        private,
        actors,
        connections | {"host elsewhere": elsewhere.connection},
        {"the room": await _token(here), "a private room": await _token(private)},
        [await db.call(actors["outsider"], rpc, **given) for rpc, given in OPENS_NOTHING.items()],
        said,
        writing,
    )
    scene.topics = await _topics(scene)
    return scene


async def _place(name: str, space: Space) -> Place:
    target = await space.newcomer("target")
    message = await space.say(target, "what the target says")
    await space.call(target, "react", p_message_id=message["id"], p_emoji="👍")
    stream_id = await _stream(space, target)
    invitation = (await space.call(space.host, "create_invitation"))["invitation"]
    bot = await space.newcomer("the other bot", app_metadata={"spaces_kind": "bot"})
    return Place(name, space, target, UUID(message["id"]), message["seq"], stream_id, UUID(invitation["id"]), bot.id)


async def _token(space: Space) -> str:
    return (await space.call(space.host, "create_invitation"))["token"]


async def _begin_work(space: Space, member: Member) -> None:
    await space.call(member, "enter_turns", p_takes_turns=True)
    await space.call(member, "claim_turns", p_holder=HOLDER, p_claims=[STANDING_WORK])


async def _stream(space: Space, author: Member) -> UUID:
    answer = await space.call(author, "begin_stream", p_message_type="user_text")
    return UUID(answer["message"]["id"])


async def _topics(scene: Scene) -> dict[str, str]:
    room, epoch = scene.here.id, await scene.here.space.epoch()
    assert epoch > 1, "somebody was removed, so there is an old epoch"
    return {
        "this epoch": topic_of(room, epoch),
        "an old epoch": topic_of(room, epoch - 1),
        "the next epoch": topic_of(room, epoch + 1),
        "another room": await scene.there.space.topic(),
        "no room": topic_of(uuid4(), 1),
        "malformed: too long": f"spaces:{room}:{epoch}:1",
        "malformed: capitals": f"spaces:{str(room).upper()}:{epoch}",
        "dashes for a room": f"spaces:{'-' * 36}:{epoch}",
        "the app's own": "chat:1",
    }
