"""Rooms: made, found, entered by whom, steered, handed on, deleted."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from spaces_sdk.models import Role, Visibility
from tests.contract_suite.stage import Stage, case


@case
async def a_room_is_made_once_for_its_id(stage: Stage) -> None:
    ada, bob = await stage.person("ada"), await stage.person("bob")
    key = uuid4()
    room = await stage.room(ada, room_id=key, max_participants=3, mode="playful", settings={"theme": "dark"})
    again = await ada.rooms.create_room("Another name", room_id=key)
    assert (again.id, again.name, again.room_code) == (key, "Jam", room.room_code)
    assert (room.host_user_id, room.max_participants, room.current_mode) == (ada.user_id, 3, "playful")
    assert (room.visibility, room.expires_after_s, room.settings) == (Visibility.UNLISTED, 86_400, {"theme": "dark"})
    assert await ada.rooms.is_host(room.id)
    assert not await bob.rooms.is_host(room.id)
    await stage.refused("conflict", bob.rooms.create_room("Jam", room_id=key))
    await stage.refused("invalid_argument", ada.rooms.create_room("Jam", mode="no-such-mode"))
    await stage.refused("invalid_argument", ada.rooms.create_room("Jam", settings={"spaces": {"turn_mode": "all"}}))
    await stage.refused("invalid_argument", ada.rooms.create_room("Jam", settings={"spaces": {"bot_depth": 1.5}}))
    await stage.refused("invalid_argument", ada.rooms.create_room("Jam", settings={"spaces": {"volume": 11}}))


@case
async def one_hosts_five_active_rooms(stage: Stage) -> None:
    ada = await stage.person("ada")
    rooms = [await stage.room(ada, expires_after=timedelta(hours=1)) for _ in range(5)]
    await stage.refused("room_limit_reached", ada.rooms.create_room("Sixth"))
    await ada.rooms.update_room_state(rooms[0].id, is_active=False)
    await stage.room(ada)
    await stage.refused("room_limit_reached", ada.rooms.update_room_state(rooms[0].id, is_active=True))


@case
async def a_code_opens_a_room_and_a_wrong_one_says_nothing(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    eve = await stage.person("eve")
    await stage.refused("room_not_found", eve.rooms.join_room(room.id, "eve"))
    found = await eve.rooms.get_room_by_code(room.room_code.lower())
    assert (found.room.id, found.participant_count) == (room.id, 0)
    assert [(p.display_name, p.role, p.is_online) for p in found.participants] == [
        ("ada", Role.HOST, False),
        ("bob", Role.MEMBER, False),
    ]
    await stage.refused("invalid_argument", eve.rooms.join_room(room.id, None))
    joined = await eve.rooms.join_room(room.id, "eve")
    assert (joined.me.role, joined.connection_id, joined.state.name) == (Role.MEMBER, None, "Jam")
    assert joined.me.last_seen == joined.me.joined_at
    assert (await eve.rooms.join_room(room.id)).me.last_seen > joined.me.joined_at
    await stage.refused("invalid_room_code", eve.rooms.get_room_by_code("ABC"))
    other = "AAAAAA" if room.room_code != "AAAAAA" else "BBBBBB"
    await stage.refused("room_not_found", eve.rooms.get_room_by_code(other))
    await stage.refused("room_not_found", eve.rooms.join_room(uuid4(), "eve"))
    assert (await ada.rooms.get_room_by_id(room.id)).room.id == room.id
    assert len((await bob.rooms.get_participants(room.id)).items) == 3
    await stage.refused("room_not_found", (await stage.person("mallory")).rooms.get_room_by_id(room.id))


@case
async def private_unlisted_and_public_rooms(stage: Stage) -> None:
    ada, bob = await stage.person("ada"), await stage.person("bob")
    private = await stage.room(ada, visibility="private")
    public = await stage.room(ada, visibility="public")
    await stage.refused("room_not_found", bob.rooms.get_room_by_code(private.room_code))
    await stage.refused("room_not_found", bob.rooms.is_room_full(private.id))
    assert not await bob.rooms.is_room_full(public.id)
    listed = [each for each in (await bob.rooms.list_rooms("public")).items if each.room.id == public.id]
    assert [(each.room.room_code, each.me) for each in listed] == [("", None)]
    await bob.rooms.join_room(public.id, "bob")
    mine = (await bob.rooms.list_rooms("mine", search="JAM")).items
    assert [each.room.room_code for each in mine if each.room.id == public.id] == [public.room_code]
    await ada.rooms.update_room_state(public.id, visibility="private")
    await bob.rooms.join_room(public.id)  # who is in stays in
    listed = [each for each in (await bob.rooms.list_rooms("public")).items if each.room.id == public.id]
    assert listed == []


@case
async def a_room_is_full_by_its_live_connections(stage: Stage) -> None:
    room, (ada, bob, eve) = await stage.seat("ada", "bob", "eve", max_participants=2)
    first = uuid4()
    await ada.rooms.join_room(room.id, connection_id=first)
    await ada.rooms.join_room(room.id, connection_id=uuid4())  # another device takes no other place
    await bob.rooms.join_room(room.id, connection_id=uuid4())
    assert await eve.rooms.is_room_full(room.id)
    await stage.refused("room_full", eve.rooms.join_room(room.id, connection_id=uuid4()))
    await stage.refused("conflict", bob.rooms.join_room(room.id, connection_id=first))
    await bob.rooms.leave_room(room.id)
    joined = await eve.rooms.join_room(room.id, connection_id=uuid4())
    assert [p.display_name for p in joined.participants if p.is_online] == ["ada", "eve"]


@case
async def the_state_is_the_hosts(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(bob, room)
    state = await ada.rooms.update_room_state(room.id, mode="playful", name="Friday", settings={"a": {"b": 1, "c": 2}})
    assert (state.mode, state.name, state.settings) == ("playful", "Friday", {"a": {"b": 1, "c": 2}})
    same = await ada.rooms.update_room_state(room.id, mode="playful")  # no change, no step
    assert same == state
    patch = {"a": {"b": None, "d": 3}, "spaces": {"turn_mode": "everyone"}}
    state = await ada.rooms.update_room_state(room.id, settings=patch)
    assert state.settings == {"a": {"c": 2, "d": 3}, "spaces": {"turn_mode": "everyone"}}
    await stage.refused("not_host", bob.rooms.update_room_state(room.id, name="Mine"))
    await stage.refused("invalid_argument", ada.rooms.update_room_state(room.id, mode="no-such-mode"))
    await stage.refused(
        "invalid_argument", ada.rooms.update_room_state(room.id, settings={"spaces.turn_mode": "first"})
    )
    assert len(await visit.hears(room)) == 2


@case
async def a_closed_room_is_silent_until_it_is_opened(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    connection = uuid4()
    await bob.rooms.join_room(room.id, connection_id=connection)
    said = await bob.rooms.insert_message(room.id, "hello")
    await ada.rooms.update_room_state(room.id, is_active=False)
    (status,) = await bob.rooms.heartbeat([connection])
    assert status.status == "room_inactive"
    assert [p.is_online for p in (await bob.rooms.get_participants(room.id)).items] == [False, False]
    await stage.refused("room_inactive", bob.rooms.insert_message(room.id, "anybody?"))
    await stage.refused("room_inactive", bob.rooms.join_room(room.id))
    await stage.refused("room_inactive", bob.rooms.react(room.id, said.id, "👍"))
    await stage.refused("room_inactive", bob.rooms.set_voice(room.id, True))
    await stage.refused("room_inactive", bob.rooms.signal(room.id, "typing"))
    await stage.refused("room_inactive", ada.rooms.update_room_state(room.id, name="Still closed"))
    await stage.refused("room_not_found", (await stage.person("eve")).rooms.get_room_by_code(room.room_code))
    await ada.rooms.delete_message(room.id, said.id)  # moderating goes on
    await ada.rooms.update_room_state(room.id, is_active=True)
    assert (await bob.rooms.insert_message(room.id, "back")).content == "back"


@case
async def another_host_and_another_code(stage: Stage) -> None:
    room, (ada, bob, eve) = await stage.seat("ada", "bob", "eve")
    visit = await stage.enter(eve, room)
    await stage.refused("not_host", bob.rooms.transfer_host(room.id, bob.user_id))
    await stage.refused("participant_not_found", ada.rooms.transfer_host(room.id, uuid4()))
    assert (await ada.rooms.transfer_host(room.id, bob.user_id)).host == bob.user_id
    stage.host_of(room, bob)
    assert (await ada.rooms.transfer_host(room.id, bob.user_id)).host == bob.user_id  # the answer was lost, perhaps
    await stage.refused("not_host", ada.rooms.rotate_code(room.id))
    await bob.rooms.rotate_code(room.id)
    mallory = await stage.person("mallory")
    await stage.refused("room_not_found", mallory.rooms.get_room_by_code(room.room_code))
    roles = {p.display_name: p.role for p in (await bob.rooms.get_participants(room.id)).items}
    assert roles == {"ada": Role.MEMBER, "bob": Role.HOST, "eve": Role.MEMBER}
    assert len(await visit.hears(room)) == 2


@case
async def a_deleted_room_is_gone_for_all(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    connection = uuid4()
    await bob.rooms.join_room(room.id, connection_id=connection)
    visit = await stage.enter(bob, room)
    await stage.refused("not_host", bob.rooms.delete_room(room.id))
    await ada.rooms.delete_room(room.id)
    assert await visit.ends() == "room_not_found"
    (status,) = await bob.rooms.heartbeat([connection])
    assert status.status == "room_not_found"
    await stage.refused("room_not_found", bob.rooms.insert_message(room.id, "hello?"))
    await stage.refused("room_not_found", bob.rooms.get_room_messages(room.id))
    await stage.refused("room_not_found", bob.rooms.sync_room(room.id, 0))
    await stage.refused("room_not_found", ada.rooms.kick_participant(room.id, bob.user_id))
    assert not await ada.rooms.is_host(room.id)


@case
async def the_modes_are_read_from_their_table(stage: Stage) -> None:
    ada = await stage.person("ada")
    names = [mode.name for mode in await ada.rooms.list_modes()]
    assert names == ["conspiracy", "gangster", "philosopher", "playful", "wildcard"]
    mode = await ada.rooms.find_mode("playful")
    assert mode is not None
    assert mode.label == "Playful"
    assert await ada.rooms.find_mode("no-such-mode") is None
