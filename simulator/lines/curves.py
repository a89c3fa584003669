r"""Current-voltage curves of cells behind lines: Ohm's law, or the sinh of a tunnelling gap.

A cell of the conductance G, with an access transistor of :math:`r` Ohm in series, carries the
current I at the voltage V from its word line to its bit line, with x the voltage across the cell
itself:

.. math:: I = G V_{read} \frac{\sinh(x / V_0)}{\sinh(V_{read} / V_0)}, \qquad x + r I = V,

which is `cbramsim.devices.conduction` with :math:`V_0` = `v_sinh`. With :math:`y = x / V_0` and
:math:`c = r I / (V_0 \sinh y)`, y solves :math:`y + c \sinh y = V / V_0`, where the left side is
odd, rising, and convex above zero: Newton's method converges from above, without a search.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop, kernel
from cbramsim.devices.conduction import Conduction
from cbramsim.simulator.lines.circuit import Wires

MOST = 50
"""Most steps to the voltage across a cell behind its transistor: some five are enough."""
CLOSEST = 1e-16
"""Relative step below which the iteration ends."""
CELL_UNITS = 40.0
"""Rounding error of the current of a cell, units in the last place; see `curved_rounding`."""
STEEP_UNITS = 15.0
"""Additional units for each `v_sinh` across the cell, and of the read voltage."""


class Ohmic(NamedTuple):
    """Cells that follow Ohm's law."""

    def current(
        self, conductance: NDArray, voltage: NDArray[np.float64], wires: Wires
    ) -> NDArray[np.float64]:
        """Return the currents of cells with their transistors at a voltage across both, A."""
        return wires.in_series(conductance) * voltage  # type: ignore[no-any-return]

    def voltage(self, conductance: NDArray, current: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the voltages across the cells themselves, V; 0 where there is none."""
        across = np.zeros_like(current)
        np.divide(current, conductance, out=across, where=conductance > 0)
        return across

    def units(self, conductance: NDArray, current: NDArray[np.float64]) -> float:
        """Return the rounding error beyond that of Ohm's law, A, in units of the last place."""
        return 0.0


class Sinh(NamedTuple):
    """Cells whose current grows as the sinh of their voltage; equation above."""

    v_sinh: float
    """Voltage scale, V."""
    v_read: float
    """Voltage at which the current is that of the conductance, V."""

    @property
    def scale(self) -> float:
        """Current per siemens where the sinh is 1, V."""
        return self.v_read / math.sinh(self.v_read / self.v_sinh)

    def current(
        self, conductance: NDArray, voltage: NDArray[np.float64], wires: Wires
    ) -> NDArray[np.float64]:
        """Return the currents of cells with their transistors at a voltage across both, A."""
        return self.current_and_slope(conductance, voltage, wires.r_access)[0]

    def voltage(self, conductance: NDArray, current: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the voltages across the cells themselves, V; 0 where there is none."""
        ratio = np.zeros_like(current)
        np.divide(current, conductance * self.scale, out=ratio, where=conductance > 0)
        return self.v_sinh * np.arcsinh(ratio)

    def units(self, conductance: NDArray, current: NDArray[np.float64]) -> float:
        """Return the rounding error, A, in units of the last place; see `curved_rounding`."""
        steep = (np.abs(self.voltage(conductance, current)) + self.v_read) / self.v_sinh
        return float(np.vdot(np.abs(current), CELL_UNITS + STEEP_UNITS * steep))

    def current_and_slope(
        self, conductance: NDArray, voltage: NDArray[np.float64], r_access: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return currents, A, and their derivatives by the voltage, S; both like `voltage`."""
        g, v = np.broadcast_arrays(np.asarray(conductance, np.float64), voltage)
        current, slope = np.empty(v.shape), np.empty(v.shape)
        shorted = np.isinf(g)
        along_curve(
            np.where(shorted, 0.0, g).ravel(), v.ravel(), self.v_sinh, self.scale, r_access,
            current.reshape(-1), slope.reshape(-1),
        )  # fmt: skip
        if r_access:  # a shorted cell leaves its transistor
            current[shorted], slope[shorted] = v[shorted] / r_access, 1 / r_access
        return current, slope


Curve = Ohmic | Sinh
OHMIC = Ohmic()


def curve_of(device: Conduction) -> Curve:
    """Return the curve of the cells of a device."""
    return Sinh(device.v_sinh, device.v_read) if device.v_sinh else OHMIC


@kernel
def on_curve(g, voltage, v_sinh, scale, r_access):  # type: ignore[no-untyped-def]
    """Return the current of a cell with its transistor, A, its slope, S, and y above (size)."""
    z = abs(voltage) / v_sinh
    most = g * scale
    c = r_access * most / v_sinh
    y = z if c == 0 else min(z, math.asinh(z / c))
    sinh, cosh = _sinh_and_cosh(y)
    for _ in range(MOST if c > 0 else 0):
        step = (y + c * sinh - z) / (1 + c * cosh)
        y -= step
        sinh, cosh = _sinh_and_cosh(y)
        if not abs(step) > CLOSEST * y:
            break
    # Where the transistor takes more than the cell, its share is the one without a cancellation.
    current = (z - y) * v_sinh / r_access if c > 1 else most * sinh
    slope = most * cosh / v_sinh
    return (current if voltage > 0 else -current), slope / (1 + r_access * slope), y


@kernel
def _sinh_and_cosh(y):  # type: ignore[no-untyped-def]
    """Return sinh and cosh of y >= 0, from one exponential, right to a few last places."""
    grown = math.expm1(y)
    part = grown / (grown + 1)
    return 0.5 * (grown + part), 1 + 0.5 * grown * part


@compiled_loop
def along_curve(g, voltage, v_sinh, scale, r_access, current, slope):  # type: ignore[no-untyped-def]
    """Write the currents and slopes of cells, float64[n] each."""
    for k in range(g.size):
        current[k], slope[k], _ = on_curve(g[k], voltage[k], v_sinh, scale, r_access)
