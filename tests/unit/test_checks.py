"""Arguments that are refused before any I/O, with the database's own codes."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces_sdk.errors import InvalidRequestError
from spaces_sdk.models import MessageType
from spaces_sdk.rooms import checks

pytestmark = pytest.mark.unit

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("XJ9K2M", "XJ9K2M"),
        ("xj9k2m", "XJ9K2M"),
        (" xj9-k2m\n", "XJ9K2M"),
        ("XJ9 K2M", "XJ9K2M"),
        ("x-j-9-k-2-m", "XJ9K2M"),
    ],
)
def test_codes_that_are_taken(text: str, code: str) -> None:
    assert checks.room_code("join", text) == code
    assert checks.is_room_code(text)


@pytest.mark.parametrize("text", ["👍", "👍🏽", "❤️", "1️⃣", "🇩🇪", "👨‍👩‍👧‍👦", "👍" * 16])
def test_emojis(text: str) -> None:
    assert checks.emoji_of("react", text) == text


@pytest.mark.parametrize(
    "text", ["", "a", "1", "\u200d", "👍 👍", "👍\n", "👍a", "\u202e👍", "👍\x00", "\ud83d", "👍" * 17]
)
def test_what_is_no_emoji(text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        checks.emoji_of("react", text)
    assert caught.value.code == "invalid_argument"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "XJ9K2",
        "XJ9K2MM",
        "XJ9K2I",
        "XJ9K2O",
        "XJ9K20",
        "XJ9K21",
        "ÄJ9K2M",
        "XJ9_2M",
        "XJ9K2\x00",
        "ßJ9K2M",
        "ßJ9K2",
        "\uff38J9K2M",
    ],
)
def test_codes_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        checks.room_code("join the room", text)
    assert (caught.value.code, caught.value.status) == ("invalid_room_code", 400)
    assert str(caught.value).startswith("cannot join the room: ")
    assert not checks.is_room_code(text)


@given(
    st.text(alphabet=ALPHABET, min_size=6, max_size=6), st.lists(st.tuples(st.integers(0, 6), st.sampled_from(" -\t")))
)
def test_a_code_is_found_in_what_people_type(code: str, noise: list[tuple[int, str]]) -> None:
    typed = code.lower()
    for at, what in noise:
        typed = typed[:at] + what + typed[at:]
    assert checks.room_code("join", typed) == code


@given(st.text())
def test_a_code_is_either_right_or_refused(text: str) -> None:
    try:
        code = checks.room_code("join", text)
    except InvalidRequestError:
        return
    assert len(code) == 6
    assert set(code) <= set(ALPHABET)


@pytest.mark.parametrize("name", ["A", "x" * 50, "Ada Lovelace", "Ünïcödé 🎷", "🎷" * 50])
def test_names_that_are_taken(name: str) -> None:
    assert checks.name_of("join", "display_name", f"  {name}\n", 50) == name


@pytest.mark.parametrize("name", ["", "   ", "x" * 51, "a\x00b", "a\nb", "a\x1b[31mb", "\ud800"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        checks.name_of("join", "display_name", name, 50)
    assert caught.value.code == "invalid_argument"
    assert "display_name" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("a", MessageType.USER_TEXT),
        ("a" * 8000, MessageType.USER_TEXT),
        ("line\nline\ttab", MessageType.USER_VOICE),
        ("🎷" * 8000, MessageType.USER_TEXT),
        ("a" * 200_000, MessageType.AI_RESPONSE),
    ],
)
def test_content_that_is_taken_is_left_as_it_is(content: str, kind: MessageType) -> None:
    assert checks.content_of("send", content, kind) == content


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("", MessageType.USER_TEXT),
        (" \n\t ", MessageType.USER_TEXT),
        ("a" * 8001, MessageType.USER_TEXT),
        ("a" * 200_001, MessageType.AI_RESPONSE),
        ("a\x00b", MessageType.USER_TEXT),
        ("\ud83c", MessageType.USER_TEXT),
    ],
)
def test_content_that_is_refused(content: str, kind: MessageType) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        checks.content_of("send the message", content, kind)
    assert caught.value.code == "invalid_argument"


def test_types_of_messages() -> None:
    assert checks.message_type_of("send", "user_voice") is MessageType.USER_VOICE
    with pytest.raises(InvalidRequestError, match="no message type 'shout'"):
        checks.message_type_of("send", "shout")


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        {"a": "x" * 16_385},
        {"a": "\x00"},
        {"\x00": 1},
        {"a": [{"b": ["\x00"]}]},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": object()},
        {"a": b"bytes"},
        {"a": "\udfff"},
        nested(200),
        nested(2000),
    ],
    ids=range(11),
)
def test_metadata_that_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        checks.json_object("send", "metadata", value)
    assert caught.value.code == "invalid_argument"
    assert "metadata" in str(caught.value)


def test_metadata_that_is_taken() -> None:
    assert checks.json_object("send", "metadata", None) == {}
    full = {"a": "x" * (16_384 - len('{"a":""}'))}
    assert checks.json_object("send", "metadata", full) == full
    with pytest.raises(InvalidRequestError, match="it has 16385"):
        checks.json_object("send", "metadata", {"a": full["a"] + "x"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_whatever_passes_can_be_sent(value: dict[str, Any]) -> None:
    try:
        checked = checks.json_object("send", "metadata", value)
    except InvalidRequestError:
        return
    assert json.loads(json.dumps(checked, ensure_ascii=False).encode()) == value


def test_ids() -> None:
    text = "6d1f0f0e-2b5a-4c7e-9d52-7e1c6a1f0001"
    assert checks.uuid_of("get", "room_id", text) == UUID(text)
    assert checks.uuid_of("get", "room_id", UUID(text)) == UUID(text)
    for wrong in ("", "XJ9K2M", text[:-1]):
        with pytest.raises(InvalidRequestError, match="room_id is no UUID"):
            checks.uuid_of("get", "room_id", wrong)


@pytest.mark.parametrize("value", [0, 51, -1, float("nan")])
def test_numbers_out_of_range(value: float) -> None:
    with pytest.raises(InvalidRequestError, match="max_participants must be 1 to 50"):
        checks.within("create", "max_participants", value, 1, 50)
