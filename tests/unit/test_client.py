"""`Spaces`: opening, sharing, closing, and where its token comes from."""

# What must be gone afterwards is private: the HTTP client, the sessions, the other library's listeners.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from typing import Any

import httpx
import pytest
from supabase import AsyncClient as SupabaseClient
from supabase import create_client
from supabase.lib.client_options import AsyncClientOptions

from spaces_sdk.client import Spaces
from spaces_sdk.errors import AuthError, ConfigError, SchemaMismatchError, UsageError
from spaces_sdk.events import ConnectionState
from spaces_sdk.network import Network
from spaces_sdk.realtime import RealtimeClient, RealtimeOptions
from tests.support.fake_project import KEY, SECRET_KEY, URL, FakeProject, ok

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

ROOM = "6d1f0f0e-2b5a-4c7e-9d52-7e1c6a1f0001"


async def token() -> str:
    return "token-of-ada"


async def test_nothing_happens_before_it_is_entered() -> None:
    project = FakeProject()
    spaces = Spaces(URL, KEY, http_client=project.http)
    with pytest.raises(UsageError, match="not open"):
        await spaces.rooms.is_host(ROOM)
    with pytest.raises(UsageError, match="not open"):
        await spaces.auth.sign_in_anonymously()
    with pytest.raises(UsageError, match="not open"):
        spaces.join("XJ9K2M", display_name="Ada")
    await spaces.aclose()
    assert project.requests == []
    await project.http.aclose()


async def test_a_room_or_an_invitation() -> None:
    project = FakeProject()
    async with Spaces(URL, KEY, http_client=project.http) as spaces:
        with pytest.raises(UsageError, match="either"):
            spaces.join()
        with pytest.raises(UsageError, match="either"):
            spaces.join(ROOM, invitation="x" * 32)
        spaces.join(invitation="x" * 32, display_name="Ada")
    assert project.requests == []
    await project.http.aclose()


@pytest.mark.parametrize(("url", "key"), [("", KEY), (URL, ""), ("project.test", KEY), (URL, "sbp_123")])
def test_a_wrong_url_or_key_is_refused_at_once(url: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Spaces(url, key)
    assert caught.value.hint


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="SUPABASE_URL is not set"):
        Spaces.from_env()
    monkeypatch.setenv("SUPABASE_URL", URL)
    with pytest.raises(ConfigError, match="SUPABASE_PUBLISHABLE_KEY"):
        Spaces.from_env()
    monkeypatch.setenv("SUPABASE_ANON_KEY", KEY)
    assert Spaces.from_env().url == URL


def test_no_key_in_its_text() -> None:
    for key in (KEY, SECRET_KEY):
        spaces = Spaces(URL, key)
        assert key not in repr(spaces)
        assert URL in repr(spaces)


async def test_an_http_client_of_the_app_is_used_and_not_closed() -> None:
    project = FakeProject()
    project.on("is_host", ok(True))
    async with Spaces(URL, KEY, access_token=token, http_client=project.http) as spaces:
        assert await spaces.rooms.is_host(ROOM)
    assert not project.http.is_closed
    assert project.sent("is_host")[0].headers["authorization"] == "Bearer token-of-ada"
    await project.http.aclose()


async def test_its_own_http_client_is_closed() -> None:
    async with Spaces(URL, KEY, access_token=token) as spaces:
        http = spaces._http
        assert http is not None
        assert not http.is_closed
    assert http.is_closed
    with pytest.raises(UsageError, match="not open"):
        await spaces.rooms.is_host(ROOM)
    await spaces.aclose()


async def test_it_is_entered_once() -> None:
    async with Spaces(URL, KEY) as spaces:
        with pytest.raises(UsageError, match="again"):
            await spaces.__aenter__()
    with pytest.raises(UsageError, match="again"):
        await spaces.__aenter__()


async def test_no_auth_of_its_own_with_a_token_from_outside() -> None:
    spaces = Spaces(URL, KEY, access_token=token)
    with pytest.raises(UsageError, match="token from outside"):
        _ = spaces.auth


async def test_the_first_call_checks_the_schema() -> None:
    project = FakeProject()
    project.on("schema_version", ok(0))
    async with Spaces(URL, KEY, access_token=token, http_client=project.http) as spaces:
        with pytest.raises(SchemaMismatchError, match="supabase db push"):
            await spaces.rooms.create_room("Jam")
    assert [request.url.path for request in project.requests] == ["/rest/v1/rpc/schema_version"]
    await project.http.aclose()


async def test_sessions_share_one_realtime_client() -> None:
    project = FakeProject()
    async with Spaces(URL, KEY, access_token=token, http_client=project.http) as spaces:
        assert spaces._realtime is None, "made when the first session needs it"
        first = spaces.join("XJ9K2M", display_name="Ada")
        realtime = spaces.realtime
        spaces.join(ROOM)
        assert spaces.realtime is realtime
        assert first.connection_state is ConnectionState.NEW
    assert project.requests == []
    assert first.connection_state is not ConnectionState.NEW
    with pytest.raises(UsageError, match="not open"):
        spaces.join("XJ9K2M", display_name="Ada")
    await project.http.aclose()


async def test_a_session_that_nobody_holds_is_not_held_here() -> None:
    async with Spaces(URL, KEY, access_token=token) as spaces:
        spaces.join(ROOM)
        gc.collect()
        assert len(spaces._sessions) == 0


