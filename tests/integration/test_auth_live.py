"""`spaces.auth` against the real Auth: sign-up, sign-in, refresh, sign-out, and tokens from elsewhere."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import TypedDict

import httpx
import jwt
import pytest
from supabase import AsyncClient as SupabaseClient
from supabase.lib.client_options import AsyncClientOptions

from spaces_sdk import Spaces
from spaces_sdk.auth import SignedIn
from spaces_sdk.clock import SystemClock
from spaces_sdk.errors import AuthError, InvalidCredentialsError, SessionExpiredError
from spaces_sdk.models import Kind
from tests.integration.lossy import LossyTransport
from tests.integration.people import LocalPeople, People

pytestmark = pytest.mark.integration


class ShiftedClock(SystemClock):
    """The machine's time, some seconds ahead."""

    ahead_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)


class Credentials(TypedDict):
    email: str
    password: str


def credentials() -> Credentials:
    return {"email": f"ada-{secrets.token_hex(6)}@example.com", "password": secrets.token_urlsafe(12)}


async def test_sign_up_signs_in_and_the_token_is_good(people: People) -> None:
    spaces = await people.client()
    mine = credentials()
    result = await spaces.auth.sign_up(**mine)
    assert isinstance(result, SignedIn)
    assert result.user.email == mine["email"]
    assert not result.user.is_anonymous
    room = await spaces.rooms.create_room("Jam")
    assert room.host_user_id == result.user.id
    assert await spaces.rooms.is_host(room.id)


async def test_an_address_has_one_account(people: People) -> None:
    spaces, mine = await people.client(), credentials()
    await spaces.auth.sign_up(**mine)
    other = await people.client()
    with pytest.raises(AuthError) as caught:
        await other.auth.sign_up(**mine)
    assert caught.value.code == "user_already_exists"
    assert "sign in instead" in caught.value.hint


async def test_a_wrong_password_signs_nobody_in(people: People) -> None:
    email, password = await people.account("Ada")
    spaces = await people.client()
    for wrong_email, wrong_password in ((email, password + "x"), ("x" + email, password)):
        with pytest.raises(InvalidCredentialsError) as caught:
            await spaces.auth.sign_in_with_password(email=wrong_email, password=wrong_password)
        assert password not in str(caught.value)
        assert spaces.auth.session is None
    await spaces.auth.sign_in_with_password(email=email, password=password)


async def test_anonymous_users_are_users(people: People) -> None:
    spaces = await people.client()
    signed_in = await spaces.auth.sign_in_anonymously()
    assert signed_in.user.is_anonymous
    assert signed_in.user.email is None
    assert (await spaces.rooms.create_room("Jam")).host_user_id == signed_in.user.id
    assert (await spaces.auth.refresh_session()).user.id == signed_in.user.id


async def test_one_refresh_serves_all_who_wait(people: People) -> None:
    clock = ShiftedClock()
    async with Spaces(people.project.url, people.project.publishable_key, clock=clock) as spaces:
        signed_in = await spaces.auth.sign_up(**credentials())
        assert isinstance(signed_in, SignedIn)
        room = await spaces.rooms.create_room("Jam")
        told: list[str] = []
        spaces.auth.listeners.add(told.append)
        clock.ahead_s = (signed_in.session.expires_at - datetime.now(UTC)).total_seconds() - 30
        answers = await asyncio.gather(*(spaces.rooms.is_host(room.id) for _ in range(20)))
        assert all(answers)
        assert len(told) == 1, "one refresh for twenty calls"
        session = spaces.auth.session
        assert session is not None
        assert session.access_token == told[0]
        # Not the access token: two of one second are equal.
        assert session.refresh_token != signed_in.session.refresh_token


async def test_a_refresh_whose_answer_was_lost_is_made_up_for(people: People) -> None:
    transport = LossyTransport()
    async with (
        httpx.AsyncClient(transport=transport) as http,
        Spaces(people.project.url, people.project.publishable_key, http_client=http) as spaces,
    ):
        await spaces.auth.sign_up(**credentials())
        transport.lose["token"] = 1
        await spaces.auth.refresh_session()
        assert transport.lose["token"] == 0, "an answer was lost"
        await spaces.auth.refresh_session()
        room = await spaces.rooms.create_room("Jam")
        assert await spaces.rooms.is_host(room.id)


async def test_a_kept_session_goes_on_elsewhere(people: People) -> None:
    ada = await people.person("Ada")
    kept = ada.spaces.auth.session
    assert kept is not None
    spaces = await people.client()
    signed_in = await spaces.auth.set_session(kept.access_token, kept.refresh_token)
    assert signed_in.user.id == ada.user_id
    assert (await spaces.auth.get_user()).email == kept.user.email
    await spaces.rooms.create_room("Jam")


