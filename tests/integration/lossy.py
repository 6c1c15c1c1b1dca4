"""An HTTP client whose answers get lost on their way back, after the server has done what was asked."""

from __future__ import annotations

import httpx


class LossyTransport(httpx.AsyncHTTPTransport):
    """Sends everything; loses the next answers to the functions that it was told of.

    Attributes:
        is_cut: Nothing reaches the server.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lose: dict[str, int] = {}
        self.sent: list[str] = []
        self.is_cut = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[-1]
        if self.is_cut:
            raise httpx.ConnectError("the network is gone", request=request)
        self.sent.append(name)
        response = await super().handle_async_request(request)
        if self.lose.get(name, 0) > 0:
            self.lose[name] -= 1
            await response.aread()
            await response.aclose()
            raise httpx.ReadError("cut before the answer", request=request)
        return response
