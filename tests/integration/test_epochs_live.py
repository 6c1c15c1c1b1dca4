"""The topic moves: those who stay follow without a loss, those who are removed hear nothing more."""

from __future__ import annotations

import asyncio

import pytest

from spaces_sdk.errors import PermissionDeniedError, RemovedError
from spaces_sdk.events import MessageReceived, ParticipantJoined, ParticipantLeft, SessionEnded
from spaces_sdk.models import Room
from spaces_sdk.realtime import BroadcastReceived, ChannelEvent, RealtimeClient, realtime_url
from tests.integration.people import WITHIN_S, LocalPeople, Visit, contents
from tests.integration.whole import heard, is_live, same_position, unbroken

pytestmark = pytest.mark.integration

REMOVE = """
select spaces.remove_participant(r, p, 'kicked')
from spaces.room_heads h join public.rooms r on r.id = h.room_id join public.room_participants p on p.room_id = r.id
where h.room_id = %s and p.user_id = %s
for no key update of h
"""


async def enter_all(people: LocalPeople, room: Room, names: list[str]) -> list[Visit]:
    persons = await asyncio.gather(*(people.person(name) for name in names))
    return list(await asyncio.gather(*(people.enter(person, room.room_code) for person in persons)))


async def test_five_kicks_in_a_moment(local_people: LocalPeople) -> None:
    host = await local_people.person("Ada")
    room = await host.spaces.rooms.create_room("Live", max_participants=20)
    other = await host.spaces.rooms.create_room("Beside it")
    ada, beside = await local_people.enter(host, room), await local_people.enter(host, other)
    (bob,) = await enter_all(local_people, room, ["Bob"])
    victims = await enter_all(local_people, room, [f"M{number}" for number in range(5)])
    carol = await local_people.person("Carol")
    assert host.spaces.realtime.socket_count == 1, "both rooms on one socket, which a refused join would freeze"

    async with local_people.sql() as connection:
        entering = asyncio.create_task(local_people.enter(carol, room.room_code))
        for victim in victims:
            await connection.execute(REMOVE, (room.id, victim.user.user_id))
    newcomer = await entering
    assert newcomer.session.stats.joins_refused == 0, "who comes in meanwhile is not refused"
    await asyncio.gather(beside.session.send("beside"), bob.session.send("without them"))
    await beside.sees(MessageReceived, lambda e: e.message.content == "beside")

    await asyncio.gather(is_live(ada.session), is_live(bob.session))
    await ada.session.send("on the new topic")
    await same_position(ada, bob, newcomer)
    unbroken(newcomer)
    for visit in (ada, bob):
        assert heard(visit) == ["without them", "on the new topic"]
        assert visit.session.topic.endswith(":6")
        assert visit.session.stats.joins_refused == 0
        assert visit.user.spaces.realtime.stats.joins_refused == 0
        assert visit.user.spaces.realtime.stats.losses == 0
        assert sorted(p.display_name for p in visit.session.participants) == ["Ada", "Bob", "Carol"]
        assert visit.of(ParticipantLeft), "the first of the five came as an event"
        unbroken(visit)
    assert not beside.session.stats.gaps
    for victim in victims:
        assert isinstance(await victim.ended(), RemovedError)
        assert (await victim.sees(SessionEnded)).reason == "kicked"
        assert heard(victim) == []


async def test_a_foreign_client_that_stays_on_the_old_topic_hears_nothing_more(local_people: LocalPeople) -> None:
    host = await local_people.person("Ada")
    room = await host.spaces.rooms.create_room("Live", max_participants=20)
    ada = await local_people.enter(host, room)
    carol, mallory = await enter_all(local_people, room, ["Carol", "Mallory"])
    token = await mallory.user.spaces.auth.access_token()

    async def provide() -> str:
        return token

    got: list[ChannelEvent] = []
    own = await local_people.enter(
        mallory.user, await mallory.user.spaces.rooms.create_room("Her own, heard on the same socket")
    )
    url, key = realtime_url(local_people.project.url), local_people.project.publishable_key
    async with RealtimeClient(url, api_key=key, token=provide) as client:
        channel = client.channel(ada.session.topic)
        await channel.join()
        other = client.channel(own.session.topic)
        await other.join()

        async def listen() -> None:
            while True:
                got.append(await channel.receive())

        listener = asyncio.create_task(listen())
        await ada.session.send("before")
        await carol.sees(MessageReceived, lambda e: e.message.content == "before")
        await ada.session.kick(mallory.user.user_id)
        async with local_people.rest(token) as rest:
            rows = (await rest.get("/room_messages", params={"room_id": f"eq.{room.id}"})).json()
        with pytest.raises(PermissionDeniedError) as refused:
            await mallory.user.spaces.rooms.get_room_messages(room.id)
        for number in range(5):
            await ada.session.send(f"after {number}")
        await same_position(ada, carol)
        # Realtime sends in the order of the commits: whatever it would still deliver comes before this.
        await own.session.send("after all of it")
        async with asyncio.timeout(WITHIN_S):
            while not isinstance(await other.receive(), BroadcastReceived):
                pass
        listener.cancel()
        await asyncio.wait([listener])
    assert rows == []
    assert refused.value.code == "kicked"
    events = [event.event for event in got if isinstance(event, BroadcastReceived)]
    assert events == ["room:message-received", "room:participant-left", "room:moved"]
    assert len(got) == 3, "and the channel was open all along"
    assert heard(carol) == ["before", *(f"after {number}" for number in range(5))]


async def test_two_connections_of_one_user(local_people: LocalPeople) -> None:
    host = await local_people.person("Ada")
    room = await host.spaces.rooms.create_room("Live", max_participants=2)
    ada = await local_people.enter(host, room)
    (phone,) = await enter_all(local_people, room, ["Bob"])
    laptop = await local_people.enter(phone.user, room)
    assert phone.session.connection_id != laptop.session.connection_id
    await ada.sees(ParticipantJoined)
    assert [p.display_name for p in ada.session.participants] == ["Ada", "Bob"], "one participant, one place"

    await phone.session.send("from the phone")
    await laptop.session.send("from the laptop")
    await same_position(ada, phone, laptop)
    for visit in (ada, phone, laptop):
        assert heard(visit)[-2:] == ["from the phone", "from the laptop"]
        unbroken(visit)

    await phone.leave()
    await laptop.session.send("still here")
    await same_position(ada, laptop)
    assert not ada.of(ParticipantLeft), "one of two connections has ended"
    assert [p.is_online for p in ada.session.participants] == [True, True]

    again = await local_people.enter(phone.user, room)
    await ada.session.kick(phone.user.user_id)
    for visit in (laptop, again):
        assert isinstance(await visit.ended(), RemovedError)
    left = await ada.sees(ParticipantLeft)
    assert [p.user_id for p in left.participants] == [phone.user.user_id]
    assert contents(ada.session.messages)[-1] == "still here"
