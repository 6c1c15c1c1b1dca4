"""Strategies for what clients should not send."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

Message = str | bytes

_scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20), st.just("9" * 300)
)
json_values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
_topics: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["realtime:fuzz", "realtime:", "realtime:room:1", "phoenix", "", "realtime:\x00", "x" * 300]),
    json_values,
)
_events: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["phx_join", "phx_leave", "broadcast", "presence", "access_token", "heartbeat", "phx_close"]),
    json_values,
)
_settings: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "broadcast": st.one_of(json_values, st.dictionaries(st.sampled_from(["ack", "self", "replay"]), json_values)),
        "presence": st.one_of(json_values, st.dictionaries(st.sampled_from(["key", "enabled"]), json_values)),
        "private": json_values,
        "postgres_changes": json_values,
    },
)
_payloads: st.SearchStrategy[Any] = st.one_of(
    json_values,
    st.fixed_dictionaries({"config": st.one_of(_settings, json_values)}, optional={"access_token": json_values}),
    st.fixed_dictionaries(
        {"event": st.one_of(st.sampled_from(["track", "untrack", "TRACK"]), json_values)},
        optional={"type": json_values, "payload": json_values},
    ),
    st.fixed_dictionaries({"access_token": json_values}),
)


def _as_array(parts: tuple[Any, ...]) -> str:
    return json.dumps(list(parts))


def _cut_short(parts: tuple[Any, ...]) -> str:
    return _as_array(parts)[:-1]


def _as_object(parts: tuple[Any, ...]) -> str:
    return json.dumps(dict(zip(("join_ref", "ref", "topic", "event", "payload"), parts, strict=True)))


_frames: st.SearchStrategy[Any] = st.tuples(json_values, json_values, _topics, _events, _payloads)


def _binary_frame(kind: int, head: list[int], rest: bytes) -> bytes:
    return bytes([kind, *head]) + rest


_binary: st.SearchStrategy[Any] = st.builds(
    _binary_frame,
    st.integers(0, 9),
    st.lists(st.integers(0, 255), max_size=7),
    st.binary(max_size=300),
)
messages: st.SearchStrategy[Message] = st.one_of(
    _frames.map(_as_array),
    _frames.map(_as_object),
    json_values.map(json.dumps),
    _frames.map(_cut_short),
    st.text(max_size=80),
    st.binary(max_size=80),
    _binary,
    st.sampled_from(
        ["[" * 200_000, '{"a":' * 50_000, '[null,"1","realtime:fuzz","broadcast",' + "[" * 5000 + "]" * 5000 + "]"]
    ),
)
