"""Where the project is, and with which key: checked before any I/O."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from spaces_sdk.config import ApiKey, KeyKind, ProjectConfig, is_loopback
from spaces_sdk.errors import ConfigError
from tests.support.fake_project import texts_of

pytestmark = pytest.mark.unit

URL = "https://abcdefgh.supabase.co"
KEY = "sb_publishable_4Xn3uHW9"


def jwt_with(role: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'role': role})}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (URL, URL),
        (URL + "/", URL),
        ("HTTPS://abcdefgh.supabase.co", URL),
        ("  http://127.0.0.1:54321/ ", "http://127.0.0.1:54321"),
        ("http://localhost:54321", "http://localhost:54321"),
        ("https://example.com/supabase/", "https://example.com/supabase"),
        ("http://[::1]:54321", "http://[::1]:54321"),
    ],
)
def test_urls_that_are_taken(given: str, kept: str) -> None:
    config = ProjectConfig.parse(given, KEY)
    assert config.url == kept
    assert config.rest_url == f"{kept}/rest/v1"
    assert config.auth_url == f"{kept}/auth/v1"


@pytest.mark.parametrize(
    ("url", "reason", "code"),
    [
        ("", "it is empty", "missing_url"),
        ("   ", "it is empty", "missing_url"),
        ("abcdefgh.supabase.co", "does not begin with http", "invalid_url"),
        ("ftp://example.com", "does not begin with http", "invalid_url"),
        ("https://", "names no host", "invalid_url"),
        ("https://exa mple.com", "names no host", "invalid_url"),
        ("https://example.com:port", "malformed", "invalid_url"),
        ("https://[::1", "malformed", "invalid_url"),
        ("postgres://postgres:hunter2/x@db.abc.supabase.co", "malformed", "invalid_url"),
        ("https://user:hunter2@example.com", "user name or a password", "invalid_url"),
        ("https://example.com?a=b", "query or a fragment", "invalid_url"),
        ("https://example.com#a", "query or a fragment", "invalid_url"),
        ("postgresql://postgres:hunter2@db.abc.supabase.co:5432/postgres", "address of the database", "invalid_url"),
        ("wss://abc.supabase.co/realtime/v1", "address of a WebSocket", "invalid_url"),
        ("https://supabase.com/dashboard/project/abc", "address of the dashboard", "invalid_url"),
        ("https://abc.supabase.co/rest/v1", "one service", "invalid_url"),
        ("https://abc.supabase.co/auth/v1/", "one service", "invalid_url"),
    ],
)
def test_urls_that_are_refused(url: str, reason: str, code: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        ProjectConfig.parse(url, KEY)
    assert caught.value.code == code
    assert "spaces up" in caught.value.hint
    assert "hunter2" not in texts_of(caught.value)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (KEY, KeyKind.PUBLISHABLE),
        ("sb_secret_4Xn3uHW9", KeyKind.SECRET),
        (jwt_with("anon"), KeyKind.PUBLISHABLE),
        (jwt_with("service_role"), KeyKind.SECRET),
        (jwt_with(7), KeyKind.OTHER),
        ("a.b.c", KeyKind.OTHER),
        ("something-of-a-gateway", KeyKind.OTHER),
    ],
)
def test_kinds_of_keys(key: str, kind: KeyKind) -> None:
    parsed = ApiKey.parse(f" {key}\n")
    assert parsed.kind is kind
    assert parsed.value == key
    assert parsed.is_secret is (kind is KeyKind.SECRET)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "it is empty"),
        ("sb_publishable_a b", "characters that no key has"),
        ("schlüssel", "characters that no key has"),
        ("sbp_0123456789", "personal access token"),
        (jwt_with("authenticated"), "access token of a user"),
    ],
)
def test_keys_that_are_refused(key: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        ApiKey.parse(key)
    assert not key or key not in str(caught.value)


def test_a_key_is_never_part_of_a_text() -> None:
    config = ProjectConfig.parse(URL, KEY)
    for text in (repr(config), str(config), repr(config.key), str(config.key), f"{config.key}"):
        assert KEY not in text


def test_the_environment() -> None:
    config = ProjectConfig.from_env({"SUPABASE_URL": URL, "SUPABASE_PUBLISHABLE_KEY": KEY, "SUPABASE_ANON_KEY": "old"})
    assert (config.url, config.key.value) == (URL, KEY)
    config = ProjectConfig.from_env({"SUPABASE_URL": URL, "SUPABASE_PUBLISHABLE_KEY": " ", "SUPABASE_ANON_KEY": "old"})
    assert config.key.value == "old"


@pytest.mark.parametrize(
    ("environ", "missing", "code"),
    [
        ({}, "SUPABASE_URL", "missing_url"),
        ({"SUPABASE_PUBLISHABLE_KEY": KEY}, "SUPABASE_URL", "missing_url"),
        ({"SUPABASE_URL": URL}, "SUPABASE_PUBLISHABLE_KEY", "missing_key"),
        ({"SUPABASE_URL": URL, "SUPABASE_ANON_KEY": ""}, "SUPABASE_ANON_KEY", "missing_key"),
    ],
)
def test_a_missing_variable_is_named(environ: dict[str, str], missing: str, code: str) -> None:
    with pytest.raises(ConfigError, match=missing) as caught:
        ProjectConfig.from_env(environ)
    assert caught.value.code == code
    assert "spaces up" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:54321", True),
        ("ws://127.9.9.9/x", True),
        ("http://localhost:54321", True),
        ("http://project.localhost", True),
        ("ws://[::1]:1/x", True),
        (URL, False),
        ("http://10.0.0.7", False),
        ("http://localhost.example.com", False),
    ],
)
def test_addresses_of_this_machine(url: str, is_here: bool) -> None:
    assert is_loopback(url) is is_here


def test_what_an_unset_variable_gives_is_missing() -> None:
    unset: Any = None
    with pytest.raises(ConfigError) as no_url:
        ProjectConfig.parse(unset, KEY)
    with pytest.raises(ConfigError) as no_key:
        ProjectConfig.parse(URL, unset)
    assert (no_url.value.code, no_key.value.code) == ("missing_url", "missing_key")
