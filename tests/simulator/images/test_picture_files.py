from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cbramsim.core.errors import DataError
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.images.picture_files import find_pictures, luminance, read_pictures

GREY = np.random.default_rng(0).integers(0, 256, (8, 6, 5), np.uint8)


def write_pictures(
    folder: Path, classes=("0", "1", "7"), parts=("train", "test"), images=GREY[:4], ending="png"
) -> Path:
    for part in parts:
        for name in classes:
            (folder / part / name).mkdir(parents=True, exist_ok=True)
            for number, image in enumerate(images):
                Image.fromarray(image).save(folder / part / name / f"{number}.{ending}")
    return folder


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png(width: int, height: int, content: bytes = bytes(100), more: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(content))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


def test_numbers_are_classes_and_names_are_numbered(tmp_path: Path) -> None:
    data = load_dataset(write_pictures(tmp_path / "numbers", ("10", "2", "0")))
    assert data.train_labels.tolist() == [0, 2, 10] * 4
    assert data.classes == ()
    data = load_dataset(write_pictures(tmp_path / "names", ("dog", "1", "ant")))
    assert data.classes == ("1", "ant", "dog")
    assert data.test_labels.tolist() == [0, 1, 2] * 4
    np.testing.assert_array_equal(data.train_images, np.repeat(GREY[:4], 3, axis=0))
    data = load_dataset(write_pictures(tmp_path / "years", ("1990", "2000")))
    assert data.classes == ("1990", "2000")


def test_every_beginning_has_all_classes_in_proportion(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path)
    for number in range(4, 12):
        Image.fromarray(GREY[0]).save(folder / f"train/7/{number}.png")
    labels = load_dataset(folder).train_labels
    assert np.bincount(labels[:10])[[0, 1, 7]].tolist() == [2, 2, 6]


@pytest.mark.parametrize("parts", [("Training", "Testing"), ("TRAIN", "test"), ("train", "val")])
def test_usual_names_of_the_parts(tmp_path: Path, parts: tuple[str, str], caplog) -> None:
    assert len(load_dataset(write_pictures(tmp_path, parts=parts)).test_images) == 12
    assert ("val: its images are the test images" in caplog.text) == ("val" in parts)


@pytest.mark.parametrize("ending", ["png", "BMP", "gif", "TIF", "pgm"])
def test_formats_without_loss(tmp_path: Path, ending: str) -> None:
    folder = write_pictures(tmp_path, ending=ending)
    np.testing.assert_array_equal(load_dataset(folder).train_images[::3], GREY[:4])


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (GREY[0], GREY[0]),
        (GREY[0] > 99, GREY[0] > 99),
        (GREY[0].astype(np.uint16) * 200, GREY[0].astype(np.uint16) * 200),
        (np.dstack([GREY[0]] * 3), GREY[0]),
        (np.dstack([GREY[0]] * 3 + [np.full_like(GREY[0], 255)]), GREY[0]),
    ],
)
def test_pictures_are_read_as_they_are(tmp_path: Path, image: np.ndarray, wanted) -> None:
    Image.fromarray(image).save(tmp_path / "a.png")
    images, coloured = read_pictures([tmp_path / "a.png"])
    np.testing.assert_array_equal(images, wanted[None])
    assert images.dtype == wanted.dtype
    assert not coloured


def test_palettes_are_grey_levels_or_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(GREY[0]).convert("P")
    palette.save(tmp_path / "a.png")
    images, coloured = read_pictures([tmp_path / "a.png"])
    np.testing.assert_array_equal(images, GREY[:1])
    assert not coloured


