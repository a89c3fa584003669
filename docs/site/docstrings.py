"""Docstrings as Markdown: they are written in the little of reStructuredText that pydoc reads well.

A Griffe extension, named in mkdocs.yml.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(\w+):`([^`]+)`", re.S)
BLOCK = re.compile(r"^( *)\.\. math::(.*(?:\n(?:\1 +.*|[ ]*(?=\n\1 )))*)", re.M)
TABLE = re.compile(
    r"^(?P<rule>(?:=+ )+=+)\n(?P<head>(?:(?!=+ =).*\n)+?)(?P=rule)$"
    r"(?P<body>\n(?:(?!=+ =).+\n)+?(?P=rule)$)?",
    re.M,
)


class Markdown(griffe.Extension):
    """Rewrites each docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """Return a docstring with its equations, literal blocks and tables in Markdown."""
    text = BLOCK.sub(displayed, tables(text))
    text = ROLE.sub(inline, text)
    return re.sub(r"(?<=\S)::$", ":", text, flags=re.M)


def inline(found: re.Match[str]) -> str:
    """Return what a role marks: an equation, or a name."""
    role, content = found[1], " ".join(found[2].split())
    return f"${content}$" if role == "math" else f"`{content.lstrip('~')}`"


def displayed(found: re.Match[str]) -> str:
    """Return an equation on lines of its own."""
    indent, body = found[1], " ".join(found[2].split())
    return f"\n{indent}$${body}$$\n"


def tables(text: str) -> str:
    """Return a text with its simple tables as those of Markdown, before lengths change in them."""
    return TABLE.sub(table, text)


def table(found: re.Match[str]) -> str:
    """Return a table; one between two rules has no head."""
    rule, head, body = found["rule"], found["head"], found["body"]
    starts = [column.start() for column in re.finditer("=+", rule)]
    rows = [row(line, starts) for line in (head + (body or "")).splitlines() if line.strip("= ")]
    if body is None:
        rows.insert(0, row("", starts))
    return "\n".join(["", rows[0], "| " + "--- | " * len(starts), *rows[1:], ""])


def row(line: str, starts: list[int]) -> str:
    """Return a row of a table."""
    ends = [*starts[1:], None]
    cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    return f"| {' | '.join(cells)} |"
