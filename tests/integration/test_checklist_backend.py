"""The "Backend Testing" checklist, line by line; its REST lines mean PostgREST, its Socket.IO lines Realtime."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from spaces_sdk.errors import (
    ConnectError,
    InvalidRequestError,
    JoinRejectedError,
    NotFoundError,
    PermissionDeniedError,
    RoomFullError,
    SpacesError,
)
from spaces_sdk.events import (
    CaughtUp,
    ConnectionState,
    GapDetected,
    MessageReceived,
    ParticipantJoined,
    ParticipantLeft,
    RoomJoined,
    RoomLeft,
    SessionEnded,
    StateUpdated,
)
from spaces_sdk.local.database import bootstrap, migrate, migrations_dir
from spaces_sdk.models import JoinedRoom, MessageType, Room, RoomState
from tests.integration.people import WITHIN_S, LocalPeople, People, Person, contents
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

CODE_ALPHABET = frozenset("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")


@pytest.mark.checklist("Database migration applies successfully")
async def test_the_migrations_apply_to_an_empty_database_and_are_recorded(local_people: LocalPeople) -> None:
    versions = [file.name.split("_")[0] for file in sorted(migrations_dir().glob("*.sql"))]
    assert versions
    name = f"fresh_{uuid4().hex[:12]}"
    async with local_people.sql() as operator:
        recorded = await operator.execute("select version from supabase_migrations.schema_migrations order by version")
        assert [row[0] for row in await recorded.fetchall()] == versions
        await operator.execute(SQL("create database {} template template0").format(Identifier(name)))
        try:
            await bootstrap(make_conninfo(local_people.stack.db_url, dbname=name), "closed")
            url = local_people.stack.migration_db_url.rpartition("/")[0] + f"/{name}"
            applied = await migrate(url)
            assert len(applied) == len(versions)
            assert await migrate(url) == []
        finally:
            await operator.execute(SQL("drop database {} with (force)").format(Identifier(name)))
    ada = await local_people.person("Ada")
    assert await ada.spaces.rooms.schema_version() == 1


@pytest.mark.checklist("Room creation via API")
async def test_a_room_is_created_through_postgrest(people: People) -> None:
    ada = await people.person("Ada")
    async with people.rest(await ada.spaces.auth.access_token()) as rest:
        answer = await rest.post("/rpc/create_room", json={"p_name": "Friday jam"})
        assert answer.status_code == 200, answer.text
        room = Room.model_validate(answer.json()["room"])
        assert (room.name, room.max_participants, room.current_mode, room.is_active) == (
            "Friday jam",
            10,
            "gangster",
            True,
        )
        assert room.host_user_id == ada.user_id
        row = await rest.get("/rooms", params={"id": f"eq.{room.id}", "select": "room_code,host_user_id"})
        assert row.json() == [{"room_code": room.room_code, "host_user_id": str(ada.user_id)}]
        for arguments in ({"p_name": ""}, {"p_name": "x", "p_max_participants": 51}, {"p_name": "x", "p_mode": "loud"}):
            refused = await rest.post("/rpc/create_room", json=arguments)
            assert (refused.status_code, refused.json()["details"]) == (400, "invalid_argument")
    made = await ada.spaces.rooms.create_room("Another", max_participants=2, mode="playful")
    assert (made.max_participants, made.current_mode) == (2, "playful")
    async with people.rest(None) as nobody:
        assert (await nobody.post("/rpc/create_room", json={"p_name": "x"})).status_code == 401


@pytest.mark.checklist("Room code generation (uniqueness)")
async def test_codes_are_of_the_alphabet_and_unique(local_people: LocalPeople) -> None:
    makers = [await local_people.person(f"Maker{i}") for i in range(4)]
    rooms = await asyncio.gather(*(m.spaces.rooms.create_room(f"Room {i}") for m in makers for i in range(5)))
    codes = [room.room_code for room in rooms]
    assert len(set(codes)) == 20
    assert all(len(code) == 6 and set(code) <= CODE_ALPHABET for code in codes)
    async with local_people.sql() as operator:
        cursor = await operator.execute("select public.generate_room_code() from generate_series(1, 100)")
        drawn = [row[0] for row in await cursor.fetchall()]
        assert len(set(drawn)) == 100
        assert all(len(code) == 6 and set(code) <= CODE_ALPHABET for code in drawn)
        assert not set(drawn) & set(codes)
        with pytest.raises(psycopg.errors.UniqueViolation):
            await operator.execute("update public.rooms set room_code = %s where id = %s", (codes[0], rooms[1].id))


@pytest.mark.checklist("Join room (check capacity limits)")
async def test_of_several_who_join_at_once_as_many_get_in_as_there_are_places(people: People) -> None:
    ada = await people.person("Ada")
    crowd = [await people.person(f"Guest{i}") for i in range(5)]
    room = await ada.spaces.rooms.create_room("For three", max_participants=3)
    await ada.spaces.rooms.join_room(room.id, "Ada", connection_id=uuid4())
    for guest in crowd:
        await guest.spaces.rooms.get_room_by_code(room.room_code)
    answers = await asyncio.gather(
        *(g.spaces.rooms.join_room(room.id, g.name, connection_id=uuid4()) for g in crowd), return_exceptions=True
    )
    assert len([a for a in answers if isinstance(a, JoinedRoom)]) == 2
    assert len([a for a in answers if isinstance(a, RoomFullError)]) == 3
    assert (await ada.spaces.rooms.get_room_by_code(room.room_code)).participant_count == 3
    stranger = await people.person("Stranger")
    with pytest.raises(SpacesError) as refused:
        await stranger.spaces.rooms.join_room(room.id, "Stranger", connection_id=uuid4())
    assert refused.value.code in {"not_allowed", "room_not_found"}
    for maximum in (0, 51):
        with pytest.raises(InvalidRequestError):
            await ada.spaces.rooms.create_room("Bad", max_participants=maximum)


@pytest.mark.checklist("Leave room (updates status)")
async def test_who_leaves_is_kept_offline(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    await people.enter(ada, room)
    await people.member(bob, room)
    connection_id = uuid4()
    await bob.spaces.rooms.join_room(room.id, "Bob", connection_id=connection_id)
    assert (await _online(ada, room)) == {"Ada": True, "Bob": True}
    await bob.spaces.rooms.leave_room(room.id, connection_id=connection_id)
    assert (await _online(ada, room)) == {"Ada": True, "Bob": False}
    await bob.spaces.rooms.leave_room(room.id, connection_id=connection_id)
    async with people.rest(await bob.spaces.auth.access_token()) as rest:
        rows = await rest.get("/room_participants", params={"user_id": f"eq.{bob.user_id}", "select": "is_online"})
        assert rows.json() == [{"is_online": False}]


@pytest.mark.checklist("Get participants list")
async def test_the_participants_are_listed_in_pages(people: People) -> None:
    names = ("Ada", "Bob", "Eve")
    ada, bob, eve = [await people.person(name) for name in names]
    room = await ada.spaces.rooms.create_room("Friday jam")
    for person in (ada, bob, eve):
        await people.member(person, room)
    page = await ada.spaces.rooms.get_participants(room.id)
    assert {p.display_name for p in page.items} == set(names)
    assert {p.user_id for p in page.items} == {ada.user_id, bob.user_id, eve.user_id}
    assert page.next_cursor is None
    listed: list[str] = []
    cursor: str | None = None
    while True:
        part = await bob.spaces.rooms.get_participants(room.id, limit=1, cursor=cursor)
        listed += [p.display_name for p in part.items]
        cursor = part.next_cursor
        if cursor is None:
            break
    assert sorted(listed) == sorted(names)
    outsider = await people.person("Mallory")
    with pytest.raises((NotFoundError, PermissionDeniedError)):
        await outsider.spaces.rooms.get_participants(room.id)


@pytest.mark.checklist("Send/receive messages")
async def test_messages_are_stored_in_order_and_read_in_pages(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    for person in (ada, bob):
        await people.member(person, room)
    sent = [await who.spaces.rooms.insert_message(room.id, text) for who, text in ((ada, "a"), (bob, "b"), (ada, "c"))]
    page = await bob.spaces.rooms.get_room_messages(room.id)
    assert [m.id for m in page.items if m.user_id] == [m.id for m in sent]
    newest = await bob.spaces.rooms.get_room_messages(room.id, limit=1)
    assert [m.content for m in newest.items] == ["c"]
    assert newest.next_cursor is not None
    before = await bob.spaces.rooms.get_room_messages(room.id, limit=1, before=int(newest.next_cursor))
    assert [m.content for m in before.items] == ["b"]
    again = await ada.spaces.rooms.insert_message(room.id, "a", message_id=sent[0].id)
    assert again == sent[0]
    for text in ("", "x" * 8001, "nul \x00"):
        with pytest.raises(InvalidRequestError):
            await ada.spaces.rooms.insert_message(room.id, text)
    for kind in (MessageType.AI_RESPONSE, MessageType.SYSTEM):
        with pytest.raises(SpacesError):
            await ada.spaces.rooms.insert_message(room.id, "I am a machine", message_type=kind)
    assert contents((await bob.spaces.rooms.get_room_messages(room.id)).items) == ["a", "b", "c"]


@pytest.mark.checklist("Update room state (host only)")
async def test_only_the_host_changes_the_state(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    for person in (ada, bob):
        await people.member(person, room)
    state = await ada.spaces.rooms.update_room_state(
        room.id, mode="wildcard", conversation_active=True, name="Saturday jam", settings={"colour": "blue"}
    )
    assert isinstance(state, RoomState)
    assert (state.mode, state.conversation_active, state.name) == ("wildcard", True, "Saturday jam")
    with pytest.raises(PermissionDeniedError) as refused:
        await bob.spaces.rooms.update_room_state(room.id, mode="playful")
    assert refused.value.code == "not_host"
    with pytest.raises(InvalidRequestError):
        await ada.spaces.rooms.update_room_state(room.id, mode="loud")
    details = await bob.spaces.rooms.get_room_by_id(room.id)
    assert (details.room.current_mode, details.room.settings) == ("wildcard", {"colour": "blue"})


@pytest.mark.checklist("Delete room (host only)")
async def test_only_the_host_deletes_the_room_and_all_of_it_goes(local_people: LocalPeople) -> None:
    ada, bob = await local_people.person("Ada"), await local_people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    for person in (ada, bob):
        await local_people.member(person, room)
    await bob.spaces.rooms.insert_message(room.id, "still here")
    with pytest.raises(PermissionDeniedError) as refused:
        await bob.spaces.rooms.delete_room(room.id)
    assert refused.value.code == "not_host"
    await ada.spaces.rooms.delete_room(room.id)
    for person in (ada, bob):
        with pytest.raises(NotFoundError):
            await person.spaces.rooms.get_room_by_id(room.id)
    async with local_people.sql() as operator:
        for table in ("room_participants", "room_messages"):
            left = await operator.execute(
                SQL("select count(*) from public.{} where room_id = %s").format(Identifier(table)),
                (room.id,),
            )
            assert await left.fetchone() == (0,)


@pytest.mark.checklist("RLS policies work correctly")
async def test_rows_are_seen_by_participants_and_written_by_nobody(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    visit = await people.enter(ada, room)
    await visit.session.send("between us")
    tables = {"rooms": "id", "room_participants": "room_id", "room_messages": "room_id"}
    async with people.rest(await ada.spaces.auth.access_token()) as rest:
        for table, column in tables.items():
            answer = await rest.get(f"/{table}", params={column: f"eq.{room.id}"})
            assert (answer.status_code, len(answer.json()) > 0) == (200, True), table
    tokens = {"an outsider": await bob.spaces.auth.access_token(), "nobody": None}
    for token in tokens.values():
        async with people.rest(token) as rest:
            for table, column in tables.items():
                answer = await rest.get(f"/{table}", params={column: f"eq.{room.id}"})
                assert answer.status_code in {401, 403} or answer.json() == [], table
    # Not even the host writes but through the functions.
    async with people.rest(await ada.spaces.auth.access_token()) as rest:
        body = {"room_id": str(room.id), "user_id": str(ada.user_id), "content": "x", "message_type": "system"}
        assert (await rest.post("/room_messages", json=body)).status_code in {401, 403}
        for table, column in tables.items():
            at = {column: f"eq.{room.id}"}
            assert (await rest.patch(f"/{table}", params=at, json={column: str(room.id)})).status_code in {401, 403}
            assert (await rest.delete(f"/{table}", params=at)).status_code in {401, 403}
    with pytest.raises(NotFoundError):
        await bob.spaces.rooms.get_room_by_id(room.id)
    with pytest.raises(JoinRejectedError):
        await people.listen(bob, visit.session.topic)


@pytest.mark.checklist("Cleanup inactive rooms function")
async def test_rooms_without_activity_for_a_day_are_deleted_and_others_stay(local_people: LocalPeople) -> None:
    ada = await local_people.person("Ada")
    service = await local_people.client(local_people.project.secret_key)
    # A run deletes twenty rooms at most: those that other tests have left first.
    while (await service.rooms.cleanup_inactive_rooms()).has_more:
        pass
    stale, closed, fresh, kept, live = [
        await ada.spaces.rooms.create_room(name, expires_after=None if name == "kept" else timedelta(hours=24))
        for name in ("stale", "closed", "fresh", "kept", "live")
    ]
    await local_people.enter(ada, live)
    await ada.spaces.rooms.update_room_state(closed.id, is_active=False)
    old = datetime.now(UTC) - timedelta(hours=25)
    async with local_people.sql() as operator:
        await operator.execute(
            "update public.rooms set last_activity = %s where id = any(%s)", (old, [stale.id, kept.id, live.id])
        )
        with pytest.raises(SpacesError):
            await ada.spaces.rooms.cleanup_inactive_rooms()
        result = await service.rooms.cleanup_inactive_rooms()
        assert result.rooms_deleted >= 2
        cursor = await operator.execute("select name from public.rooms where host_user_id = %s", (ada.user_id,))
        assert {row[0] for row in await cursor.fetchall()} == {"fresh", "kept", "live"}
    assert fresh.is_active


@pytest.mark.checklist("Socket.IO connection/authentication")
async def test_a_socket_needs_a_key_and_a_channel_needs_the_users_token(people: People) -> None:
    ada = await people.person("Ada")
    room = await ada.spaces.rooms.create_room("Friday jam")
    visit = await people.enter(ada, room)
    assert visit.session.is_connected
    assert visit.session.connection_state is ConnectionState.LIVE
    topic = visit.session.topic
    await people.listen(ada, topic)
    token = await ada.spaces.auth.access_token()
    forged = token[:-6] + ("aaaaaa" if token[-6:] != "aaaaaa" else "bbbbbb")
    # Together: the server takes seconds over each refusal.
    refusals = await asyncio.gather(
        people.listen(ada, topic, token=forged),
        people.listen(ada, topic, token=people.project.publishable_key),
        people.listen(ada, topic, key="sb_publishable_not_a_key_of_this_stack"),
        return_exceptions=True,
    )
    assert [(type(refusal), getattr(refusal, "code", "")) for refusal in refusals] == [
        (JoinRejectedError, "token_invalid"),
        (JoinRejectedError, "unauthorized"),
        (ConnectError, "unauthorized"),
    ]


@pytest.mark.checklist("Socket.IO join/leave events")
async def test_join_and_leave_are_told_to_who_joins_and_to_the_others(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    a = await people.enter(ada, room)
    b = await people.enter(bob, room.room_code)
    joined = b.of(RoomJoined)[0]
    assert {p.display_name for p in joined.participants if p.is_online} == {"Ada", "Bob"}
    assert joined.state.host == ada.user_id
    came = await a.sees(ParticipantJoined, lambda e: e.participant.user_id == bob.user_id)
    await b.leave()
    assert await b.ended() is None
    assert isinstance(b.events[-1], RoomLeft) or b.of(RoomLeft)
    left = await a.sees(ParticipantLeft)
    assert came.pos is not None
    assert left.pos is not None
    assert left.pos > came.pos
    # The database's own lines, as the seed has them.
    lines = [m for m in (await ada.spaces.rooms.get_room_messages(room.id)).items if m.message_type == "system"]
    assert any("Bob" in m.content for m in lines)


@pytest.mark.checklist("Socket.IO message broadcast")
async def test_a_message_goes_to_all_in_the_room_and_to_nobody_else(people: People) -> None:
    ada, bob, eve = [await people.person(name) for name in ("Ada", "Bob", "Eve")]
    room = await ada.spaces.rooms.create_room("Friday jam")
    other = await eve.spaces.rooms.create_room("Elsewhere")
    a, b = await people.enter(ada, room), await people.enter(bob, room.room_code)
    e = await people.enter(eve, other)
    sent = await a.session.send("to all of us")
    for visit in (a, b):
        heard = await visit.sees(MessageReceived, lambda event: event.message.id == sent.id)
        assert (heard.message, heard.is_replayed) == (sent, False)
        assert heard.pos == sent.seq
    marker = await e.session.send("nobody here")
    await e.sees(MessageReceived, lambda event: event.message.id == marker.id)
    assert contents([event.message for event in e.of(MessageReceived)]) == ["nobody here"]


@pytest.mark.checklist("Socket.IO disconnect handling")
async def test_sessions_survive_a_restart_of_realtime_and_miss_nothing(local_people: LocalPeople) -> None:
    ada, bob = await local_people.person("Ada"), await local_people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    a, b = await local_people.enter(ada, room), await local_people.enter(bob, room.room_code)
    await local_people.stack.stop_part("realtime")
    try:
        for visit in (a, b):
            await visit.sees(GapDetected)
            assert not visit.session.is_connected
        sent = [await a.session.send(f"while it is down {i}") for i in range(3)]
        await a.session.update_room_state(mode="conspiracy")
    finally:
        await local_people.stack.start_part("realtime")
    for visit in (a, b):
        caught_up = await visit.sees(CaughtUp)
        assert caught_up.state.mode == "conspiracy"
        await eventually(lambda v=visit: v.session.connection_state is ConnectionState.LIVE, WITHIN_S)
    after = await b.session.send("and up again")
    for visit in (a, b):
        await visit.sees(MessageReceived, lambda e: e.message.id == after.id)
        heard = [e.message.id for e in visit.of(MessageReceived) if e.message.user_id]
        assert heard == [m.id for m in (*sent, after)]
        assert not visit.of(SessionEnded)
        state = visit.session.room_state
        assert state is not None
        assert state.mode == "conspiracy"
        assert len(visit.of(StateUpdated)) <= 1


async def _online(person: Person, room: Room) -> dict[str, bool]:
    page = await person.spaces.rooms.get_participants(room.id)
    return {p.display_name: p.is_online for p in page.items}