async def test_sign_out_ends_this_session_and_no_other(people: People) -> None:
    email, password = await people.account("Ada")
    here, there = await people.client(), await people.client()
    for spaces in (here, there):
        await spaces.auth.sign_in_with_password(email=email, password=password)
    kept = here.auth.session
    assert kept is not None
    await here.auth.sign_out()
    with pytest.raises(AuthError, match="nobody is signed in"):
        await here.rooms.create_room("Jam")
    await there.auth.refresh_session()
    await there.rooms.create_room("Jam")
    stranger = await people.client()
    expired = jwt.encode({"exp": 1}, "no secret at all, only a test of the end", algorithm="HS256")
    with pytest.raises(SessionExpiredError):
        await stranger.auth.set_session(expired, kept.refresh_token)


async def test_a_refresh_token_that_is_none_ends_the_session(people: People) -> None:
    ada = await people.person("Ada")
    kept = ada.spaces.auth.session
    assert kept is not None
    spaces = await people.client()
    await spaces.auth.set_session(kept.access_token, secrets.token_urlsafe(9))
    for _ in range(2):
        with pytest.raises(SessionExpiredError, match="sign in again"):
            await spaces.auth.refresh_session()
    assert spaces.auth.session is None


async def test_an_account_of_a_bot_is_a_bot_in_every_room(people: People) -> None:
    ada, bot = await people.person("Ada"), await people.person("Bot", is_bot=True)
    room = await ada.spaces.rooms.create_room("Jam")
    await bot.spaces.rooms.get_room_by_code(room.room_code)
    assert (await bot.spaces.rooms.join_room(room.id, "Bot")).me.kind is Kind.BOT


async def test_user_metadata_makes_no_bot(people: People) -> None:
    ada, spaces = await people.person("Ada"), await people.client()
    await spaces.auth.sign_up(**credentials(), data={"spaces_kind": "bot"})
    room = await ada.spaces.rooms.create_room("Jam")
    await spaces.rooms.get_room_by_code(room.room_code)
    assert (await spaces.rooms.join_room(room.id, "Bot?")).me.kind is Kind.HUMAN


@pytest.mark.parametrize("fault", ["expired", "forged", "garbage"])
async def test_a_token_that_is_not_accepted(local_people: LocalPeople, fault: str) -> None:
    ada = await local_people.person("Ada")
    good = await ada.spaces.auth.access_token()
    claims = jwt.decode(good, local_people.stack.jwt_secret, algorithms=["HS256"], audience="authenticated")
    token = {
        "expired": jwt.encode(claims | {"exp": claims["iat"] - 10}, local_people.stack.jwt_secret, algorithm="HS256"),
        "forged": jwt.encode(claims, "another secret of the same length, or nearly so", algorithm="HS256"),
        "garbage": "not.a.token",
    }[fault]

    async def provider() -> str:
        return token

    project = local_people.project
    async with Spaces(project.url, project.publishable_key, access_token=provider) as spaces:
        with pytest.raises(SessionExpiredError) as caught:
            await spaces.rooms.create_room("Jam")
        assert token not in str(caught.value)
        token = good
        await spaces.rooms.create_room("Jam")


async def test_on_the_apps_own_supabase_client(people: People) -> None:
    email, password = await people.account("Ada")
    async with httpx.AsyncClient(trust_env=False) as http:
        options = AsyncClientOptions(auto_refresh_token=False, httpx_client=http)
        client = await SupabaseClient.create(people.project.url, people.project.publishable_key, options)
        async with Spaces.from_supabase(client) as spaces:
            with pytest.raises(AuthError, match="nobody is signed in"):
                await spaces.rooms.create_room("Jam")
            await client.auth.sign_in_with_password({"email": email, "password": password})
            before = await client.auth.get_session()
            room = await spaces.rooms.create_room("Jam")
            await spaces.rooms.get_room_by_code(room.room_code)
            async with spaces.join(room.id, display_name="Ada") as session:
                await session.send("hello")
                await client.auth.refresh_session()
                await session.send("again")
            after = await client.auth.get_session()
            assert before is not None
            assert after is not None
            assert before.refresh_token != after.refresh_token, "rotated by its owner, and by nobody else"
        answer = await client.table("rooms").select("name").eq("id", str(room.id)).execute()
        assert answer.data == [{"name": "Jam"}], "not closed"
        await client.auth.sign_out({"scope": "local"})


async def test_one_client_for_each_user_of_a_web_server(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    async with Spaces(
        people.project.url, people.project.publishable_key, access_token=ada.spaces.auth.access_token
    ) as for_ada:
        room = await for_ada.rooms.create_room("Jam")
        assert room.host_user_id == ada.user_id != bob.user_id
