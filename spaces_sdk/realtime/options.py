"""Settings of a Realtime client."""

from __future__ import annotations

import ssl as ssl_module
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from spaces_sdk.errors import ConfigError

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PATH = "/realtime/v1/websocket"


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """How a client behaves; the defaults fit a hosted project.

    Attributes:
        vsn: Protocol version; 2.0.0 carries messages from the database as they are, 1.0.0 is for old servers.
        heartbeat_interval_s: Between two heartbeats, in seconds. The server closes after 60 s of silence.
        heartbeat_timeout_s: How long a heartbeat's answer may take, in seconds. Each join that is still unanswered
            adds 5 s, as a refused one holds its socket still that long. A half-open connection is noticed after
            interval + timeout: 35 s.
        connect_timeout_s: One attempt to connect, TLS and upgrade included, in seconds. A refused upgrade takes 2 s.
        backoff_base_s: Ceiling of the first delay before a new attempt, in seconds.
        backoff_cap_s: Ceiling of the later ones, in seconds; 5 brings a client back within 2 s at the median after an
            outage of any length.
        linger_s: How long a socket without channels is kept for the next join, in seconds.
        max_frame_bytes: Larger frames end the connection. The server's payloads go up to 3 MB.
        buffer_size: Events a channel holds for its reader; beyond, they are dropped and `ChannelOverflowed` says so.
        buffer_bytes: The same bound in bytes of frames.
        channels_per_socket: After that many another socket is opened; the server allows 100.
        ssl: TLS context for wss://; None makes the default one.
        proxy: True takes it from the environment (never for this machine itself), None uses none, a text is its URL.
        headers: Sent with the upgrade.
    """

    vsn: str = "2.0.0"
    heartbeat_interval_s: float = 25.0
    heartbeat_timeout_s: float = 10.0
    connect_timeout_s: float = 10.0
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 5.0
    linger_s: float = 10.0
    max_frame_bytes: int = 16 * 2**20
    buffer_size: int = 1024
    buffer_bytes: int = 32 * 2**20
    channels_per_socket: int = 90
    ssl: ssl_module.SSLContext | None = field(default=None, repr=False)
    proxy: str | Literal[True] | None = field(default=True, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def __post_init__(self) -> None:
        if self.vsn not in ("1.0.0", "2.0.0"):
            raise ConfigError(f"cannot use protocol version {self.vsn!r}", hint="1.0.0 and 2.0.0 are spoken here")
        for name in (
            "heartbeat_interval_s",
            "heartbeat_timeout_s",
            "connect_timeout_s",
            "backoff_base_s",
            "max_frame_bytes",
            "buffer_size",
            "buffer_bytes",
            "channels_per_socket",
        ):
            if not getattr(self, name) > 0:
                raise ConfigError(f"cannot use {name}={getattr(self, name)!r}: it must be above 0")
        if self.backoff_cap_s < self.backoff_base_s or self.linger_s < 0:
            raise ConfigError("cannot use these times: backoff_cap_s is at least backoff_base_s, linger_s at least 0")


def realtime_url(supabase_url: str) -> str:
    """The websocket address of a project: `https://x.supabase.co` → `wss://x.supabase.co/realtime/v1/websocket`.

    Raises:
        ConfigError: Not an http(s) or ws(s) URL with a host and without user, query or fragment.
    """
    parts = _checked(supabase_url)
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, parts.path.rstrip("/") + _PATH, "", ""))


def check_websocket_url(url: str) -> str:
    """The URL itself.

    Raises:
        ConfigError: Not a ws(s) URL with a host and without user, query or fragment.
    """
    if _checked(url).scheme not in ("ws", "wss"):
        raise ConfigError("cannot use this Realtime URL: it must start with ws:// or wss://", hint="use realtime_url()")
    return url


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        is_usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ConfigError("cannot use this URL: it is malformed", hint="such as https://<ref>.supabase.co") from None
    # The URL is not repeated in the error: what was pasted by mistake may be a key.
    if not is_usable:
        raise ConfigError(
            "cannot use this URL: it needs http(s):// or ws(s):// and a host", hint="such as https://<ref>.supabase.co"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("cannot use this URL: it must hold no user, query or fragment")
    return parts
