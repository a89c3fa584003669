"""Functions and files are no larger than can be read at once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_imports import ROOT

MOST_PARAMETERS = 8
MOST_LINES = 450
FOLDERS = ("cbramsim", "devices", "simulator", "experiments", "examples", "sweeps")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the names of what a function is given, without the object that it is a method of."""
    asked = function.args
    named = [each.arg for each in (*asked.posonlyargs, *asked.args, *asked.kwonlyargs)]
    others = [each.arg for each in (asked.vararg, asked.kwarg) if each]
    return [*(named[1:] if named[:1] in (["self"], ["cls"]) else named), *others]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_function_asks_for_much_and_no_file_is_long(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert not {
        node.name: len(parameters(node))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len(parameters(node)) > MOST_PARAMETERS
    }
