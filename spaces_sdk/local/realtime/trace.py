"""Each frame in and out as one line of a file, for people who look for what their client does; tokens are left out."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime
from logging import Formatter, LogRecord, makeLogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import cast

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.wire import ClientFrame, RawPayload, UserPayload, Version

MAX_BYTES = 8 * 1024 * 1024
_SHOWN = 400
"""Characters of a payload that are shown."""
_REDACTED = "<redacted>"
_SECRET_KEYS = frozenset({"access_token", "user_token", "refresh_token", "apikey", "x-api-key", "authorization"})
_TOKENS = re.compile(r"eyJ[\w-]+\.[\w.-]*|sb_(?:publishable|secret)_[\w-]+")
_SECRET_FIELDS = re.compile(rf'("(?:{"|".join(_SECRET_KEYS)})"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^,}}\s]+)', re.IGNORECASE)
_SECRET_PARAMETERS = re.compile(rf"\b({'|'.join(_SECRET_KEYS)})=[^&\s]*", re.IGNORECASE)
_TEXT, _CLOSE = 0x1, 0x8
_USER_BROADCAST = 4


class Tracer:
    """Writes the lines; at 8 MiB the file is put aside as `.1` and begun anew.

    Args:
        path: The file, readable by its owner only; what it holds already stays.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._handler = RotatingFileHandler(
            path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace"
        )
        self._handler.setFormatter(_Plain())
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._handler.close()

    def opened(self, path: str) -> int:
        """A client has connected; the number that its lines carry."""
        number = next(self._numbers)
        self._write(number, "open", without_secrets(path))
        return number

    def refused(self, status: int, path: str) -> None:
        """A client was not let in."""
        self._write(0, "refused", f"{status} {without_secrets(path)}")

    def came(self, number: int, version: Version, data: str | bytes) -> None:
        """A client has sent this."""
        self._write(number, "in", of_client(version, data))

    def went(self, number: int, frame: bytes) -> None:
        """This whole websocket frame goes to a client."""
        self._write(number, "out", of_server(frame))

    def ended(self, number: int) -> None:
        """A client's connection is gone."""
        self._write(number, "gone", "")

    def _write(self, number: int, what: str, text: str) -> None:
        time = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
        line = f"{time} #{number:<3} {what:<4} {text}".rstrip()
        self._handler.handle(makeLogRecord({"msg": line}))


class _Plain(Formatter):
    def format(self, record: LogRecord) -> str:
        return str(record.msg)


def of_client(version: Version, data: str | bytes) -> str:
    """What a client sent, on one line."""
    frame = wire.decode(version, data)
    if frame is None:
        text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
        return f"unreadable {_cut(json.dumps(without_secrets(text), ensure_ascii=False))}"
    match frame.payload:
        case UserPayload(event, is_json, data):
            payload = f"{_one_line(event)} {_content(data, is_json=is_json)}"
        case RawPayload(data):
            payload = f"<{len(data)} bytes>"
        case payload_value:
            payload = _json(payload_value)
    return _line(frame, payload)


def of_server(frame: bytes) -> str:
    """What goes to a client, on one line."""
    opcode, body = frame[0] & 0x0F, _body(frame)
    if opcode == _CLOSE:
        return f"close {int.from_bytes(body[:2], 'big') if body else ''}"
    if opcode != _TEXT:
        return _binary(body)
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return f"text {_cut(without_secrets(body.decode('utf-8', 'replace')))}"
    if isinstance(value, list):
        join_ref, ref, topic, event, payload = cast("list[object]", value)
    else:
        fields = cast("dict[str, object]", value)
        join_ref, ref, topic, event, payload = None, *(fields.get(key) for key in ("ref", "topic", "event", "payload"))
    return _line(ClientFrame(join_ref, ref, str(topic), str(event), None), _json(payload))


def _line(frame: ClientFrame, payload: str) -> str:
    refs = [
        f"{name}={_one_line(ref) if isinstance(ref, str) else _json(ref)}"
        for name, ref in (("join_ref", frame.join_ref), ("ref", frame.ref))
        if ref not in (None, "")
    ]
    return " ".join([_one_line(frame.topic), _one_line(frame.event), *refs, payload])


def _binary(body: bytes) -> str:
    if not body or body[0] != _USER_BROADCAST:
        return f"binary <{len(body)} bytes>"
    fields: list[str] = []
    at = 5
    for length in body[1:4]:
        fields.append(body[at : at + length].decode("utf-8", "replace"))
        at += length
    # The metadata is the server's own.
    topic, event, metadata = _one_line(fields[0]), _one_line(fields[1]), fields[2]
    return " ".join(filter(None, [topic, wire.BROADCAST, event, metadata, _content(body[at:], is_json=bool(body[4]))]))


def _content(data: bytes, *, is_json: bool) -> str:
    if not is_json:
        return f"<{len(data)} bytes>"
    try:
        return _json(json.loads(data))
    except (ValueError, RecursionError):
        return f"<{len(data)} bytes that are no JSON>"


def _body(frame: bytes) -> bytes:
    length = frame[1] & 0x7F
    return frame[{126: 4, 127: 10}.get(length, 2) :]


def _json(value: object) -> str:
    return _cut(without_secrets(wire.dumps(value)))


def _one_line(text: str) -> str:
    return _cut(json.dumps(without_secrets(text), ensure_ascii=False)[1:-1])


def _cut(text: str) -> str:
    """After the secrets have gone: half a token is still half a token."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} … ({len(text)} characters)"


def without_secrets(text: str) -> str:
    """The text without tokens and keys, wherever they stand in it."""
    text = _SECRET_FIELDS.sub(rf'\1"{_REDACTED}"', text)
    text = _SECRET_PARAMETERS.sub(rf"\1={_REDACTED}", text)
    return _TOKENS.sub(_REDACTED, text)
