"""Up to which step of a room nothing is lost if the bot ends now. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class Ledger:
    """Compares what was read of the room with what the database knows to be the bot's work.

    A step is filed when everything that handlers want of it has been answered in the database: granted, put off, done
    or refused. The kept position moves over filed steps alone: after a restart what comes after it is read again.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._unfiled: Counter[int] = Counter()

    def see(self, position: int) -> None:
        """All up to this step was read, and is expected if a handler wants it."""
        self._seen = max(self._seen, position)

    def expect(self, position: int) -> None:
        """Something at this step has to be filed; once for each handler."""
        self._unfiled[position] += 1

    def file(self, position: int) -> None:
        """It is filed, or nobody wants it any more."""
        self._unfiled[position] -= 1
        if self._unfiled[position] <= 0:
            del self._unfiled[position]

    def safe_position(self, filing: Iterable[int] = ()) -> int:
        """The step up to which all is filed.

        Args:
            filing: The steps of what the call files that tells it.
        """
        unfiled = self._unfiled - Counter(filing)
        return min(self._seen, min(unfiled) - 1) if unfiled else self._seen
