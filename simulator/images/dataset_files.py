"""Files of a data set."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from cbramsim.core.errors import DataError, nearest
from cbramsim.core.files import printable

PARTS: dict[str, tuple[tuple[str, ...], int]] = {
    "train_images": (("train-images",), 3),
    "train_labels": (("train-labels",), 1),
    "test_images": (("t10k-images", "test-images"), 3),
    "test_labels": (("t10k-labels", "test-labels"), 1),
}
"""Names of IDX files, and their dimensions."""
WHAT = (
    "mnist, a folder of IDX files or the beginning of their names, a folder of pictures "
    "(train/CLASS/*.png, test/CLASS/*.png) or a .npz file"
)


def unknown(name: str | Path) -> DataError:
    """Return the error for a name that is no data set, with the nearest existing name."""
    path = Path(name)
    there = ["mnist"]
    with suppress(OSError, ValueError):  # a path that the system does not take
        there += [each.name for each in path.parent.iterdir() if not each.name.startswith(".")]
    hint = "" if os.path.lexists(path) else nearest(path.name, there)
    return DataError(
        f"dataset: must be {WHAT} (got '{printable(path) if str(name) else ''}'){hint}"
    )


def find_files(folder: Path) -> dict[str, Path]:
    """Return the file of each part of a dataset."""
    prefix = ""
    if not os.path.isdir(folder):
        folder, prefix = folder.parent, folder.name
    named = sorted(path for path in inside(folder) if path.name.startswith(prefix))
    candidates = [path for path in named if os.path.isfile(path)]
    if not candidates:
        raise unknown(folder / prefix)
    return {part: _only(candidates, names, folder / prefix) for part, (names, _) in PARTS.items()}


def _only(candidates: list[Path], names: tuple[str, ...], where: Path) -> Path:
    """Return the one candidate whose name contains one of `names`."""
    found = [path for path in candidates if any(name in path.name for name in names)]
    plain = {path.name.removesuffix(".gz") for path in found}
    if not found:
        raise DataError(f"dataset: no file '*{names[0]}*' in {where}")
    if len(plain) > 1:
        raise DataError(
            f"dataset: several files '*{names[0]}*' in {where}; give the beginning of the name "
            f"too, such as {where / sorted(plain)[0].split(names[0])[0]}"
        )
    return found[0]


def verify(files: dict[str, Path]) -> None:
    """Compare the bundled files with their recorded SHA-256."""
    sums = next(iter(files.values())).with_name("SHA256SUMS")
    lines = (line.split() for line in sums.read_text().splitlines())
    recorded = {name: digest for digest, name in lines}
    for path in files.values():
        if hashlib.sha256(path.read_bytes()).hexdigest() != recorded.get(path.name):
            raise DataError(f"{path}: wrong SHA-256; install cbramsim again")


def inside(folder: Path) -> list[Path]:
    """Return the contents of a folder; nothing if it is not one."""
    try:
        return list(folder.iterdir()) if os.path.isdir(folder) else []
    except OSError as error:
        raise DataError(f"dataset: {printable(folder)}: {error.strerror}") from None
