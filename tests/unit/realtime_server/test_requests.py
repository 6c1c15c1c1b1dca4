"""What clients ask for, read without I/O: settings, tokens, join payloads, HTTP messages."""

from __future__ import annotations

from typing import Any

import pytest

from spaces_sdk.errors import ConfigError
from spaces_sdk.local.realtime.http_messages import InvalidMessagesError, parse_messages
from spaces_sdk.local.realtime.join_config import JoinRefusedError, Replay, parse_join
from spaces_sdk.local.realtime.limits import PayloadGauge
from spaces_sdk.local.realtime.settings import RealtimeSettings
from spaces_sdk.local.realtime.tokens import TokenRefusedError, verify
from tests.realtime_server.support.tokens import OTHER_SECRET, SECRET, make_token, token

pytestmark = pytest.mark.unit

REQUIRED = {"SPACES_REALTIME_DB_URL": "postgresql://u:hidden@h/db", "SPACES_REALTIME_JWT_SECRET": "hidden"}


def test_settings_come_from_the_environment_and_hide_secrets() -> None:
    settings = RealtimeSettings.from_environment(
        REQUIRED | {"SPACES_REALTIME_PORT": "81", "SPACES_REALTIME_FAITHFUL_LOSS": "yes", "OTHER": "x"}
    )
    assert (settings.port, settings.faithful_loss, settings.join_error_delay_s) == (81, True, 5.0)
    assert settings.max_payload_bytes == 3_000_500
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SPACES_REALTIME_DB_URL": None}, "SPACES_REALTIME_DB_URL is not set"),
        ({"SPACES_REALTIME_PORT": "many"}, "SPACES_REALTIME_PORT is not a valid int"),
        ({"SPACES_REALTIME_PRIVATE_ONLY": "perhaps"}, "SPACES_REALTIME_PRIVATE_ONLY is not a valid bool"),
    ],
)
def test_wrong_settings_are_told(change: dict[str, str | None], said: str) -> None:
    environment = {name: value for name, value in (REQUIRED | change).items() if value is not None}
    with pytest.raises(ConfigError, match=said):
        RealtimeSettings.from_environment(environment)


def test_a_good_token_is_accepted_until_the_second_of_its_expiry() -> None:
    raw = make_token({"role": "anon", "exp": 1000})
    accepted = verify(raw, secret=SECRET, now=999.9)
    assert (accepted.role, accepted.expires_at) == ("anon", 1000.0)
    assert accepted.expired_for_s(999.9) is None
    assert accepted.expired_for_s(1002.5) == 2


@pytest.mark.parametrize(
    ("raw", "at_upgrade", "at_join", "at_refresh"),
    [
        (
            make_token({"role": "anon", "exp": 900}),
            "Token has expired",
            "InvalidJWTToken: Token has expired 100 seconds ago",
            "Token has expired 100 seconds ago",
        ),
        (
            make_token({"role": "anon", "exp": 2000}, secret=OTHER_SECRET),
            "Failed to validate JWT signature",
            "JwtSignatureError: Failed to validate JWT signature",
            ":signature_error",
        ),
        *(
            (raw, words, f"MalformedJWT: {words}", words)
            for words in ["The token provided is not a valid JWT"]
            for raw in ["", "garbage", "a.b.c", "sb_publishable_x", "ä.ö.ü", "a" * 100_000]
        ),
        *(
            (make_token(claims), words, f"InvalidJWTToken: {words}", words)
            for words in ["Fields `role` and `exp` are required in JWT"]
            for claims in [{"role": "anon"}, {"exp": 2000}, {"role": "anon", "exp": "soon"}, {"role": 5, "exp": 2000}]
        ),
        (
            token("alg-none"),
            "Failed to generate JWT signer, check your JWT secret or JWKS configuration",
            "JwtSignerError: Failed to generate JWT signer, check your JWT secret or JWKS configuration",
            "Failed to generate JWT signer, check your JWT secret or JWKS configuration",
        ),
    ],
)
def test_a_bad_token_is_refused_in_the_words_of_the_place(
    raw: str, at_upgrade: str, at_join: str, at_refresh: str
) -> None:
    with pytest.raises(TokenRefusedError) as refused:
        verify(raw, secret=SECRET, now=1000.0)
    assert (refused.value.at_upgrade, refused.value.at_join, refused.value.at_refresh) == (
        at_upgrade,
        at_join,
        at_refresh,
    )


