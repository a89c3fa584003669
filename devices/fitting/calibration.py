"""Noise of a fit, corrected by the same estimate on simulated trains.

A law that is matched to the same trains absorbs some of their noise, and bounds cut some off.
Simulated trains, whose noise is known, show how much: they are matched and estimated in the same
way, and the ratio is divided out (indirect inference: C. Gouriéroux, A. Monfort, E. Renault, J.
Appl. Econometrics 8, S85, 1993).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator
from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.intervals import new_trains
from cbramsim.devices.fitting.matching import Match, Noise, match
from cbramsim.devices.fitting.noise import NoiseFound, estimate_again

Floats = NDArray[np.float64]

SIMULATIONS = 2
"""Measurements that are simulated."""


def calibrated(
    curves: Curves, law: Match, noise: NoiseFound, span: tuple[Floats, Floats],
    arrives: NDArray[np.bool_], seed: int,
) -> NoiseFound:  # fmt: skip
    """Return the corrected noise; unchanged where the noise of readings lasts, or trains are few.

    Parameters
    ----------
    curves
        The data.
    law, span, arrives
        Arguments of their match: see `match`.
    noise
        Estimate of their noise.
    seed
        Of the simulated trains.
    """
    if noise.lasting or not (noise.pulse and noise.white) or curves.several.mean() < 0.5:
        return noise
    rng = generator(seed, "calibration")
    found = []
    for _ in range(SIMULATIONS):
        again = curves.again(_readings(curves, law, noise, rng))
        there = match(again, law.candidate, span, arrives, noise.simple(), law)
        found.append(estimate_again(again, there, noise))
    off = np.log(found).mean(axis=0) - np.log([noise.pulse, noise.white])
    factor = np.exp(-np.clip(off, -0.5, 0.5))
    wider = math.sqrt(1 + 1 / SIMULATIONS)
    return noise._replace(
        pulse=noise.pulse * float(factor[0]), white=noise.white * float(factor[1]),
        by_depth=noise.by_depth * factor[0],
        errors=(noise.errors[0] * wider, noise.errors[1] * wider),
    )  # fmt: skip


def _readings(
    curves: Curves, law: Match, noise: NoiseFound, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return new readings of every train, missing where they were, float64[trains, longest]."""
    fresh = np.full(curves.readings.shape, np.nan)
    for row, i in zip(fresh, curves.curve, strict=True):
        new_trains(curves, law, Noise(noise.by_depth, noise.read), int(i), 1, rng, row)
    return np.where(np.isfinite(curves.readings), fresh, np.nan)
