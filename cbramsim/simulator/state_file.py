"""The file that holds a trained network: checked when read, replaced at once when written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.errors import DataError
from cbramsim.files import write_atomically

STATE_VERSION = 3


def write_state(path: str | Path, arrays: dict[str, Any]) -> None:
    """Write `arrays` to an .npz file; an older one is replaced at once, or kept if that fails."""
    content = {"version": STATE_VERSION} | arrays
    write_atomically(Path(path), lambda file: np.savez(file, **content))


def copy_checked(target: NDArray[Any], arrays: dict[str, NDArray[Any]], name: str) -> None:
    """Copy a saved array into `target`, after a check of its shape, type and values."""
    saved = arrays[name]
    if saved.shape != target.shape or saved.dtype != target.dtype:
        raise ValueError(
            f"{name} must have shape {target.shape} and type {target.dtype} "
            f"(got {saved.shape}, {saved.dtype})"
        )
    if not np.isfinite(saved).all():
        raise ValueError(f"{name} must be finite")
    target[:] = saved


def read_state(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a state file.

    Raises
    ------
    DataError
        If the file is missing, damaged or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        version = int(arrays.get("version", -1))
    except Exception as error:  # a damaged file fails in many ways, all of which mean the same
        reason = "no such file" if isinstance(error, FileNotFoundError) else "damaged, or no state"
        raise DataError(f"state file {path}: {reason}") from None
    if version != STATE_VERSION:
        raise DataError(
            f"state file {path}: version must be {STATE_VERSION} (got "
            f"{'none' if version < 0 else version})"
        )
    return arrays
