"""Figures of the card beside their targets, as a table."""

from __future__ import annotations

from typing import Any, NamedTuple

from cbramsim.experiments.tables import aligned

MILLION = 1e6
RATES = 12 * MILLION, 18 * MILLION
"""Targets of the two groups on an H100, windows a second."""
TARGETS = {"times": 100.0, "alone": 1.2, "pruning": 300.0, "devices": 180.0, "compilation": 30.0}
"""Further targets: times one core, and seconds."""


class Row(NamedTuple):
    """A figure and its target."""

    what: str
    """Name of the figure."""
    value: float
    """Value in windows a second, seconds, bytes, or as a ratio."""
    unit: str
    """Unit in which it is shown, see `SHOWN`; not that of `value`."""
    target: float | None = None
    """Target of the value."""
    more_is_better: bool = False
    """Whether it should be at least its target, rather than at most."""
    times_one_core: float | None = None
    """Speed relative to one core of the same machine."""
    how: str = "measured"
    """Origin of the figure."""

    @property
    def held(self) -> bool | None:
        """Whether the target is met, if there is one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.more_is_better else self.value <= self.target

    def shown(self, value: float) -> str:
        """Return a value of this kind as text."""
        return SHOWN[self.unit](value)

    def to_dict(self) -> dict[str, Any]:
        """Return the row in the form of the file."""
        facts = self._asdict()
        facts["shown"] = self.shown(self.value)
        del facts["unit"], facts["more_is_better"]
        return facts | {"held": self.held}


SHOWN = {
    "windows/s": lambda x: f"{x / MILLION:,.3g} million/s",
    "x": lambda x: f"{x:,.3g} x",
    "min": lambda x: f"{x / 60:,.3g} min",
    "s": lambda x: f"{x:,.3g} s",
    "MB": lambda x: f"{x / MILLION:,.3g} MB",
    "": lambda x: f"{x:,.0f}",
    "%": lambda x: f"{x:.1%}",
}
"""Formats of values, by unit."""


def rows(figures: dict[str, Any]) -> list[Row]:
    """Return the rows of the table."""
    groups, compiled = figures["together"], figures["compilation"]
    pruning, devices = figures["pruning"], figures["devices"]
    alone = figures["alone_seconds"] / figures["core_same_steps_seconds"]
    runs = sum(kind["runs"] for kind in pruning["kinds"].values())
    found = []
    for group, target in zip(groups, RATES, strict=True):
        found.append(Row(
            f"windows a second, {group['networks']} networks", group["windows_per_second"],
            "windows/s", target, True, group["times_one_core"], _measured(group),
        ))  # fmt: skip
    for group in groups:
        found.append(Row(
            f"times the windows of one core, {group['networks']} networks",
            group["times_one_core"], "x", TARGETS["times"], True, group["times_one_core"],
            "measured; one core: the median step of a training",
        ))  # fmt: skip
    found += [
        Row("time of one network, one core's being 1", alone, "x", TARGETS["alone"],
            False, 1 / alone, "measured: the same steps from the same seed"),
        Row(f"cbram pruning, all {runs} runs", pruning["seconds"], "min", TARGETS["pruning"],
            False, pruning["times_one_core"],
            f"estimated{_cut_off(groups[-1])}; measure with: cbram pruning --engine cuda"),
        Row(f"{devices['wanted']:,} random devices, an epoch each", devices["seconds"], "min",
            TARGETS["devices"], False, devices["times_one_core"],
            f"scaled from {devices['steps']} steps of {devices['measured']:,}"),
        Row("compilation, the first time", compiled["learning"] + compiled["answering"], "s",
            TARGETS["compilation"], how="measured: first step less another; learning, answering"),
        Row("bytes of a network", figures["bytes_per_network"], "MB", how="its arrays, added up"),
        Row("networks that fit", figures["networks_that_fit"], "", how="free bytes over these"),
    ]  # fmt: skip
    last = groups[-1]
    for share in ("in_kernels", "in_copies", "on_the_host"):
        told = f"time {share.replace('_', ' ')}, {last['networks']} networks"
        found.append(Row(told, last[share], "%"))
    return found


def _cut_off(group: dict[str, Any]) -> str:
    """Return a note for an estimate if a training was stopped before most pruning."""
    return "" if group["whole_training"] else " without later pruning"


def _measured(group: dict[str, Any]) -> str:
    part = "a whole training" if group["whole_training"] else f"{group['steps']} steps of one"
    return f"measured: {part}"


def table(found: list[Row]) -> str:
    """Return the rows as a table for people."""

    def cells(row: Row) -> tuple[str, ...]:
        bound = "" if row.target is None else f"{'>=' if row.more_is_better else '<='} "
        target = "" if row.target is None else bound + row.shown(row.target)
        held = {None: "", True: "held", False: "missed"}[row.held]
        core = "" if row.times_one_core is None else SHOWN["x"](row.times_one_core)
        return row.what, row.shown(row.value), target, held, core, row.how

    heads = ("figure", "here", "target", "", "one core x", "how")
    return aligned(heads, map(cells, found))


def text(found: list[Row], content: dict[str, Any], where: str) -> str:
    """Return the table with a description of the machine."""
    machine, figures = content["machine"], content["figures"]
    lines = [
        f"{machine['card']}, {machine['cores']} cores; one core presents "
        f"{1 / figures['core_window_seconds']:,.0f} windows a second",
        f"{figures['agreeing']} of {len(figures['differences'])} networks learn on the card what "
        "they learn on a core",
        "",
        table(found),
        "",
        f"written to {where}",
    ]
    if content["quick"]:
        lines.insert(2, "--quick: sizes are too small for these figures to mean anything")
    return "\n".join(lines)
