"""What can be set, and the real server's values as defaults."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Self

from spaces_sdk.errors import ConfigError

PREFIX = "SPACES_REALTIME_"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclasses.dataclass(frozen=True, slots=True)
class RealtimeSettings:
    """Settings of the Realtime server, each from `SPACES_REALTIME_<NAME>`.

    Durations are seconds. Defaults that are not of our own making are those that the real server
    was seen or read to use.
    """

    db_url: str = dataclasses.field(repr=False)
    jwt_secret: str = dataclasses.field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0

    trace_file: str = ""

    # Delivery from the database.
    faithful_loss: bool = False
    slot_name: str = "spaces_realtime"
    publication: str = "supabase_realtime_messages_publication"
    database_connections: int = 4
    database_timeout_s: float = 15.0
    reconnect_base_s: float = 0.1
    reconnect_cap_s: float = 2.0
    faithful_reconnect_base_s: float = 10.0
    faithful_reconnect_cap_s: float = 300.0
    replication_silence_s: float = 30.0
    retention_h: float = 72.0
    retention_check_s: float = 3600.0

    # Refusals held back.
    connect_error_delay_s: float = 2.0
    join_error_delay_s: float = 5.0

    # Sockets.
    request_timeout_s: float = 5.0
    body_timeout_s: float = 15.0
    idle_timeout_s: float = 60.0
    no_channel_check_s: float = 600.0
    send_timeout_s: float = 30.0
    close_timeout_s: float = 2.0
    max_frame_bytes: int = 5_000_000
    max_body_bytes: int = 8_000_000
    outbound_max_bytes: int = 32 * 1024 * 1024
    outbound_max_frames: int = 20_000
    inbound_max_frames: int = 512
    inbound_max_bytes: int = 8 * 1024 * 1024

    # Channels and tokens.
    token_check_s: float = 300.0
    replication_ready_timeout_s: float = 60.0
    private_only: bool = False
    suspended: bool = False

    # Limits of the tenant.
    max_channels_per_client: int = 100
    max_concurrent_users: int = 200
    max_joins_per_second: int = 100
    max_events_per_second: int = 100
    max_presence_events_per_second: int = 1000
    max_payload_size_in_kb: int = 3000
    limit_tick_s: float = 5.0
    limit_ticks: int = 12
    client_presence_max_calls: int = 5
    client_presence_window_s: float = 30.0

    @property
    def max_payload_bytes(self) -> int:
        """Largest payload, in bytes of Erlang's external term format, as the real server counts."""
        return self.max_payload_size_in_kb * 1000 + 500

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings.

        Raises:
            ConfigError: One is missing or malformed; the value of a secret is never in the text.
        """
        source = os.environ if environment is None else environment
        values: dict[str, str | int | float | bool] = {}
        for field in dataclasses.fields(cls):
            name = PREFIX + field.name.upper()
            if name in source:
                values[field.name] = _parse(name, str(field.type), source[name])
            elif field.default is dataclasses.MISSING:
                raise ConfigError(f"cannot start the Realtime server: {name} is not set")
        return cls(**values)  # pyright: ignore[reportArgumentType]  # each parsed by its field's type


def _parse(name: str, kind: str, text: str) -> str | int | float | bool:
    try:
        match kind:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                lowered = text.strip().lower()
                if lowered not in _TRUE | _FALSE:
                    raise ValueError(text)
                return lowered in _TRUE
            case _:
                return text
    except ValueError:
        raise ConfigError(f"cannot start the Realtime server: {name} is not a valid {kind}") from None
