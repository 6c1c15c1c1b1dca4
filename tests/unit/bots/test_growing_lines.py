"""Lines in a terminal of which one grows."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from spaces_sdk.cli.growing_lines import GrowingLines

pytestmark = pytest.mark.unit

ONE, TWO = uuid4(), uuid4()


class Terminal:
    def __init__(self) -> None:
        self.text = ""
        self.lines = GrowingLines(self._write)
        self.said: dict[UUID, str] = {}

    def _write(self, text: str) -> None:
        self.text += text

    def grow(self, key: UUID, more: str) -> None:
        self.said[key] = self.said.get(key, "") + more
        self.lines.grow(key, "Sage" if key == ONE else "Zeno", self.said[key])

    def end(self, key: UUID, note: str = "") -> None:
        self.lines.end(key, "Sage" if key == ONE else "Zeno", self.said.get(key, ""), note)


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_an_answer_grows_on_its_line(terminal: Terminal) -> None:
    terminal.grow(ONE, "Tea")
    assert terminal.text == "Sage: Tea"
    terminal.grow(ONE, " is")
    terminal.end(ONE)
    terminal.lines.line("ada: oh")
    assert terminal.text == "Sage: Tea is\nada: oh\n"


def test_what_is_said_meanwhile_stands_below_and_the_answer_goes_on(terminal: Terminal) -> None:
    terminal.grow(ONE, "Tea")
    terminal.lines.line("ada: oh")
    terminal.grow(ONE, " is old")
    terminal.end(ONE, "(stopped)")
    assert terminal.text == "Sage: Tea\nada: oh\nSage: …  is old (stopped)\n"


def test_of_two_answers_one_grows_and_nothing_is_lost(terminal: Terminal) -> None:
    terminal.grow(ONE, "Tea")
    terminal.grow(TWO, "Coffee")
    terminal.grow(ONE, " is old")
    terminal.end(ONE)
    terminal.grow(TWO, " is black")
    terminal.end(TWO)
    assert terminal.text == "Sage: Tea is old\nZeno: Coffee is black\n"


def test_a_short_one_that_ends_first_is_shown_whole(terminal: Terminal) -> None:
    terminal.grow(ONE, "Tea")
    terminal.grow(TWO, "Coffee")
    terminal.end(TWO)
    terminal.end(ONE)
    assert terminal.text == "Sage: Tea\nZeno: Coffee\nSage: … \n"


def test_an_answer_without_text_is_shown_too(terminal: Terminal) -> None:
    terminal.end(ONE, "(stopped)")
    assert terminal.text == "Sage:  (stopped)\n"


def test_a_terminal_is_not_given_what_it_would_obey(terminal: Terminal) -> None:
    terminal.grow(ONE, "a\x1b[2Jb\nc\u202e")
    assert terminal.text == "Sage: a [2Jb\nc "
