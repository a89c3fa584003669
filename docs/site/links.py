"""Links from pages to what is beside docs/ in a checkout, as links within the site."""

from __future__ import annotations

import posixpath
import re
from typing import Any

BESIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "cbramsim/core/verbs.py": "reference/verbs.md",
    "examples": "how_to/my_law.md",
}
"""What a checkout has -> the page of it."""
COPIED = re.compile(r"(notebooks|examples)/\w+\.(ipynb|py|csv)")
LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")
OUTSIDE = re.compile(r"\[([^\]]*)\]\(outside:[^)]*\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page with its links turned; what the site does not have loses its link."""
    folder = posixpath.dirname(page.file.src_uri)
    origin = "." if page.file.src_uri == "contributing.md" else posixpath.join("docs", folder)

    def turned(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(origin, found[1]))
        if target.startswith("docs/"):
            inside = target.removeprefix("docs/")
        elif COPIED.fullmatch(target):
            inside = target
        elif target in BESIDE:
            inside = BESIDE[target]
        else:
            return "](outside:)"
        return f"]({posixpath.relpath(inside, folder or '.')}{found[2] or ''})"

    return OUTSIDE.sub(r"\1", LINK.sub(turned, markdown))
