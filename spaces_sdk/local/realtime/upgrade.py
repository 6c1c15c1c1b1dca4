"""Judges the request that asks to become a websocket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.hub import Hub
from spaces_sdk.local.realtime.tokens import TokenRefusedError
from spaces_sdk.local.realtime.wire import Version

SOCKET_PATH = "/socket/websocket"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The upgrade may go on."""

    version: Version
    api_key: str
    headers: Mapping[str, str]
    """The `x-` headers, which policies may see."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The upgrade is answered with plain HTTP, at once or after the delay of refusals."""

    response: Response
    is_held_back: bool


def judge(hub: Hub, request: Request) -> Accepted | Refused:
    """Say whether a request may become a socket."""
    target = urlsplit(request.path)
    if target.path != SOCKET_PATH:
        return Refused(_response(HTTPStatus.NOT_FOUND, b"Not Found", "text/html; charset=utf-8"), is_held_back=False)
    query = parse_qs(target.query, keep_blank_values=True)
    try:
        version = Version(query.get("vsn", [Version.V1.value])[-1])
    except ValueError:
        return Refused(_response(HTTPStatus.FORBIDDEN, b"", "text/plain"), is_held_back=False)
    if hub.settings.suspended:
        return _error(HTTPStatus.FORBIDDEN, "Realtime was disabled for this tenant")
    api_key = request.headers.get("x-api-key") or next(iter(query.get("apikey", [])[-1:]), None)
    if api_key is None:
        return _error(HTTPStatus.UNAUTHORIZED, "API key is missing")
    try:
        hub.verify(api_key)
    except TokenRefusedError as refusal:
        return _error(HTTPStatus.UNAUTHORIZED, refusal.at_upgrade)
    if hub.is_full:
        return _error(HTTPStatus.TOO_MANY_REQUESTS, "Too many connected users")
    if hub.joins.is_triggered:
        return _error(HTTPStatus.TOO_MANY_REQUESTS, "Too many joins per second")
    headers = {name.lower(): value for name, value in request.headers.raw_items() if name.lower().startswith("x-")}
    return Accepted(version, api_key, headers)


def _error(status: HTTPStatus, message: str) -> Refused:
    body = wire.dumps({"error": message}).encode()
    return Refused(_response(status, body, "application/json; charset=utf-8"), is_held_back=True)


def _response(status: HTTPStatus, body: bytes, content_type: str) -> Response:
    headers = Headers([("Content-Type", content_type), ("Content-Length", str(len(body))), ("Connection", "close")])
    return Response(status.value, status.phrase, headers, body)
