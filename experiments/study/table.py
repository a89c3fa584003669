"""Tidy tables: a row for each run, a column for each setting and each quantity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd


def tidy(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as a table, with a column for every key that occurs, None where it does not.

    Whole numbers stay whole: a column with missing values holds objects.
    """
    import pandas as pd  # takes as long to import as the rest of a command

    table = pd.DataFrame(list(rows), dtype=object)
    table = table.where(table.notna(), None)
    full = [name for name in table if table[name].notna().all()]
    return table.assign(**{name: table[name].infer_objects() for name in full})


def write_csv(path: Path, table: pd.DataFrame | Iterable[Mapping[str, Any]]) -> None:
    """Write a table, or rows, as CSV."""
    frame: pd.DataFrame = table if hasattr(table, "to_csv") else tidy(table)
    text = frame.to_csv(index=False, lineterminator="\n") if len(frame.columns) else "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return texts as a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


class Cases:
    """Finished runs, a row each with the columns `case` and `seed`, with look-up by case."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @property
    def names(self) -> list[str]:
        """Names of the cases, in the order in which they were run."""
        return list(self.table["case"].unique()) if len(self.table) else []

    def __contains__(self, case: str) -> bool:
        """Return whether there is a finished run of a case."""
        return case in self.names

    def of(self, case: str) -> pd.DataFrame:
        """Return the runs of a case, by seed."""
        if not len(self.table):
            return self.table
        return self.table[self.table["case"] == case].sort_values("seed")

    def first(self, case: str) -> dict[str, Any]:
        """Return the first run of a case."""
        found: dict[str, Any] = self.of(case).iloc[0].to_dict()
        return found

    def values(self, case: str, quantity: str) -> NDArray[np.float64]:
        """Return a quantity of the runs of a case, by seed."""
        return column(self.of(case), quantity)

    def paired(self, case: str, other: str, quantity: str) -> NDArray[np.float64]:
        """Return a quantity of two cases, float64[seeds, 2], for the seeds that both have."""
        return paired(self.of(case), self.of(other), quantity)


def worded(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return a table in which some columns, if they are not numbers, hold texts."""
    texts = [name for name in names if table[name].dtype.kind not in "if"]
    return table.assign(**{name: table[name].astype(str) for name in texts})


def column(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a column of numbers; empty for an empty table."""
    return table[name].to_numpy(np.float64) if len(table) else np.empty(0)


def paired(one: pd.DataFrame, other: pd.DataFrame, quantity: str) -> NDArray[np.float64]:
    """Return a quantity of two tables of runs, float64[seeds, 2], for the seeds that both have."""
    if not len(one) or not len(other):
        return np.empty((0, 2))
    both = one[["seed", quantity]].merge(other[["seed", quantity]], on="seed")
    return both.drop(columns="seed").to_numpy(np.float64)


def mean_and_spread(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return mean and sample standard deviation; None where there are too few values."""
    mean = float(values.mean()) if len(values) else None
    return mean, float(values.std(ddof=1)) if len(values) > 1 else None
