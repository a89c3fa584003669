from __future__ import annotations

import gzip
import shutil
import struct
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cbramsim.core.errors import DataError
from cbramsim.simulator.images import datasets
from cbramsim.simulator.images.datasets import (
    Dataset,
    checked_labels,
    load_dataset,
    read_idx,
    read_images,
    read_labels,
)

MNIST = Path(str(resources.files("cbramsim") / "data" / "mnist"))


def write_idx(path: Path, values: np.ndarray, *, zipped: bool = False) -> None:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)


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
    monkeypatch.setattr(datasets, "_bundled", datasets._bundled.__wrapped__)
    with pytest.raises(DataError, match="wrong SHA-256"):
        load_dataset("mnist")


def test_the_bundled_data_are_anew_each_time() -> None:
    changed = load_dataset("mnist")
    changed.train_images[:] = 0
    assert load_dataset("mnist").train_images.any()


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


IMAGES = np.random.default_rng(0).integers(0, 256, (9, 6, 6), np.uint8)
LABELS = np.arange(9) % 3
NAMES = ("x_train", "y_train", "x_test", "y_test")


def arrays(**changes: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(NAMES, (IMAGES, LABELS) * 2, strict=True)) | changes


@pytest.mark.parametrize(
    "names",
    [
        NAMES,
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("image_train", "label_train", "TestImage", "TestLabel"),
        ("x_train", "y_train", "x_val", "y_val"),
    ],
)
def test_arrays_in_one_file_by_their_usual_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    stored = dict(zip(names, arrays().values(), strict=True)) | {"val_images": IMAGES[:1]}
    np.savez(tmp_path / "data.NPZ", **stored | {"unit": np.array("grey")})
    if "x_val" in names:
        stored.pop("val_images")
    np.savez(tmp_path / "data.npz", **stored | {"unit": np.array("grey")})
    for data in (load_dataset(tmp_path / "data.npz"), load_dataset(stored)):
        np.testing.assert_array_equal(data.train_images, IMAGES)
        np.testing.assert_array_equal(data.test_labels, LABELS)


def test_arrays_of_python_and_how_they_may_come() -> None:
    part = (IMAGES / 255, LABELS[:, None])
    for given in (
        (*part, *part),
        (part, part),
        [part[0][..., None], LABELS, part[0][:, None], LABELS],
        (part[0].reshape(9, 36), LABELS, *part),
        (part[0].tolist(), LABELS.tolist(), *part),
    ):
        data = load_dataset(given)
        np.testing.assert_array_equal(data.train_images, IMAGES / 255)
        np.testing.assert_array_equal(data.train_labels, LABELS)
    assert load_dataset(data) is data
    assert [array.shape for array in data] == [(9, 6, 6), (9,), (9, 6, 6), (9,)]
    assert "9 training and 9 test images of 6x6 pixels, float64" in repr(data)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int64, np.float32])
def test_images_keep_their_type(dtype: type) -> None:
    images = (IMAGES > 99).astype(dtype)
    assert load_dataset((images, LABELS, images, LABELS)).train_images.dtype == dtype


def test_colours_of_arrays_become_their_luminance(caplog) -> None:
    colours = np.stack([IMAGES, IMAGES, IMAGES], axis=-1)
    data = load_dataset(arrays(x_train=colours))
    np.testing.assert_array_equal(data.train_images, IMAGES)
    assert not caplog.messages
    load_dataset(arrays(x_train=colours // [1, 2, 3], x_test=IMAGES.astype(np.int64)))
    assert caplog.messages == ["dataset: there are images in colour; their luminance is read"]
    clear = np.concatenate([colours, IMAGES[..., None]], axis=-1)
    with pytest.raises(DataError, match="transparent pixels"):
        load_dataset(arrays(x_test=clear))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"y_train": np.eye(3)[LABELS]},
            r"one per image \(got shape \(9, 3\)\); of one-hot labels",
        ),
        ({"y_train": LABELS.astype(float)}, r"whole numbers, 0 or above \(got float64; take"),
        ({"y_test": LABELS.astype(str)}, "number the classes"),
        ({"y_test": LABELS > 1}, r"\(got bool; take"),
        ({"y_test": LABELS - 1}, r"0 or above \(got -1\)"),
        ({"y_test": LABELS * 10**7}, r"must be below 1,000 \(got 20,000,000\)"),
        ({"y_train": LABELS[1:]}, "9 train images but 8 train labels"),
        ({"y_train": np.array(3)}, r"one per image, \[images\]"),
        ({"x_train": IMAGES[:0], "y_train": LABELS[:0]}, r"\(got 0x6x6\)"),
        ({"x_train": IMAGES / 255}, "train images are float64, test images uint8"),
        ({"x_train": IMAGES[:, 1:]}, "train images are 5x6, test images 6x6"),
        ({"x_train": IMAGES.reshape(9, 36)[:, 1:]}, r"\[images, pixels\] of a square \(got 9x35\)"),
        ({"x_train": IMAGES.astype(complex)}, r"must be numbers \(got complex128\)"),
        ({"x_train": IMAGES.astype(str)}, r"must be numbers \(got <U3\)"),
        ({"x_train": np.zeros((1, 1, 2**24 + 1), bool)}, "at most 16,777,216 pixels"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, changes: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(arrays(**changes))
    np.savez_compressed(tmp_path / "data.npz", **arrays(**changes))
    with pytest.raises(DataError, match=rf"data\.npz: .*{message}"):
        load_dataset(tmp_path / "data.npz")


def test_arrays_that_are_missing_or_there_twice_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x_train=IMAGES, train_images=IMAGES, y_train=LABELS)
    with pytest.raises(DataError, match=r"one array of train images, .* 'x_train, train_images'"):
        load_dataset(tmp_path / "data.npz")
    with pytest.raises(DataError, match="one array of test images, x_test, test_images or such"):
        load_dataset({"x_train": IMAGES, "y_train": LABELS})
    with pytest.raises(DataError, match="train_images must be numbers, in rows of one length"):
        load_dataset(([[1], [1, 2]], LABELS, IMAGES, LABELS))
    with pytest.raises(DataError, match="train_images: must be numbers"):
        load_dataset((np.array([{}]), LABELS, IMAGES, LABELS))
    with pytest.raises(DataError, match="must name all classes, 0 to 2"):
        Dataset(IMAGES, LABELS, IMAGES, LABELS, ("cat",))


