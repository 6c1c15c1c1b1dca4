"""Imports of the package point downwards only."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

PACKAGE = Path(__file__).parents[2] / "spaces_sdk"

LAYERS = [
    {
        "errors",
        "codes",
        "clock",
        "models",
        "events",
        "config",
        "drafts",
        "deadline",
        "single_flight",
        "jwt_claims",
        "turns",
    },
    {"realtime"},
    {"rpc", "auth", "rooms"},
    {"session"},
    {"client", "network"},
    {"bots"},
    {"install"},
    {"local"},
    {"testing"},
    {"demo", "cli"},
]
"""From the bottom up. A module imports what is in its own layer or below."""

LEAVES = LAYERS[0]

NARROW = {
    "realtime": {"errors", "clock", "config", "deadline"},
    "install": LEAVES,
    "local": LEAVES | {"install"},
}
"""Parts that others take by themselves: they import less than their layer would allow."""

RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imported(path: Path) -> frozenset[str]:
    """What a module imports of the package, at run time or for its types; a name that it takes may be a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return frozenset(name for name in names if name.startswith("spaces_sdk."))


def imported_parts(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path)}


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_every_part_has_its_layer() -> None:
    assert {part_of(path) for path in MODULES} - RANK.keys() == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    part = part_of(path)
    inner = imported_parts(path) - {part}
    upwards = {name for name in inner if RANK.get(name, 99) > RANK[part]}
    assert upwards == set(), f"{part} imports what stands above it"
    if part in NARROW:
        assert inner <= NARROW[part], f"{part} imports more than it may"


def test_layers_have_no_cycle() -> None:
    """Within one layer too: a part is free of itself through others."""
    edges: dict[str, set[str]] = {}
    for path in MODULES:
        edges.setdefault(part_of(path), set()).update(imported_parts(path) - {part_of(path)})
    for start in edges:
        seen: set[str] = set()
        todo = set(edges[start])
        while todo:
            part = todo.pop()
            if part not in seen:
                seen.add(part)
                todo |= edges.get(part, set())
        assert start not in seen, f"{start} imports itself through {sorted(seen & LAYERS[RANK[start]])}"


def test_modules_have_no_cycle() -> None:
    """Within a part too, types included: each module can be read without those that use it."""
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in MODULES}
    edges = {name: imported(path) & names.keys() for name, path in names.items()}
    for start in edges:
        seen: set[str] = set()
        todo = set(edges[start])
        while todo:
            module = todo.pop()
            if module not in seen:
                seen.add(module)
                todo |= edges[module]
        assert start not in seen, f"{start} imports itself through {sorted(m for m in seen if start in edges[m])}"
