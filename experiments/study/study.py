"""`Study`: any grid over any keys of the configuration, from Python.

>>> import cbramsim as cb
>>> study = cb.Study("mine", vary={"pruning.fraction": [0.25, 0.5, 0.75], "seed": range(5)},
...                  base={"neurons": 200})
>>> runs = study.run()
>>> runs.table.groupby("pruning.fraction").accuracy.describe()
>>> runs.plot("accuracy", "pruning.fraction")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cbramsim.core.errors import ParameterError, nearest, shown
from cbramsim.core.files import printable
from cbramsim.core.toml_files import read_toml
from cbramsim.experiments import compare
from cbramsim.experiments.run_folder import STATE
from cbramsim.experiments.study.cases import PlannedRun
from cbramsim.experiments.study.description import plan
from cbramsim.experiments.study.findings import TABLE, Failure, Findings
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.names import safe_name
from cbramsim.experiments.study.runner import Runner, Where
from cbramsim.experiments.study.table import column, mean_and_spread, worded, write_csv
from cbramsim.simulator.cuda.coverage import Engine
from cbramsim.simulator.learning.network import SpikingNetwork

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Study:
    """Runs of every combination of some values, in a folder.

    Parameters
    ----------
    name
        Name of the study.
    vary
        Dotted key of the configuration (see `cbram keys`) -> the values that it takes.
    base
        Keys that all runs share, nested or dotted.
    variants
        Name -> dotted keys: the grid is run for each.
    out
        The folder; ``runs/NAME`` by default.
    keep_state
        Whether to keep the state of each finished run, for `Runs.network`.

    Raises
    ------
    ParameterError
        If a key or a value is wrong, or there are too many runs.
    """

    def __init__(
        self,
        name: str,
        *,
        vary: Mapping[str, Iterable[Any]],
        base: Mapping[str, Any] | None = None,
        variants: Mapping[str, Mapping[str, Any]] | None = None,
        out: str | Path | None = None,
        keep_state: bool = False,
    ) -> None:
        grid = {key: _listed(key, values) for key, values in dict(vary).items()}
        table: dict[str, Any] = {"base": dict(base or {}), "grid": grid, "keep_state": keep_state}
        if variants:
            table["variants"] = [{"name": n, **keys} for n, keys in variants.items()]
        self._set(name, table, out, quiet=True)

    @classmethod
    def read(cls, path: Path, out: Path | None = None, *, quiet: bool = False) -> Study:
        """Return the study that a TOML file describes, see `description`.

        Raises
        ------
        CbramError
            If the file cannot be read, or is wrong.
        """
        study = cls.__new__(cls)
        study._set(path.stem, read_toml(path), out, quiet=quiet)
        return study

    def _set(
        self, name: str, table: dict[str, Any], out: str | Path | None, *, quiet: bool
    ) -> None:
        self.name, self.description = name, table
        self.planned: list[PlannedRun] = plan(table, quiet=quiet)
        self.out = Path(out) if out is not None else Path("runs") / safe_name(name)

    def __repr__(self) -> str:
        """Return a short description of the study."""
        return f"Study({self.name!r}, {len(self.planned):,} runs, in {printable(self.out)})"

    def run(
        self,
        *,
        workers: int | None = None,
        scheduler: str | None = None,
        force: bool = False,
        quiet: bool = False,
        engine: Engine = "auto",
    ) -> Runs:
        """Do the remaining runs, and return all finished ones.

        Results do not depend on the number of workers. A run that fails does not stop the others.

        Parameters
        ----------
        workers
            Processes on this machine; one per core by default.
        scheduler
            Address of a running Dask cluster, instead.
        force
            Whether to repeat runs of another version or configuration, instead of refusing them.
        quiet
            Whether to show no progress.
        engine
            Place where networks learn: `cuda`, all together on a graphics card; `cpu`; or `auto`,
            on a card if there is one. Runs that a card cannot do are done on processors, and
            logged.

        Raises
        ------
        CbramError
            If the folder holds something else, there is no card although it is requested, or the
            scheduler does not answer.
        """
        at = Where(scheduler, workers, force, quiet, engine)
        with study_folder(self.out, "sweep", at):
            runner = Runner(self.planned, self.out, self.description, at)
            try:
                runner.go()
            finally:
                table = runner.table()
                write_csv(self.out / TABLE, table)
        return Runs(self, table, runner.failures)


class Runs:
    """Finished runs of a study.

    Attributes
    ----------
    study
        The study.
    table
        A row for each run: its name, the varied settings, and the results, see `cbram compare`.
    failures
        Runs that failed.
    """

    def __init__(self, study: Study, table: pd.DataFrame, failures: list[Failure]) -> None:
        self.study, self.table, self.failures = study, table, failures

    def __repr__(self) -> str:
        """Return a short description of the runs."""
        failed = f", {len(self.failures)} failed" * bool(self.failures)
        return f"{len(self.table)} of {len(self.study.planned)} runs of {self.study}{failed}"

    def _repr_html_(self) -> str:
        table = self.table.to_html(index=False, max_rows=20)
        return f"<p>{repr(self).replace('<', '&lt;')}</p>{table}"

    def network(self, run: str) -> SpikingNetwork:
        """Return the trained network of a run, by the name of its folder.

        Raises
        ------
        ParameterError
            If there is no such run, or its state was not kept.
        """
        names = list(self.table["run"]) if len(self.table) else []
        if run not in names:
            raise ParameterError(
                f"Runs.network: must be a finished run (got {shown(run)}){nearest(run, names)}"
            )
        path = self.study.out / "runs" / run / STATE
        if not path.is_file():
            raise ParameterError(f"Runs.network: the state of {run} was not kept (keep_state)")
        return SpikingNetwork.load(path)

    def plot(
        self, quantity: str, against: str, *, by: str | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw a quantity against a varied setting, mean and spread over the other runs.

        Parameters
        ----------
        quantity, against
            Columns of the table.
        by
            A column: a curve for each of its values; by default all varied settings except the
            seed.
        ax
            Axes; a new figure by default.

        Raises
        ------
        ParameterError
            If there is no such column.
        """
        from cbramsim.experiments.study.curves import curves

        for name in (quantity, against, *([by] if by else ())):
            if name not in self.table:
                raise ParameterError(
                    f"Runs.plot: must be a column of the table (got {shown(name)})"
                    f"{nearest(name, list(self.table))}"
                )
        if self.table[quantity].dtype.kind not in "if":
            raise ParameterError(f"Runs.plot: must be a column of numbers (got {shown(quantity)})")
        others = [by] if by else [key for key in self._varied() if key not in (against, "seed")]
        return curves(self.table, quantity, against, others, ax)

    def _varied(self) -> list[str]:
        settings = self.study.planned[0].settings
        return [key for key in settings if self.table[key].astype(str).nunique() > 1]

    def findings(self) -> Findings:
        """Return the runs with their means and spreads, in the common form of studies."""
        text = compare.table(self._summaries()) if len(self.table) else ""
        runs = f"{len(self.table)} of {len(self.study.planned)} runs"
        closing = f"{runs} in {self.study.out}, table in {TABLE}"
        tables = {TABLE: self.table}
        return Findings(
            self.study.out, text, {"claims": []}, tables, self.failures, closing, self.study.name,
            self.study.description.get("base", {}),
        )  # fmt: skip

    def _summaries(self) -> list[dict[str, Any]]:
        """Return settings, seeds and statistics of runs that differ in the seed only."""
        keys = [key for key in self._varied() if key != "seed"]
        table = worded(self.table, keys)
        groups = table.groupby(keys, sort=False) if keys else [((), table)]
        return [
            {
                "settings": dict(zip(keys, values, strict=True)),
                "seeds": list(group["seed"]) if "seed" in group else [None],
                **{name: mean_and_spread(column(group, name)) for name in compare.TOLD},
            }
            for values, group in groups
        ]

    def figures(self) -> dict[str, Figure]:
        """Return accuracy and training energy against each key that was varied, by file."""
        from cbramsim.core.plotting import COLUMN_WIDTH, axes_grid, titled
        from cbramsim.experiments.study.curves import legend_below

        made = {}
        for key in self._varied() if len(self.table) else ():
            if key not in ("seed", "variant"):
                figure, axes = axes_grid(1, 2, 2 * COLUMN_WIDTH, 2.8)
                for ax, quantity in zip(axes, ("accuracy", "train_joules"), strict=True):
                    self.plot(quantity, key, ax=ax)
                    if drawn := ax.get_legend():
                        drawn.remove()
                legend_below(figure, axes[0])
                made[f"{safe_name(key)}.png"] = titled(figure, self._most_accurate(key))
        return made

    def _most_accurate(self, key: str) -> str:
        """Return the value of a setting with which networks are the most accurate, on average."""
        means = worded(self.table, [key]).groupby(key, sort=False)["accuracy"].mean()
        return f"Most accurate with {key} = {means.idxmax()}: {100 * means.max():.1f} %"


def _listed(key: str, values: Any) -> list[Any]:
    """Return values as plain ones: of a range, an array, a tuple, ..."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ParameterError(
            f"Study.vary.{key}: must be values, such as a list (got {shown(values)})"
        )
    return [value.item() if hasattr(value, "item") else value for value in values]
