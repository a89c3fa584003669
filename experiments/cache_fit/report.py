"""Output of `cbram cache-fit`, in Markdown."""

from __future__ import annotations

from typing import Any

from cbramsim.core.units import in_prefixed
from cbramsim.experiments.study.table import markdown
from cbramsim.simulator.comparison.hierarchy import in_binary

NAMES = {
    "l": "between layers", "f": "forward pass", "b": "backward pass", "d": "with the data set",
}  # fmt: skip


def text(summary: dict[str, Any]) -> str:
    """Return the findings, for people."""
    parts = [_head(summary), _sets(summary), _candidates(summary), _advice(summary)]
    parts.append(_model(summary) if summary["model"] else "Nothing was measured.")
    return "\n\n".join(part for part in parts if part)


def _head(summary: dict[str, Any]) -> str:
    levels = ", ".join(
        f"{level['name']} {in_binary(level['capacity'])} x{level['units']}"
        for level in summary["hierarchy"]["levels"]
    )
    source = summary["hierarchy"]["source"]
    return (
        f"{_widths(summary['layers'])}: {summary['parameters']:,} parameters of {summary['bits']} "
        f"bits, batch {summary['batch']}, {summary['images']:,} images\n"
        f"{summary['hierarchy']['name']}: {levels}{f' ({source})' if source else ''}"
    )


def _sets(summary: dict[str, Any]) -> str:
    return markdown(("working set", "bytes", "lives in", "of which full"), (
        (
            f"{one['name']}: {NAMES[one['name']]}", in_binary(one["bytes"]), one["lives_in"],
            f"{one['level_occupied']:.1%}",
        )
        for one in summary["working_sets"]
    ))  # fmt: skip


def _candidates(summary: dict[str, Any]) -> str:
    costs = ("per parameter", "of yours", "per datum", "of yours") if summary["cost"] else ()
    rows = [
        (
            one["level"], f"{one['factor']:.2g}", f"{one['parameters']:,}", one["lives_in"],
            *_costs(one, summary), _widths(one["layers"]),
        )
        for one in summary["candidates"]
    ]  # fmt: skip
    return "\n".join([
        "Networks of the same shape near the size of a cache (1: the largest whose backward set "
        "fits)",
        "",
        markdown(("cache", "size", "parameters", "b in", *costs, "layers"), rows),
        *(
            f"\n{name}: no network of these inputs and outputs fits"
            for name in summary["none_fits"]
        ),
    ])  # fmt: skip


def _costs(one: dict[str, Any], summary: dict[str, Any]) -> tuple[str, ...]:
    """Return the cost of a candidate, per parameter and per datum, relative to the user's
    network."""
    if not summary["cost"]:
        return ()
    each, unit = one["cost"], summary["cost"]["unit"]
    return (
        in_prefixed(each, unit), f"{1 - one['saves_per_parameter'] / 100:.2f}",
        in_prefixed(each * one["parameters"] / summary["batch"], unit),
        f"{1 - one['saves_per_datum'] / 100:.3g}",
    )  # fmt: skip


def _advice(summary: dict[str, Any]) -> str:
    cost, best = summary["cost"], summary["best"]
    if not cost:
        return (
            "Costs are not known, so no size is recommended: measure, or use a hierarchy with "
            "energies."
        )
    own = summary["own_cost"]
    lines = [f"Costs: {cost['source']}."]
    if best:
        each = best["saves_per_parameter"]
        lines.append(f"Yours costs {in_prefixed(own, cost['unit'])} per parameter and step.")
        if each <= 0:
            lines.append("None of these is cheaper per parameter.")
        else:
            lines.append(f"Cheapest: {_saving(best)}.")
        nearest = summary["nearest"]
        if nearest and nearest["layers"] != best["layers"]:
            lines.append(f"Cheaper and nearest in size to yours: {_saving(nearest)}.")
        if each > 0 and not nearest:
            lines.append("Per parameter that is within the error of the model: no firm advantage.")
        lines.append("What a network of another size learns is not part of this.")
    return "\n".join(lines)


def _model(summary: dict[str, Any]) -> str:
    fitted = summary["model"]
    lines = [
        f"Model of the measured curve: off by {fitted['error']:.1%} on average (worst "
        f"{fitted['worst']:.0%}), by {fitted['left_out_error']:.1%} at sizes left out of the fit."
    ]
    levels = {level["name"]: level for level in summary["hierarchy"]["levels"]}
    for knee in summary["knees"]:
        if knee["ratio"] is None:
            continue
        where = f"{knee['inner']} to {knee['outer']}: {knee['ratio']:.2f} times the cost"
        if knee["parameters"] is None:
            lines.append(f"{where}, no knee to be seen")
        else:
            bytes_ = 8 * knee["parameters"]
            capacity = levels[knee["inner"]]["capacity"]
            lines.append(
                f"{where}, half way at {knee['parameters']:,.0f} parameters: "
                f"{in_binary(bytes_)} of weights and gradients, {bytes_ / capacity:.2f} of the "
                "stated size"
            )
    lines.append(f"Energy: {summary['energy_counters']}.")
    return "\n".join(lines)


def _saving(one: dict[str, Any]) -> str:
    return (
        f"{_widths(one['layers'])}, {one['saves_per_parameter']:.1f} % less per parameter, "
        f"{_less(one['saves_per_datum'])} per training datum"
    )


def _less(per_cent: float) -> str:
    return f"{abs(per_cent):.1f} % {'less' if per_cent >= 0 else 'more'}"


def _widths(widths: list[int]) -> str:
    return "-".join(map(str, widths))
