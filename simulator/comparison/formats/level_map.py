r"""Values of a format as proportional conductances of a device.

With a pair of cells a value is :math:`v = u\,(G^+ - G^-)`: one of the two is at `g_min`, the other
at :math:`g_{min} + (g_{max} - g_{min})\,|v| / v_{max}`. So pairs of analog cells hold any format, 0
included.

With one cell, :math:`v = u\,G`: G = `g_max` v / v_max for values that are not negative, and 0 is a
cell that is disconnected. Then the ratio of the window must be at least that of the values.

Cells of finite states must have a state at each of these conductances: FP4 of radix 4 fits
`levels = 8` and `level_radix = 4`, LUQ 8 and 2, SAWB of 15 levels 8 evenly spaced ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.comparison.formats.base import NumberFormat

EXACT = 2.0**-22
"""Largest error of a state, as a part of `g_max`: values are of single precision."""


class LevelMap(NamedTuple):
    """Values, and the conductances that hold them."""

    values: NDArray[np.float64]
    """The format's values; of one cell those that are not negative, float64[values]."""
    plus: NDArray[np.float64]
    """Conductance of the cell that counts as positive, float64[values], S."""
    minus: NDArray[np.float64]
    """Conductance of the other cell of the pair, float64[values], S; 0 if there is none."""
    unit: float
    """Value of one siemens of difference, 1/S."""


def level_map(form: NumberFormat, device: Device, *, pair: bool = True) -> LevelMap:
    """Return the conductances of the nominal cells that hold the values of a format.

    Parameters
    ----------
    form
        The format; its values are those of its default scale.
    device
        The technology.
    pair
        Whether a value is the difference of two cells, or one cell.

    Raises
    ------
    ParameterError
        If the window is too narrow for one cell, or a state is missing.
    """
    values = form.values()
    largest = float(np.abs(values).max())
    if pair:
        rise = device.g_range / largest
        plus, minus = (device.g_min + rise * np.maximum(v, 0) for v in (values, -values))
    else:
        values = values[values >= 0]
        rise = device.g_max / largest
        _check_ratio(form, device, largest / float(values[values > 0].min()))
        plus, minus = rise * values, np.zeros(values.size)
    _check_states(form, device, plus[values >= 0])
    return LevelMap(values, plus, minus, 1 / rise)


def _check_ratio(form: NumberFormat, device: Device, ratio: float) -> None:
    window = device.on_off_ratio
    if ratio > window * (1 + EXACT):
        raise ParameterError(
            f"level_map: {form.name} needs a window of g_max / g_min >= {ratio:g} with one cell a "
            f"value (got {window:g} of {device.name})"
        )


def _check_states(form: NumberFormat, device: Device, wanted: NDArray[np.float64]) -> None:
    """Refuse a device of finite states without one at each of the rising conductances `wanted`."""
    states = device.nominal_states()
    wanted = wanted[wanted > 0]
    if not states.size:
        return
    distance = np.abs(wanted[:, None] - states).min(axis=1)
    missing = wanted[distance > EXACT * device.g_max]
    if missing.size:
        raise ParameterError(
            f"level_map: {form.name} needs a state at each of {wanted.size} conductances "
            f"({missing.size} missing among the {states.size} of {device.name}, "
            f"the first at {missing[0]:g} S)"
        )
