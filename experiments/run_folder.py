"""Folder of a run: nothing in it is lost, and nothing overwritten without permission.

* Files are replaced one by one, each as a whole. config.toml comes first, then state.npz for as
  long as the run trains, then metrics.json, then the figures and the report.
* A finished run that is trained longer keeps config.toml, metrics.json and its figures until the
  longer one is scored. Until then only state.npz is newer; it states how many epochs are wanted.
  Metrics beside a config.toml of other epochs, seed or neurons, which a crash between two files
  can leave, are refused by `cbram compare`; `cbram train --resume` repairs that.
* A lock file exists while a process writes the folder; other processes are refused.
* A folder with files that cbramsim did not write is not a run's, and is not touched. Runs
  and sweeps are known by their files, the folders of studies by the hidden file `MARK`.
* Files left by killed processes are removed when the next one begins, and do not count.
"""

from __future__ import annotations

import json
import platform
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import tomli_w

from cbramsim import __version__
from cbramsim.core.errors import CbramError, DataError
from cbramsim.core.files import (
    check_writable,
    is_temporary,
    make_folder,
    printable,
    remove_empty,
    remove_leftovers,
    write_atomically,
)
from cbramsim.core.locks import locked
from cbramsim.core.toml_files import read_toml
from cbramsim.core.validation import Parameters

CONFIG, METRICS, STATE = "config.toml", "metrics.json", "state.npz"
FIGURES = tuple(
    f"{name}.png" for name in ("receptive_fields", "weights", "energy", "learning", "confusion")
)
REPORT = "report.html"
"""File with everything about a finished run."""
MARK = ".cbramsim"
"""File that marks the folder of a study as made by cbramsim."""
LOCK = ".cbramsim.lock"
"""File that exists, and is locked, while a run writes its folder."""
LARGEST = 64 * 2**20
"""Most bytes of a file that is read to check whether it is ours."""

_RUN_KEYS = {"dataset", "device", "epochs", "neurons", "pruning", "seed"}
"""Some keys of the config.toml of a run, all of which it has."""
_NAMES = "|".join(map(re.escape, (CONFIG, METRICS, STATE, *FIGURES)))
_SWEEPS = ("learning", "programming", "comparison", "sensitivity")
"""Folders in those of studies in which runs are made."""
_OLD_LEFTOVER = re.compile(rf"\.writable|\.({_NAMES})\.[a-z0-9_]{{8}}")
"""The names of what a killed process of version 0.5.0 left in the folder of a run."""


@contextmanager
def writing(folder: Path, *, force: bool = False) -> Iterator[None]:
    """Hold the folder of a new run, which is made if it does not exist.

    Raises
    ------
    CbramError
        If it holds a run and `force` is not set, if it holds anything else, if another process
        writes it, or if it cannot be written. It is then left as it was.
    """
    made = []
    try:
        _check_new(folder, force)
        try:
            made = make_folder(folder)
        except (OSError, ValueError) as error:
            raise _out_of_reach("write", folder, error) from None
        with held(folder):
            _check_new(folder, force)  # another process may have been faster
            yield
    finally:
        remove_empty(made)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold an existing folder, so that no other process writes it, and remove leftovers.

    Raises
    ------
    CbramError
        If another process holds it, which is named, or it cannot be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK, f"{_named(folder)}"))
            remove_leftovers(folder)
            for path in folder.iterdir():
                if _OLD_LEFTOVER.fullmatch(path.name):
                    path.unlink()
        except OSError as error:
            raise _out_of_reach("write", folder, error) from None
        yield


def claim(folder: Path, command: str) -> None:
    """Make `folder` that of a study, or refuse one that holds anything else.

    A folder that is missing or empty is made, and marked with the hidden file `MARK`, which names
    the command, such as ``array``. One with that mark is accepted, and so is one of version 0.5.0,
    which set no marks. Everything else is refused with a `CbramError`, whether or not the user
    wants to overwrite: its contents are not ours. The folder of a run, and those of sweeps, need no
    mark; their files are known.
    """
    try:
        _check_folder(folder)
        mark = folder / MARK
        if mark.is_file():
            maker = mark.read_text(errors="replace")[:100].partition("\n")[0]
            if maker != f"cbram {command}":
                raise CbramError(
                    f"{_named(folder)} was made by {maker}, not by cbram {command}; choose another"
                )
        elif not (is_empty(folder) or _is_old_study(folder)):
            raise _foreign(folder)
        make_folder(folder)
        if mark.is_file():
            check_writable(mark)
        else:
            write_atomically(mark, lambda file: file.write(f"cbram {command}\n".encode()))
    except (OSError, ValueError) as error:
        raise _out_of_reach("write", folder, error) from None


def is_empty(folder: Path) -> bool:
    """Return whether a folder is missing, or holds only files left by a killed process."""
    return not folder.exists() or all(
        path.name == LOCK or is_temporary(path.name) or _OLD_LEFTOVER.fullmatch(path.name)
        for path in folder.iterdir()
    )


