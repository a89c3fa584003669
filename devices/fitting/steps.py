"""Findings of a measurement without a law: steps and noise, state by state."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.expected import POINTS
from cbramsim.devices.fitting.laws import KNOTS
from cbramsim.devices.fitting.matching import Match, normal_equations
from cbramsim.devices.fitting.noise import NoiseFound

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class Steps(NamedTuple):
    """Mean steps of a pulse and their noise, S, for the mean cell, by state."""

    state: Floats
    """Conductance, float64[n], S."""
    set_step: Floats
    """Mean step of a set pulse, float64[n]; NaN without a set train."""
    set_error: Floats
    """Standard error, from the noise of the mean curves."""
    set_noise: Floats
    """Standard deviation of one step."""
    reset_step: Floats
    """Mean step of a reset pulse; positive where the conductance falls."""
    reset_error: Floats
    reset_noise: Floats
    read_noise: float
    """Standard deviation of a reading, S."""

    def to_frame(self) -> pd.DataFrame:
        """Return the steps as a table, a row for each state."""
        import pandas as pd

        return pd.DataFrame({key: getattr(self, key) for key in self._fields[:-1]})


def steps_of(curves: Curves, table: Match, noise: NoiseFound | None) -> Steps:
    """Return steps and noise by state, from a law as free as the data allow.

    Parameters
    ----------
    curves
        The data.
    table
        The law `table` as it was matched to them.
    noise
        Estimate of the noise.
    """
    window = float(table.window.mean())
    state = float(table.low.mean()) + window * np.linspace(0, 1, KNOTS)
    covered = _covered(curves, table)
    found: list[tuple[Floats, Floats, Floats]] = []
    errors = _relative_errors(table)
    for way in (0, 1):
        at = np.linspace(0, POINTS - 1, KNOTS).round().astype(int)
        step = window * table.steps[:, way].mean(axis=0)[at]
        scatter = np.full(KNOTS, np.nan)
        if noise is not None:
            known = noise.by_depth[way]
            scatter = window * np.interp(
                np.linspace(0, 1, KNOTS), np.linspace(0, 1, len(known)), known
            )
        parts = [
            np.where(covered[way], part, np.nan) for part in (step, step * errors[way], scatter)
        ]
        # the depth of resets is from above
        step, error, scatter = (part if way == 0 else part[::-1] for part in parts)
        found.append((step, error, scatter))
    return Steps(state, *found[0], *found[1], window * noise.read if noise else float("nan"))


def _covered(curves: Curves, table: Match) -> NDArray[np.bool_]:
    """Return the depths that trains covered, bool[2, KNOTS]."""
    covered = np.zeros((2, KNOTS), np.bool_)
    reach = 0.5 / (KNOTS - 1)
    for (cell, way, readings), curve in zip(curves.index, table.mean, strict=True):
        depth = table.depth(curve[:readings], cell, way)
        knots = np.linspace(0, 1, KNOTS)
        covered[way] |= (knots >= depth.min() - reach) & (knots <= depth.max() + reach)
    return covered


def _relative_errors(table: Match) -> Floats:
    """Return standard errors of the logarithms of the steps, float64[2, KNOTS]."""
    matrix, _ = normal_equations(
        table.derivatives, table.columns, np.zeros(table.weight.shape), table.vector.size
    )
    matrix[np.diag_indices_from(matrix)] += table.holds + 1e-9
    covariance = np.linalg.inv(matrix)
    shapes, cells = len(table.candidate.shapes), len(table.low)
    errors = np.empty((2, KNOTS))
    for way in (0, 1):
        first = 2 * shapes + 2 * cells + 2 * np.arange(cells) + way
        lead = np.zeros(table.vector.size)
        lead[first] = 1 / cells
        errors[way, 0] = np.sqrt(lead @ covariance @ lead)
        for j in range(min(shapes, KNOTS - 1)):
            one = lead.copy()
            one[way * shapes + j] = 1
            errors[way, j + 1] = np.sqrt(np.maximum(one @ covariance @ one, 0))
        errors[way, shapes + 1 :] = errors[way, shapes]
    return errors
