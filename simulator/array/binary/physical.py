"""Physical array of binary cells."""

from __future__ import annotations

from collections.abc import Callable

from cbramsim.simulator.array.crossbar import Crossbar


class BinaryCells(Crossbar):
    """Physical array, which reports when anything but a write changes its cells."""

    on_change: Callable[[], None] | None = None

    def _conductance_changed(self) -> None:
        super()._conductance_changed()
        if self.on_change:
            self.on_change()
