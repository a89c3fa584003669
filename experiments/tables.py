"""Tables for people: with bold heads and wrapped cells on a terminal, plain and of full width
elsewhere."""

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
"""Pattern of the line below the heads."""
WIDEST = 10_000
"""Width of a table that is not wrapped, characters."""


def on_terminal() -> bool:
    """Return whether the output goes to a terminal, not into a pipe."""
    return sys.stdout is not None and sys.stdout.isatty()


def aligned(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    justify: Literal["left", "right"] = "left",
    wrap: bool = False,
) -> str:
    """Return a table whose columns, except the first, are justified to one side.

    Cells are wrapped to the width of a terminal on request, and never without one.
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
    """Return a text with its Markdown tables aligned if it goes to a terminal."""
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
