"""`Device`: a `Technology` with presets, a figure and a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cbramsim.core.units import in_prefixed
from cbramsim.devices.technology import Technology

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Device(Technology):
    """Frozen description of one cell technology, in SI units: see `Technology`."""

    catalog_package: ClassVar[str] = "cbramsim.devices"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw conductance against set and reset pulses, with the spread of cycles and of cells.

        Parameters
        ----------
        ax
            Axes; by default a new figure, which also shows how a state changes with time.
        """
        from cbramsim.devices import plots, trains  # matplotlib and compiled loops

        return plots.pulse_curve(
            ax, *trains.pulse_trains(self), self.nominal_states(), *trains.left_over_time(self)
        )

    def _repr_html_(self) -> str:
        """Return the main facts as a card, for notebooks."""
        from cbramsim.core.cards import card

        assumed, stated = len(self.assumed_parameters()), len(self.stated_parameters())
        energies = self.energies(self.g_mid)
        facts = {
            "conductance": f"{in_prefixed(self.g_min, 'S')} to {in_prefixed(self.g_max, 'S')}, "
            f"{self.state_count or 'analog'}{' states' if self.state_count else ''}",
            "end to end": f"{self.pulses_end_to_end('up'):,.0f} set pulses, "
            f"{self.pulses_end_to_end('down'):,.0f} reset pulses, law {self.law}",
        }
        for pulse in ("set", "reset", "read"):
            volts, width = getattr(self, f"v_{pulse}"), getattr(self, f"t_{pulse}")
            facts[pulse] = (
                f"{volts:.3g} V for {in_prefixed(width, 's')}, "
                f"{in_prefixed(energies[pulse], 'J')} at mid-window"
            )
        facts["in use"] = ", ".join(self.behaviours)
        facts["evidence"] = f"{assumed} of {stated} stated parameters are assumed"
        return card(f"Device {self.name}", {"": self.summary} | facts)

    def to_spice(self) -> str:
        """Return the mean cell as a subcircuit for ngspice: `cbramsim.devices.export.spice`.

        Raises
        ------
        ParameterError
            If the cell has a gate, is moved by its read voltage, or has pulses that no state
            equation describes.
        """
        from cbramsim.devices.export import spice

        return spice.to_spice(self)

    def to_verilog_a(self) -> str:
        """Return the mean cell as a module in Verilog-A: `cbramsim.devices.export.verilog_a`.

        It has been proofread, but not compiled.

        Raises
        ------
        ParameterError
            As for `to_spice`.
        """
        from cbramsim.devices.export import verilog_a

        return verilog_a.to_verilog_a(self)

    def to_json(self) -> str:
        """Return parameters, their sources, and tables of pulse trains and steps, as JSON, in SI
        units."""
        from cbramsim.devices.export import plain

        return plain.to_json(self)
