r"""The step as a tabulated function of the depth in the window: laws that are not linear.

.. math:: S(G) = S_1\, \sigma(d), \qquad d = \frac{G - G_{edge}}{G_{far} - G_{edge}},

with the shape :math:`\sigma` common to all cells, linear between its points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_kernel
from cbramsim.core.verbs import implements, mean_step, mean_train
from cbramsim.devices.pulses import G_HIGH, G_LOW, SET
from cbramsim.devices.technology import Technology

Floats = NDArray[np.float32]


class Shaped(NamedTuple):
    """Steps that follow a shape."""

    shapes: NDArray[np.float32]
    """Relative steps of set and of reset pulses by depth, float32[2, points]."""

    @classmethod
    def of(cls, device: Technology) -> Self:
        """Return the law of a device."""
        return cls(on_one_grid(device.shape_table("up"), device.shape_table("down")))


def on_one_grid(
    up: Sequence[float] | Floats, down: Sequence[float] | Floats
) -> NDArray[np.float32]:
    """Return two shapes at the same depths, float32[2, points].

    The grid is the coarsest that has the points of both, so that neither loses a kink.
    """
    depth = np.linspace(0, 1, math.lcm(len(up) - 1, len(down) - 1) + 1)
    shapes = [np.interp(depth, np.linspace(0, 1, len(shape)), shape) for shape in (up, down)]
    return np.array(shapes, np.float32)


@implements(mean_step, Shaped)
def _(law, cells, column, row, way, g):  # type: ignore[no-untyped-def]
    depth = depth_of(cells, column, row, way, g)
    return cells[column, row, way + 1] * interpolated(law.shapes, way, depth)


@implements(mean_train, Shaped)
def _(law, cells, column, row, way, g, pulses):  # type: ignore[no-untyped-def]
    """Move in parts of at most one step."""
    parts = math.ceil(pulses)
    for _ in range(parts):
        g += pulses / parts * mean_step(law, cells, column, row, way, g)
    return g


@lean_kernel
def depth_of(cells, column, row, way, g):  # type: ignore[no-untyped-def]
    """Return the distance of a cell from the bound where a train begins, 0 to 1."""
    edge = cells[column, row, way]
    far = cells[column, row, G_LOW] + cells[column, row, G_HIGH] - edge
    window = np.float64(far - edge)
    return min(max((g - edge) / window, 0.0), 1.0) if window != 0 else 0.0


@lean_kernel
def interpolated(shapes, way, depth):  # type: ignore[no-untyped-def]
    """Return the value of a shape, float32[2, points], at a depth."""
    side = 0 if way == SET else 1
    place = depth * (shapes.shape[1] - 1)
    k = min(int(place), shapes.shape[1] - 2)
    part = place - k
    return shapes[side, k] * (1.0 - part) + shapes[side, k + 1] * part
