"""The HTTP endpoints: broadcasts, readiness."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.authorization import Caller, DatabaseUnavailableError, Extension, PolicyFailedError
from spaces_sdk.local.realtime.http_messages import HttpMessage, InvalidMessagesError, parse_messages
from spaces_sdk.local.realtime.hub import Hub
from spaces_sdk.local.realtime.outgoing import TextMessage, UserBroadcast
from spaces_sdk.local.realtime.tokens import Token, TokenRefusedError
from spaces_sdk.local.realtime.topics import TOPIC_PREFIX
from spaces_sdk.local.realtime.upgrade import SOCKET_PATH

_log = logging.getLogger(__name__)


class _RefusedError(Exception):
    def __init__(self, status: HTTPStatus, body: object) -> None:
        super().__init__(status.phrase)
        self.status = status
        self.body = body


def make_app(hub: Hub) -> Starlette:
    """The ASGI application of a hub."""
    endpoints = _Endpoints(hub)
    return Starlette(
        routes=[
            Route("/ready", endpoints.ready, methods=["GET"]),
            Route("/api/ping", endpoints.ping, methods=["GET"]),
            Route("/api/broadcast", endpoints.broadcast, methods=["POST"]),
            Route("/api/broadcast/{topic:path}/events/{event}", endpoints.broadcast_one, methods=["POST"]),
            Route(SOCKET_PATH, endpoints.no_upgrade, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _plain_error},
    )


async def _plain_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        status = HTTPStatus.NOT_FOUND
    return _text(HTTPStatus(status))


def _text(status: HTTPStatus) -> Response:
    phrase = "Request Entity Too Large" if status.value == 413 else status.phrase
    return PlainTextResponse(phrase, status.value, media_type="text/html")


def _json(status: HTTPStatus, body: object, headers: dict[str, str] | None = None) -> Response:
    return Response(wire.dumps(body), status.value, headers, "application/json; charset=utf-8")


class _Endpoints:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def ready(self, _request: Request) -> Response:
        follower = self._hub.follower
        if follower.is_streaming:
            return _json(HTTPStatus.OK, {"status": "ready"})
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "starting", "reason": follower.fault})

    async def ping(self, _request: Request) -> Response:
        return _json(HTTPStatus.OK, {"message": "Success"})

    async def no_upgrade(self, request: Request) -> Response:
        given = wire.dumps([request.headers.get("connection", "")])
        return PlainTextResponse(f"'connection' header must contain 'upgrade', got {given}", HTTPStatus.BAD_REQUEST)

    async def broadcast(self, request: Request) -> Response:
        try:
            body = await self._json_body(request)
            self._count_request()
            caller = self._caller(request)
            messages = parse_messages(body, self._hub.gauge)
            self._check_rate(len(messages))
            await self._send_all(messages, caller)
        except InvalidMessagesError as error:
            return _json(
                HTTPStatus.UNPROCESSABLE_ENTITY, {"errors": {"messages": error.errors}}, self._headers(request)
            )
        except HTTPException as error:
            return _text(HTTPStatus(error.status_code))
        except _RefusedError as refusal:
            return _json(refusal.status, refusal.body, self._headers(request))
        return Response(status_code=HTTPStatus.ACCEPTED, headers=self._headers(request))

    async def broadcast_one(self, request: Request) -> Response:
        content_type = _content_type(request)
        if content_type not in ("", "application/json", "application/octet-stream"):
            error = "Unsupported Media Type. Use application/json or application/octet-stream"
            return _json(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"error": error})
        is_json = content_type != "application/octet-stream"
        try:
            self._count_request()
            content = await self._json_body(request) if is_json else await self._body(request)
            await self._send_one(request, content)
        except HTTPException as error:
            return _text(HTTPStatus(error.status_code))
        except _RefusedError as refusal:
            return _json(refusal.status, refusal.body, self._headers(request))
        return Response(status_code=HTTPStatus.ACCEPTED, headers=self._headers(request))

    async def _send_one(self, request: Request, content: object) -> None:
        caller = self._caller(request)
        topic, event = str(request.path_params["topic"]), str(request.path_params["event"])
        is_private = request.query_params.get("private") == "true"
        gauge = self._hub.gauge
        if isinstance(content, bytes):
            data, is_json, is_too_large = content, False, gauge.is_exceeded_by_bytes(content)
        else:
            data, is_json = wire.dumps_sorted(content).encode(), True
            is_too_large = gauge.is_exceeded_by(content, len(data))
        if is_too_large:
            errors = {"payload": ["Payload size exceeds tenant limit"]}
            raise _RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, {"errors": errors})
        self._check_rate(1)
        if is_private and not await self._may_write(topic, caller):
            raise _RefusedError(HTTPStatus.FORBIDDEN, {"message": "Unauthorized"})
        self._hub.events.add()
        self._hub.publish(
            topic, UserBroadcast(TOPIC_PREFIX + topic, event, data, is_json=is_json), is_private=is_private
        )

    async def _send_all(self, messages: list[HttpMessage], caller: Caller) -> None:
        for message in messages:
            if not message.is_private:
                self._publish(message)
        allowed: dict[str, bool] = {}
        for message in messages:
            if not message.is_private:
                continue
            if message.topic not in allowed:
                allowed[message.topic] = await self._may_write(message.topic, caller)
            if allowed[message.topic]:
                self._publish(message)

    def _publish(self, message: HttpMessage) -> None:
        self._hub.events.add()
        text = TextMessage(TOPIC_PREFIX + message.topic, wire.BROADCAST, message.payload_json())
        self._hub.publish(message.topic, text, is_private=message.is_private)

    async def _may_write(self, topic: str, caller: Caller) -> bool:
        try:
            return bool(await self._hub.authorizer.writable(topic, caller, (Extension.BROADCAST,)))
        except PolicyFailedError:
            return False
        except DatabaseUnavailableError as error:
            _log.warning("the right of an HTTP message could not be asked for: %s", error)
            return False

    def _check_rate(self, count: int) -> None:
        events = self._hub.events
        if events.is_exceeded:
            raise _RefusedError(HTTPStatus.TOO_MANY_REQUESTS, {"message": "You have exceeded your rate limit"})
        if count + events.average > events.limit_per_s:
            message = "Too many messages to broadcast, please reduce the batch size"
            raise _RefusedError(HTTPStatus.TOO_MANY_REQUESTS, {"message": message})

    def _caller(self, request: Request) -> Caller:
        if self._hub.settings.suspended:
            raise _RefusedError(HTTPStatus.FORBIDDEN, {"message": "Tenant is suspended"})
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        raw = bearer.strip() if scheme.lower() == "bearer" else request.headers.get("apikey", "")
        try:
            token: Token = self._hub.verify(raw)
        except TokenRefusedError:
            raise _RefusedError(HTTPStatus.UNAUTHORIZED, {"message": "Unauthorized"}) from None
        return Caller(token, {name: value for name, value in request.headers.items() if name.startswith("x-")})

    async def _json_body(self, request: Request) -> object:
        body = await self._body(request)
        if _content_type(request) not in ("", "application/json") or not body:
            return {}
        try:
            value = wire.loads(body.decode())
        except ValueError:
            raise HTTPException(HTTPStatus.BAD_REQUEST) from None
        return {"_json": value} if not isinstance(value, dict) else cast("object", value)

    async def _body(self, request: Request) -> bytes:
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._hub.settings.body_timeout_s):
                async for piece in request.stream():
                    size += len(piece)
                    if size > self._hub.settings.max_body_bytes:
                        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                    pieces.append(piece)
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
        except ClientDisconnect:
            raise HTTPException(HTTPStatus.BAD_REQUEST) from None
        return b"".join(pieces)

    def _count_request(self) -> None:
        requests = self._hub.requests
        self._hub.count_request()
        if requests.rolling >= requests.limit_per_s:
            raise _RefusedError(HTTPStatus.TOO_MANY_REQUESTS, {"message": "Too many requests"})

    def _headers(self, request: Request) -> dict[str, str]:
        requests = self._hub.requests
        headers = {
            "x-rate-limit": str(requests.limit_per_s),
            "x-rate-limit-remaining": str(requests.limit_per_s - requests.rolling),
            "x-rate-rolling": str(requests.rolling),
        }
        if "origin" in request.headers:
            headers["access-control-allow-origin"] = "*"
        return headers


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
