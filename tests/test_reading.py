"""Files of a bounded size, and the tables that are read from them."""

import os
from pathlib import Path

import pytest

from cbramsim.core.errors import DataError
from cbramsim.core.files import read_limited, read_text
from cbramsim.devices.fitting import measurement
from cbramsim.devices.fitting.measurement import read_measurement

HEADER = "cycle,cell,pulse,polarity,conductance\n"


def test_a_file_may_be_as_large_as_the_limit(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"1234")
    assert read_limited(file, 4, "a file") == b"1234"
    with pytest.raises(DataError, match="a: is larger than a file may be, 3 bytes"):
        read_limited(file, 3, "a file")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no-such-file", "No such file"), (".", "Is a directory"), ("a\0b", "null byte"),
        ("x" * 5000, "too long"), ("/dev/zero", "larger than a file may be, 1 MB"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_in_a_short_message(path, reason):
    with pytest.raises(DataError, match=reason) as caught:
        read_limited(Path(path), 10**6, "a file")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_a_pipe_is_read_to_its_end_and_not_waited_for(tmp_path):
    out, into = os.pipe()
    os.write(into, b"1234")
    os.close(into)
    assert read_text(Path(f"/dev/fd/{out}"), 10, "a file") == "1234"
    os.close(out)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert read_limited(pipe, 10, "a file") == b""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no readings"),
        (HEADER, "no readings"),
        (HEADER + "1,1,0,set\n", "line 2: must have 5 values"),
        ("\0", "no readings"),
        ("x" * 200_000, "field larger"),
        ("a,b\n1,2\n", "column cycle is missing"),
        ("," * 5000 + "\n" + "," * 5000, "at most 100 columns"),
        ("a" + " " * 100_000 + "!,b\n1,2\n", "at most 200 characters"),
        (HEADER + "1," + "y" * 1000 + ",0,set,1\n", "cell must be a label of at most 200"),
        (HEADER + "1,1,0,set,2S\n", "line 2: conductance must be a number"),
    ],
)
def test_a_table_that_is_no_measurement_is_refused(tmp_path, text, reason):
    file = tmp_path / "pulses.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=reason) as caught:
        read_measurement(file)
    assert "pulses.csv" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_table_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(measurement, "LARGEST", 10_000)
    with pytest.raises(DataError, match=r"/dev/zero: is larger than .* 10 kB"):
        read_measurement(Path("/dev/zero"))
