"""The one place where the command writes: for people or as JSON, results on stdout, the rest on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spaces_sdk.errors import SpacesError

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2

_USAGE_CODES = frozenset({"usage", "invalid_config", "missing_extra"})


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's words go.

    Attributes:
        is_json: True writes one JSON document to stdout, and nothing meant for people.
    """

    is_json: bool = False

    def progress(self, line: str) -> None:
        """What goes on meanwhile: stderr, so that stdout holds the result alone."""
        if not self.is_json:
            self._write(sys.stderr.fileno(), line)

    def result(self, text: str, data: Mapping[str, Any]) -> None:
        """What the user asked for."""
        self._write(sys.stdout.fileno(), json.dumps(data) if self.is_json else text)

    def error(self, error: SpacesError) -> None:
        """What went wrong, and the way on."""
        log_tail = getattr(error, "log_tail", "")
        if self.is_json:
            data = {"code": error.code, "message": error.message, "hint": error.hint, "log_tail": log_tail}
            self._write(sys.stdout.fileno(), json.dumps({"ok": False, "error": data}))
            return
        lines = [f"error: {error.message}"]
        if log_tail:
            lines += ["", *(f"  | {line}" for line in log_tail.splitlines()), ""]
        if error.hint:
            lines.append(f"hint: {error.hint}")
        self._write(sys.stderr.fileno(), "\n".join(lines))

    @staticmethod
    def exit_status(error: SpacesError) -> int:
        """2 for a mistake in the call or the installation, else 1."""
        return EXIT_USAGE if error.code in _USAGE_CODES else EXIT_FAILED

    @staticmethod
    def _write(fd: int, text: str) -> None:
        data = f"{text}\n".encode()
        try:
            while data:
                data = data[os.write(fd, data) :]
        except BrokenPipeError:
            return  # the reader has gone (`spaces status | head`); that is no failure