def test_colours_become_their_luminance_which_is_said_once(tmp_path: Path, caplog) -> None:
    colours = np.stack([GREY, GREY[::-1], GREY // 2], axis=-1)
    folder = write_pictures(tmp_path, images=colours)
    data = load_dataset(folder)
    assert caplog.messages == [f"{folder}: there are images in colour; their luminance is read"]
    off = data.train_images[::3].astype(int) - luminance(colours)
    assert np.abs(off).max() <= 1, "rounded by another rule"
    assert luminance(np.full((1, 3), 1.0)) == pytest.approx(1.0)


def test_black_and_white_among_grey(tmp_path: Path) -> None:
    Image.fromarray(GREY[0]).save(tmp_path / "a.png")
    Image.fromarray(np.ones((6, 5), bool)).save(tmp_path / "b.png")
    images, _ = read_pictures(find_pictures(tmp_path))
    np.testing.assert_array_equal(images[1], np.full((6, 5), 255))
    Image.fromarray(GREY[0].astype(np.uint16)).save(tmp_path / "c.png")
    with pytest.raises(
        DataError, match=r"c.png: is uint16, but .*[ab].png is uint8; save all alike"
    ):
        read_pictures(find_pictures(tmp_path))


def test_what_systems_leave_in_folders_is_not_seen(tmp_path: Path, caplog) -> None:
    folder = write_pictures(tmp_path)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"):
        (folder / "train" / "0" / name).write_text("x")
    for name in ("__MACOSX", ".git"):
        (folder / name).mkdir()
        (folder / "train" / name).mkdir()
    assert len(load_dataset(folder).train_images) == 12
    assert not caplog.messages
    (folder / "train" / "0" / "notes.txt").write_text("x")
    load_dataset(folder)
    assert "1 files that are no pictures of a class are left out, such as" in caplog.text


def _copy(folder: Path, source: str, target: str) -> None:
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    (folder / target).write_bytes((folder / source).read_bytes())


def _save(image: np.ndarray, path: Path, **options) -> None:
    Image.fromarray(image).save(path, **options)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "train/9").mkdir(), "train/9: no pictures in it"),
        (lambda f: _copy(f, "test/0/0.png", "test/5/0.png"), "test/5: there is no such class in"),
        (lambda f: _copy(f, "test/0/0.png", "train/01/0.png"), "two folders have the same number"),
        (lambda f: (f / "training").mkdir(), "has both train and training"),
        (lambda f: (f / "test").rename(f / "tests"), r"\(there is no test\)"),
        (lambda f: (f / "train").rename(f / "learn"), r"\(there is no train\)"),
        (
            lambda f: _save(GREY[0, :5], f / "train/1/2.png"),
            "2.png: is 5x5, but the others are 6x5",
        ),
        (lambda f: (f / "train/1/2.png").write_text("hello"), "train/1/2.png: not a picture"),
        (lambda f: (f / "train/1/2.png").write_bytes(b""), "train/1/2.png: not a picture"),
    ],
)
def test_folders_that_are_not_of_the_form_are_refused_by_name(
    tmp_path: Path, spoil, message: str
) -> None:
    spoil(write_pictures(tmp_path))
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)


def test_pictures_without_parts_or_classes_are_told_the_form(tmp_path: Path) -> None:
    for folder, form in (
        (write_pictures(tmp_path / "a", parts=("",)), "train/CLASS and test/CLASS"),
        (write_pictures(tmp_path / "b", parts=("",), classes=("",)), "train/CLASS and test/CLASS"),
        (write_pictures(tmp_path / "c", classes=("",)), "such as train/0/1.png"),
    ):
        with pytest.raises(DataError, match=form):
            load_dataset(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(100_000, 100_000), "must have at most 16,777,216 pixels"),
        (png(12_000, 12_000), r"must have at most 16,777,216 pixels \(got 12000x12000\)"),
        (png(2**32 - 1, 2**32 - 1), "must have at most 16,777,216 pixels"),
        (png(0, 5), "not a picture that can be read"),
        (png(60, 60, bytes(300)), "not a picture that can be read"),
        (png(4, 4)[:-30], "not a picture that can be read"),
        (png(4, 4, more=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7)))), "too large"),
        (b"8BPS" + bytes(100), "is no PNG, JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 5\n", "is no PNG, JPEG"),
    ],
)
def test_pictures_that_unpack_to_too_much_or_are_none(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.png: .*{message}"):
        read_pictures([tmp_path / "a.png"])


def test_many_large_pictures_are_refused_at_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(4000, 4000))
    with pytest.raises(DataError, match=r"must hold at most 4 GB of images \(got 300 of 4000x4000"):
        read_pictures([tmp_path / "a.png"] * 300)


def test_what_is_more_or_less_than_one_picture_is_refused(tmp_path: Path) -> None:
    first, second = (Image.fromarray(image) for image in GREY[:2])
    for ending in ("gif", "png", "tif"):
        first.save(tmp_path / f"a.{ending}", save_all=True, append_images=[second])
        with pytest.raises(DataError, match=rf"a\.{ending}: must be one picture, not several"):
            read_pictures([tmp_path / f"a.{ending}"])
    _save(np.dstack([GREY[0]] * 4), tmp_path / "clear.png")
    with pytest.raises(DataError, match=r"clear\.png: has transparent pixels"):
        read_pictures([tmp_path / "clear.png"])
    with pytest.raises(DataError, match="no such file"):
        read_pictures([tmp_path / "none.png"])
