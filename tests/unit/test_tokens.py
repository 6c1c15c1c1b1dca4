"""Tokens whose session somebody else keeps."""

from __future__ import annotations

import httpx
import pytest
from supabase import AsyncClient as SupabaseClient
from supabase.lib.client_options import AsyncClientOptions

from spaces_sdk.errors import AuthError, RateLimitedError, SessionExpiredError
from spaces_sdk.rpc.tokens import ProviderTokens, token_provider_of
from tests.support.fake_project import KEY, SECRET_KEY, URL

pytestmark = pytest.mark.unit


class Provider:
    """Returns, or raises, what it is told to."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    async def __call__(self) -> str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value] # pyright: ignore[reportReturnType]


def tokens_of(answer: object) -> tuple[ProviderTokens, Provider, list[str]]:
    provider = Provider(answer)
    tokens = ProviderTokens(provider, hint="refresh it there")
    told: list[str] = []
    tokens.listeners.add(told.append)
    return tokens, provider, told


async def test_a_rotated_token_is_told_to_the_listeners() -> None:
    tokens, provider, told = tokens_of("a.b.1")
    assert await tokens.access_token() == "a.b.1"
    assert await tokens.access_token() == "a.b.1"
    assert told == []
    provider.answer = "a.b.2"
    assert await tokens.access_token() == "a.b.2"
    assert told == ["a.b.2"]


async def test_a_listener_can_go() -> None:
    tokens, provider, told = tokens_of("a.b.1")
    remove = tokens.listeners.add(told.append)
    remove()
    remove()
    await tokens.access_token()
    provider.answer = "a.b.2"
    await tokens.access_token()
    assert told == ["a.b.2"]


async def test_a_refused_token_is_asked_for_again_never_refreshed() -> None:
    tokens, provider, _ = tokens_of("a.b.1")
    with pytest.raises(SessionExpiredError, match="refresh it there"):
        await tokens.replace("a.b.1")
    provider.answer = "a.b.2"
    assert await tokens.replace("a.b.1") == "a.b.2"


@pytest.mark.parametrize("answer", ["", None, 7, "a b", "a\nX-Injected: 1", "ä"])
async def test_what_is_no_token_is_not_sent(answer: object) -> None:
    tokens, _, _ = tokens_of(answer)
    with pytest.raises(AuthError) as caught:
        await tokens.access_token()
    assert "Injected" not in str(caught.value)


async def test_a_provider_that_raises_is_named_not_quoted() -> None:
    tokens, _, _ = tokens_of(ValueError("secret-of-the-app"))
    with pytest.raises(AuthError, match="ValueError") as caught:
        await tokens.access_token()
    assert caught.value.code == "token_provider_failed"
    assert caught.value.retryable
    assert "secret-of-the-app" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


async def test_an_error_of_ours_goes_through() -> None:
    error = RateLimitedError("cannot refresh: slow down")
    tokens, _, _ = tokens_of(error)
    with pytest.raises(RateLimitedError) as caught:
        await tokens.access_token()
    assert caught.value is error


async def test_the_token_of_a_supabase_client_is_read_where_it_keeps_it() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(500)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = SupabaseClient(URL, KEY, AsyncClientOptions(httpx_client=http))
        provider = token_provider_of(client)
        with pytest.raises(AuthError, match="nobody is signed in"):
            await provider()
        client.options.headers["Authorization"] = "Bearer a.b.1"
        assert await provider() == "a.b.1"
        admin = SupabaseClient(URL, SECRET_KEY, AsyncClientOptions(httpx_client=http))
        assert await token_provider_of(admin)() == SECRET_KEY
    assert asked == [], "nothing is refreshed"
