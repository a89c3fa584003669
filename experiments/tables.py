"""Tables for people: bold heads and wrapped cells on a terminal; elsewhere plain and full width."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Literal

from rich.box import Box
from rich.console import Console
from rich.table import Table

LINE = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""A line below the heads."""
WIDEST = 10_000
"""Columns of a table that is not wrapped."""


def on_terminal() -> bool:
    """Return whether what is printed is looked at, and not piped into something."""
    return sys.stdout is not None and sys.stdout.isatty()


def aligned(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    justify: Literal["left", "right"] = "left",
    wrap: bool = False,
) -> str:
    """Return a table whose columns, but the first, are justified to one side.

    Cells are wrapped to the width of a terminal if asked for, and never where there is none.
    """
    seen = on_terminal()
    table = Table(box=LINE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for k, head in enumerate(heads):
        table.add_column(head, justify=justify if k else "left", no_wrap=not (wrap and k))
    for row in rows:
        table.add_row(*row)
    width = None if seen and wrap else WIDEST
    console = Console(width=width, force_terminal=seen, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def for_people(text: str) -> str:
    """Return a text with its Markdown tables aligned where it is looked at on a terminal."""
    if not on_terminal():
        return text
    blocks = groupby(text.splitlines(), lambda line: line.startswith("|"))
    lines: list[str] = []
    for is_table, block in blocks:
        if is_table:
            head, _, *rows = (re.split(r" *\| *", row.strip("| ")) for row in block)
            lines.append(aligned(head, rows))
        else:
            lines += block
    return "\n".join(lines)
