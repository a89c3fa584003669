"""Cards of arrays, solutions, ledgers and networks, from numbers and texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.cards import Table, card
from cbramsim.core.units import in_prefixed

Bookings = Iterable[tuple[str, str, int, float]]
"""Bookings: phase, operation, count and joules of each operation that happened."""


def array_card(
    title: str,
    conductance: NDArray[np.float32],
    connected: NDArray[np.bool_],
    around: Mapping[str, object],
    bookings: Bookings,
    kind: str = "cells",
) -> str:
    """Return the card of an array of cells.

    Parameters
    ----------
    title
        What it is.
    conductance, connected
        float32[rows, columns], S, and bool[rows, columns].
    around
        Circuits around the cells: name -> description.
    bookings
        The ledger.
    kind
        Name of the conductances.
    """
    present = conductance[connected]
    facts = {kind: f"{conductance.size:,}"}
    if present.size < conductance.size:
        facts["disconnected"] = f"{conductance.size - present.size:,}"
    if present.size:
        low, mean, high = (
            in_prefixed(float(g), "S")
            for g in (present.min(), present.mean(dtype=np.float64), present.max())
        )
        facts["conductance"] = f"{low} to {high}, {mean} on average"
    facts |= {name: str(value) for name, value in around.items()}
    return card(title, facts, *_ledger_tables(bookings))


def ledger_card(bookings: Bookings) -> str:
    """Return the card of an energy ledger."""
    bookings = list(bookings)
    total = sum(joules for *_, joules in bookings)
    facts = {"total": in_prefixed(total, "J")}
    return card("Energy ledger", facts, *_ledger_tables(bookings))


def solution_card(
    shape: tuple[int, int],
    solver: Mapping[str, str],
    power: Mapping[str, float],
    across: NDArray[np.float64],
    meant: NDArray[np.float64],
) -> str:
    """Return the card of the voltages and currents of an array.

    Parameters
    ----------
    shape
        (word lines, bit lines).
    solver
        Method of solution: name -> text.
    power
        Power by part, W; `source` is the sum of the others.
    across, meant
        Voltages across the cells, and those on lines without resistance, float64[rows, columns], V.
    """
    facts = dict(solver)
    applied = np.nan_to_num(np.abs(meant)) > 0
    if applied.any():
        least = float((np.abs(across[applied]) / np.abs(meant[applied])).min())
        facts["least of its voltage that a cell sees"] = f"{least:.1%}"
    source = power["source"]
    facts["power of the sources"] = in_prefixed(source, "W")
    parts = {name: watts for name, watts in power.items() if name != "source" and watts}
    facts |= {
        f"of it in {name.replace('_', ' ')}": f"{watts / source:.1%}"
        for name, watts in parts.items()
    }
    return card(f"Solution of an array, {shape[0]} word lines x {shape[1]} bit lines", facts)


def network_card(title: str, facts: Mapping[str, str], bookings: Bookings) -> str:
    """Return the card of a network."""
    return card(title, facts, *_ledger_tables(bookings))


def _ledger_tables(bookings: Bookings) -> list[Table]:
    """Return the ledger as a table, if anything is booked."""
    bookings = list(bookings)
    totals: dict[str, float] = {}
    for phase, _, _, joules in bookings:
        totals[phase] = totals.get(phase, 0.0) + joules
    rows = [
        (
            f"{phase}: {operation}", f"{count:,}", in_prefixed(joules, "J"),
            in_prefixed(joules / count, "J") if count else "",
            f"{joules / totals[phase]:.1%}" if totals[phase] else "",
        )
        for phase, operation, count, joules in bookings
    ]  # fmt: skip
    rows += [
        (f"{phase}: total", "", in_prefixed(total, "J"), "", "") for phase, total in totals.items()
    ]
    header = ("operation", "count", "energy", "per event", "share of phase")
    return [Table(header, rows)] if rows else []
