"""Files of pulse trains as people have them: what is clear is read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.measurement import Measurement, Train
from cbramsim.devices.fitting.reading import read_measurement
from cbramsim.devices.fitting.synthetic import measure
from tests.measurements import write_measurement
from tests.tables import (
    DOWN,
    HEADER,
    LINES,
    PAIR,
    PULSE,
    SIGN,
    TEXT,
    UP,
    WAY,
    G,
    long,
    read,
    same,
    table_of,
    text_of,
)

EVEN = (*DOWN, DOWN[-1])
"""As many readings as there are on the way up."""
RUNNING = text_of(pulse=lambda i, way, k, g: k + 11 * (way == "reset"))
UNJOINED = text_of(pulse=lambda i, way, k, g: i)
_NAMES = TEXT.replace(HEADER, "Cycle #,Device ID,Pulse No.,Pulse polarity,Cond. (µS)")
_ORIGIN = TEXT.replace(HEADER, "cycle,cell,pulse,polarity,conductance\n,,,,µS\n").replace(",", "\t")
FORMS: dict[str, str | bytes] = {
    "as it was": TEXT,
    "CR LF": TEXT.replace("\n", "\r\n"),
    "CR": TEXT.replace("\n", "\r"),
    "no last line break": TEXT.rstrip(),
    "semicolons": TEXT.replace(",", ";"),
    "semicolons and decimal commas": TEXT.replace(",", ";").replace(".", ","),
    "tabs": TEXT.replace(",", "\t"),
    "tabs and decimal commas": "\n".join(
        line.replace(",", "\t").replace(".", ",") + "0" * (i > 0)
        for i, line in enumerate(TEXT.splitlines())
    ),
    "bars": TEXT.replace(",", " | "),
    "spaces": TEXT.replace("conductance (uS)", "G_uS").replace(",", "   "),
    "a line for Excel": "sep=;\n" + TEXT.replace(",", ";"),
    "cp1252": TEXT.replace("uS", "µS").encode("cp1252"),
    "micro sign": TEXT.replace("uS", "µS"),
    "Greek mu": TEXT.replace("uS", "μS"),
    "byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "UTF-16 without a mark": TEXT.encode("utf-16-le"),
    "UTF-32": TEXT.encode("utf-32"),
    "a comment": "# probe station, 2024\n" + TEXT,
    "comments anywhere": TEXT.replace("\n0,0,5,", "\n% paused\n// and went on\n0,0,5,"),
    "lines above the header": "Probe station\nOperator: me, and you\n\n" + TEXT,
    "a header as NumPy writes it": "# " + TEXT,
    "empty rows": TEXT.replace("\n", "\n\n").replace("\n0,0,5", "\n,,,,\n \n0,0,5"),
    "a delimiter at the end": TEXT.replace("\n", ",\n"),
    "spaces around values": TEXT.replace(",", " , "),
    "quotes": "\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in TEXT.splitlines()
    ),
    "quoted labels": TEXT.replace(",set", ',"set"'),
    "a delimiter in quotes": TEXT.replace("\n0,0,", '\n0,"a, b",'),
    "an index of pandas": "\n".join(f"{i or ''},{x}" for i, x in enumerate(TEXT.splitlines())),
    "a row of units": TEXT.replace(" (uS)", "").replace("\n", "\n,,,,uS\n", 1),
    "a column of units": TEXT.replace(" (uS)", ",unit").replace("\n0", ",uS\n0")
    .replace(",unit,uS", ",unit").rstrip() + ",uS\n",
    "nanosiemens": TEXT.replace("uS", "nS").replace(".", ""),
    "siemens": text_of(conductance=lambda i, way, k, g: f"{g * 1e-6:.9f}"),
    "exponents": text_of(conductance=lambda i, way, k, g: f"{g * 1e-6:.6E}"),
    "G, uS": TEXT.replace("conductance (uS)", "G [uS]"),
    "G / uS": TEXT.replace("conductance (uS)", "G / uS"),
    "names as instruments have them": _NAMES,
    "a decimal point and an exponent in a table of Origin": _ORIGIN,
    "G_uS": TEXT.replace("conductance (uS)", "G_uS"),
    "resistance": text_of(**{"resistance (kOhm)": lambda i, way, k, g: f"{1e3 / g:.6f}"}),
    "resistance with an omega": text_of(**{"R (MΩ)": lambda i, way, k, g: f"{1 / g:.9f}"}),
    "current and its voltage": text_of(
        **{"current (nA)": lambda i, way, k, g: -100 * g, "v_read (mV)": lambda *_: -100}),
    "a minus of Unicode": text_of(way=lambda i, way, k, g: "1" if way == "set" else "−1"),
    "other columns": text_of(
        **{"time (s)": lambda i, *_: i / 10, "G (uS)": G, "note": lambda *_: "x y",
           "current (A)": lambda *_: 1, "temperature (C)": lambda *_: 25}),
    "dates": text_of(**{"G (uS)": G, "time": lambda i, *_: f"2024-01-01 12:00:{i:02d}"}),
    "any order": long(**{"Conductance [uS]": G, "Polarity": WAY, "PULSE NUMBER": PULSE}),
    "no pulse numbers": long(**{"polarity": WAY, "G (uS)": G}),
    "a running pulse index": RUNNING,
    "a running pulse index, in a cycle": "\n".join(
        f"{'cycle' if i == 0 else 1},{line}" for i, line in enumerate(RUNNING.splitlines())),
    "a running row index": UNJOINED,
    "pulses from 1": text_of(pulse=lambda i, way, k, g: k + 1),
    "whole numbers with a point": text_of(pulse=lambda i, way, k, g: f"{k}.0"),
    "polarity 1.0 and -1.0": text_of(way=lambda i, way, k, g: float(SIGN[way])),
    "polarity +1 and -1": text_of(way=lambda i, way, k, g: f"{SIGN[way]:+d}"),
    "LTP and LTD": text_of(way=lambda i, way, k, g: {"set": "LTP", "reset": "LTD"}[way]),
    "potentiation": text_of(
        way=lambda i, way, k, g: {"set": "Potentiation", "reset": "Depression"}[way]),
    "up and down": text_of(way=lambda i, way, k, g: {"set": "up", "reset": "DOWN"}[way]),
    "p and d": text_of(way=lambda i, way, k, g: {"set": "P", "reset": "D"}[way]),
    "the sign of the voltage": long(
        **{"pulse": PULSE, "voltage": lambda i, way, k, g: 1.5 * SIGN[way], "G (uS)": G}),
    "no voltage before a train": long(
        **{"voltage": lambda i, way, k, g: 1.5 * SIGN[way] * (k > 0), "G (uS)": G}),
    "an empty voltage before a train": long(
        **{"V (V)": lambda i, way, k, g: 1.5 * SIGN[way] if k else "", "G (uS)": G}),
    "wide": table_of(("pulse", list(range(12))), ("set (uS)", [*UP]), ("reset (uS)", [*DOWN])),
    "wide, LTP and LTD": table_of(("LTP (uS)", [*UP]), ("LTD (uS)", [*DOWN])),
    "wide, other columns": table_of(
        ("LTP (uS)", [*UP]), ("LTP std (uS)", [0.1] * 12), ("LTD (uS)", [*DOWN]), ("T", [20] * 12)),
    "wide, resistance": table_of(
        ("LTP (kOhm)", [1e3 / g for g in UP]), ("LTD (kOhm)", [1e3 / g for g in DOWN])),
    "wide, current per voltage": table_of(("LTP (uA/V)", [*UP]), ("LTD [uA/V]", [*DOWN])),
    "wide, numbers in brackets": table_of(("uS LTP(1)", [g * 1e-6 for g in UP]), ("uS LTD(1)", [g * 1e-6 for g in DOWN])),
    "wide, by direction": table_of(("G1 (uS)", [*UP]), ("G2 (uS)", [*DOWN])),
    "wide, no header": "\n".join(
        f"{up * 1e-6:.9f}\t{down * 1e-6:.9f}" for up, down in zip(UP, EVEN, strict=True)),
    "wide, no header, with an index": "\n".join(
        f"{i} {up * 1e-6:.9f} {down * 1e-6:.9f}"
        for i, (up, down) in enumerate(zip(UP, EVEN, strict=True))),
    "wide, one below the other": table_of(
        ("n", list(range(23))), ("LTP (uS)", [*UP]), ("LTD (uS)", [""] * 12 + [*DOWN])),
    "wide, two decimal signs of Excel": table_of(
        ("LTP (uS)", [*UP]), ("LTD (uS)", [*DOWN]), separator=";").replace(".", ","),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_is_clear_is_read(tmp_path: Path, form: str) -> None:
    data = read(tmp_path, FORMS[form])
    if "no header" in form:  # whose columns are of one length
        data = Measurement(
            data.name,
            tuple(
                Train(
                    each.way, each.readings[: len(DOWN)] if each.way == "reset" else each.readings
                )
                for each in data.trains
            ),
            understood=data.understood,
        )
    same(data)
    assert data.warnings == ()
    assert "\n" not in data.understood
    assert "1 set train of 11 pulses" in data.understood


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("semicolons and decimal commas", "semicolons; decimal commas; one line a reading"),
        ("cp1252", "cp1252"),
        ("UTF-16", "UTF-16"),
        ("a comment", "1 comment line left out"),
        ("lines above the header", "2 lines above the header left out"),
        ("other columns", "left out: 'note', 'current (A)', 'temperature (C)'"),
        ("an index of pandas", "left out: 'column 1 (no name)'"),
        ("dates", "left out: 'time'"),
        ("the sign of the voltage", "polarity from the sign of the voltage"),
        ("wide, by direction", "one column a ramp; rising trains are set"),
        ("resistance", "readings in 'resistance (kOhm)'"),
    ],
)
def test_what_was_understood_is_said(tmp_path: Path, form: str, words: str) -> None:
    assert words in read(tmp_path, FORMS[form]).understood


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = measure(Device.load("subquantum-cbram"), 3, 4, (20, 30), seed=1)
    write_measurement(tmp_path / "measured.csv", data)
    back = read_measurement(tmp_path / "measured.csv")
    assert len(back.trains) == len(data.trains) == 24
    for one, other in zip(back.trains, data.trains, strict=True):
        assert (one.way, one.cell, one.cycle) == (other.way, other.cell, other.cycle)
        assert one.readings == pytest.approx(other.readings, rel=1e-7)


def test_a_file_is_told_by_its_hash(tmp_path: Path) -> None:
    assert read(tmp_path, TEXT).sha256 == hashlib.sha256(TEXT.encode()).hexdigest()


def test_voltages_widths_and_times_are_kept_for_each_train(tmp_path: Path) -> None:
    data = read(
        tmp_path,
        long(
            **{"pulse": PULSE, "G (uS)": G, "time (ms)": lambda i, *_: 10 * i,
               "voltage": lambda i, way, k, g: (1.5 if way == "set" else -2) * (k > 0),
               "width (ns)": lambda i, way, k, g: 20 if way == "set" else 50},
        ),
    )  # fmt: skip
    same(data)
    assert data.conditions("set")[0] == pytest.approx((1.5, 20e-9))
    assert data.conditions("reset")[0] == pytest.approx((2.0, 50e-9))
    times = data.of("reset")[0].times
    assert times is not None
    assert times == pytest.approx(np.arange(12, 23) / 100)


def test_several_voltages_make_several_trains(tmp_path: Path) -> None:
    """With and without a column of cycles, one after the other within a cycle."""
    lines = [
        f"{k},{sign * v * (k > 0)},{g}"
        for v in (1.0, 1.2, 1.4)
        for sign, readings in ((1, UP), (-1, DOWN))
        for k, g in enumerate(readings)
    ]
    data = read(tmp_path, "\n".join(["pulse,voltage,G (uS)", *lines]))
    same(data, cycles=3)
    assert data.conditions("set") == ((1.0, None), (1.2, None), (1.4, None))
    data = read(
        tmp_path, "\n".join(["cycle,pulse,voltage,G (uS)", *(f"7,{line}" for line in lines)])
    )
    assert [train.voltage for train in data.trains] == [1.0, 1.0, 1.2, 1.2, 1.4, 1.4]
    assert {train.cycle for train in data.trains} == {"7"}


def test_measured_voltages_are_one_if_they_differ_by_hardly_anything(tmp_path: Path) -> None:
    data = read(
        tmp_path,
        long(**{"v": lambda i, way, k, g: SIGN[way] * (1.5 + 0.003 * (i % 3)), "G (uS)": G}),
    )
    assert len(data.conditions("set")) == len(data.conditions("reset")) == 1
    assert data.warnings == ()


def test_cells_and_cycles_are_labels_in_order(tmp_path: Path) -> None:
    lines = [
        f"{cycle},{cell},{line.split(',', 2)[2]}"
        for cell in ("b7", "a1", "01", "1")
        for cycle in (2, 1)
        for line in LINES
    ]
    data = read(tmp_path, "\n".join([HEADER, *lines]))
    same(data, cells=4, cycles=2)
    assert data.cells == ("b7", "a1", "01", "1")
    assert [train.cycle for train in data.of("set")[:2]] == ["2", "1"]


def test_cycles_are_found_from_polarities(tmp_path: Path) -> None:
    """Of two cells that were measured in turns."""
    header, *lines = long(**{"polarity": WAY, "G (uS)": G}).splitlines()
    turns = [f"{cell},{line}" for line in lines * 3 for cell in "AB"]
    same(read(tmp_path, "\n".join([f"device,{header}", *turns])), cells=2, cycles=3)


def test_one_polarity_is_a_measurement(tmp_path: Path) -> None:
    data = read(tmp_path, "\n".join([HEADER, *(line for line in LINES if ",set" in line)]))
    assert [train.way for train in data.trains] == ["set"]
    assert data.of("reset") == ()
    assert "no reset trains" in data.understood
    (train,) = read(tmp_path, table_of(("pulse", list(range(11))), ("G (uS)", [*DOWN]))).trains
    assert train.way == "reset"


def test_labels_of_ramps_are_kept_as_they_are(tmp_path: Path) -> None:
    data = read(
        tmp_path,
        table_of(("B7 LTP 3 (uS)", [*UP]), ("device A LTP (uS)", [*UP]), ("x-12 LTP2", [1e-6] * 3)),
    )
    assert [(train.cell, train.cycle) for train in data.trains] == [
        ("B7", "3"), ("A", "0"), ("x 12", "2")]  # fmt: skip


def test_trains_need_not_be_alike(tmp_path: Path) -> None:
    text = table_of(
        ("cell1 LTP 1 (uS)", [*UP]), ("cell1 LTD 1 (uS)", [*DOWN][:7]), ("cell1 LTP 2 (uS)", [*UP][3:]),
        ("cell2 LTP 1 (nS)", [1e3 * g for g in UP]),
    )  # fmt: skip
    data = read(tmp_path, text)
    assert data.cells == ("1", "2")
    assert data.cycles == 2
    assert [len(train.readings) for train in data.trains] == [12, 7, 9, 12]
    assert [train.cycle for train in data.trains] == ["1", "1", "2", "1"]
    assert data.trains[3].readings == pytest.approx(1e-6 * np.array(UP))


def test_ramps_of_one_name_are_numbered_and_may_have_a_column_of_cycles(tmp_path: Path) -> None:
    twice = [("LTP (uS)", [*UP]), ("LTD (uS)", [*DOWN])] * 2
    same(read(tmp_path, table_of(*twice)), cycles=2)
    text = table_of(
        ("cycle", ["a"] * 12 + ["b"] * 12), ("pulse", [*range(12)] * 2), ("LTP (uS)", [*UP] * 2),
        ("LTD (uS)", [*DOWN, ""] * 2),
    )  # fmt: skip
    data = read(tmp_path, text)
    same(data, cycles=2)
    assert [train.cycle for train in data.trains] == ["a", "a", "b", "b"]


def test_missing_readings_are_none(tmp_path: Path) -> None:
    """An empty cell, nan, a number that is left out; and what is missing at the end is not there."""
    text = TEXT.replace(",22.851", ",").replace(",31.467", ",NaN").replace("0,0,7,set,36.473\n", "")
    data = read(tmp_path, text.replace(",39.730\n0,0,0,reset", ",\n0,0,0,reset"))
    readings = data.of("set")[0].readings
    assert np.flatnonzero(np.isnan(readings)).tolist() == [3, 5, 7]
    assert len(readings) == 11
    assert readings[10] == pytest.approx(39.736e-6)
    assert "readings are missing" in data.warnings[0]


def test_readings_that_are_pulses_apart_are_so(tmp_path: Path) -> None:
    data = read(tmp_path, text_of(pulse=lambda i, way, k, g: 10 * k))
    readings = data.of("set")[0].readings
    assert len(readings) == 111
    assert readings[::10] == pytest.approx(1e-6 * np.array(UP))
    assert np.isnan(readings).sum() == 99
    assert "readings are 10 pulses apart" in data.warnings


def test_an_offset_below_zero_is_kept_with_a_warning(tmp_path: Path) -> None:
    data = read(tmp_path, text_of(**{"G (uS)": lambda i, way, k, g: g - 2.1}))
    assert data.of("set")[0].readings[0] == pytest.approx(-0.087e-6)
    assert "below 0" in data.warnings[0]


def test_swapped_polarities_are_put_right_with_a_warning(tmp_path: Path) -> None:
    data = read(tmp_path, text_of(way=lambda i, way, k, g: {"set": "reset", "reset": "set"}[way]))
    same(data)
    assert "swapped" in data.warnings[0]
    # one train of many that fails is no reason
    fails = [f"{line[0]},1{line[3:]}" for line in LINES if "reset" in line]
    lines = [line for c in range(3) for line in LINES for line in [f"{c}{line[1:]}"]]
    failed = [line.replace("reset", "set") for line in fails]
    data = read(tmp_path, "\n".join([HEADER, *lines, *failed]))
    assert [train.way for train in data.trains].count("set") == 4
    assert "1 of 7 trains go against their polarity" in data.warnings[0]


def test_a_train_of_two_readings_is_left_out_with_a_warning(tmp_path: Path) -> None:
    data = read(tmp_path, TEXT + "1,0,0,set,2\n1,0,1,set,3\n")
    same(data)
    assert "1 of 3 trains have fewer than 3 readings" in data.warnings[0]


def test_arbitrary_units_become_the_window_that_is_given(tmp_path: Path) -> None:
    """Readings from -1.151 to 1.079 are -1 to 1 with noise: those of a real cell look so."""
    rng = np.random.default_rng(1)
    up = 2 * (1 - np.exp(-np.arange(1000) / 250)) / (1 - np.exp(-4)) - 1
    both = np.stack([up, -up]) + 0.15 * rng.standard_normal((2, 1000))
    text = "\n".join(f"{a:.5f},{b:.5f}" for a, b in both.T)
    with pytest.raises(DataError, match=r"line 1: column 1 must be at least 0.*--window 2uS:20uS"):
        read(tmp_path, text)
    data = read(tmp_path, text, window=(2e-6, 20e-6))
    assert [train.way for train in data.trains] == ["set", "reset"]
    assert [len(train.readings) for train in data.trains] == [1000, 1000]
    slope, offset = np.polyfit(both[0], data.of("set")[0].readings, 1)
    assert slope == pytest.approx(9e-6, rel=0.1)
    assert offset == pytest.approx(11e-6, rel=0.05)
    assert "taken as 2e-06 S" in data.understood


@pytest.mark.parametrize("header", ["conductance (a.u.)", "normalized conductance", "weight", "G"])
def test_normalised_readings_need_a_window(tmp_path: Path, header: str) -> None:
    text = text_of(**{header: lambda i, way, k, g: g / 45})
    with pytest.raises(DataError, match="--window 2uS:20uS"):
        read(tmp_path, text)
    data = read(tmp_path, text, window=(2.013e-6, 39.736e-6))
    same(data)


def test_currents_need_a_read_voltage(tmp_path: Path) -> None:
    text = text_of(**{"read current (nA)": lambda i, way, k, g: 200 * g})
    with pytest.raises(DataError, match=r"'read current \(nA\)' is a current.*read voltage \(V\)"):
        read(tmp_path, text)
    same(read(tmp_path, text, read_voltage=0.2))
    # or a window: a current is proportional to the conductance
    same(read(tmp_path, text, window=(2.013e-6, 39.736e-6)))


def test_a_cell_that_conducts_nothing_when_off_is_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, 60)
    text = table_of(
        ("LTP (uS)", list(np.linspace(0, 40, 60) + noise)),
        ("LTD (uS)", list(np.maximum(40 - np.arange(60), 0) + noise)),
        ("LTD 2 (uS)", [40] + [0] * 59),
    )
    data = read(tmp_path, text)
    assert len(data.trains) == 3
    assert min(train.readings.min() for train in data.trains) < 0


def test_a_binary_cell_is_read(tmp_path: Path) -> None:
    text = table_of(("LTP (uS)", [2] + [38] * 30), ("LTD (uS)", [38] + [2] * 30))
    assert read(tmp_path, text).warnings == ()


def test_arrays_are_trains(tmp_path: Path) -> None:
    up, down = np.arange(24.0).reshape(2, 3, 4), np.zeros((2, 3, 5))
    data = Measurement.of_arrays("x", up, down)
    assert data.cells == ("0", "1")
    assert data.cycles == 3
    assert [train.way for train in data.trains[:3]] == ["set", "reset", "set"]
    assert np.array_equal([train.readings for train in data.of("set")], up.reshape(6, 4))
    assert data.conditions("set") == ((None, None),)
    assert data.trains[0].pulses == 3
    with pytest.raises(ParameterError, match="as many cells and cycles"):
        Measurement.of_arrays("x", up, np.zeros((1, 3, 5)))
    assert Measurement("x", ()).cycles == 0


def test_numbers_that_run_on_lose_no_step(tmp_path: Path) -> None:
    """The last reading of potentiation is the one before the first pulse of depression."""
    readings = [*((g, "set") for g in UP), *((g, "reset") for g in DOWN[1:])]
    lines = [f"0,0,{number},{way},{g}" for number, (g, way) in enumerate(readings)]
    data = read(tmp_path, "\n".join([HEADER, *lines]))
    (reset,) = data.of("reset")
    assert reset.pulses == len(DOWN) - 1
    assert reset.readings == pytest.approx(1e-6 * np.array([UP[-1], *DOWN[1:]]))


def test_the_voltage_of_reads_is_that_of_the_file(tmp_path: Path) -> None:
    lines = [
        f"{pulse},{way},{0.2 * g},200" for way, readings in PAIR for pulse, g in enumerate(readings)
    ]
    text = "\n".join(["pulse,polarity,current (uA),read voltage (mV)", *lines])
    assert read(tmp_path, text).read_voltage == pytest.approx(0.2)
    currents = "\n".join(line.rpartition(",")[0] for line in text.splitlines())
    assert read(tmp_path, currents, read_voltage=0.2).read_voltage == 0.2
    assert read(tmp_path, TEXT).read_voltage is None
