"""The published table of BUTTER-E runs, and an energy model fitted to it with its memory levels.

The table, `runs_with_standardized_energy.csv.zip` of OEDI submission 5991 (CC-BY-4.0), is the
user's to bring. Energy per datum learned from, after the authors (facts A.4),

    e = non_overhead_energy / (3000 ceil(0.8 n / 256) 256)

is regressed on a constant, the depth L, operations per datum, and for each memory level the bytes
touched per batch in it: of l, f and b all their bytes, every unit's copy, of the data set d one
batch's share (facts A.5, A.7). Coefficients are not negative; relative errors are squared, so that
small networks count as much as large ones.
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from cbramsim.errors import DataError, ParameterError
from cbramsim.files import decoded, in_bytes, read_limited
from cbramsim.simulator.digital.butter_e import Machine
from cbramsim.simulator.digital.hierarchy import Hierarchy
from cbramsim.simulator.digital.layers import Layers, data_outputs, shaped
from cbramsim.simulator.digital.operations import BATCH, batches, operations_per_epoch
from cbramsim.simulator.digital.placement import place
from cbramsim.simulator.digital.working_sets import working_sets

EPOCHS = 3000
"""Epochs of every run."""
LARGEST = 100_000_000
"""Bytes of a table, unpacked."""
REQUIRED = ("dataset", "shape", "depth", "size", "is_gpu", "non_overhead_energy")
"""Columns that are read; `filter`, if there is one, marks rows to drop."""
OVERHEAD_ONLY = "505_tecator"
"""The data set from which the authors estimate overhead, and which they then drop."""


class DataSet(NamedTuple):
    """What of a data set decides the network and the work on it."""

    inputs: int
    """Features per observation."""
    classes: int | None
    """Number of classes; `None` is regression."""
    observations: int
    """Observations, for training and test together."""


DATASETS: Mapping[str, DataSet] = {
    "201_pol": DataSet(48, None, 15_000),
    "294_satellite_image": DataSet(36, None, 6_435),
    "529_pollen": DataSet(4, None, 3_848),
    "537_houses": DataSet(8, None, 20_640),
    "adult": DataSet(14, 2, 48_842),
    "banana": DataSet(2, 2, 5_300),
    "connect_4": DataSet(42, 3, 67_557),
    "mnist": DataSet(784, 10, 70_000),
    "nursery": DataSet(8, 4, 12_958),
    "sleep": DataSet(13, 5, 105_908),
    "splice": DataSet(60, 3, 3_188),
    "wine_quality_white": DataSet(11, 7, 4_898),
}
"""The data sets of the study, from PMLB's `all_summary_stats.tsv`, which the study joins too."""


class Run(NamedTuple):
    """One run of the table."""

    dataset: str
    """Name of the data set."""
    layers: Layers
    """The network."""
    observations: int
    """Observations in the data set."""
    machine: Machine
    """The kind of node."""
    joules: float
    """Energy per datum learned from, J."""


class Errors(NamedTuple):
    """Statistics of predicted over measured energy, as in facts A.6."""

    mean: float
    """Mean of predicted / measured."""
    deviation: float
    """Its standard deviation."""
    mean_error: float
    """Mean of |predicted / measured - 1|."""
    within_20_percent: float
    """Share of runs with at most 20 % error."""
    runs: int
    """How many runs there are."""


class Fit(NamedTuple):
    """A fitted model of energy per datum learned from."""

    coefficients: Mapping[str, float]
    """J for `constant` and `depth`, J per operation per datum, J per byte per batch of a level."""
    fitted: Errors
    """On the runs that were fitted."""
    held_out: Errors
    """On the runs of configurations that were kept out."""
    hierarchy: Hierarchy
    """The memory levels."""

    def predict(self, layers: Layers, observations: int) -> float:
        """Return the energy of learning from one datum, J."""
        values = predictors(layers, observations, self.hierarchy)
        return sum(self.coefficients[name] * value for name, value in values.items())


def load_runs(path: str | Path, datasets: Mapping[str, DataSet] = DATASETS) -> list[Run]:
    """Read the published table, a CSV file or a zip with one.

    Rows that the authors filtered, runs of `OVERHEAD_ONLY` and runs that cost no more than the
    overhead are left out.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, holds something else than numbers where there
        must be some, or names a data set that is not in `datasets`.
    """
    rows = list(_rows(Path(path)))
    runs = [_run(row, f"{path} line {number}", datasets) for number, row in rows if _wanted(row)]
    runs = [run for run in runs if run.joules > 0]
    if not runs:
        raise DataError(f"{path}: has no usable runs")
    return runs


def predictors(layers: Layers, observations: int, hierarchy: Hierarchy) -> dict[str, float]:
    """Return what energy per datum is regressed on, by name."""
    data = batches(observations).train * BATCH
    values = {
        "constant": 1.0,
        "depth": float(layers.depth),
        "operations": operations_per_epoch(layers, observations).total / data,
    }
    touched = dict.fromkeys((level.name for level in hierarchy.levels), 0.0)
    for placed in place(working_sets(layers, BATCH, observations), hierarchy):
        share = BATCH / observations if placed.working_set.name == "d" else 1.0
        touched[placed.level.name] += share * placed.share * placed.level.units
    return values | touched


