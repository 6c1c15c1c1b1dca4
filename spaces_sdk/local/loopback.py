"""HTTP to the stack's own parts: plain, on this machine."""

from __future__ import annotations

import ssl

import httpx

_LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=4.0)


def loopback_client(*, timeout: httpx.Timeout | float) -> httpx.AsyncClient:
    """A client that leaves the user's proxies aside, and reads no certificates: there is no TLS on loopback."""
    # Loading the system's authorities takes some 30 ms, more than most parts need to answer.
    no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(
        verify=no_authorities, timeout=timeout, limits=_LIMITS, trust_env=False, follow_redirects=False
    )