def test_a_join_is_read_with_its_booleans_as_words() -> None:
    config = parse_join(
        {
            "config": {
                "private": "True",
                "broadcast": {"ack": "true", "self": "FALSE", "replay": {"since": 5, "limit": 100}},
                "presence": {"key": 42, "enabled": True},
            },
            "access_token": "a.b.c",
        }
    )
    assert (config.is_private, config.ack, config.self_broadcast) == (True, True, False)
    assert (config.presence_key, config.presence_enabled) == ("42", True)
    assert config.replay == Replay(5, 25)
    assert config.token == "a.b.c"


@pytest.mark.parametrize("config", [None, {}, {"private": "maybe", "presence": 5}, {"presence": {"key": {"a": 1}}}])
def test_values_of_a_wrong_type_are_the_defaults(config: Any) -> None:
    parsed = parse_join({"config": config})
    assert (parsed.is_private, parsed.presence_key, parsed.presence_enabled, parsed.replay) == (
        False,
        None,
        False,
        None,
    )


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("text", 'expected params to be a :map, got: `"text"`'),
        ([], "got: `[]`"),
        (None, "got: `nil`"),
        ({"config": "x"}, "no function clause matching in Access.get/3"),
        ({"config": {"broadcast": "x"}}, "no function clause matching in Access.get/3"),
    ],
)
def test_a_payload_that_cannot_be_read_is_refused(payload: Any, reason: str) -> None:
    with pytest.raises(JoinRefusedError) as refused:
        parse_join(payload)
    assert reason in refused.value.reason


@pytest.mark.parametrize(
    "replay", [{"limit": 3}, {"since": "0"}, {"since": 10**18}, {"since": True}, {"since": -(10**14)}]
)
def test_a_replay_without_a_time_is_invalid(replay: Any) -> None:
    assert not parse_join({"config": {"broadcast": {"replay": replay}}}).is_replay_valid


def test_a_replay_that_is_no_object_is_passed_over_on_a_private_channel() -> None:
    for replay in ("x", None, 5):
        config = parse_join({"config": {"broadcast": {"replay": replay}}})
        assert (config.asks_replay, config.is_replay_valid, config.replay) == (True, True, None)
    assert not parse_join({"config": {"broadcast": {}}}).asks_replay
    limits = [parse_join({"config": {"broadcast": {"replay": {"since": 0, "limit": n}}}}).replay for n in (None, False)]
    assert [replay and replay.limit for replay in limits] == [25, 25]


def test_replication_ready_is_asked_for_by_anything_but_null_and_false() -> None:
    given = [None, False, True, "false", 0]
    wanted = [parse_join({"config": {"broadcast": {"replication_ready": value}}}).wants_ready for value in given]
    assert wanted == [False, False, True, True, True]


def test_the_older_name_of_the_token_wins_and_opaque_keys_are_none() -> None:
    assert parse_join({"config": {}, "user_token": "old", "access_token": "new"}).token == "old"
    assert parse_join({"config": {}, "access_token": "sb_publishable_x"}).token is None
    assert parse_join({"config": {}, "access_token": 42}).token is None
    assert parse_join({"config": {}, "access_token": ""}).token == ""
    assert parse_join({"config": {}, "user_token": 42, "access_token": "new"}).token == "new"
    assert parse_join({"config": {}, "user_token": "old", "access_token": "sb_x"}).token is None
    assert parse_join({"config": {}, "user_token": "sb_x"}).token is None


def test_a_batch_is_all_or_nothing() -> None:
    gauge = PayloadGauge(1500)
    good = {"topic": "t", "event": "e", "payload": {"b": 1, "a": 2}, "id": "abc"}
    message = parse_messages({"messages": [good]}, gauge)[0]
    assert message.payload_json() == '{"event":"e","meta":{"id":"abc"},"payload":{"a":2,"b":1},"type":"broadcast"}'
    bad: dict[str, Any] = {"topic": " ", "payload": [], "private": "x"}
    with pytest.raises(InvalidMessagesError) as refused:
        parse_messages({"messages": [good, bad]}, gauge)
    assert refused.value.errors == [
        {},
        {
            "event": ["can't be blank"],
            "payload": ["is invalid"],
            "topic": ["can't be blank"],
            "private": ["is invalid"],
        },
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "can't be blank"),
        ({"messages": []}, "can't be blank"),
        ({"messages": "x"}, "is invalid"),
        (None, "can't be blank"),
    ],
)
def test_a_body_without_messages_is_refused(body: Any, words: str) -> None:
    with pytest.raises(InvalidMessagesError) as refused:
        parse_messages(body, PayloadGauge(1500))
    assert refused.value.errors == [words]
