"""Files of a bounded size, and the tables that are read from them."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from cbramsim.devices.fitting import measurement
from cbramsim.devices.fitting.measurement import read_measurement
from cbramsim.errors import DataError
from cbramsim.files import read_limited, read_text
from cbramsim.simulator.digital import published
from cbramsim.simulator.digital.published import load_runs

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


@pytest.mark.parametrize(
    ("read", "room"), [(read_measurement, measurement), (load_runs, published)]
)
def test_a_table_without_end_is_refused(read, room, monkeypatch):
    monkeypatch.setattr(room, "LARGEST", 10_000)
    with pytest.raises(DataError, match=r"/dev/zero: is larger than .* 10 kB"):
        read(Path("/dev/zero"))


def zipped(*names: str, content: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped(), "one .csv file"),
        (zipped("a.csv", "b.csv"), "one .csv file"),
        (zipped("a.csv", content=bytes(10**6)), "larger than a table of runs may be"),
        (b"dataset,shape\n" + b"x" * 200_000, "columns"),
        (",".join(published.REQUIRED).encode() + b"\n" + b"x" * 200_000, "field larger"),
        ("dataset".encode("utf-16"), "UTF-16"),
    ],
)  # fmt: skip
def test_a_table_that_holds_no_runs_is_refused(tmp_path, content, reason, monkeypatch):
    monkeypatch.setattr(published, "LARGEST", 300_000)
    file = tmp_path / "runs.csv.zip"
    file.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        load_runs(file)
