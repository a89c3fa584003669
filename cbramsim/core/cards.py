"""Cards: small tables that describe objects in a notebook.

HTML without scripts, well-formed as XML too; all text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

LEFT = ' style="text-align: left"'
"""Style of texts: notebooks align cells to the right, which suits numbers only."""


class Table(NamedTuple):
    """Rows of texts under a header; the first column names the row."""

    header: Sequence[str]
    rows: Iterable[Sequence[str]]


def card(title: str, facts: Mapping[str, str], *tables: Table, note: str = "") -> str:
    """Return a card as HTML.

    Parameters
    ----------
    title
        What it is.
    facts
        Name -> value with its unit; facts without a value are left out.
    *tables
        Further tables below the facts.
    note
        Text at the end.
    """
    rows = "".join(
        f"<tr><th{LEFT}>{escape(name)}</th><td{LEFT}>{escape(value)}</td></tr>"
        for name, value in facts.items()
        if value
    )
    parts = [f"<p><strong>{escape(title)}</strong></p>"]
    parts += [f"<table><tbody>{rows}</tbody></table>"] if rows else []
    parts += [_html(table) for table in tables]
    parts += [f"<p>{escape(note)}</p>"] if note else []
    return f"<div>{''.join(parts)}</div>"


def _html(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    body = "".join(
        f"<tr><th{LEFT}>{escape(row[0])}</th>"
        + "".join(f"<td>{escape(value)}</td>" for value in row[1:])
        + "</tr>"
        for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
