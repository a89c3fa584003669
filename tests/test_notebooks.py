"""The notebooks run from top to bottom, on few images, and show what their code does."""

from __future__ import annotations

import re
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest
from matplotlib.figure import Figure
from nbclient import NotebookClient

import cbramsim as cb
from notebooks.execute import code_of, notebooks, private

NOTEBOOKS = notebooks()
EXPLORE = next(path for path in NOTEBOOKS if path.stem == "explore")
FEWER = {
    r"(data\.train_(?:images|labels))\[:\d+_?000\]": r"\1[:400]",
    r"(data\.train_(?:images|labels))\[\d+_000:\]": r"\1[-300:]",
    r"(data\.test_(?:images|labels))": r"\1[:300]",
    r'"train_images": [\d_]+': '"train_images": 400, "test_images": 100',
    r'"neurons": \d+': '"neurons": 10',
}
"""What is learned, held back and scored, and how much of it is enough to see that all cells run."""
MOST_BYTES = 4_000_000
MOST_SECONDS = 0.1
"""A picture should follow its slider within that time."""


def shortened(path: Path) -> nbformat.NotebookNode:
    """Return a notebook that learns from few images."""
    notebook, found = nbformat.read(path, as_version=4), 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for pattern, few in FEWER.items():
                cell.source, count = re.subn(pattern, few, cell.source)
                found += count
    assert found >= 2, "all learn from a data set"
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_its_code_does(path: Path) -> None:
    """Its outputs are of this code and version; `python notebooks/execute.py` makes them."""
    notebook = nbformat.read(path, as_version=4)
    ran = notebook.metadata["cbramsim"]
    assert ran == {"version": cb.__version__, "code": code_of(notebook)}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert {output.output_type for output in outputs} <= {
        "stream",
        "display_data",
        "execute_result",
    }
    assert not private(notebook)


def test_what_is_private_is_found() -> None:
    text = nbformat.v4.new_output("stream", text=f"runs in {Path.home() / 'runs'}: 40%| 3.1it/s")
    cell = nbformat.v4.new_code_cell(outputs=[text])
    assert len(private(nbformat.v4.new_notebook(cells=[cell]))) == 3


def test_the_notebooks_are_small() -> None:
    assert sum(path.stat().st_size for path in NOTEBOOKS) < MOST_BYTES


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path != EXPLORE], ids=lambda path: path.stem
)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = shortened(path)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()


# ---- sliders -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explored() -> dict[str, Any]:
    """Return what the cells of the notebook with sliders define; without them, if need be."""
    plt.switch_backend("agg")
    names: dict[str, Any] = {"__name__": "explore"}
    for cell in shortened(EXPLORE).cells:
        widgets = "ipywidgets" in cell.source and cell.cell_type == "code"
        if cell.cell_type == "code" and not (widgets and find_spec("ipywidgets") is None):
            exec(cell.source, names)
    plt.close("all")
    return names


@pytest.mark.parametrize(
    ("draws", "values"),
    [
        ("cell", {"pulses": 200, "end_to_end": 4}),
        ("cell", {"noise": 20.0, "nonlinearity": 5.0}),
        ("cell", {"levels": 8}),
        ("cell", {"pulses": 1, "levels": 64, "volts": 0.1, "nonlinearity": 0.0}),
        ("pruned", {"kind": "hard", "fraction": 0.8}),
        ("pruned", {"fraction": 0.0}),
    ],
)
def test_a_picture_follows_its_slider(
    explored: dict[str, Any], draws: str, values: dict[str, Any]
) -> None:
    explored[draws](**values)  # compiles, once
    begin = time.process_time()
    figure = explored[draws](**values)
    figure.canvas.draw()
    seconds = time.process_time() - begin
    print(f"{draws}({values}): {seconds:.3f} s")
    assert isinstance(figure, Figure)
    assert seconds < 10 * MOST_SECONDS, "on a busy machine; alone it takes a tenth of that"
    plt.close("all")


def test_energy_goes_with_the_square_of_the_amplitude(explored: dict[str, Any]) -> None:
    def picojoules(volts: float) -> float:
        title = explored["cell"](volts=volts).axes[0].get_title()
        return float(re.search(r"take ([\d,]+) pJ", title)[1].replace(",", ""))  # type: ignore[index]

    assert picojoules(2.0) == pytest.approx(4 * picojoules(1.0), rel=0.01)
    plt.close("all")


def test_states_are_as_many_as_are_asked_for(explored: dict[str, Any]) -> None:
    lines = explored["cell"](levels=4, noise=0.0).axes[0].lines[:12]
    assert all(len(set(line.get_ydata().round(3))) <= 4 for line in lines)
    plt.close("all")
