"""Docstrings say what they define: a noun or an imperative first, and none is missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cbramsim
from tests.test_imports import ROOT

FOLDERS = ("cbramsim", "devices", "simulator", "experiments")
MODULES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
FILES = [*MODULES, *sorted((ROOT / "examples").rglob("*.py"))]
NOT_FIRST = ("What", "Where", "Which", "How")
"""Words that begin a clause, not the name of a thing."""
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def text_of(node: ast.stmt) -> str | None:
    """Return the text of a statement that is nothing but a text."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else None
    return None


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of the docstrings of a module, its classes, functions and attributes."""
    for node in ast.walk(tree):
        for part in ("body", "orelse", "finalbody"):
            statements = getattr(node, part, None)
            for each in statements if isinstance(statements, list) else []:
                text = text_of(each)
                if text is not None:
                    yield each.lineno, text


def is_setter(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function sets a property, which has its docstring already."""
    return any(isinstance(d, ast.Attribute) and d.attr == "setter" for d in node.decorator_list)


def public(
    node: ast.Module | ast.ClassDef, within: str = ""
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield classes, functions and methods without an underscore, by their dotted names."""
    for each in node.body:
        if isinstance(each, DEFINITIONS) and not each.name.startswith("_") and not is_setter(each):
            yield f"{within}{each.name}", each
            if isinstance(each, ast.ClassDef):
                yield from public(each, f"{within}{each.name}.")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_docstrings_begin_with_what_they_define(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not [
        f"{line}: {text.strip().splitlines()[0]}"
        for line, text in texts(tree)
        if text.strip() and text.split()[0] in NOT_FIRST
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_public_names_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not [name for name, node in public(tree) if not ast.get_docstring(node)]


def test_exported_names_have_docstrings() -> None:
    """Names may be defined in another module than the one that exports them."""
    documented = {
        name
        for path in MODULES
        for name, node in public(ast.parse(path.read_text()))
        if ast.get_docstring(node)
    }
    assert set(cbramsim.__all__) - {"__version__"} <= documented


def test_a_clause_is_found() -> None:
    code = 'LIMIT = 3\n"""How many."""\n\n\nclass A:\n    x: int\n    """Number."""\n'
    assert [text for _, text in texts(ast.parse(code))] == ["How many.", "Number."]
