"""The gateway's routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spaces_sdk.local.functions.host import FunctionHost
from spaces_sdk.local.gateway.cors import CorsMiddleware
from spaces_sdk.local.gateway.functions import FunctionRoute
from spaces_sdk.local.gateway.http_proxy import HttpProxy
from spaces_sdk.local.gateway.keys import KeyRing
from spaces_sdk.local.gateway.settings import GatewaySettings

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_ALL_METHODS = [*_METHODS, "OPTIONS", "TRACE"]


class _Anything(Convertor[str]):
    """The rest of a path, whatever it decodes to: Starlette's own `path` ends at a line break."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anything", _Anything())


def make_app(settings: GatewaySettings, keys: KeyRing) -> Starlette:
    """The HTTP side; websockets go by `tunnel`."""
    proxy = HttpProxy(keys, lite_port=settings.lite_port, realtime_port=settings.realtime_port)
    functions = FunctionRoute(keys, FunctionHost(settings.functions))
    parts = {"lite": settings.lite_port, "realtime": settings.realtime_port}

    async def health(_: Request) -> Response:
        """200 once every part behind the gateway is ready, else 503 with what each says."""
        answers = await asyncio.gather(*(proxy.is_ready(port) for port in parts.values()))
        state = {name: answer or "ok" for name, answer in zip(parts, answers, strict=True)}
        is_ready = not any(answers)
        return JSONResponse({"status": "ok" if is_ready else "starting", "parts": state}, 200 if is_ready else 503)

    async def nothing(request: Request) -> Response:
        hint = "REST is at /rest/v1, Auth at /auth/v1, Realtime at /realtime/v1, functions at /functions/v1"
        return JSONResponse({"message": f"nothing is served at {request.url.path}", "hint": hint}, 404)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await functions.aclose()
            await proxy.aclose()

    routes = [
        Route("/health", health, methods=["GET"]),
        Route("/rest/v1/{rest:anything}", proxy.lite, methods=_METHODS),
        Route("/auth/v1/{rest:anything}", proxy.lite, methods=_METHODS),
        Route("/realtime/v1/api/{rest:anything}", proxy.realtime, methods=_METHODS),
        Route("/functions/v1/{name}", functions.serve, methods=_ALL_METHODS),
        Route("/functions/v1/{name}/{rest:anything}", functions.serve, methods=_ALL_METHODS),
        Route("/{rest:anything}", nothing, methods=_METHODS),
    ]
    return Starlette(routes=routes, middleware=[Middleware(CorsMiddleware)], lifespan=lifespan)
