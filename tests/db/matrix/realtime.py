"""Joining, being seen and speaking on every topic, by socket and over HTTP: what counts is who hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
from websockets.exceptions import InvalidStatus

from tests.db.matrix.channels import WITHIN_S, Line
from tests.db.matrix.grid import NO_CHANNEL, NOTHING, SHUT_OUT, THROUGH, UNKNOWN_TOKEN, Section
from tests.db.matrix.stage import Stage
from tests.db.matrix.tally import Tally
from tests.support.eventually import eventually

JOIN, TRACK, SPEAK = "join", "track", "broadcast"
BATCH, ONE = "broadcast over HTTP", "broadcast over HTTP, one"
PUBLIC, PUBLIC_BATCH = "broadcast on a public channel", "broadcast over HTTP, public"
HEAR: Final = "hear what is said in the room"
_AT_ONCE = 6


@dataclass
class Ears:
    """The service key, which hears every private and every public channel."""

    private: Line
    public: Line
    outcomes: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])


async def try_realtime(stage: Stage, actors: Sequence[str], section: Section, tally: Tally) -> None:
    """Let everybody do everything at once, then look who has heard what."""
    topics, turns = stage.scene.topics, asyncio.Semaphore(_AT_ONCE)
    async with AsyncExitStack() as sockets:

        async def line(name: str) -> Line:
            return await sockets.enter_async_context(Line.open(stage.stack.url, stage.callers[name]))

        ears = Ears(await line("service key"), await line("service key"))
        for topic in topics.values():
            assert await ears.private.join(topic, is_private=True, key="ear")
            assert await ears.public.join(topic, is_private=False)
        heard_by: dict[str, list[Line]] = {name: [] for name in actors}

        async def attend(actor: str) -> None:
            async with turns:
                await _over_http(stage, actor, ears)
                try:
                    heard_by[actor] = [await line(actor), await line(actor)]
                except InvalidStatus as refused:
                    if refused.response.status_code != 401:
                        raise
                    for way in (JOIN, TRACK, SPEAK, PUBLIC):
                        ears.outcomes |= {(actor, way, name): UNKNOWN_TOKEN for name in topics}
                    return
                await _by_socket(stage, actor, heard_by[actor], ears)

        await asyncio.gather(*map(attend, actors))
        await _say(stage)
        await _settle(stage, ears, [each for lines in heard_by.values() for each in lines])
        _judge(stage, actors, ears, heard_by, section, tally)


async def _by_socket(stage: Stage, actor: str, lines: list[Line], ears: Ears) -> None:
    private, public = lines
    for name, topic in stage.scene.topics.items():
        is_in = await private.join(topic, is_private=True, key=actor)
        ears.outcomes[actor, JOIN, name] = THROUGH if is_in else NO_CHANNEL
        await private.track(topic)
        await private.broadcast(topic, f"{actor}, {SPEAK}")
        await public.join(topic, is_private=False)
        await public.broadcast(topic, f"{actor}, {PUBLIC}")


async def _over_http(stage: Stage, actor: str, ears: Ears) -> None:
    url, headers = f"{stage.stack.url}/realtime/v1/api/broadcast", stage.callers[actor].headers
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as http:
        for way, is_private in ((BATCH, True), (PUBLIC_BATCH, False)):
            common: dict[str, Any] = {"event": f"{actor}, {way}", "payload": {}, "private": is_private}
            messages = [{"topic": topic, **common} for topic in stage.scene.topics.values()]
            answer = await http.post(url, json={"messages": messages})
            if answer.status_code == 401:
                ears.outcomes |= {(actor, way, name): UNKNOWN_TOKEN for name in stage.scene.topics}
            else:
                assert answer.status_code == 202, answer.text
        for name, topic in stage.scene.topics.items():
            event = quote(f"{actor}, {ONE}", safe="")
            answer = await http.post(f"{url}/{quote(topic, safe='')}/events/{event}?private=true", json={})
            if answer.status_code != 202:
                ears.outcomes[actor, ONE, name] = {401: UNKNOWN_TOKEN, 403: SHUT_OUT}[answer.status_code]


async def _say(stage: Stage) -> None:
    """Somebody says something in either room; the database tells whoever may hear it."""
    for place in (stage.scene.here, stage.scene.there):
        await place.space.say(place.target, "for those who are here")


async def _settle(stage: Stage, ears: Ears, lines: list[Line]) -> None:
    """What was sent before these has reached whoever it reaches."""
    said = "room:message-received"
    rooms = {(stage.scene.topics[name], said) for name in ("this epoch", "another room")}
    topics = stage.scene.topics.values()
    async with Line.open(stage.stack.url, stage.callers["service key"]) as last:
        for topic in topics:
            assert await last.join(topic, is_private=True, key="last")
            await last.track(topic)
            await last.broadcast(topic, "last")
        ends = {(topic, "last") for topic in topics}
        await eventually(lambda: ends | rooms <= ears.private.heard and ends <= ears.private.seen, WITHIN_S)
    await asyncio.gather(*(each.settle() for each in [*lines, ears.private, ears.public]))


def _judge(
    stage: Stage, actors: Sequence[str], ears: Ears, heard_by: dict[str, list[Line]], section: Section, tally: Tally
) -> None:
    def told(actor: str, way: str, name: str, topic: str) -> str:
        answered = ears.outcomes.get((actor, way, name), NOTHING)
        # A public channel of a room's name is Supabase's own and nobody's room: it must not reach into the room.
        ear = ears.public if name == "the app's own" and way in (PUBLIC, PUBLIC_BATCH) else ears.private
        is_heard = (topic, actor) in ear.seen if way == TRACK else (topic, f"{actor}, {way}") in ear.heard
        if way == JOIN or not is_heard:
            return answered
        return THROUGH if answered == NOTHING else f"{answered}, and yet it was heard"

    for name, topic in stage.scene.topics.items():
        for way in (JOIN, TRACK, SPEAK, BATCH, ONE, PUBLIC, PUBLIC_BATCH):
            outcomes = {actor: told(actor, way, name, topic) for actor in actors}
            kind = "malformed" if name.startswith("malformed") else name
            tally.add(f"realtime: {way}, {name}", section.marks(f"{way}, {name}", f"{way}, {kind}"), outcomes)
    for name in ("this epoch", "another room"):
        spoken = (stage.scene.topics[name], "room:message-received")
        outcomes = {
            actor: THROUGH if any(spoken in line.heard for line in lines) else NOTHING
            for actor, lines in heard_by.items()
        }
        tally.add(f"realtime: {HEAR}, {name}", section.marks(f"{HEAR}, {name}"), outcomes)
