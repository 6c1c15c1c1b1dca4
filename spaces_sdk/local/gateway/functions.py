"""The route of the edge functions. Hosted, they stand behind another gateway: no key is asked for, a token may be."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from spaces_sdk.local.functions.host import FunctionFailedError, FunctionHost
from spaces_sdk.local.gateway.access import bearer_of
from spaces_sdk.local.gateway.http_proxy import NOT_FORWARDED, path_of, read_body, target, unavailable
from spaces_sdk.local.gateway.keys import KeyRing
from spaces_sdk.local.loopback import loopback_client
from spaces_sdk.local.ports import HOST

PREFIX = "/functions/v1"
# As long as a hosted function may take on the Free plan.
_TIMEOUT = httpx.Timeout(150.0, connect=2.0)


class FunctionRoute:
    """Forwards to the functions as they are; close it with `aclose`."""

    def __init__(self, keys: KeyRing, host: FunctionHost) -> None:
        self._keys = keys
        self._host = host
        self._client = loopback_client(timeout=_TIMEOUT)

    async def aclose(self) -> None:
        await self._client.aclose()
        await self._host.aclose()

    async def serve(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        function = await self._host.find(name)
        path = path_of(request)
        if function is None or not path.startswith(f"{PREFIX}/{name}"):
            return JSONResponse({"code": "NOT_FOUND", "message": "Requested function was not found"}, 404)
        if function.verifies_jwt and request.method != "OPTIONS":
            header = request.headers.get("authorization")
            if header is None:
                return JSONResponse({"code": 401, "message": "Missing authorization header"}, 401)
            if not self._keys.is_token(bearer_of(header)):
                return JSONResponse({"code": 401, "message": "Invalid JWT"}, 401)
        try:
            port = await self._host.port_of(function)
        except FunctionFailedError as error:
            message = "Function failed to start (please check logs)"
            return JSONResponse({"code": "BOOT_ERROR", "message": message, "hint": str(error)}, 503)
        return await self._forward(name, httpx.URL(f"http://{HOST}:{port}"), path.removeprefix(PREFIX), request)

    async def _forward(self, name: str, base: httpx.URL, path: str, request: Request) -> Response:
        url = target(base, path, request.url.query)
        if url is None:
            return JSONResponse({"message": "invalid request target", "hint": "write the path as it is"}, 400)
        body = await read_body(request)
        if body is None:
            return JSONResponse({"message": "request body too large", "hint": "10 MiB is the limit"}, 413)
        headers = [(key, value) for key, value in request.headers.raw if key not in NOT_FORWARDED]
        headers.append((b"x-forwarded-host", request.headers.get("host", "").encode("latin-1")))
        timeout = {"timeout": _TIMEOUT.as_dict()}
        outgoing = httpx.Request(request.method, url, headers=headers, content=body, extensions=timeout)
        try:
            answer = await self._client.send(outgoing, stream=True)
        except httpx.TimeoutException:
            return unavailable(f"the function {name}", "it did not answer in time")
        except httpx.HTTPError:
            return unavailable(f"the function {name}", "it is not running, or ended while it answered")
        response = StreamingResponse(_content(answer), answer.status_code)
        kept = [(key.lower(), value) for key, value in answer.headers.raw]
        response.raw_headers = [pair for pair in kept if pair[0] not in NOT_FORWARDED or pair[0] == b"content-length"]
        return response


async def _content(answer: httpx.Response) -> AsyncGenerator[bytes]:
    """What it sends, as it comes: a function may stream."""
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
