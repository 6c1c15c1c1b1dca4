"""What a bot logs, as a terminal may have it: others have written a part of it."""

from __future__ import annotations

import logging


def printable(text: str) -> str:
    """A text without what a terminal obeys; lines stay lines."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


class PlainFormatter(logging.Formatter):
    """An error may quote a message, which could colour the log, hide lines of it, or write some that look like others.

    Control characters are taken out, and every line of an entry but its first is set in.
    """

    def format(self, record: logging.LogRecord) -> str:
        return printable("\n  ".join(super().format(record).splitlines()))


def log_to_terminal(level: int) -> None:
    """Unless the program has a log of its own."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S"))
    root.addHandler(handler)
    root.setLevel(level)
    for chatty in ("httpx", "httpx2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