@pytest.mark.parametrize("name", ["", "a\0b", "a" * 5000, "/dev/zero", 5, None, (IMAGES, LABELS)])
def test_what_is_no_data_set_is_refused(name: object) -> None:
    with pytest.raises(DataError, match="dataset: must be mnist, a folder"):
        load_dataset(name)  # type: ignore[arg-type]


def test_the_nearest_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean 'mnist'"):
        load_dataset("mnsit")
    (tmp_path / "fashion").mkdir()
    with pytest.raises(DataError, match="did you mean 'fashion'"):
        load_dataset(tmp_path / "fashoin")


def test_images_alone(tmp_path: Path) -> None:
    write_idx(tmp_path / "images", IMAGES, zipped=True)
    np.save(tmp_path / "images.npy", IMAGES)
    np.savez(tmp_path / "images.npz", images=IMAGES, labels=LABELS)
    np.savez(tmp_path / "one.npz", IMAGES)
    np.savez(tmp_path / "parts.npz", **arrays(x_train=IMAGES[::-1]))
    for name in ("images", "images.npy", "images.npz", "one.npz", "parts.npz"):
        images, names = read_images(tmp_path / name)
        np.testing.assert_array_equal(images, IMAGES)
        assert names == ()
    np.save(tmp_path / "labels.npy", LABELS)
    for name in ("labels.npy", "images.npz", "parts.npz"):
        np.testing.assert_array_equal(read_labels(tmp_path / name), LABELS)
    np.savez(tmp_path / "two.npz", a=IMAGES, b=IMAGES)
    with pytest.raises(DataError, match=r"must have one array of images \(got 'a, b'\)"):
        read_images(tmp_path / "two.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no pictures in it"):
        read_images(tmp_path / "empty")


def test_pictures_alone(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name, image in zip(("b/0.png", "a.PNG", "c.png"), IMAGES, strict=False):
        Image.fromarray(image).save(tmp_path / name)
    images, names = read_images(tmp_path)
    np.testing.assert_array_equal(images, IMAGES[[1, 0, 2]])
    assert names == ("a.PNG", str(Path("b", "0.png")), "c.png")
    images, names = read_images(tmp_path / "c.png")
    np.testing.assert_array_equal(images, IMAGES[2:3])
    assert names == ("c.png",)


def test_labels_of_some_images() -> None:
    assert checked_labels([[1], [2]], 2).tolist() == [1, 2]
    masked = np.ma.array([1, 2], mask=[False, True])
    for wrong in (3, [1], masked, [[0], [0, 1]], [[1, 0], [0, 1]], [1.0, 2.0], [-1, 0], [0, 10**7]):
        with pytest.raises(DataError, match="labels must be"):
            checked_labels(wrong, 2)


def test_labels_that_nothing_is_learned_of_are_named(caplog: pytest.LogCaptureFixture) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6)).astype(np.uint8)
    with caplog.at_level("WARNING", "cbramsim"):
        Dataset(images, np.array([0, 1, 1, 0]), images, np.array([0, 7, 9, 1]))
    assert "no training label is 7 or 9" in caplog.text
    caplog.clear()
    Dataset(images, np.array([0, 1, 1, 0]), images, np.array([0, 0, 0, 1]))
    assert not caplog.text


@pytest.mark.parametrize(
    ("change", "levels"),
    [(lambda x: x // 255, "0 to 0.00392"), (lambda x: 255 - x, "1 to 0"), (lambda x: x, None)],
)
def test_test_images_of_other_grey_levels_are_named(change, levels, caplog) -> None:
    images = (255 * (np.random.default_rng(0).random((60, 6, 6)) > 0.8)).astype(np.uint8)
    labels = np.arange(60) % 2
    with caplog.at_level("WARNING", "cbramsim"):
        Dataset(images, labels, change(images), labels)
    said = [line for line in caplog.messages if "prepared alike" in line]
    if levels is None:
        assert not said
    else:
        assert len(said) == 1
        assert f"the test images run from {levels} of the full scale" in said[0]