async def test_a_rotated_token_is_pushed_to_realtime(monkeypatch: pytest.MonkeyPatch) -> None:
    project = FakeProject()
    current = "a.b.1"
    project.on("is_host", ok(True))

    async def provider() -> str:
        return current

    async with Spaces(URL, KEY, access_token=provider, http_client=project.http) as spaces:
        pushed: list[str] = []

        def push_token(_: RealtimeClient, value: str) -> None:
            pushed.append(value)

        monkeypatch.setattr(RealtimeClient, "push_token", push_token)
        session = spaces.join(ROOM)
        await spaces.rooms.is_host(ROOM)
        current = "a.b.2"
        await spaces.rooms.is_host(ROOM)
        assert pushed == ["a.b.2"]
        await session.aclose()
    await project.http.aclose()


async def test_on_a_supabase_client_of_the_app() -> None:
    project = FakeProject()
    project.on("is_host", ok(True))
    client = SupabaseClient(URL, KEY, AsyncClientOptions(httpx_client=project.http, auto_refresh_token=False))
    spaces = Spaces.from_supabase(client)
    assert spaces.url == URL
    async with spaces:
        with pytest.raises(AuthError, match="nobody is signed in"):
            await spaces.rooms.is_host(ROOM)
        client.options.headers["Authorization"] = "Bearer a.b.1"
        assert await spaces.rooms.is_host(ROOM)
        assert len(client.auth._state_change_emitters) == 2, "the client's own listener, and ours"
    assert len(client.auth._state_change_emitters) == 1
    assert not project.http.is_closed
    assert {request.url.path for request in project.requests} == {
        "/rest/v1/rpc/schema_version",
        "/rest/v1/rpc/is_host",
    }
    await project.http.aclose()


def test_a_synchronous_supabase_client_is_refused() -> None:
    client: Any = create_client(URL, KEY)
    with pytest.raises(ConfigError, match="synchronous") as caught:
        Spaces.from_supabase(client)
    assert "acreate_client" in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://ada:hunter2@127.0.0.1:1"),
        ("HTTPS_PROXY", "foo://ada:hunter2@127.0.0.1:1"),
        ("SSL_CERT_FILE", "/nowhere.pem"),
    ],
)
async def test_an_environment_that_gives_no_http_client(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    spaces = Spaces(URL, KEY)
    with pytest.raises(ConfigError) as caught:
        await spaces.__aenter__()
    assert caught.value.code == "invalid_environment"
    assert variable in caught.value.hint
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    assert "hunter2" not in str(caught.value)
    await spaces.aclose()


async def test_closing_twice_at_once_waits_for_the_end() -> None:
    async with Spaces(URL, KEY, access_token=token) as spaces:
        http = spaces._http
        assert http is not None
        first = asyncio.ensure_future(spaces.aclose())
        await asyncio.sleep(0)
        await spaces.aclose()
        assert http.is_closed
        await first


async def test_closing_goes_on_when_a_part_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Spaces(URL, KEY, access_token=token) as spaces:
        session = spaces.join(ROOM)
        http = spaces._http

        async def broken() -> None:
            raise RuntimeError("a part that breaks")

        monkeypatch.setattr(session, "aclose", broken)
        with pytest.raises(RuntimeError, match="breaks"):
            await spaces.aclose()
    assert http is not None
    assert http.is_closed


async def test_a_cancelled_body_still_closes_all() -> None:
    spaces = Spaces(URL, KEY, access_token=token)
    is_entered = asyncio.Event()

    async def body() -> None:
        async with spaces:
            is_entered.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(body())
    await is_entered.wait()
    http = spaces._http
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert http is not None
    assert http.is_closed


OWN_HTTP = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"proxy": "proxy:3128"}, "malformed"),
        ({"proxy": "ftp://ada:hunter2@proxy:3128"}, "malformed"),
        ({"proxy": "http://"}, "malformed"),
        ({"proxy": "http://proxy:99999"}, "malformed"),
        ({"headers": {"X-Company": "7"}, "http_client": OWN_HTTP}, "beside an http_client"),
        ({"proxy": "http://proxy:3128", "http_client": OWN_HTTP}, "beside an http_client"),
    ],
)
def test_a_network_that_cannot_be_is_refused_at_once(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        Spaces(URL, KEY, **settings)
    assert "hunter2" not in f"{caught.value!r} {caught.value.hint}"


def test_a_tls_context_needs_tls() -> None:
    with pytest.raises(ConfigError, match="http://"):
        Spaces("http://127.0.0.1:54321", KEY, ssl=ssl.create_default_context())


def test_one_network_for_http_and_realtime() -> None:
    context = ssl.create_default_context()
    network = Network(proxy="http://proxy:3128", ssl=context, headers={"X-Company": "7", "X-Team": "a"})
    both = network.realtime(None)
    assert both is not None
    assert (both.proxy, both.ssl, dict(both.headers)) == (
        "http://proxy:3128",
        context,
        {"X-Company": "7", "X-Team": "a"},
    )
    own = network.realtime(RealtimeOptions(proxy=None, headers={"X-Team": "b"}, linger_s=1))
    assert own is not None
    assert (own.proxy, own.linger_s, own.headers) == (None, 1, {"X-Company": "7", "X-Team": "b"})
    assert Network().realtime(None) is None
    assert "proxy:3128" not in repr(network)


def test_a_socks_proxy_that_was_given_is_not_blamed_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(ConfigError, match="SOCKS needs packages") as caught:
        Network(proxy="socks5://ada:hunter2@proxy:1080").http_client("https://x.supabase.co")
    assert "httpx[socks]" in caught.value.hint
    assert "hunter2" not in f"{caught.value!r} {caught.value.hint}"
