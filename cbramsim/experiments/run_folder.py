"""The folder that a run writes: nothing is overwritten unless told to."""

from __future__ import annotations

import json
import platform
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomli_w

from cbramsim import __version__
from cbramsim.errors import CbramError, DataError
from cbramsim.files import write_atomically
from cbramsim.validation import Parameters

CONFIG, METRICS, STATE = "config.toml", "metrics.json", "state.npz"
FIGURES = tuple(
    f"{name}.png" for name in ("receptive_fields", "weights", "energy", "learning", "confusion")
)


def prepare(folder: Path, *, force: bool) -> None:
    """Create the folder of a new run, or clear an old run out of it if `force`.

    Raises
    ------
    CbramError
        If it exists and `force` is not set, or cannot be written.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise CbramError(f"out: {folder} is a file")
        if folder.is_dir() and any(folder.iterdir()) and not force:
            raise CbramError(
                f"out: {folder} exists; use --force to overwrite, or --resume to go on"
            )
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
        clear(folder, CONFIG, STATE)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CbramError(f"out: cannot write {folder}: {reason}") from None


def clear(folder: Path, *others: str) -> None:
    """Remove the results of a run, and `others` of its files, and nothing else."""
    for name in (METRICS, *FIGURES, *others):
        (folder / name).unlink(missing_ok=True)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    DataError
        If it is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: {reason}") from None


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= (
            flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return found


def nested(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table with dotted keys as nested ones: the inverse of `flat`.

    Raises
    ------
    CbramError
        If a key is that of a value as well as of a table.
    """
    found: dict[str, Any] = {}
    for key, value in table.items():
        *parents, last = key.split(".")
        inner = found
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise CbramError(f"{key}: {parent} must be a table")
        inner[last] = value
    return found


def write_config(folder: Path, config: Parameters) -> None:
    """Write all of a resolved configuration as config.toml."""
    text = tomli_w.dumps(config.model_dump(exclude_none=True)).encode()
    write_atomically(folder / CONFIG, lambda file: file.write(text))


def write_json(path: Path, content: dict[str, Any], *, allow_nan: bool = True) -> None:
    """Write a JSON file; without `allow_nan` one that every reader of JSON understands."""
    text = (json.dumps(content, indent=2, allow_nan=allow_nan) + "\n").encode()
    write_atomically(path, lambda file: file.write(text))


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    packages = ("numpy", "numba", "scipy", "matplotlib")
    own = {"python": platform.python_version(), "cbramsim": __version__}
    return own | {name: version(name) for name in packages}
