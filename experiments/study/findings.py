"""Findings of a study: printed, and written into its folder, in the same way for all studies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cbramsim.core.files import write_atomically
from cbramsim.experiments import run_folder
from cbramsim.experiments.run_folder import REPORT
from cbramsim.experiments.study.claims import line
from cbramsim.experiments.study.html import Page, constants, write_html
from cbramsim.experiments.study.table import write_csv

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cbramsim.core.provenance import SourcedParameters

TABLE, SUMMARY, TEXT = "runs.csv", "summary.json", "table.md"
TOLD_FAILURES = 20
"""Most failures that a report lists."""


class Failure(NamedTuple):
    """A run that failed."""

    name: str
    """Name of its folder."""
    error: str
    """Error in one line."""


class Findings(NamedTuple):
    """Findings of a study."""

    out: Path
    """Folder of the study."""
    text: str
    """Findings for people, in Markdown; the text of table.md, without the claims."""
    summary: dict[str, Any]
    """Contents of summary.json; `claims` is a list of them."""
    tables: Mapping[str, pd.DataFrame | Sequence[Mapping[str, Any]]]
    """Name of a CSV file -> its table; the runs are in `TABLE`."""
    failures: Sequence[Failure] = ()
    closing: str = ""
    """Closing words: where everything is."""
    title: str = "A study"
    """Title of report.html."""
    base: Mapping[str, Any] = {}
    """Keys of the configuration that all runs share."""
    evidence: Sequence[Mapping[str, Any]] = ()
    """Constants on which the study rests, with evidence and source: see `html.Page`."""

    @property
    def claims(self) -> list[dict[str, Any]]:
        """Claims of the study."""
        found: list[dict[str, Any]] = self.summary.get("claims", [])
        return found

    def report(self) -> str:
        """Return the findings, for people."""
        lines = [self.text, ""] if self.text else []
        lines += map(line, self.claims)
        told = self.failures[:TOLD_FAILURES]
        lines += [f"failed  {failure.name}: {failure.error}" for failure in told]
        if more := len(self.failures) - len(told):
            lines.append(f"failed  {more:,} more: see error.txt in their folders")
        lines += [self.closing] if self.closing else []
        return "\n".join(lines)

    def content(self) -> dict[str, Any]:
        """Return the contents of summary.json."""
        failed = [failure._asdict() for failure in self.failures]
        return {**self.summary, "failed": failed, "versions": run_folder.versions()}

    def to_json(self) -> str:
        """Return the content of summary.json as text."""
        return json.dumps(self.content(), indent=2)

    def write(self, figures: Mapping[str, Figure]) -> None:
        """Write tables, summary, text, `figures` by PNG file, and the report of them all."""
        from cbramsim.core.plotting import save  # takes longer to import than to write the rest

        self.write_data()
        for name, figure in figures.items():
            save(figure, self.out / name)
        table = self.tables.get(TABLE, next(iter(self.tables.values()), None))
        page = Page(
            title=self.title,
            summary="\n".join(filter(None, (self.closing, self._failed()))),
            claims=self.claims,
            table=table,
            figures={
                f"{figure.get_suptitle()} ({name})".strip(): figure
                for name, figure in figures.items()
            },
            configuration=self.base,
            evidence=self.evidence,
            versions=run_folder.versions(),
        )
        write_html(self.out / REPORT, page)

    def _failed(self) -> str:
        """Return the number of failed runs, and the errors of the first of them."""
        if not self.failures:
            return ""
        (name, error), *others = self.failures
        count = f"{1 + len(others):,} runs" if others else "1 run"
        return f"{count} failed: {name} ({error})" + (", ..." if others else "")

    def write_data(self) -> None:
        """Write tables, summary and text."""
        for name, table in self.tables.items():
            write_csv(self.out / name, table)
        run_folder.write_json(self.out / SUMMARY, self.content())
        if self.text:
            text = f"{self.text}\n".encode()
            write_atomically(self.out / TEXT, lambda file: file.write(text))


def evidence_of(*sources: SourcedParameters) -> list[dict[str, Any]]:
    """Return the stated parameters of devices and circuits, with evidence and source, as rows."""
    return constants({source.name: source.to_table() for source in sources})
