r"""Voltages and currents of a cell, and the energy of reads and pulses.

The current is ohmic, or, with `v_sinh` > 0, that of a tunnelling gap,

.. math:: I(V) = G V_{read} \frac{\sinh(V / V_0)}{\sinh(V_{read} / V_0)}, \qquad V_0 = v_{sinh},

so that a read sees the conductance G (form of Stanford and VTEAM-like compact models;
exact ohmic limit for large :math:`V_0`). A pulse of width t then costs
:math:`V I t = \kappa(V) V^2 G t` with :math:`\kappa(V) = I(V) / (G V)`: more than an ohmic cell at
the full voltage, less at half of it.

A cell whose pulses charge a gate instead of driving a current through it (a ferroelectric
transistor) costs :math:`C V^2` a pulse, `c_gate` > 0, whatever its conductance.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from cbramsim.core.provenance import SourcedParameters
from cbramsim.devices.quantities import Capacitance, Volt, Voltage, Width

STEEPEST = 50.0
"""Largest V / v_sinh that is accepted; above it are overflows, not physics."""


class Conduction(SourcedParameters):
    """Voltages, widths, the current-voltage curve and capacitances."""

    v_set: Voltage
    """Amplitude of a set pulse, V."""
    t_set: Width
    """Width of a set pulse, s."""
    v_reset: Voltage
    """Amplitude of a reset pulse (its magnitude), V."""
    t_reset: Width
    """Width of a reset pulse, s."""
    v_read: Voltage
    """Read voltage on an active word line, V."""
    t_read: Width
    """Width of a read pulse, s."""

    v_sinh: Annotated[float, Field(ge=0, le=1000), Volt] = 0.0
    """Voltage scale of a sinh current-voltage curve, V; 0 if the cell is ohmic."""
    c_cell: Capacitance = 0.0
    """Line capacitance per cell passed, F: charging a line of n cells costs n C V²."""
    c_gate: Capacitance = 0.0
    """Capacitance that a pulse charges in the cell instead of driving a current through it, F."""

    @model_validator(mode="after")
    def _check_conduction(self) -> Self:
        highest = max(self.v_set, self.v_reset, self.v_read)
        if self.v_sinh and highest / self.v_sinh > STEEPEST:
            raise ValueError(
                f"v_sinh must be 0, or at least {highest / STEEPEST:g} V, a fiftieth of the "
                f"highest voltage (got {self.v_sinh:g} V)"
            )
        return self

    def read_equivalent(self, voltage: Any) -> Any:
        """Return I(V) / G: the voltage at which an ohmic cell would draw the same current, V."""
        voltage = np.asarray(voltage)
        voltage = voltage.astype(np.result_type(voltage, np.float32), copy=False)
        if not self.v_sinh:
            return voltage
        scale = self.v_read / math.sinh(self.v_read / self.v_sinh)
        return (scale * np.sinh(voltage / self.v_sinh)).astype(voltage.dtype)

    def v2t(self, voltage: float, width: float) -> float:
        """Return the energy of a pulse per siemens, J/S: V I t / G, V² t if ohmic."""
        return float(voltage * self.read_equivalent(voltage) * width)

    def i2t(self, voltage: float, width: float) -> float:
        """Return the energy a pulse dissipates in a series resistance, J/(Ohm S²): (I/G)² t."""
        equivalent = self.read_equivalent(voltage)
        return float(equivalent * equivalent * width)

    def energies(self, conductance: Any) -> dict[str, Any]:
        """Return the energy of a set pulse, a reset pulse and a read at a conductance (S), J."""
        return {
            "set": self.v2t_set * conductance + self.gate_set,
            "reset": self.v2t_reset * conductance + self.gate_reset,
            "read": self.v2t_read * conductance,
        }

    @property
    def v2t_set(self) -> float:
        """Energy of a set pulse per siemens, J/S; 0 if pulses charge a gate."""
        return 0.0 if self.c_gate else self.v2t(self.v_set, self.t_set)

    @property
    def v2t_reset(self) -> float:
        """Energy of a reset pulse per siemens, J/S; 0 if pulses charge a gate."""
        return 0.0 if self.c_gate else self.v2t(self.v_reset, self.t_reset)

    @property
    def i2t_set(self) -> float:
        """Energy that a set pulse dissipates in lines, J/(Ohm S²); 0 if pulses charge a gate."""
        return 0.0 if self.c_gate else self.i2t(self.v_set, self.t_set)

    @property
    def i2t_reset(self) -> float:
        """Energy that a reset pulse dissipates in lines, J/(Ohm S²); 0 if pulses charge a gate."""
        return 0.0 if self.c_gate else self.i2t(self.v_reset, self.t_reset)

    @property
    def v2t_read(self) -> float:
        """Energy of a read per siemens, J/S."""
        return self.v2t(self.v_read, self.t_read)

    @property
    def gate_set(self) -> float:
        """Energy of a set pulse that does not depend on the conductance, J."""
        return self.c_gate * self.v_set**2

    @property
    def gate_reset(self) -> float:
        """Energy of a reset pulse that does not depend on the conductance, J."""
        return self.c_gate * self.v_reset**2
