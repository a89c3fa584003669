r"""Energies of a network at other voltages, widths and lines than in its run: exact.

Pulse amplitudes, widths and line capacitance have no part in what is learned: the same cells
are read and get the same pulses. So the energy of a training is

.. math:: E = a V_s^2 t_s + b V_r^2 t_r + c V_{read}^2 t_{read}
          + C (d V_s^2 + e V_r^2 + f V_{read}^2) + g,

with set and reset pulses, reads, lines, and circuits, and its ledger says a to g. A sample of runs
then tells of many more cells than were run: each point of `more` has what a run learned, and other
values of these seven parameters. Only the method of Sobol needs so many.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator
from cbramsim.experiments.sensitivity.indices import Sample
from cbramsim.experiments.sensitivity.ranges import Range
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.array.writing import SENSED_BITS
from cbramsim.simulator.circuits import Periphery

PRICES = ("v_set", "t_set", "v_reset", "t_reset", "v_read", "t_read", "c_cell")
"""Parameters that have no part in what is learned."""
TIMES = 32
"""Points that are made of one."""


def terms(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a to g are multiplied with, float64[7, ...], for values of `PRICES`, [7, ...]."""
    v_set, t_set, v_reset, t_reset, v_read, t_read, c_cell = prices
    return np.array(
        [
            v_set**2 * t_set, v_reset**2 * t_reset, v_read**2 * t_read,
            c_cell * v_set**2, c_cell * v_reset**2, c_cell * v_read**2, np.ones_like(v_set),
        ]
    )  # fmt: skip


def coefficients(config: TrainConfig, booked: dict[str, Any]) -> NDArray[np.float64]:
    """Return a to g of a finished run, float64[7], from the training phase of its ledger.

    Of an array with a transistor in every cell, without converters and ideal lines.
    """
    device, periphery = config.technology(), Periphery.load(config.periphery)
    count = {name: entry["count"] for name, entry in booked.items()}
    joules = {name: entry["joules"] for name, entry in booked.items()}
    prices = np.array([getattr(device, key) for key in PRICES])
    by = terms(prices)
    sensed, driven = count.get("sense_read", 0), count.get("word_line_drive", 0)
    sets, resets = count.get("ltp_pulse", 0), count.get("ltd_pulse", 0)
    columns = config.neurons
    sense = periphery.e_word_line + SENSED_BITS * periphery.e_sense + columns * by[5]
    reads = joules.get("cell_read", 0.0) + joules.get("reference_read", 0.0)
    reads += joules.get("sense_read", 0.0) - sensed * sense
    pulsed = sets * by[3] + resets * by[4]
    both_lines = joules.get("program_line", 0.0) / pulsed if pulsed else 0.0
    found = np.array(
        [
            joules.get("ltp_pulse", 0.0) / by[0], joules.get("ltd_pulse", 0.0) / by[1],
            reads / by[2], both_lines * sets, both_lines * resets, columns * (sensed + driven), 0.0,
        ]
    )  # fmt: skip
    found[6] = sum(joules.values()) - found @ by
    return found


def more(taken: Sample, ranges: list[Range]) -> tuple[Sample, NDArray[np.int64]]:
    """Return a larger sample that needs no more runs, and the point that each of its points is of.

    Each block of Saltelli's sample becomes `TIMES` blocks, in which the parameters in `PRICES` are
    drawn anew.

    Parameters
    ----------
    taken
        A sample for Sobol's method.
    ranges
        Its parameters.
    """
    inputs = len(ranges)
    priced = np.array([one.parameter in PRICES for one in ranges])
    base = taken.points.reshape(-1, taken.block, inputs)
    blocks = len(base)
    drawn = generator(0, "sensitivity prices").random((blocks, TIMES, 2, int(priced.sum())))
    points = np.repeat(base[:, None], TIMES, axis=1)
    points[..., :-1, priced] = drawn[:, :, :1]
    points[..., -1, priced] = drawn[:, :, 1]
    of = np.arange(len(taken.points)).reshape(blocks, 1, taken.block).repeat(TIMES, axis=1)
    for place, number in enumerate(np.flatnonzero(priced)):
        points[..., 1 + number, number] = drawn[:, :, 1, place]
        of[..., 1 + number] = of[..., 0]  # what is learned at the first point of the block
    larger = Sample(taken.method, points.reshape(-1, inputs), taken.block, TIMES)
    return larger, of.ravel()


def joules(larger: Sample, ranges: list[Range], of_run: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the energy at each point, J, from the coefficients of its run, float64[points, 7]."""
    numbers = {one.parameter: number for number, one in enumerate(ranges)}
    prices = np.array(
        [
            [ranges[numbers[key]].at(place) for place in larger.points[:, numbers[key]].tolist()]
            for key in PRICES
        ]
    )
    total: NDArray[np.float64] = (of_run.T * terms(prices)).sum(axis=0)
    return total
