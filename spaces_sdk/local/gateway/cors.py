"""Cross-origin rules as hosted: any origin, no cookies; the key and the token are what counts."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT"
_EXPOSED = (
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "
    "Transfer-Encoding, Range-Unit, Preference-Applied, X-Total-Count"
)
_MAX_AGE_S = "3600"


class CorsMiddleware:
    """Answers preflights and marks all other answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A function answers its own preflights, and marks what it answers itself.
        if scope["type"] != "http" or scope["path"].startswith("/functions/v1/"):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await _preflight(scope)(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["access-control-allow-origin"] = "*"
                headers["access-control-expose-headers"] = _EXPOSED
            await send(message)

        await self._app(scope, receive, send_marked)


def _preflight(scope: Scope) -> Response:
    wanted = next((v for k, v in scope["headers"] if k == b"access-control-request-headers"), b"*").decode("latin-1")
    headers = {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": _METHODS,
        "access-control-allow-headers": wanted,
        "access-control-max-age": _MAX_AGE_S,
    }
    return Response(status_code=200, headers=headers)
