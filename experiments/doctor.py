"""State of this machine for cbramsim, and commands that install missing parts.

Nothing is imported before it is checked: if a part is missing or broken, the others are still
reported.
"""

from __future__ import annotations

import json
import logging
import platform
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

import cbramsim
from cbramsim.core.files import in_bytes

NEEDED = {
    "numpy": "1.26", "numba": "0.60", "llvmlite": "", "scipy": "1.11", "pandas": "2",
    "matplotlib": "3.8", "pillow": "10.1", "pydantic": "2.7", "click": "8.1", "rich": "13",
    "tqdm": "4.66", "tomli-w": "1.0",
}  # fmt: skip
"""Packages that cbramsim needs, and their lowest sufficient version."""
OPTIONAL = {
    "distributed": ("2024.5", "sweeps on all cores: Dask"),
    "numba-cuda": ("0.20", "graphics cards"),
    "onnx": ("1.16", "networks in ONNX"),
    "nir": ("1.0.4", "networks in NIR"),
    "SALib": ("1.5", "sensitivity to all assumed parameters"),
    "jupyterlab": ("4", "notebooks"),
    "ipywidgets": ("8.1", "sliders in a notebook"),
}
"""Packages of the extras, their first version that will do, and what they are for."""
PARTS_OF_PACKAGES = {"numba-cuda": "[cu12]"}

State = Literal["ok", "slow", "absent", "missing"]
"""Good; good but slow; not there and not needed; needed and not there."""


class Check(NamedTuple):
    """One part that was checked."""

    what: str
    state: State
    found: str
    mend: str = ""
    """Command that repairs it."""


def run() -> list[Check]:
    """Check everything, and return the results."""
    checks = [_python(), _package(), *map(_needed, NEEDED), *map(_optional, OPTIONAL)]
    for what, look in LOOKS.items():
        try:
            with _without_warnings():
                checks.append(look(what))
        except Exception as error:  # whatever is broken: the doctor tells of it
            checks.append(_broken(what, error))
    return checks


def _broken(what: str, error: Exception) -> Check:
    """Tell what kept something from being looked at."""
    if isinstance(error, ModuleNotFoundError) and error.name in NEEDED:
        return Check(what, "missing", f"needs {error.name}", _needed(error.name).mend)
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return Check(what, "missing", reason, _again())


def healthy(checks: list[Check]) -> bool:
    """Return whether all that is needed is there."""
    return not any(check.state == "missing" for check in checks)


def table(checks: list[Check]) -> str:
    """Return checks as a plain table, and below it the commands that mend what is missing, once."""
    width = max(len(check.what) for check in checks)
    lines = [f"{each.state:<8} {each.what:<{width}}  {each.found}" for each in checks]
    mends: dict[str, str] = {}
    for each in checks:
        mends.setdefault(each.mend, each.what)
    mends.pop("", None)
    if mends:
        lines += ["", "To mend it:" if not healthy(checks) else "What would be faster, or do more:"]
        lines += [f"  {what:<{width}}  {mend}" for mend, what in mends.items()]
    needed = "All that is needed is there." if healthy(checks) else "Something needed is missing."
    return "\n".join([*lines, "", needed])


def to_json(checks: list[Check]) -> str:
    """Return checks as JSON."""
    content = {"healthy": healthy(checks), "checks": [each._asdict() for each in checks]}
    return json.dumps(content, indent=2)


# ---- what is installed -------------------------------------------------------------------------


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    found = f"{platform.python_version()}, {sys.executable}"
    return Check(
        "Python", "ok" if good else "missing", found, "" if good else "Python 3.11 or newer"
    )


def _package() -> Check:
    return Check("cbramsim", "ok", f"{cbramsim.__version__}, {Path(cbramsim.__file__).parent}")


def _needed(name: str) -> Check:
    return _installed(name, NEEDED[name], "missing")


def _optional(name: str) -> Check:
    least, purpose = OPTIONAL[name]
    found = _installed(name, least, "absent")
    return found._replace(found=f"{found.found} ({purpose})")


def _installed(name: str, least: str, otherwise: State) -> Check:
    wanted = f"{name}{PARTS_OF_PACKAGES.get(name, '')}{f'>={least}' if least else ''}"
    try:
        there = version(name)
    except PackageNotFoundError:
        return Check(name, otherwise, "not installed", _pip(wanted))
    if _numbers(there) < _numbers(least):
        return Check(name, otherwise, f"{there}; {least} or newer is needed", _pip(wanted))
    return Check(name, "ok", there)


def _numbers(text: str) -> list[int]:
    """Return the numbers of a version; whatever follows them is not looked at."""
    release = re.match(r"[\d.]*", text)
    return [int(part) for part in (release[0] if release else "").split(".") if part]


def _pip(*wanted: str) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", *wanted])


def _again() -> str:
    """Return the command that installs cbramsim again, from where it came from."""
    root = Path(cbramsim.__file__).parents[1]
    checkout = (root / "setup.py").is_file() and (root / "pyproject.toml").is_file()
    return _pip("--force-reinstall", str(root) if checkout else "cbramsim")


