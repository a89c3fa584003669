"""Candidate laws in order of what the data say of them, and what the data cannot tell.

A law is judged by the likelihood of the whitened residuals of the mean curves, taken to be
independent and normal with one free scale: Akaike's criterion (H. Akaike, IEEE Trans. Automat.
Contr. 19, 716, 1974) and Schwarz's (G. Schwarz, Ann. Statist. 6, 461, 1978). The free scale makes
the criteria cautious where no law is quite right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cbramsim.devices.fitting.estimate import Estimate, estimate
from cbramsim.devices.fitting.laws import CANDIDATES
from cbramsim.devices.fitting.measurement import Measurement

DISTINCT = 2.0
"""Difference in AIC below which the data do not tell two laws apart."""
FEW_CYCLES, FEW_CELLS = 3, 2
"""Fewest of which spreads can be told."""


@dataclass(frozen=True)
class Ranked:
    """A law and how well it does."""

    estimate: Estimate
    parameters: int
    """Free parameters, those of all cells included."""
    aic: float
    bic: float

    @property
    def law(self) -> str:
        """Its name."""
        return self.estimate.curves.candidate.name


def rank(measurement: Measurement) -> list[Ranked]:
    """Fit each candidate law; best first, by AIC.

    Raises
    ------
    DataError
        If the data do not show a window.
    """
    points = measurement.cells * sum(measurement.pulses)
    ranked = []
    for candidate in CANDIDATES:
        found = estimate(measurement, candidate)
        k = 4 * measurement.cells + 2 * candidate.shapes
        deviance = found.curves.deviance
        ranked.append(Ranked(found, k, deviance + 2 * k, deviance + k * float(np.log(points))))
    return sorted(ranked, key=lambda law: law.aic)


def doubts(measurement: Measurement, ranked: list[Ranked]) -> list[str]:
    """Return what the data cannot tell, a sentence each."""
    found = list(measurement.warnings)
    best, second = ranked[:2]
    if second.aic - best.aic < DISTINCT:
        found.append(
            f"laws {best.law} and {second.law} cannot be told apart (AIC differs by "
            f"{second.aic - best.aic:.1f})"
        )
    if measurement.cycles < FEW_CYCLES:
        found.append(
            f"{measurement.cycles} cycles are too few to tell noise from misfit: step_c2c and "
            f"read_c2c are left 0"
        )
    if measurement.cells < FEW_CELLS:
        found.append("one cell cannot show spreads from cell to cell: they are left 0")
    for way, name in ((0, "set"), (1, "reset")):
        told = best.estimate.told[:, 1 - way]
        if told.all():
            continue
        which = f"{name} trains do not saturate in {int((~told).sum())} of {len(told)} cells"
        if told.sum() >= max(0.5 * len(told), 3):
            found.append(f"{which}: their bound is taken to be like that of the others")
        else:
            bound = "g_max is a lower bound" if way == 0 else "g_min is an upper bound"
            found.append(
                f"{which}: {bound}, and pulses_{'up' if way == 0 else 'down'} is about the length "
                f"of a train"
            )
    return found
