"""An HTTP client whose way to Auth's refresh can be shut, until access tokens run out, or lose its answers."""

from __future__ import annotations

import time

import httpx


class RefreshGate:
    """Holds refreshes of tokens back; everything else passes."""

    def __init__(self) -> None:
        self._until = 0.0
        self.lost = 0

    def hold(self, for_s: float) -> None:
        """From now on a refresh fails as if Auth could not be reached."""
        self._until = max(self._until, time.monotonic() + for_s)

    def lose(self, count: int) -> None:
        """The next refreshes are done, and their answers do not arrive."""
        self.lost = count

    def client(self) -> httpx.AsyncClient:
        """The client, with the SDK's own settings."""
        return httpx.AsyncClient(
            transport=_GatedTransport(self), timeout=httpx.Timeout(None, connect=4.0), trust_env=False
        )

    @property
    def is_shut(self) -> bool:
        return time.monotonic() < self._until


class _GatedTransport(httpx.AsyncHTTPTransport):
    def __init__(self, gate: RefreshGate) -> None:
        super().__init__(limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=60.0))
        self._gate = gate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        is_refresh = request.url.path.endswith("/auth/v1/token") and request.url.params.get("grant_type") != "password"
        if self._gate.is_shut and is_refresh:
            raise httpx.ConnectError("Auth cannot be reached", request=request)
        response = await super().handle_async_request(request)
        if self._gate.lost > 0 and is_refresh:
            self._gate.lost -= 1
            await response.aclose()
            raise httpx.ReadError("cut before the answer", request=request)
        return response
