from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import DataError
from cbramsim.simulator.images.array_files import npy_file, npz_member, npz_names, read_idx


def idx(shape: tuple[int, ...], values: bytes = b"") -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


def npy(shape: tuple[int, ...], values: bytes = b"", descr: str = "|u1") -> bytes:
    file = io.BytesIO()
    header = {"shape": shape, "fortran_order": False, "descr": descr}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + values


def npz(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("images.npy", content)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx((2**32 - 1,) * 3), "must hold at most 4 GB"),
        (idx((15_000_000, 28, 28)), r"must hold at most 4 GB \(got 11.8 GB, 15000000 x 28 x 28"),
        (idx((3_000_000, 28, 28)), "2.35 GB of images cannot be packed into 16 bytes"),
        (gzip.compress(idx((3_000_000, 28, 28), bytes(10**6)), mtime=0), "cannot be packed into"),
        (
            gzip.compress(idx((10, 28, 28), bytes(10**6)), mtime=0),
            r"7840 bytes expected .* \(got more\)",
        ),
        (
            gzip.compress(idx((10, 28, 28), bytes(100)), mtime=0),
            r"7840 bytes expected .* \(got 100\)",
        ),
        (bytes([0, 0, 8, 255]), r"must have 3 dimensions \(got 255\)"),
    ],
)
def test_an_idx_file_that_cannot_be_what_it_says_is_not_unpacked(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_idx(path, 3)
    assert str(error.value).startswith(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_what_has_no_end_or_no_beginning_is_refused(tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), Path("/dev/null"), tmp_path, Path("a\0b"), Path("a" * 5000)):
        with pytest.raises(DataError):
            read_idx(path)
    for name in ("pipe", "pipe.npy", "pipe.npz"):
        os.mkfifo(tmp_path / name)
        reader = {".npy": npy_file, ".npz": npz_names}.get(Path(name).suffix, read_idx)
        with pytest.raises(DataError, match=name):
            reader(tmp_path / name)


def test_arrays_are_read_as_they_are(tmp_path: Path) -> None:
    values = np.arange(24, dtype=">u2").reshape(2, 3, 4)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", big=values, order=np.asfortranarray(values))
    np.savez_compressed(tmp_path / "b.npz", big=values)
    stored = npy_file(tmp_path / "a.npy")
    assert (stored.shape, stored.dtype) == ((2, 3, 4), np.uint16)
    members = [("a", "big"), ("a", "order"), ("b", "big")]
    for each in (stored, *(npz_member(tmp_path / f"{file}.npz", name) for file, name in members)):
        np.testing.assert_array_equal(each.read(), values)
        assert each.read().dtype == np.uint16


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy((10**9, 28, 28)), r"must hold at most 4 GB \(got 784 GB"),
        (npy((2**40, 2**40)), "must hold at most 4 GB"),
        (npy((3_900_000, 1000), bytes(10**6)), "3.9 GB of images cannot be packed into"),
        (npy((-1, 28, 28)), "not an array in .npy format"),
        (npy((10, 6, 6), bytes(300)), r"360 bytes expected for 10 x 6 x 6 values \(got 300\)"),
        (npy((10, 6, 6), bytes(400)), r"360 bytes expected for 10 x 6 x 6 values \(got 400\)"),
        (npy((1,), descr="|O"), "must be an array of numbers"),
        (npy((1,), descr="|V4"), "must be an array of numbers"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1), "not an array in .npy format"),
        (b"hello", "not an array in .npy format"),
    ],
)
def test_an_array_that_cannot_be_what_it_says_is_not_unpacked(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = npz(tmp_path / "images.npz", content)
    with pytest.raises(DataError, match=message) as error:
        npz_member(path, "images")
    assert str(error.value).startswith(f"{path}: images: ")
    (tmp_path / "images.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"images\.npy: "):
        npy_file(tmp_path / "images.npy")


def test_a_packed_file_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "images.npz", npy((10, 6, 6), bytes(range(180)) * 2))
    whole = path.read_bytes()
    for damaged in (b"", b"hello", whole[:200], whole[:150] + b"\xff" * 8 + whole[158:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=str(path)):
            npz_member(path, "images").read()


def test_a_list_of_too_many_arrays_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "many.npz"
    with zipfile.ZipFile(path, "w") as packed:
        for number in range(3000):
            packed.writestr(f"{number}.npy", b"")
    with pytest.raises(DataError, match="must list its arrays in at most 131 kB"):
        npz_names(path)
