"""The pictures of the README, which `make pictures` makes again: whole, shown, and without anything from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
DRAWN = {"svg", "style", "defs", "clipPath", "rect", "circle", "line", "g", "text"}
PICTURES = sorted((ROOT / "docs" / "images").glob("*.svg"))


def test_the_readme_shows_each() -> None:
    shown = re.findall(r"\]\((docs/images/[^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert sorted(shown) == [str(path.relative_to(ROOT)) for path in PICTURES]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_runs_nothing_and_asks_no_server(path: Path) -> None:
    text = path.read_text("utf-8")
    elements = list(ElementTree.fromstring(text).iter())  # noqa: S314 - our own file
    assert {element.tag.split("}")[1] for element in elements} <= DRAWN
    assert not [name for element in elements for name in element.attrib if "href" in name or name.startswith("on")]
    assert "@import" not in text
    assert {target[0] for target in re.findall(r"url\(([^)]+)\)", text)} <= {"#"}
