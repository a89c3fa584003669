"""File of a trained network: replaced atomically when written, and not trusted when read.

A file may come from anywhere, so sizes are checked before anything is unpacked, see
`cbramsim.core.npz`. The requirement on each array is declared by an `Entry`; `network_state` lists
the arrays.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from cbramsim.core.arguments import array
from cbramsim.core.errors import DataError, ParameterError
from cbramsim.core.files import write_atomically
from cbramsim.core.npz import npz_file, read_header, read_values

STATE_VERSION = 3
LARGEST = 2**31 - 2**20
"""Most bytes of a state: the limit of the format without its extension for large files."""
LARGEST_PACKED = 2**28
"""Most bytes of a compressed state. (cbramsim does not compress.)"""
LONGEST_TEXT = 200_000
"""Most characters of a text, such as the configuration."""
PLAIN = "biufU"
"""Kinds of arrays that are read: booleans, numbers, texts."""


def write_state(path: str | Path, arrays: dict[str, Any]) -> None:
    """Write `arrays` to an .npz file; an older one is replaced atomically, or kept on failure.

    Raises
    ------
    ParameterError
        If `read_state` would refuse one of them.
    """
    content: dict[str, Any] = {"version": np.array(STATE_VERSION)}
    for name, value in arrays.items():
        content[name] = array(f"state file {path}: {name}", value, PLAIN)
        if content[name].dtype.kind == "U" and content[name].itemsize > 4 * LONGEST_TEXT:
            raise ParameterError(
                f"state file {path}: {name} must be texts of at most {LONGEST_TEXT:,} characters"
            )
    write_atomically(Path(path), lambda file: np.savez(file, **content))


def read_state(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a state file; sizes are checked before anything is unpacked.

    Raises
    ------
    DataError
        If the file is missing, damaged, too large or of another version.
    """
    try:
        arrays = _read(Path(path))
        version = arrays.pop("version", np.array(-1))
        found = int(version) if version.shape == () and version.dtype.kind in "iu" else -1
        if found != STATE_VERSION:
            got = "none" if found < 0 else found
            raise DataError(f"version must be {STATE_VERSION} (got {got})")
    except FileNotFoundError:
        raise DataError(f"state file {path}: no such file") from None
    except (PermissionError, IsADirectoryError) as error:
        raise DataError(f"state file {path}: {error.strerror}") from None
    except DataError as error:
        raise DataError(f"state file {path}: {error}") from None
    except Exception:  # a damaged file fails in many ways, all of which mean the same
        raise DataError(f"state file {path}: damaged, or no state") from None
    return arrays


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with npz_file(path) as packed:
        members = packed.infolist()
        _check_sizes(members)
        for member in members:
            with packed.open(member) as content:
                try:
                    _check_header(content, member.file_size)
                except DataError as error:
                    raise DataError(f"{member.filename!r:.60}: {error}") from None
        return {_name(member): read_values(packed.open(member)) for member in members}


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _check_sizes(members: list[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    limit = LARGEST_PACKED if packed else LARGEST
    if total > limit:
        raise DataError(
            f"must hold at most {limit:,} bytes{' if compressed' if packed else ''} (got {total:,})"
        )
    names = [_name(member) for member in members]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"{min(twice)!r:.60} is there twice")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{member.filename!r:.60} must be stored or deflated")


def _check_header(content: IO[bytes], size: int) -> None:
    """Refuse an array that is not plain, or whose size is not that of its header; `size` includes
    the header."""
    header = read_header(content)
    if header.dtype.kind not in PLAIN or len(header.shape) > 3:
        raise DataError(f"must hold plain values (got {header.dtype!r:.60})")
    header.check(size - content.tell())
    if header.dtype.kind == "U" and header.size > 4 * LONGEST_TEXT:
        raise DataError(f"must be at most {LONGEST_TEXT} characters long")


def parsed(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, Any]:
    """Return the JSON object of a text.

    Raises
    ------
    ValueError
        If it is anything else, has a key twice, or is nested too deeply.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a key is there twice")
        return found

    def refuse(number: str) -> float:
        raise ValueError(f"{number} is not a number")

    if name not in arrays:
        raise ValueError(f"{name} is missing")
    try:
        value = json.loads(str(arrays[name]), object_pairs_hook=once, parse_constant=refuse)
    except RecursionError:
        raise ValueError(f"{name}: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{name}: must be a JSON object")
    return value


class Entry(NamedTuple):
    """Requirements on an array of a state."""

    shape: tuple[int | None, ...]
    """Required shape; None where any size is allowed."""
    dtype: DTypeLike
    low: ArrayLike = -math.inf
    """Least value, or least values along the last axis."""
    high: ArrayLike = math.inf
    """Greatest value, or greatest values along the last axis. Infinity is always refused."""

    def check(self, name: str, array: NDArray[Any]) -> None:
        """Refuse an array that does not fit.

        Raises
        ------
        ValueError
            Naming the array, what it must be, and what it is.
        """
        dtype = np.dtype(self.dtype)
        fits = len(array.shape) == len(self.shape) and all(
            mine in (None, size) for mine, size in zip(self.shape, array.shape, strict=True)
        )
        if not fits or (array.dtype.kind if dtype.kind == "U" else array.dtype) != (
            dtype.kind if dtype.kind == "U" else dtype
        ):
            shape = str(self.shape).replace("None", "any")
            raise ValueError(
                f"{name} must have shape {shape} and type {dtype} "
                f"(got {array.shape}, {array.dtype})"
            )
        if dtype.kind not in "iuf" or not array.size:
            return
        lows, highs = (np.broadcast_to(b, array.shape) for b in (self.low, self.high))
        good = (array >= lows) & (array <= highs) & np.isfinite(array)
        if not good.all():
            at = tuple(int(n) for n in np.unravel_index(int(np.argmin(good)), array.shape))
            where = f" at {list(at)}" if at else ""
            raise ValueError(
                f"{name} must be {_range(lows[at], highs[at])} (got {array[at]:g}{where})"
            )


def _range(low: float, high: float) -> str:
    """Return the allowed range of a value, in words."""
    if low == -high:
        return "finite" + (f", at most {high:g} in size" if np.isfinite(high) else "")
    limits = ((">=", low), ("<=", high))
    return " and ".join(f"{sign} {limit:g}" for sign, limit in limits if np.isfinite(limit))


def check_entries(arrays: Mapping[str, NDArray[Any]], entries: Mapping[str, Entry]) -> None:
    """Refuse arrays if one is missing or does not fit its entry; errors as in `Entry`."""
    for name, entry in entries.items():
        if name not in arrays:
            raise ValueError(f"{name} is missing")
        entry.check(name, arrays[name])
