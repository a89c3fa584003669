"""Equations as MathML, which browsers draw by themselves: no script, no font, no network.

`$...$` and `$$...$$` in a page, and the roles of docstrings that `docstrings` brings to that form.
"""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.S)


def on_page_content(content: str, **_: Any) -> str:
    """Return a page with its equations drawn."""
    return EQUATION.sub(drawn, content)


def drawn(found: re.Match[str]) -> str:
    """Return the MathML of one equation; what LaTeX it was stays as its text for readers."""
    tag, latex = found[1], " ".join(html.unescape(found[2]).split())
    display = "block" if tag == "div" else "inline"
    try:
        mathml = convert(latex, display=display)
    except Exception as error:
        raise ValueError(f"{latex}: is no equation ({error!r})") from error
    return f'<{tag} class="equation">{mathml}</{tag}>'
