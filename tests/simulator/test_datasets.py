from __future__ import annotations

import gzip
import shutil
import struct
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from cbramsim.errors import DataError
from cbramsim.simulator import datasets
from cbramsim.simulator.datasets import Dataset, load_dataset, read_idx

MNIST = Path(str(resources.files("cbramsim") / "data" / "mnist"))


def write_idx(path: Path, values: np.ndarray, *, zipped: bool = False) -> None:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if zipped else content)


def write_dataset(
    folder: Path, prefix: str = "", size: int = 9, classes: int = 4, counts=(60, 60, 20, 20)
) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for n, (name, count) in enumerate(zip(names, counts, strict=True)):
        shape = (count,) if n % 2 else (count, size, size)
        values = rng.integers(0, classes if n % 2 else 256, shape)
        zipped = n > 1
        write_idx(folder / f"{prefix}{name}-ubyte{'.gz' if zipped else ''}", values, zipped=zipped)


def test_mnist_is_complete(mnist: Dataset) -> None:
    assert mnist.train_images.shape == (60_000, 28, 28)
    assert mnist.test_images.shape == (10_000, 28, 28)
    np.testing.assert_array_equal(mnist.train_labels[:5], [5, 0, 4, 1, 9])
    np.testing.assert_array_equal(
        np.bincount(mnist.test_labels), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    )


def test_damaged_bundled_data_is_refused(tmp_path: Path, monkeypatch) -> None:
    copy = tmp_path / "data" / "mnist"
    shutil.copytree(MNIST, copy)
    label_file = copy / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(label_file.read_bytes())
    content[-20] ^= 1
    label_file.write_bytes(content)
    monkeypatch.setattr(datasets.resources, "files", lambda _: tmp_path)
    with pytest.raises(DataError, match="wrong SHA-256"):
        load_dataset("mnist")


def test_any_folder_of_idx_files_works_gzipped_or_not(tmp_path: Path) -> None:
    write_dataset(tmp_path / "kmnist")
    data = load_dataset(tmp_path / "kmnist")
    assert data.train_images.shape == (60, 9, 9)
    assert data.test_labels.shape == (20,)


def test_one_of_several_datasets_in_a_folder(tmp_path: Path) -> None:
    write_dataset(tmp_path, prefix="emnist-letters-", classes=26)
    write_dataset(tmp_path, prefix="emnist-digits-", classes=10)
    with pytest.raises(DataError, match=r"several files .* such as .*emnist-digits-"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path / "emnist-letters").train_labels.max() > 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"GIF89a....", "not an IDX file"),
        (bytes([0, 0, 8, 3, 0, 0]), "truncated or damaged"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 9, 1, 2]), "must have 3 dimensions (got 1)"),
        (bytes([0, 0, 13, 3]), "not an IDX file of unsigned bytes"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 3) + bytes(17), "truncated or damaged"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 3) + bytes(19), "truncated or damaged"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 0, 3, 3), "is empty"),
        (gzip.compress(bytes(500), mtime=0)[:-12], "damaged gzip file"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_idx(path, 3)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_idx(tmp_path / "none")
    with pytest.raises(DataError, match="dataset: must be mnist, a folder"):
        load_dataset(tmp_path / "none")
    write_dataset(tmp_path / "half")
    next((tmp_path / "half").glob("t10k-labels*")).unlink()
    with pytest.raises(DataError, match=r"no file '\*t10k-labels\*'"):
        load_dataset(tmp_path / "half")


def test_images_and_labels_must_agree(tmp_path: Path) -> None:
    write_dataset(tmp_path / "odd", counts=(60, 59, 20, 20))
    with pytest.raises(DataError, match="60 train images but 59 train labels"):
        load_dataset(tmp_path / "odd")
