"""One way of breaking the product, as an exact replacement in one of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sabotage:
    """A guarantee, how to break it, and the test that must notice.

    Attributes:
        name: Short, unique, for the command line.
        breaks: The guarantee, in a few words.
        file: Path below the repository's root.
        old: Text that stands there exactly once.
        new: What replaces it.
        test: Node id of the test that must turn red.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    test: str

    def apply(self, root: Path) -> None:
        """Replace `old` by `new` below `root`.

        Raises:
            ValueError: `old` is not there exactly once: the code has changed, and this entry must follow.
        """
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: the text to break stands {count} times in {self.file}, expected once")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