# ---- what it does ------------------------------------------------------------------------------


def _machine(what: str) -> Check:
    from cbramsim.core.memory import memory
    from cbramsim.experiments.study.engine import cores, has_dask

    used = "sweeps use all" if has_dask() else "sweeps use one: there is no Dask"
    there = memory()
    size = "unknown" if there == float("inf") else in_bytes(there)
    return Check(what, "ok", f"{cores()} cores ({used}), {size} of memory, {platform.machine()}")


def _data(what: str) -> Check:
    from cbramsim.core.errors import DataError
    from cbramsim.simulator.images.datasets import load_dataset

    try:
        data = load_dataset("mnist", quiet=True)
    except (DataError, OSError) as error:
        return Check(what, "missing", " ".join(str(error).split()), _again())
    learned, tested = len(data.train_images), len(data.test_images)
    return Check(what, "ok", f"{learned:,} training and {tested:,} test images, checked by SHA-256")


def _kernel(what: str) -> Check:
    """Give one cell of an array one pulse, whose step is known."""
    from numba import config

    from cbramsim.simulator.array.crossbar import Crossbar
    from cbramsim.simulator.array.writing import program_column

    began = time.perf_counter()
    crossbar = Crossbar("ideal", (2, 2))
    before = crossbar.conductance.copy()
    crossbar.program(0, [0], 1)
    seconds = time.perf_counter() - began
    moved = (crossbar.conductance - before).ravel()
    if not moved[0] > 0 or moved[1:].any():
        return Check(
            what, "missing", f"one pulse to one cell moved the cells by {moved} S", _again()
        )
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        found = f"right, in {seconds:.1f} s, but compilation is switched off (NUMBA_DISABLE_JIT)"
        return Check(what, "slow", found, "unset NUMBA_DISABLE_JIT")
    how = "taken from the cache" if program_column.stats.cache_hits else "compiled"
    return Check(what, "ok", f"right, {how} in {seconds:.1f} s")


def _loops(what: str) -> Check:
    """Say where compiled loops are kept; is asked after one has been needed."""
    from numba import config

    from cbramsim.simulator.array.writing import program_column

    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return Check(what, "ok", "none: compilation is switched off (NUMBA_DISABLE_JIT)")
    folder = program_column.stats.cache_path
    name_one = "export NUMBA_CACHE_DIR=FOLDER, one that can be written"
    if folder is None:
        found = "no folder can be written: every program compiles its own, some ten seconds"
        return Check(what, "slow", found, name_one)
    root, kept = _kept(Path(folder), Path(program_column.py_func.__code__.co_filename))
    size = in_bytes(sum(path.stat().st_size for path in kept))
    loops = sum(path.suffix == ".nbc" for path in kept)
    found = f"{loops} of them, {size}, in {root}, which can be written"
    if root.name.startswith("cbramsim-"):  # the last resort, of `_PrivateLocator`
        return Check(what, "slow", f"{found} but is temporary", name_one)
    return Check(what, "ok", found)


def _kept(folder: Path, source: Path) -> tuple[Path, list[Path]]:
    """Return where the loops of all sources are kept, and the files there.

    Numba keeps those of a folder of sources in its `__pycache__`, or in a folder elsewhere that is
    named after it: `folder` is that of the loops in `source`.
    """
    from numba.core.caching import _CacheLocator

    subpath = _CacheLocator.get_suitable_cache_subpath
    beside = folder.name == "__pycache__"
    root = source.parents[2] if beside else folder.parent
    houses = [source.parents[2] / house for house in ("devices", "simulator", "experiments")]
    sources = [path for house in houses for path in (house, *house.rglob("*")) if path.is_dir()]
    folders = [
        path / "__pycache__" if beside else root / subpath(str(path / "x.py"))
        for path in sources
        if path.name != "__pycache__"
    ]
    return root, [path for each in folders for path in each.glob("*.nb[ci]")]


def _card(what: str) -> Check:
    from cbramsim.simulator.cuda.coverage import SIMULATED, missing

    if SIMULATED:
        return Check(what, "slow", "Numba's simulator of one", "unset NUMBA_ENABLE_CUDASIM")
    if reason := missing():
        package = _optional("numba-cuda").mend
        return Check(what, "absent", reason, package or "a card of Nvidia that nvidia-smi lists")
    from numba import cuda

    device = cuda.get_current_device()
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    free, total = cuda.current_context().get_memory_info()
    return Check(what, "ok", f"{name}, {in_bytes(total)} of memory, {in_bytes(free)} of it free")


LOOKS: dict[str, Callable[[str], Check]] = {
    "machine": _machine, "MNIST": _data, "a kernel": _kernel, "compiled loops": _loops,
    "graphics card": _card,
}  # fmt: skip
"""Checks of parts, made by using them."""


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Say nothing meanwhile: what is wrong is in the table."""
    log = logging.getLogger("cbramsim")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
