"""Figures and cards of arrays, solutions, ledgers and networks: that they show the data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.array.binary import BinaryCrossbar
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.drawing.plots import mosaic
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.lines import Solution, Terminals, Wires, solve
from tests import cards

WIRES = Wires(r_word=50, r_bit=50)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="module")
def network(mnist: Dataset) -> SpikingNetwork:
    images, labels = mnist.train_images[:300], mnist.train_labels[:300]
    return SpikingNetwork(neurons=9).fit(images, epochs=1).label(images, labels)


def array() -> Crossbar:
    crossbar = Crossbar("subquantum-cbram", (6, 4), seed=1)
    crossbar.set_weights(np.linspace(-1, 1, 24).reshape(6, 4), clip=True)
    return crossbar


def product() -> Solution:
    g = np.full((5, 8), 2e-5)
    return solve(g, Terminals.product([0.1, 0, 0.1, 0.1, 0], 8, WIRES), WIRES)


def axes() -> Any:
    return Figure().add_subplot()


def image(ax: Any) -> np.ma.MaskedArray:
    return ax.images[0].get_array()


# ---- arrays ------------------------------------------------------------------------------------


def test_the_map_of_an_array_is_its_conductance() -> None:
    crossbar = array()
    crossbar.disconnect(2, [0, 5])
    ax = crossbar.plot(axes())
    shown = np.ma.filled(image(ax), np.nan)
    assert np.isnan(shown[[0, 5], 2]).all()
    there = crossbar.connected
    np.testing.assert_allclose(shown[there], crossbar.conductance[there] * 1e6, rtol=1e-6)
    assert np.isnan(shown).sum() == 2
    assert ax.get_title() == "grey: 2 disconnected cells"
    assert ax.figure.axes[1].get_ylabel() == "conductance (µS)"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("bit line", "word line")
    assert array().plot().get_title() == ""


def test_the_unit_of_a_map_is_that_of_the_device() -> None:
    bar = Crossbar("pcmo", (2, 2)).plot(axes()).figure.axes[1]
    assert bar.get_ylabel() == "conductance (nS)"


def test_the_card_of_an_array() -> None:
    crossbar = array()
    crossbar.disconnect(2, [0, 5])
    crossbar.read(np.full(6, 0.1))
    title, facts, (ledger,) = cards.read(crossbar)
    assert title == repr(crossbar)
    assert (facts["cells"], facts["disconnected"]) == ("24", "2")
    assert facts["access"] == "transistor"
    assert facts["lines"] == "ideal"
    assert any(row[0] == "use: cell read" for row in ledger)
    _, facts, _ = cards.read(Crossbar("subquantum-cbram", (2, 2), wires=WIRES))
    assert "r_word=50" in facts["lines"]


def test_weights_in_binary_cells_are_shown_as_reads_see_them() -> None:
    crossbar = BinaryCrossbar("subquantum-cbram", (6, 4))
    crossbar.set_codes(np.arange(24).reshape(6, 4) % 4)
    np.testing.assert_allclose(image(crossbar.plot(axes())), crossbar.conductance * 1e6, rtol=1e-6)
    title, facts, _ = cards.read(crossbar)
    assert title == repr(crossbar)
    assert facts["bits of a weight"] == "2"


# ---- solutions ---------------------------------------------------------------------------------


def test_the_map_of_a_solution_is_the_voltage_across_its_cells() -> None:
    solution = product()
    ax = solution.plot(axes())
    shown = np.ma.filled(image(ax), np.nan)
    assert np.isnan(shown[[1, 4]]).all()
    across = 1e3 * (solution.word - solution.bit)
    np.testing.assert_allclose(shown[[0, 2, 3]], across[[0, 2, 3]], rtol=1e-9)
    assert ax.figure.axes[1].get_ylabel() == "voltage across a cell (mV)"
    np.testing.assert_allclose(solution.applied_voltages[0], 0.1)


def test_floating_lines_are_drawn_whatever_they_take_on() -> None:
    terminals = Terminals.selected((1, 2), 1.0, (5, 8), "floating", WIRES)
    solution = solve(np.full((5, 8), 2e-5), terminals, WIRES)
    assert np.isfinite(np.ma.filled(image(solution.plot(axes())), np.nan)).all()
    applied = solution.applied_voltages
    assert applied[1, 2] == 1.0
    assert np.isfinite(applied).sum() == 1


def test_the_card_of_a_solution() -> None:
    solution = product()
    title, facts, _ = cards.read(solution)
    assert "5 word lines x 8 bit lines" in title
    least = np.abs((solution.word - solution.bit)[[0, 2, 3]]).min() / 0.1
    assert facts["least of its voltage that a cell sees"] == f"{least:.1%}"
    parts = [float(v.rstrip("%")) for name, v in facts.items() if name.startswith("of it in")]
    assert sum(parts) == pytest.approx(100, abs=0.2)


# ---- ledgers -----------------------------------------------------------------------------------


def booked() -> EnergyLedger:
    ledger = EnergyLedger()
    ledger.add("train", Operation.CELL_READ, 1000, 3e-6)
    ledger.add("train", Operation.LTP_PULSE, 10, 1e-6)
    ledger.add("test & co", Operation.CELL_READ, 500, 1.5e-6)
    return ledger


def test_bars_add_up_to_the_total_and_say_so() -> None:
    ledger = booked()
    ax = ledger.plot(axes())
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(1e6 * ledger.total())
    assert ax.get_xlabel() == "energy (µJ); total 5.5 µJ"
    assert ax.get_xlim() == pytest.approx((0, 1.2 * 4.5))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cell read", "LTP pulse"]
    assert ax.get_legend_handles_labels()[1] == ["train: 4 µJ", "test & co: 1.5 µJ"]
    assert [text.get_text().strip() for text in ax.texts] == ["4.5 µJ", "1 µJ"]


def test_an_empty_ledger_is_drawn_and_carded() -> None:
    assert not EnergyLedger().plot(axes()).patches
    title, facts, tables = cards.read(EnergyLedger())
    assert (title, facts["total"], tables) == ("Energy ledger", "0 J", [])


def test_the_card_of_a_ledger_is_its_table() -> None:
    _, facts, (table,) = cards.read(booked())
    assert facts == {"total": "5.5 µJ"}
    assert table[1] == ["train: cell read", "1,000", "3 µJ", "3 nJ", "75.0%"]
    assert table[-1][0] == "test & co: total"


def test_the_frame_of_a_ledger_is_tidy_and_adds_up() -> None:
    pytest.importorskip("pandas")
    ledger = booked()
    frame = ledger.to_frame()
    assert list(frame) == ["phase", "operation", "count", "joules", "joules_per_event"]
    assert frame["joules"].sum() == pytest.approx(ledger.total(), rel=1e-15)
    np.testing.assert_allclose(frame["count"] * frame["joules_per_event"], frame["joules"])
    assert frame.groupby("phase")["joules"].sum()["train"] == pytest.approx(ledger.total("train"))
    assert list(EnergyLedger().to_frame()) == list(frame)


# ---- networks ----------------------------------------------------------------------------------


def test_the_figure_of_a_network_is_its_weights(network: SpikingNetwork) -> None:
    ax = network.plot(axes(), shown=4)
    canvas = np.ma.filled(image(ax), np.nan)
    assert canvas.shape == (2 * 29 + 1, 2 * 29 + 1)
    best = int(np.argmax(network.spike_counts))
    field = canvas[1:29, 1:29].ravel()
    assert network.pixels is not None
    np.testing.assert_array_equal(field[network.pixels], network.crossbar.weights[:, best])
    assert np.isfinite(field).sum() == len(network.pixels)
    assert network.class_counts is not None
    assert ax.texts[0].get_text() == str(network.class_counts[best].argmax())
    assert ax.get_title() == "4 most active of 9 neurons, with their classes"
    assert "weight" in ax.figure.axes[1].get_ylabel()


def test_a_mosaic_is_filled_row_by_row() -> None:
    weights = np.arange(6, dtype=np.float32)[None].repeat(2, axis=0)
    canvas = mosaic(weights, np.array([0, 3]), (2, 2), columns=4)
    assert canvas.shape == (7, 13)
    np.testing.assert_array_equal(canvas[1, 1::3], [0, 1, 2, 3])
    np.testing.assert_array_equal(canvas[5, 2:7:3], [4, 5])
    assert np.isnan(canvas[[0, 3, 6]]).all()


def test_images_that_are_not_square_need_a_shape(network: SpikingNetwork) -> None:
    with pytest.raises(ParameterError, match=r"784 pixels \(got \(3, 4\)\)"):
        network.plot(axes(), image_shape=(3, 4))
    assert np.ma.filled(image(network.plot(axes(), image_shape=(14, 56), shown=1)), 0).shape == (
        16,
        58,
    )
    with pytest.raises(ParameterError, match="fit comes first"):
        SpikingNetwork().plot(axes())


def test_the_card_of_a_network(network: SpikingNetwork) -> None:
    title, facts, (ledger,) = cards.read(network)
    assert title == repr(network)
    assert facts["neurons named by"] == "300 labels"
    assert ledger[0][0] == "operation"
    assert cards.read(SpikingNetwork())[1:] == ({}, [])


# ---- what is imported --------------------------------------------------------------------------


def test_only_drawing_imports_plots_and_only_frames_import_pandas() -> None:
    code = (
        "import sys, cbramsim\n"
        "for name in cbramsim.__all__: getattr(cbramsim, name)\n"
        "crossbar = cbramsim.Crossbar('ideal', (2, 2))\n"
        "crossbar._repr_html_(), crossbar.device._repr_html_(), crossbar.ledger._repr_html_()\n"
        "heavy = {'matplotlib', 'pandas'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