def fit(
    runs: Iterable[Run], machine: Machine, held_out: float = 0.2, seed: int = 0,
    hierarchy: Hierarchy | None = None,
) -> Fit:  # fmt: skip
    """Fit the runs of one kind of node.

    Parameters
    ----------
    runs
        Runs, from `load_runs`.
    machine
        The kind of node.
    held_out
        Share of configurations, a network on a data set, that is kept out to measure the errors.
    seed
        Seed of the choice.
    hierarchy
        Memory levels; those of the study's node if `None`.

    Raises
    ------
    DataError
        If there are too few configurations for the number of coefficients.
    """
    if not 0 < held_out < 1:
        raise ParameterError(f"fit.held_out: must be between 0 and 1 (got {held_out})")
    levels = hierarchy or Hierarchy.load(f"eagle-{machine}")
    chosen = [run for run in runs if run.machine == machine]
    keys = [(run.dataset, run.layers.widths) for run in chosen]
    configurations = {key: run for key, run in zip(keys, chosen, strict=True)}
    known = {
        key: predictors(run.layers, run.observations, levels) for key, run in configurations.items()
    }
    out = round(held_out * len(known))
    names = list(next(iter(known.values()), {}))
    if out < 1 or len(known) - out < len(names) or not names:
        raise DataError(
            f"fit: {machine} needs more configurations than coefficients, some kept out "
            f"(got {len(known)})"
        )
    order = np.random.default_rng(seed).permutation(len(known))
    kept_out = {list(known)[k] for k in order[:out]}
    X = np.array([list(known[key].values()) for key in keys])
    y = np.array([run.joules for run in chosen])
    test = np.array([key in kept_out for key in keys])
    coefficients = _relative_nnls(X[~test], y[~test])
    ratios = X @ coefficients / y
    return Fit(
        dict(zip(names, coefficients.tolist(), strict=True)),
        errors(ratios[~test]), errors(ratios[test]), levels,
    )  # fmt: skip


def errors(ratios: NDArray[np.float64]) -> Errors:
    """Return the statistics of predicted over measured energies, float[runs]."""
    miss = np.abs(ratios - 1)
    return Errors(
        float(ratios.mean()), float(ratios.std()), float(miss.mean()),
        float(np.mean(miss <= 0.2)), len(ratios),
    )  # fmt: skip


def _relative_nnls(X: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return c >= 0 with the least sum of (X c / y - 1)²."""
    relative = X / y[:, None]
    scale = relative.max(axis=0)
    scale[scale == 0] = 1
    solution, _ = nnls(relative / scale, np.ones(len(y)))
    return np.asarray(solution / scale)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Go through the rows with their line numbers."""
    content = read_limited(path, LARGEST, "a table of runs")
    if zipfile.is_zipfile(io.BytesIO(content)):
        content = _unzipped(path, content)
    reader = csv.DictReader(io.StringIO(decoded(path, content)))
    try:
        absent = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if absent:
            raise DataError(
                f"{path}: must have the columns {', '.join(REQUIRED)} (missing {', '.join(absent)})"
            )
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def _unzipped(path: Path, content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            tables = [
                info for info in archive.infolist()
                if info.filename.endswith(".csv") and not info.filename.startswith("__MACOSX")
            ]  # fmt: skip
            if len(tables) != 1:
                raise DataError(f"{path}: must hold one .csv file (got {len(tables)})")
            if tables[0].file_size > LARGEST:
                raise DataError(
                    f"{path}: {tables[0].filename} is larger than a table of runs may be, "
                    f"{in_bytes(LARGEST)} (got {in_bytes(tables[0].file_size)})"
                )
            return archive.read(tables[0])
    # an encrypted file, or one packed by a way that is not known, raises a RuntimeError
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: {error}") from None


def _wanted(row: Mapping[str, str]) -> bool:
    return row["dataset"] != OVERHEAD_ONLY and (row.get("filter") or "").lower() != "true"


def _run(row: Mapping[str, str], where: str, datasets: Mapping[str, DataSet]) -> Run:
    name = row["dataset"]
    if name not in datasets:
        raise DataError(
            f"{where}: unknown data set {name!r}; give its inputs, classes and observations in "
            f"`datasets`"
        )
    data = datasets[name]
    flag = (row["is_gpu"] or "").lower()
    try:
        if flag not in ("true", "false"):
            raise ValueError(f"is_gpu must be True or False (got {row['is_gpu']!r})")
        joules = float(row["non_overhead_energy"])
        if not np.isfinite(joules):
            raise ValueError(f"non_overhead_energy must be a number (got {joules})")
        outputs = data_outputs(data.classes)
        depth, size = int(row["depth"]), int(row["size"])
        layers = _shaped(row["shape"], depth, data.inputs, outputs, size)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {error}") from None
    learned = EPOCHS * batches(data.observations).train * BATCH
    machine: Machine = "gpu" if flag == "true" else "cpu"
    return Run(name, layers, data.observations, machine, joules / learned)


_shaped = lru_cache(maxsize=None)(shaped)
