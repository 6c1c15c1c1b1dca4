"""The way to the project, the same for HTTP and for Realtime: proxy, TLS, headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ssl import SSLContext
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from spaces_sdk.config import is_loopback
from spaces_sdk.errors import ConfigError

if TYPE_CHECKING:
    from spaces_sdk.realtime import RealtimeOptions

CONNECT_TIMEOUT_S = 4.0
"""For one connection; below the half of a call's default time, so that a second try has its turn."""

KEEP_ALIVE_S = 60.0
"""How long an idle connection is kept: over two heartbeats, so that TLS is not negotiated again for each."""

PROXY_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What was asked for; each None or empty leaves the default.

    Attributes:
        proxy: Its URL; None takes the environment's, which is never used for this machine itself.
        ssl: TLS context for https and wss.
        headers: Sent beside the SDK's own, which win.
    """

    proxy: str | None = field(default=None, repr=False)
    ssl: SSLContext | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def check(self, url: str, *, has_http_client: bool) -> None:
        """Raises before any I/O.

        Raises:
            ConfigError: It cannot work, or not as it looks.
        """
        if has_http_client and (self.proxy or self.ssl or self.headers):
            raise ConfigError(
                "cannot use proxy, ssl or headers beside an http_client",
                hint="give them to your client, and to realtime_options=RealtimeOptions(…)",
            )
        if self.ssl is not None and not url.startswith("https"):
            raise ConfigError("cannot use a TLS context with an http:// URL")
        if self.proxy is not None:
            try:
                parts = urlsplit(self.proxy)
                is_usable = parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
            except ValueError:
                is_usable = False
            if not is_usable:  # not quoted: it may hold a password
                raise ConfigError("cannot use this proxy: its URL is malformed", hint="such as http://proxy:3128")

    def http_client(self, url: str) -> httpx.AsyncClient:
        """The HTTP client of a project. Slow: it makes a TLS context.

        Raises:
            ConfigError: A proxy or a certificate, of the environment or given, is malformed.
        """
        try:
            return httpx.AsyncClient(
                proxy=self.proxy,
                verify=True if self.ssl is None else self.ssl,
                headers=dict(self.headers),
                timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),  # each call has a deadline of its own
                limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=KEEP_ALIVE_S),
                trust_env=not is_loopback(url),
            )
        except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
            if self.proxy is not None and isinstance(error, ImportError):
                raise ConfigError(
                    "cannot use this proxy: SOCKS needs packages that are not installed",
                    hint="install `httpx[socks]` for the requests and `python-socks[asyncio]` for Realtime",
                ) from None
            # Not quoted and not chained: the texts hold the proxy's URL, and that a password perhaps.
            raise ConfigError(
                f"cannot make an HTTP client from the environment: {type(error).__name__}",
                code="invalid_environment",
                hint="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY (SOCKS needs `httpx[socks]`), SSL_CERT_FILE and "
                "SSL_CERT_DIR; or pass an http_client of your own",
            ) from None

    def realtime(self, options: RealtimeOptions | None) -> RealtimeOptions | None:
        """The options of the Realtime connection with these beside their own, which win."""
        if not (self.proxy or self.ssl or self.headers):
            return options
        from spaces_sdk.realtime import RealtimeOptions

        own = options or RealtimeOptions()
        return replace(
            own,
            proxy=self.proxy if own.proxy is True and self.proxy is not None else own.proxy,
            ssl=own.ssl or self.ssl,
            headers={**self.headers, **own.headers},
        )
