"""Figures and cards of devices and fits: that they show the data, with units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from cbramsim.devices import trains
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.fit import Fit, fit
from cbramsim.devices.fitting.synthetic import measure
from tests import cards

REFERENCE = Device.load("subquantum-cbram")


def axes() -> Any:
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def found() -> Fit:
    known = REFERENCE.without("stuck_low", "stuck_high")
    return fit(measure(known, 4, 5, (80, 60), seed=1), repetitions=0)


@pytest.fixture(autouse=True)
def _closed() -> Any:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def line(ax: Any, label: str) -> Any:
    (found,) = (line for line in ax.lines if line.get_label() == label)
    return found


# ---- devices -----------------------------------------------------------------------------------


def test_the_curve_of_a_device_is_its_law() -> None:
    ax = REFERENCE.plot(axes())
    law = line(ax, "law").get_ydata()
    assert len(law) == 1 + 64 + 64
    assert law[0] == pytest.approx(1e6 * REFERENCE.g_min, rel=1e-6)
    assert law[64] == pytest.approx(1e6 * REFERENCE.g_max, rel=1e-5)
    first = law[1] - law[0]
    assert first == pytest.approx(1e6 * REFERENCE.step_up(REFERENCE.g_min), rel=1e-4)
    assert ax.get_ylabel() == "conductance (µS)"
    assert "64 set, 64 reset" in ax.get_xlabel()
    assert {"68 % of cycles", "68 % of cells"} <= {h.get_label() for h in ax.get_children()}


def test_what_does_not_vary_has_no_band_and_levels_are_a_grid() -> None:
    quiet = REFERENCE.without_variability()
    labels = quiet.plot(axes()).get_legend_handles_labels()[1]
    assert labels == ["law"]
    ax = quiet.replace(levels=5).plot(axes())
    assert "5 states" in ax.get_legend_handles_labels()[1]
    drawn = [path[0, 1] for path in ax.collections[0].get_segments()]
    np.testing.assert_allclose(drawn, 1e6 * quiet.replace(levels=5).nominal_states())


def test_a_new_figure_shows_what_time_leaves() -> None:
    ax = REFERENCE.plot()
    pulses, time = ax.figure.axes
    assert pulses is ax
    assert time.get_xlabel() == "time since programming"
    assert {"25 °C", "85 °C"} == set(time.get_legend_handles_labels()[1])
    (alone,) = Device.load("ideal").plot().figure.axes
    assert alone.get_ylabel().startswith("conductance")


def test_what_is_left_follows_the_laws_of_retention() -> None:
    plain = REFERENCE.without("retention_time", "activation_energy")
    relaxing = plain.replace(retention_time=3600.0, retention_time_d2d=0.3)
    seconds, left = trains.left_over_time(relaxing)
    (curves,) = left.values()
    expected = relaxing.g_max * np.exp(-seconds / 3600)
    np.testing.assert_allclose(curves[:, 2], expected, rtol=1e-4, atol=1e-12)
    drifting = plain.replace(drift_exponent=0.1)
    seconds, left = trains.left_over_time(drifting)
    np.testing.assert_allclose(
        left["at any temperature"][:, 0], drifting.g_min * seconds**-0.1, rtol=1e-4
    )
    assert trains.left_over_time(plain)[1] == {}


def test_the_card_of_a_device_tells_its_main_facts() -> None:
    title, facts, _ = cards.read(REFERENCE)
    assert title == "Device subquantum-cbram"
    assert facts["conductance"].startswith("2.32 µS to 23.2 µS, analog")
    assert "64 set pulses" in facts["end to end"]
    assert facts["read"].endswith("at mid-window")
    _, facts, _ = cards.read(REFERENCE.replace(levels=10))
    assert facts["conductance"].endswith("10 states")


def test_names_are_text_not_markup() -> None:
    name = "<script>alert(1)</script>"
    device = REFERENCE.replace(name=name, summary="a & b")
    title, facts, _ = cards.read(device)
    assert title == f"Device {name}"
    assert facts[""] == "a & b"
    assert "<script>" not in device._repr_html_()


# ---- fits --------------------------------------------------------------------------------------


def test_a_fit_shows_data_curve_and_residuals(found: Fit) -> None:
    ax = found.plot()
    upper, lower = ax.figure.axes
    assert upper is ax
    mean = line(ax, "their mean")
    readings = np.mean([t.readings for t in found.measurement.trains if t.way == "set"], axis=0)
    np.testing.assert_allclose(mean.get_ydata(), 1e6 * readings)
    assert list(mean.get_xdata()) == list(range(81))
    curve = line(ax, f"fit, {found.best.law}").get_ydata()
    sets = found.curves.index[:, 1] == 0
    laws, count = found.best.match.mean[sets, :81], found.curves.count[sets, :81]
    np.testing.assert_allclose(curve, 1e6 * (laws * count).sum(axis=0) / count.sum(axis=0))
    misses = line(lower, "mean of trains").get_ydata()
    assert np.abs(misses).max() < 10
    assert ax.get_ylabel() == "conductance (µS)"
    assert "% of the window" in lower.get_ylabel()


def test_a_fit_on_axes_of_ones_own_draws_there_alone(found: Fit) -> None:
    ax = axes()
    assert found.plot(ax) is ax
    assert ax.figure.axes == [ax]
    assert "80 set, 60 reset" in ax.get_xlabel()


def test_a_fit_prints_itself(found: Fit) -> None:
    title, facts, (laws, values) = cards.read(found)
    assert "simulated" in title
    assert facts["data"] == "4 cells, 20 set trains of 80 pulses, 20 reset trains of 60 pulses"
    assert [row[0] for row in laws[1:]] == [law.law for law in found.ranked]
    assert {"g_min", "step_c2c"} <= {row[0] for row in values}
    assert found.device.name == "fitted"
    assert facts["data"] in str(found)


def test_a_fit_says_where_its_numbers_come_from(found: Fit) -> None:
    assert "cbramsim.fit" in found.device.evidence("g_max").source
    mine = found.named("mine", "by hand").device
    assert (mine.name, mine.g_max) == ("mine", found.device.g_max)
    assert mine.evidence("g_max").source.endswith("; by hand")
    assert found.device.evidence("v_set").source == "not measured; as subquantum-cbram"
