"""The physical array of binary cells, and how it may be built."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from cbramsim.simulator.array.checks import Access, WriteScheme
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.lines import Tiles, Wires


class Built(TypedDict, total=False):
    """How the physical array is built, see `Crossbar`."""

    access: Access
    """What is with each cell."""
    scheme: WriteScheme
    """How a passive array is programmed."""
    wires: Wires | None
    """Resistances of the lines; ideal lines by default."""
    tiles: Tiles | None
    """Size of the physical arrays that share the cells; one by default."""


class BinaryCells(Crossbar):
    """The physical array, which says when anything but a write changes its cells."""

    on_change: Callable[[], None] | None = None

    def _conductance_changed(self) -> None:
        super()._conductance_changed()
        if self.on_change:
            self.on_change()