def check_run(folder: Path) -> None:
    """Check that there is a run in a folder.

    Raises
    ------
    CbramError
        If there is none, or if it cannot be read.
    """
    try:
        (folder / CONFIG).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise CbramError(f"out: there is no run to resume in {printable(folder)}") from None
    except (OSError, ValueError) as error:
        raise _out_of_reach("read", folder, error) from None
    found = _toml(folder / CONFIG)
    if found and not found.keys() >= _RUN_KEYS:
        raise CbramError(
            f"out: there is no run to resume in {printable(folder)}: its {CONFIG} was not written "
            f"by cbram train (it has no {', '.join(sorted(_RUN_KEYS - found.keys()))})"
        )


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run, finished or not, of this or an earlier version."""
    return (
        _toml(folder / CONFIG).keys() >= _RUN_KEYS
        or _has_versions(folder / METRICS)
        or _is_state(folder / STATE)
    )


def begin(folder: Path, config: Parameters) -> None:
    """Write the config.toml of a new run, and remove the files of an earlier run."""

    def write(file: IO[bytes]) -> None:
        file.write(config_text(config))
        file.flush()  # the disk has room for it
        (folder / METRICS).unlink(missing_ok=True)  # first: it says that a run is finished
        clear_figures(folder)
        (folder / STATE).unlink(missing_ok=True)

    write_atomically(folder / CONFIG, write)


def clear_figures(folder: Path) -> None:
    """Remove the figures of a run, and the report that shows them."""
    for name in (*FIGURES, REPORT):
        (folder / name).unlink(missing_ok=True)


def write_config(folder: Path, config: Parameters) -> None:
    """Write all of a resolved configuration as config.toml."""
    write_atomically(folder / CONFIG, lambda file: file.write(config_text(config)))


def write_json(path: Path, content: dict[str, Any], *, allow_nan: bool = True) -> None:
    """Write a JSON file; without `allow_nan`, one that every reader of JSON accepts."""
    text = (json.dumps(content, indent=2, allow_nan=allow_nan) + "\n").encode()
    write_atomically(path, lambda file: file.write(text))


def versions() -> dict[str, str]:
    """Return the versions on which a result depends."""
    packages = ("numpy", "numba", "scipy", "matplotlib")
    own = {"python": platform.python_version(), "cbramsim": __version__}
    return own | {name: version(name) for name in packages}


def _check_new(folder: Path, force: bool) -> None:
    """Refuse to begin a run in a folder that holds something."""
    try:
        _check_folder(folder)
        if is_empty(folder):
            return
        if not is_run(folder):
            raise _foreign(folder)
        for name in (CONFIG, METRICS, STATE, *FIGURES, REPORT):
            path = folder / name
            if path.is_symlink() or (path.exists() and not path.is_file()):
                kind = "a link" if path.is_symlink() else "no file"
                raise CbramError(
                    f"out: {printable(path)} is {kind}, which cbramsim did not make; nothing there "
                    f"is overwritten, choose another folder"
                )
    except (OSError, ValueError) as error:
        raise _out_of_reach("read", folder, error) from None
    if not force:
        raise CbramError(f"{_named(folder)} exists; use --force to overwrite, or --resume to go on")


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise CbramError(f"{_named(folder)} is a file")
    if folder.is_symlink() and not folder.exists():
        raise CbramError(f"{_named(folder)} is a link to nothing")


def _foreign(folder: Path) -> CbramError:
    return CbramError(
        f"{_named(folder)} exists and cbramsim did not make it; nothing there is overwritten, "
        f"choose another folder"
    )


def _out_of_reach(what: str, folder: Path, error: Exception) -> CbramError:
    if isinstance(error, CbramError):
        return error
    reason = getattr(error, "strerror", None) or error
    return CbramError(f"out: cannot {what} {printable(folder)}: {reason}")


def _named(folder: Path) -> str:
    return f"out: {printable(folder)}"


def _is_old_study(folder: Path) -> bool:
    """Return whether version 0.5.0 wrote a study into `folder`."""
    reports = (path for path in folder.iterdir() if path.suffix == ".json")
    sweeps = (folder, *(folder / name for name in _SWEEPS))
    return not is_run(folder) and (
        any(_has_versions(path) for path in reports)
        or any("cbramsim" in _toml(path / "sweep.toml") for path in sweeps)
    )


def _toml(path: Path) -> dict[str, Any]:
    """Return the contents of a TOML file; nothing if it is not one."""
    try:
        return read_toml(path)
    except DataError:
        return {}


def _has_versions(path: Path) -> bool:
    """Return whether a JSON file states the version of cbramsim that wrote it."""
    try:
        found = json.loads(path.read_text()) if _is_small(path) else {}
        return isinstance(found["versions"]["cbramsim"], str)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return False


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= LARGEST


def _is_state(path: Path) -> bool:
    """Return whether a file is the state of a network, by the names of its arrays."""
    try:
        with zipfile.ZipFile(path) as file:
            return {"version.npy", "config.npy", "conductance.npy"} <= set(file.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def config_text(config: Parameters) -> bytes:
    """Return the text of config.toml."""
    return tomli_w.dumps(config.model_dump(exclude_none=True)).encode()
