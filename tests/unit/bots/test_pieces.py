"""What is written of a model's pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces_sdk.bots.pieces import AnswerText, estimated_tokens

pytestmark = pytest.mark.unit


def written(*pieces: str, longest: int = 100) -> str:
    text = AnswerText("Bea", longest)
    return "".join(text.take(piece) for piece in pieces) + text.end()


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a", " b", "", "c"], "a bc"),
        (["a\0b"], "a\ufffdb"),
        (["a\ud83d", "\ude00b"], "a\U0001f600b"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["a\ude00b"], "a\ufffdb"),
        (["a\ud83d"], "a\ufffd"),
        (["a\ud83d", "", "\ude00"], "a\U0001f600"),
        (["\n\n ", " ", "hello\n"], "hello\n"),
        (["<Bea> hello"], "hello"),
        (["\n<", "Be", "a>", " hel", "lo"], "hello"),
        (["<Bea> <Bea> hello"], "<Bea> hello"),
        (["<Bean> hello"], "<Bean> hello"),
        (["<", "b>bold</b>"], "<b>bold</b>"),
        (["<Be"], "<Be"),
        (["I am <Bea> today"], "I am <Bea> today"),
        ([], ""),
        (["", " \n"], ""),
    ],
)
def test_pieces(pieces: list[str], text: str) -> None:
    assert written(*pieces) == text


def test_what_is_too_long_is_cut() -> None:
    text = AnswerText("Bea", 5)
    assert (text.take("abc"), text.is_full) == ("abc", False)
    assert (text.take("de"), text.is_full) == ("de", False)
    assert (text.take("f"), text.is_full) == ("", True)
    assert (text.length, text.size_bytes) == (5, 5)


@given(st.lists(st.text(alphabet=st.characters(), max_size=5), max_size=20))
def test_whatever_comes_in_pieces_can_be_written(pieces: list[str]) -> None:
    text = written(*pieces)
    text.encode()
    assert "\0" not in text
    assert len(text) <= 100


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80), st.integers(1, 7))
def test_how_it_is_cut_into_pieces_does_not_matter(text: str, size: int) -> None:
    assert written(*(text[at : at + size] for at in range(0, len(text), size))) == written(text)


def test_an_estimate() -> None:
    assert [estimated_tokens(size) for size in (0, 1, 4, 5)] == [0, 1, 1, 2]
