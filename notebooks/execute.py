"""Runs the notebooks and keeps what they show: `python notebooks/execute.py [names]`.

To be run before a release: tests compare the code and the version that a notebook was run with.
Pictures become small; warnings of the machine and progress bars are left out.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

import cbramsim as cb

HERE = Path(__file__).parent
DPI, COLOURS = 80, 200
WIDGET = "application/vnd.jupyter.widget-view+json"
PRIVATE = (
    *{re.escape(str(path)) for path in (HERE.parent, Path.home(), tempfile.gettempdir(), sys.prefix)},
    r"\d(it|s)/(s|it)\b", r"\d%\|", r">(training_)?seconds<",
)  # fmt: skip
"""Paths and timings of a machine, and progress bars, which have no place in what a notebook shows."""


def notebooks() -> list[Path]:
    """Return the notebooks, in alphabetical order."""
    return sorted(HERE.glob("*.ipynb"))


def code_of(notebook: NotebookNode) -> str:
    """Return a hash of the code of a notebook."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


def small(picture: str) -> str:
    """Return a PNG in few colours, both in base64."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def kept(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return what is shown to a reader: text, cards and small pictures."""
    shown = []
    for output in outputs:
        data = output.get("data", {})
        if output.get("name") == "stderr" or WIDGET in data:
            continue
        if "image/png" in data:
            data["image/png"] = small(data["image/png"])
        if len(data) > 1:
            data.pop("text/plain", None)  # what is shown otherwise, too
        shown.append(output)
    return shown


def private(notebook: NotebookNode) -> list[str]:
    """Return what a notebook shows of the machine that it was run on."""
    text = [
        str(part.get("text", "")) + str({k: v for k, v in part.get("data", {}).items() if "image" not in k})
        for cell in notebook.cells
        for part in cell.get("outputs", ())
    ]  # fmt: skip
    return [found[0] for pattern in PRIVATE for found in re.finditer(pattern, "\n".join(text))]


def execute(path: Path) -> None:
    """Run a notebook in an empty folder, and write it with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        looks = Path(folder, "matplotlibrc")
        looks.write_text(f"figure.dpi: {DPI}\n")
        os.environ["MATPLOTLIBRC"] = str(looks)
        client = NotebookClient(
            notebook, timeout=1800, resources={"metadata": {"path": folder}},
            record_timing=False, coalesce_streams=True,
        )  # fmt: skip
        client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = kept(cell.outputs)
    if found := private(notebook):
        sys.exit(f"{path.name}: shows {', '.join(sorted(set(found)))}")
    notebook.metadata = {
        "kernelspec": notebook.metadata["kernelspec"],
        "language_info": {"name": "python"},
        "cbramsim": {"version": cb.__version__, "code": code_of(notebook)},
    }
    nbformat.write(notebook, path)
    print(f"{path.name:18} {path.stat().st_size / 1000:5.0f} kB")


if __name__ == "__main__":
    for path in notebooks():
        if not sys.argv[1:] or path.stem in sys.argv[1:]:
            execute(path)
