"""Imports point down only, without circles, also those for type hints and those in functions."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSES = ("experiments", "simulator", "devices")
DOWN = {
    "__main__": ("experiments",),
    "core": (),
    "devices": ("core",),
    "simulator.drawing": ("core",),
    "simulator.energy": ("devices", "simulator.drawing"),
    "simulator.images": ("core",),
    "simulator.lines": ("devices", "simulator.drawing"),
    "simulator.circuits": ("simulator.energy",),
    "simulator.array": ("simulator.lines", "simulator.circuits"),
    "simulator.learning": ("simulator.array", "simulator.images"),
    "simulator.cuda": ("simulator.learning",),
    "simulator.comparison": ("simulator.learning",),
    "simulator.several": ("simulator.learning",),
    "simulator.supervised": ("simulator.learning",),
    "simulator.mapping": ("simulator.learning",),
    "simulator.timed": ("simulator.learning",),
    "experiments": (
        "simulator.comparison",
        "simulator.cuda",
        "simulator.mapping",
        "simulator.several",
        "simulator.supervised",
        "simulator.timed",
    ),
}
"""The rooms, and the rooms right below each; what is below those is below it, too."""


def module_of(path: Path) -> str:
    """Return the name of a module below `cbramsim`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "cbramsim" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_of(path): path
    for house in (*HOUSES, "cbramsim")
    for path in sorted((ROOT / house).rglob("*.py"))
    if path != ROOT / "cbramsim" / "__init__.py"
}


def imports(path: Path) -> set[str]:
    """Return which modules of ours a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("cbramsim."):
                inner = name.removeprefix("cbramsim.")
                found.add(inner if inner in SOURCES else inner.rpartition(".")[0])
    return found & SOURCES.keys()


def room_of(module: str) -> str:
    """Return the room that a module stands in."""
    return next((room for room in DOWN if f"{module}.".startswith(f"{room}.")), module)


def reach(room: str) -> set[str]:
    """Return all rooms from which one may import."""
    return {room}.union(*(reach(below) for below in DOWN[room]))


@pytest.mark.parametrize("module", SOURCES)
def test_no_import_points_up(module: str) -> None:
    room = room_of(module)
    allowed = reach(room) if room in DOWN else set()  # a house itself is but a docstring
    assert not {name for name in imports(SOURCES[module]) if room_of(name) not in allowed}


def test_no_imports_go_in_circles() -> None:
    # Importing a module runs the packages around it first, so that these must not need it.
    graph = {
        module: {name for name in imports(path) if name != module}
        for module, path in SOURCES.items()
    }
    list(TopologicalSorter(graph).static_order())


def test_every_room_is_a_package() -> None:
    for path in SOURCES.values():
        assert (path.parent / "__init__.py").exists() or path.parent.name == "cbramsim"
