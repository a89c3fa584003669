"""Files of pulse trains that are not clear, or none: refused by file, line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.devices.fitting import long_form, table
from cbramsim.devices.fitting.reading import read_measurement
from tests.tables import (
    DOWN,
    HEADER,
    LINES,
    PULSE,
    SIGN,
    TEXT,
    UP,
    G,
    long,
    read,
    table_of,
    text_of,
)


def _with(line: int, old: str, new: str) -> str:
    lines = [HEADER, *LINES]
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new)
    return "\n".join(lines) + "\n"


def _headed(header: str) -> str:
    return "\n".join([header, *LINES]) + "\n"


BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "no readings"),
    "blank": (" \n\n;;;\n", "no readings"),
    "a header only": (HEADER, "no readings"),
    "comments only": ("# nothing\n# yet\n", "no readings"),
    "nan everywhere": (text_of(**{"G (uS)": lambda *_: "nan"}), "no readings"),
    "empty everywhere": (text_of(**{"G (uS)": lambda *_: ""}), "no readings"),
    "binary": (bytes(range(256)) * 10, "must be a text"),
    "zeros": (b"\0" * 1000, "must be a text"),
    "a workbook": (b"PK\x03\x04 and so on", "must be a text .*Excel workbook"),
    "compressed": (b"\x1f\x8b and so on", "must be a text .*compressed"),
    "half a UTF-16": (TEXT.encode("utf-16")[:-1], "must be a text"),
    "control characters": (TEXT.replace("0,0,3", "0,0,\x01"), "must be a text"),
    "a long line": ("x" * 200_000, "line 1: must have at most 100000 characters"),
    "too many columns": ("," * 5000 + "\n" + "a," * 5000, "at most 1000 columns"),
    "a long name": ("a" * 300 + ",b\n1,2\n", "at most 200 characters"),
    "a long label": (TEXT.replace("\n0,0,3", f"\n0,{'y' * 1000},3"), "line 5: cell .*at most 200"),
    "no label": (_with(4, "0,0,3", "0,,3"), "line 5: cell must be a label"),
    "no columns known": ("a,b\n1,x\n", "column conductance is missing"),
    "no readings among the columns": (_headed("cycle,cell,pulse,polarity,conductnce"),
        r"column conductance is missing \(did you mean 'conductnce'\?\).*resistance, current"),
    "no polarity": (_headed("cycle,cell,pulse,polarty,G (uS)"),
        r"column polarity is missing \(did you mean 'polarty'\?\)"),
    "a value is missing": (TEXT + "0,0,20,set", "line 25: must have 5 values .got 4"),
    "one value more": (_with(4, "22.851", "22.851,7"), "line 5: must have 5 values .got 6"),
    "decimal commas between commas": (TEXT.replace(".", ","),
        "line 2: must have 5 values .got 6.*decimal commas"),
    "one column with decimal commas": ("LTP (uS)\n2,01\n3,02\n4,1\n5,2\n",
        "must have 1 values .got 2.*decimal commas"),
    "whole numbers between commas": ("2,013\n3,024\n4,100\n5,200\n", "must have a header"),
    "quoted thousands": (_with(4, "22.851", '"22,851"'), "line 5: .*must be a number.*'22,851'"),
    "quoted decimal commas": (TEXT.replace(".", ",").replace("set,", 'set,"').replace(
        "\n0", '"\n0').replace('(uS)"', "(uS)").rstrip() + '"', "decimals from thousands"),
    "thousands between tabs": (
        text_of(**{"G (nS)": lambda i, way, k, g: f"{1000 * g:,.0f}".replace(",", "@")})
        .replace(",", "\t").replace("@", ","), "must tell decimals from thousands"),
    "thousands and decimals": (
        text_of(**{"G (nS)": lambda i, way, k, g: f"{1000 * g:,.1f}".replace(",", "@")})
        .replace(",", ";").replace("@", ","), "G must be a number .got '2,013.0'"),
    "points between thousands": (
        text_of(**{"G (nS)": lambda i, way, k, g: f"{100 * g:,.0f}"}).replace(",", ".").replace(
            ".set.", ";set;").replace(".reset.", ";reset;").replace("pulse.polarity.", "pulse;polarity;"),
        "must tell decimals from thousands .got '1.075'"),
    "a ramp in mS/cm": (table_of(("LTP (mS/cm)", [*UP])), r"unit of LTP \(mS/cm\) must be S, Ohm or A"),
    "reads among pulses": (long(**{"voltage": lambda i, way, k, g: SIGN[way] * (1.5 if i % 2 else 0.1), "G (uS)": G}),
        "voltage must be the same .*any voltage, from 0.1 to 1.5 V"),
    "both decimal signs": (
        text_of(**{"voltage": lambda *_: "1.5", "G (uS)": lambda i, way, k, g: f"{g:.4f}".replace(".", "@")})
        .replace(",", ";").replace("@", ","), "one decimal sign .got '1.5' and '2,0130'"),
    "two delimiters": (table_of(("LTP|x;y", [f"{g}|1;2" for g in UP])), "must have one delimiter"),
    "an open quote": (_with(4, "22.851", '"22.851'), "line 5: .*closing quote"),
    "no number": (_with(4, "22.851", "four"), "line 5: conductance must be a number .got 'four'"),
    "a unit in a cell": (_with(4, "22.851", "22.851uS"), "line 5: conductance must be a number"),
    "an underscore": (_with(4, "22.851", "22_851"), "line 5: conductance must be a number"),
    "a hexadecimal": (_with(4, "22.851", "0x1F"), "line 5: conductance must be a number"),
    "not finite": (_with(4, "22.851", "inf"), "line 5: conductance must be a finite number"),
    "1e400": (_with(4, "22.851", "1e400"), "line 5: conductance must be a finite number .got '1e400"),
    "an overflow of an instrument": (_with(4, "22.851", "9.91e37"), "line 5: .*at most 1 S"),
    "negative": (_with(4, "22.851", "-22.851"), "line 5: conductance must be at least 0"),
    "negative in bulk": (text_of(**{"G (uS)": lambda i, way, k, g: g - 20}), "line 2: G must be at least 0"),
    "not siemens": (TEXT.replace(" (uS)", ""), "line 2: conductance must be at most 0.01 S.*'conductance .uS.'"),
    "siemens that are none": (TEXT.replace("uS", "S"), "line 2: conductance must be at most 1 S"),
    "a conductance in ohms": (TEXT.replace("uS", "kOhm"), "unit of conductance must be S.*'kOhm'"),
    "a unit that is none": (TEXT.replace("uS", "furlong"), "unit of conductance|column conductance"),
    "milliseconds": (TEXT.replace("uS", "us"), "unit of conductance must be S.*'us'"),
    "a unit that takes none": (_headed("cycle,cell,pulse (s),polarity,G (uS)"),
        "column pulse takes no unit .got 's'"),
    "a unit in a column that is none": (text_of(**{"G": G, "unit": lambda *_: "m"}), "unit must be S"),
    "resistance 0": (text_of(**{"R (kOhm)": lambda i, way, k, g: k * (k != 3)}),
        "line 2: R must be above 0 .got '0'"),
    "negative resistance": (text_of(**{"R (kOhm)": lambda i, way, k, g: -5 if i == 3 else 5}),
        "line 5: R must be above 0 .got '-5'"),
    "resistances without their unit": (text_of(**{"R": lambda i, way, k, g: 1e3 / g}), "0.01 S"),
    "read voltage 0": (text_of(**{"I (uA)": G, "v_read": lambda i, *_: 0.1 * (i != 3)}),
        "line 5: v_read must be other than 0"),
    "two conductances": (text_of(**{"conductance (uS)": G, "G (nS)": G}),
        r"columns 3 'conductance \(uS\)' and 4 'G \(nS\)' both mean conductance"),
    "two columns of one name": (TEXT.replace("cycle,cell", "cell,cell"), "both mean cell"),
    "two ramps of one name": (table_of(("LTP 1 (uS)", [*UP]), ("LTP 1 (uS)", [*UP])), "both mean set train"),
    "two conductances in columns": (table_of(("G (uS)", [*UP]), ("conductance (uS)", [*UP])), "both mean conductance"),
    "a large gap": (_with(4, "0,0,3", "0,0,4").replace("0,0,5,set", "0,0,9,set").replace(
        "0,0,4,set,27.427\n", ""), "pulse must be"),
    "a gap of seven": ("\n".join(x for x in TEXT.splitlines() if not x.startswith(
        tuple(f"0,0,{k},set" for k in range(2, 9)))), "line 4: pulse must be one more than .*1 .got '9'"),
    "going back": (_with(4, "0,0,3", "0,0,1"), "line 5: pulse must be larger than before it .*2"),
    "twice": (TEXT + "\n".join(LINES), "line 37: pulse must be larger than before it .*10 .got '0'"),
    "a line twice": (_with(4, "0,0,3", "0,0,2"), "line 5: pulse must be larger .*2 .got '2'"),
    "counting down": (text_of(pulse=lambda i, way, k, g: k if way == "set" else 11 - k),
        "pulse must be larger than before it"),
    "a later start": ("\n".join([HEADER, *(x for x in LINES if x.split(",")[2] not in "01")]),
        "line 2: pulse must be 0 or 1 where a train begins"),
    "a fraction of a pulse": (_with(4, "0,0,3", "0,0,2.5"), "line 5: pulse must be a whole number"),
    "dates as pulses": (text_of(pulse=lambda i, *_: f"2024-01-{i + 1:02d}"), "line 2: pulse must be a number"),
    "no pulse": (_with(4, "0,0,3", "0,0,"), "line 5: pulse must be a whole number"),
    "polarity": (_with(4, "set", "sideways"), "line 5: polarity must be set or reset.*'sideways'"),
    "polarity 0 and 1": (text_of(way=lambda i, way, k, g: int(way == "set")), "polarity must be given"),
    "no polarity in any line": (text_of(way=lambda *_: ""), "polarity must be given"),
    "voltages of one sign": (long(**{"voltage": lambda *_: 1.5, "G (uS)": G}), "column polarity is missing"),
    "voltages of 0": (long(**{"pulse": PULSE, "voltage": lambda *_: 0, "G (uS)": G}), "voltage must be given"),
    "growing voltage": (long(**{"voltage": lambda i, way, k, g: SIGN[way] * (1 + 0.1 * k), "G (uS)": G}),
        "line 13: voltage must be the same .*pulses of growing voltage, from 1.1 to 2.1 V"),
    "growing width": (text_of(**{"width (ns)": lambda i, way, k, g: 10 * (1 + k), "G (uS)": G}),
        "pulses of growing width"),
    "short": ("\n".join([HEADER, LINES[0], LINES[1]]), "line 2: trains must have at least 3 readings .got 2"),
    "up and down in one": (table_of(("pulse", list(range(23))), ("G (uS)", [*UP, *DOWN])),
        r"column 'G \(uS\)' must go up or down"),
    "flat": (table_of(("pulse", list(range(20))), ("G (uS)", [5] * 20)), "must go up or down"),
    "an empty row in a train": (table_of(("LTP (uS)", [*UP[:5], "", *UP[5:]])),
        "line 8: must have no empty row within a train"),
    "two trains in a column": (
        table_of(("LTP (uS)", [*UP] + [""] * 11 + [*UP]), ("T (C)", [20] * 35)), "line 14: LTP must be a reading"),
    "long without a header": ("\n".join(x.replace("set", "1").replace("re1", "-1") for x in LINES),
        "must have a header .column .* whole numbers"),
    "the header again": (TEXT + TEXT, "line 25: .* must be a number"),
    "a footer": (TEXT + "mean,,,,21.3\n", "line 25"),
    "mixed units": (TEXT + "\n".join(f"1{line[1:]}".replace(".", "") + "0" for line in LINES[:12]),
        "trains must be in one unit"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_the_rest_is_refused_by_name(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    with pytest.raises(DataError, match=message) as refused:
        read(tmp_path, text)
    assert "measured.csv" in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


def test_a_window_is_for_arbitrary_units(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'conductance \(uS\)' has a unit"):
        read(tmp_path, TEXT, window=(1e-6, 2e-6))
    with pytest.raises(DataError, match="must change"):
        read(tmp_path, text_of(G=lambda *_: 5), window=(1e-6, 2e-6))
    for window in ((2e-6, 1e-6), (-1e-6, 1e-6), (0, 2), (float("nan"), 1)):
        with pytest.raises(ParameterError, match="window: must be two conductances"):
            read(tmp_path, TEXT, window=window)
    for voltage in (0, float("inf"), float("nan")):
        with pytest.raises(ParameterError, match="read_voltage: must be"):
            read(tmp_path, TEXT, read_voltage=voltage)


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match=str(path)):
            read_measurement(path)


def test_a_table_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "LARGEST", 10_000)
    with pytest.raises(DataError, match=r"/dev/zero: is larger than .* 10 kB"):
        read_measurement(Path("/dev/zero"))


def test_a_table_of_too_many_values_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MOST_VALUES", 100)
    with pytest.raises(DataError, match="at most 100 values"):
        read(tmp_path, TEXT)
    monkeypatch.setattr(long_form, "MOST_TRAINS", 1)
    monkeypatch.setattr(table, "MOST_VALUES", 1000)
    with pytest.raises(DataError, match=r"at most 1 trains .got 2"):
        read(tmp_path, TEXT)
    monkeypatch.setattr(table, "MOST_LINES", 10)
    with pytest.raises(DataError, match="at most 10 lines"):
        read(tmp_path, TEXT)
