"""What a `phx_join` asks for; wrong types are taken as the defaults, as the real server does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from spaces_sdk.local.realtime.wire import RawPayload

REPLAY_MAX = 25
_MIN_SINCE_MS = -62_167_219_200_000
"""The beginning of the year 0: an earlier one is out of range for the real server's calendar."""
_MAX_SINCE_MS = 253_402_300_799_999
"""The end of the year 9999, likewise."""


class JoinRefusedError(Exception):
    """A join that is answered with an error.

    Attributes:
        reason: As the client reads it.
        ends_socket: True if the socket is closed after the answer.
    """

    def __init__(self, reason: str, *, ends_socket: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ends_socket = ends_socket


@dataclass(frozen=True, slots=True)
class Replay:
    """Stored messages asked for at the join."""

    since_ms: int
    limit: int


@dataclass(frozen=True, slots=True)
class JoinConfig:
    """The parsed configuration of a channel."""

    is_private: bool = False
    ack: bool = False
    self_broadcast: bool = False
    wants_ready: bool = False
    presence_key: str | None = None
    presence_enabled: bool = False
    asks_replay: bool = False
    """`replay` was named, whatever it is; a private channel passes over what is no object."""
    replay: Replay | None = None
    is_replay_valid: bool = True
    wants_postgres_changes: bool = False
    token: str | None = None
    """The token of this join; None means the connection's own."""


def parse_join(payload: object) -> JoinConfig:
    """Read a join's payload.

    Raises:
        JoinRefusedError: The payload, its `config` or `config.broadcast` cannot be read at all.
    """
    if not isinstance(payload, dict):
        raise JoinRefusedError(f"UnknownErrorOnChannel: expected params to be a :map, got: `{_inspect(payload)}`")
    params = cast("dict[str, object]", payload)
    config = _section(params.get("config"))
    broadcast = _section(config.get("broadcast"))
    presence = _lenient_section(config.get("presence"))
    replay, is_replay_valid = _replay(broadcast.get("replay"))
    return JoinConfig(
        is_private=_flag(config.get("private")),
        ack=_flag(broadcast.get("ack")),
        self_broadcast=_flag(broadcast.get("self")),
        wants_ready=_is_truthy(broadcast.get("replication_ready")),
        presence_key=_presence_key(presence.get("key")),
        presence_enabled=_flag(presence.get("enabled")),
        asks_replay="replay" in broadcast,
        replay=replay,
        is_replay_valid=is_replay_valid,
        wants_postgres_changes=_wants_postgres_changes(params, config),
        token=_token(params),
    )


def _section(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise JoinRefusedError("UnknownErrorOnChannel: no function clause matching in Access.get/3")
    return cast("dict[str, object]", value)


def _lenient_section(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _flag(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _is_truthy(value: object) -> bool:
    """As Elixir has it: 0 and empty text are true."""
    return value is not None and value is not False


def _presence_key(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    return None


def _replay(value: object) -> tuple[Replay | None, bool]:
    if not isinstance(value, dict):
        return None, True
    params = cast("dict[str, object]", value)
    since, limit = params.get("since"), params.get("limit")
    if not _is_truthy(limit):
        limit = REPLAY_MAX
    if not _is_integer(since) or not _is_integer(limit):
        return None, False
    since_ms, wanted = cast("int", since), cast("int", limit)
    if not _MIN_SINCE_MS <= since_ms <= _MAX_SINCE_MS:
        return None, False
    return Replay(max(since_ms, 0), min(max(wanted, 1), REPLAY_MAX)), True


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wants_postgres_changes(params: Mapping[str, object], config: Mapping[str, object]) -> bool:
    if "config" not in params:
        # The API from before `config`: the sub-topic names a table.
        return True
    wanted = config.get("postgres_changes")
    return isinstance(wanted, list) and any(isinstance(entry, dict) for entry in cast("list[object]", wanted))


def _token(params: Mapping[str, object]) -> str | None:
    named, older = params.get("access_token"), params.get("user_token")
    first = older if named is None or named is False else named
    if isinstance(first, str) and first.startswith("sb_"):
        return None
    # What is no text is as if it were not there.
    return next((value for value in (older, named) if isinstance(value, str)), None)


def _inspect(value: object) -> str:
    """The value as Elixir prints it, for the one error that quotes it."""
    match value:
        case None:
            return "nil"
        case list():
            return f"[{', '.join(_inspect(item) for item in cast('list[object]', value))}]"
        case RawPayload(data):
            return f"{{:binary, <<{', '.join(str(byte) for byte in data[:50])}>>}}"
        case _:
            return json.dumps(value, ensure_ascii=False)
