"""Cards of notebooks, read back."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree


def read(shown: Any) -> tuple[str, dict[str, str], list[list[list[str]]]]:
    """Return title, facts and further tables of a card, after a check that it is well-formed."""
    html = shown._repr_html_()
    root = ElementTree.fromstring(html)
    assert not list(root.iter("script"))
    title, tables = "".join(root.find("p").itertext()), list(root.iter("table"))  # type: ignore[union-attr]
    rows = [[["".join(cell.itertext()) for cell in row] for row in t.iter("tr")] for t in tables]
    facts = {row[0]: row[1] for row in rows[0]} if rows and len(rows[0][0]) == 2 else {}
    return title, facts, rows[1:] if facts else rows
