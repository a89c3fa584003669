"""Notebooks as pages of the site: text, code, and what it showed when they were last executed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each notebook, and its pictures."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        pictures: dict[str, bytes] = {}
        cells = json.loads(path.read_text())["cells"]
        text = "\n\n".join(page_of(cell, path.stem, pictures) for cell in cells)
        link = f"\n\n[The notebook]({path.name}), to be run.\n"
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text + link))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def page_of(cell: dict[str, Any], stem: str, pictures: dict[str, bytes]) -> str:
    """Return a cell as Markdown; its pictures are added to `pictures`, by name."""
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return source.replace("](../docs/", "](../")
    parts = [fenced(source, "python")]
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            name = f"{stem}-{len(pictures) + 1}.png"
            pictures[name] = base64.b64decode("".join(data["image/png"]))
            parts.append(f"![Picture {len(pictures)} of this notebook]({name})")
        elif "text/html" in data:
            lines = "".join(data["text/html"]).splitlines()
            parts.append("\n".join(line for line in lines if line.strip()))
        elif text := "".join(output.get("text", data.get("text/plain", ""))).strip("\n"):
            parts.append(fenced(text, "text"))
    return "\n\n".join(parts)


def fenced(text: str, kind: str) -> str:
    """Return a text as a block of code."""
    return f"```{kind}\n{text}\n```"
