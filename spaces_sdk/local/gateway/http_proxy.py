"""Forwards HTTP requests to the parts."""

from __future__ import annotations

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from spaces_sdk.local.gateway.access import Refusal, bearer_of, check_key, with_apikey
from spaces_sdk.local.gateway.keys import KeyRing, Role
from spaces_sdk.local.loopback import loopback_client
from spaces_sdk.local.ports import HOST

_MAX_BODY_BYTES = 10 * 1024 * 1024
_TIMEOUT = httpx.Timeout(60.0, connect=2.0)
# Those of one hop (RFC 9110, 7.6.1), and those that the next hop writes itself.
NOT_FORWARDED = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade host "
    b"content-length date expect".split()
)


class HttpProxy:
    """One client with its pools for all parts; close it with `aclose`."""

    def __init__(self, keys: KeyRing, *, lite_port: int, realtime_port: int) -> None:
        self._keys = keys
        self._lite = httpx.URL(f"http://{HOST}:{lite_port}")
        self._realtime = httpx.URL(f"http://{HOST}:{realtime_port}")
        self._client = loopback_client(timeout=_TIMEOUT)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def lite(self, request: Request) -> Response:
        """REST and Auth: they know the opaque keys, and user tokens in `Authorization`."""
        role = self._check(request)
        if isinstance(role, Refusal):
            return refused(role)
        headers = _forwarded(request, without={b"apikey", b"authorization"})
        headers.append((b"apikey", self._keys.opaque_key(role).encode()))
        token = bearer_of(request.headers.get("authorization"))
        if token and not token.startswith("sb_"):
            headers.append((b"authorization", f"Bearer {token}".encode()))
        return await self._forward("REST and Auth", self._lite, path_of(request), request, headers)

    async def realtime(self, request: Request) -> Response:
        """Realtime's HTTP endpoints: they want tokens."""
        role = self._check(request)
        if isinstance(role, Refusal):
            return refused(role)
        headers = _forwarded(request, without={b"apikey", b"authorization"})
        key_token = self._keys.token(role)
        token = bearer_of(request.headers.get("authorization"))
        bearer = token if token and not token.startswith("sb_") else key_token
        headers += [(b"apikey", key_token.encode()), (b"authorization", f"Bearer {bearer}".encode())]
        path = path_of(request).removeprefix("/realtime/v1")
        return await self._forward("Realtime", self._realtime, path, request, headers)

    async def is_ready(self, port: int) -> str | None:
        """None if the part on that port says that it is ready, else why not."""
        try:
            answer = await self._client.get(f"http://{HOST}:{port}/ready", timeout=2.0)
        except httpx.HTTPError as error:
            return type(error).__name__
        return None if answer.status_code == 200 else answer.text[:200]

    def _check(self, request: Request) -> Role | Refusal:
        return check_key(self._keys, path_of(request), request.headers.get("apikey"), request.url.query)

    async def _forward(
        self, part: str, base: httpx.URL, path: str, request: Request, headers: list[tuple[bytes, bytes]]
    ) -> Response:
        url = target(base, path, with_apikey(request.url.query, None))
        if url is None:
            return JSONResponse(
                {"message": "invalid request target", "hint": "write the path as it is: /rest/v1/…"}, 400
            )
        body = await read_body(request)
        if body is None:
            return JSONResponse({"message": "request body too large", "hint": "10 MiB is the limit"}, 413)
        # Not by the client's `build_request`, which would add headers of its own, as what encodings are accepted.
        timeout = {"timeout": _TIMEOUT.as_dict()}
        outgoing = httpx.Request(request.method, url, headers=headers, content=body, extensions=timeout)
        try:
            answer = await self._client.send(outgoing, stream=True)
            try:
                content = b"".join([chunk async for chunk in answer.aiter_raw()])
            finally:
                await answer.aclose()
        except httpx.TimeoutException:
            return unavailable(part, "it did not answer in time")
        except httpx.HTTPError:
            return unavailable(part, "it is not running, or ended while it answered")
        response = Response(content, answer.status_code)
        kept = [(name.lower(), value) for name, value in answer.headers.raw]
        length = [] if request.method == "HEAD" or answer.status_code in (204, 304) else [_length(content)]
        response.raw_headers = [
            pair for pair in kept if pair[0] not in NOT_FORWARDED and not pair[0].startswith(b"access-control-")
        ] + length
        return response


def refused(refusal: Refusal) -> JSONResponse:
    """401 in the words of the hosted gateway."""
    return JSONResponse(refusal.to_json(), 401)


def unavailable(part: str, reason: str) -> JSONResponse:
    """503: a part does not answer."""
    message = f"cannot reach {part}: {reason}"
    hint = "the local stack is starting or stopping, or that part was stopped; see `spaces status` and its log"
    return JSONResponse({"code": "part_unavailable", "message": message, "hint": hint}, 503)


def path_of(request: Request) -> str:
    """The path as it was sent, with its percent signs."""
    raw: bytes = request.scope["raw_path"]
    return raw.decode("latin-1")


def target(base: httpx.URL, path: str, query: str) -> httpx.URL | None:
    """The address at a part, which no path can change; None if it is no path or no address."""
    if not path.startswith("/"):
        return None  # `%2frest%2fv1%2f@elsewhere` is routed by what it decodes to
    try:
        return base.copy_with(raw_path=(f"{path}?{query}" if query else path).encode("latin-1"))
    except (httpx.InvalidURL, UnicodeEncodeError):
        return None


async def read_body(request: Request) -> bytes | None:
    """The whole body, or None if it is over the limit."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > _MAX_BODY_BYTES:
                return None
            chunks.append(chunk)
    except ClientDisconnect:
        return None
    return b"".join(chunks)


def _forwarded(request: Request, *, without: set[bytes]) -> list[tuple[bytes, bytes]]:
    dropped = NOT_FORWARDED | without
    return [(name, value) for name, value in request.headers.raw if name not in dropped]


def _length(content: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(content)).encode()
