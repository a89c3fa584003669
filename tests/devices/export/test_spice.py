"""Cells as subcircuits: what ngspice makes of them is the mean law of the device."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from tests.devices.export.bench import (
    CASES,
    PLAIN,
    Trains,
    by_the_law,
    netlist_of,
    simulated,
    trains_of,
)

TRAINS = Path(__file__).with_name("ngspice_trains.json")
NUMBER = re.compile(r"(?<![A-Za-z_])\d+\.?\d*(?:e[-+]?\d+)?")


def assert_the_law(device: Device, found: Trains) -> None:
    law = by_the_law(device)
    assert np.ptp(law.conductance) > 0.1 * device.g_range
    assert np.abs(found.conductance - law.conductance).max() < 1e-3 * device.g_range
    np.testing.assert_allclose(found.energy, law.energy, rtol=1e-2)


def circuit(device: Device) -> list[str]:
    return [line for line in device.to_spice().splitlines() if not line.startswith("*")]


# ---- what ngspice makes of it ------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_trains_that_ngspice_has_simulated_follow_the_law(case: str) -> None:
    """Of this very subcircuit, to what logarithms of other machines round."""
    device, kept = CASES[case], json.loads(TRAINS.read_text())[case]
    assert_the_law(device, trains_of(device, kept["measured"]))
    then, now = "\n".join(kept["subcircuit"]), "\n".join(circuit(device))
    message = "make_ngspice_trains.py has to be run again"
    assert NUMBER.sub("#", now) == NUMBER.sub("#", then), message
    numbers = [[float(n) for n in NUMBER.findall(text)] for text in (now, then)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-6), message


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
@pytest.mark.parametrize("case", CASES)
def test_trains_in_the_ngspice_of_this_machine_follow_the_law(case: str) -> None:
    device = CASES[case]
    assert_the_law(device, trains_of(device, simulated(netlist_of(device))))


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_a_pulse_below_the_threshold_does_nothing_and_a_half_one_twice_is_one() -> None:
    device = CASES["power"]
    low = device.to_spice() + (
        f"X1 a 0 cell_subquantum_cbram g0={device.g_mid!r}\n"
        "Va a 0 PWL(0 0 1n 0.89 1u 0.89 1.001u 0 1.1u 0 1.101u 1 1.601u 1 1.602u 0 2u 0 "
        "2.001u 1 2.501u 1 2.502u 0)\n"
        ".tran 10n 3u\n.control\nset numdgt=9\nrun\n"
    )
    for name, moment in (("before", "1.05u"), ("after", "2.9u")):
        low += f"meas tran {name} find v(x1.x) at={moment}\n"
    printed = subprocess.run(
        ["ngspice", "-b"], input=f"* halves\n{low}quit\n.endc\n.end\n",
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    found = dict(re.findall(r"^(before|after)\s*=\s*(\S+)", printed, re.M))
    assert float(found["before"]) == pytest.approx(0.5, abs=1e-6)
    once = 0.5 + float(device.relative_step_up(0.5))
    assert float(found["after"]) == pytest.approx(once, abs=1e-4)


# ---- the text ----------------------------------------------------------------------------------


def test_the_circuit_of_a_linear_cell_by_hand() -> None:
    lines = circuit(PLAIN.replace(name="My 2nd cell!", law="constant", v_reset=1.5))
    assert lines[0] == ".subckt cell_my_2nd_cell te be params: g0=2.32e-06"
    assert lines[-1] == ".ends cell_my_2nd_cell"
    assert ".param v_reset=1.5" in lines
    assert "Bcell te be I=({g_min}+{g_range}*min(max(V(x),0),1))*V(te,be)" in lines
    assert lines.count("+ *(0.015625+(0.0)*V(x))") == 2


def test_the_header_says_where_numbers_are_from_and_what_is_left_out() -> None:
    device = Device.load("metal-cbram")
    comment = [line for line in device.to_spice().splitlines() if line.startswith("*")]
    text = " ".join(" ".join(comment).replace("*", " ").split())
    for key in ("g_min", "v_set", "t_reset", "pulses_up"):
        assert f"{key} = " in text
        assert " ".join(device.provenance[key].source.split())[:40] in text
    left_out = text.partition("left out: ")[2].partition(". ")[0].split(", ")
    assert {"g_quantum", "g_flicker", "endurance", "step_c2c"} <= set(left_out)
    assert "threshold model: assumed" in text
    assert max(map(len, comment)) <= 102
    assert all(character.isascii() for character in text)


def test_cells_that_such_a_circuit_cannot_be_are_refused() -> None:
    for device, why in (
        (Device.load("hzo-fefet"), "c_gate must be 0"),
        (PLAIN.replace(v_read=0.95), "v_read must be at most 0.9 V"),
        (
            PLAIN.replace(law="power", exponent_up=5.0, pulses_up=2.0),
            "a set pulse of the law power takes lower states beyond higher ones",
        ),
    ):
        for export in (device.to_spice, device.to_verilog_a):
            with pytest.raises(ParameterError, match=why):
                export()
