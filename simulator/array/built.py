"""Build of an array: access devices of its cells, its lines, and the size of its tiles."""

from __future__ import annotations

from typing import TypedDict, get_args

from cbramsim.core.arguments import instance, one_of
from cbramsim.core.errors import ParameterError
from cbramsim.simulator.array.checks import Access, WriteScheme
from cbramsim.simulator.lines import Tiles, Wires


class Built(TypedDict, total=False):
    """Build of an array."""

    access: Access
    """Access device: `transistor`, one in every cell, which shuts half-selected cells off, by
    default; or `passive`: bare cells."""
    scheme: WriteScheme
    """Programming scheme of a passive array, see `simulator.array.access`: other cells on the two
    lines see half the voltage (`V/2`, by default), or all other cells a third of it (`V/3`)."""
    wires: Wires | None
    """Resistances of the lines; ideal lines by default. Reads then are exact: Kirchhoff's law holds
    at every node. Word lines that are not active are at ground, with their cells conducting. Energy
    of access transistors in a read counts as that of the cells. Half-selected cells and the
    reference column see ideal lines (assumed)."""
    tiles: Tiles | None
    """Size of the physical arrays, each with lines of its own; one by default."""


def checked_built(built: Built) -> tuple[Access, WriteScheme, Wires | None, Tiles]:
    """Return the build of an array, after a check.

    Raises
    ------
    ParameterError
        If an option does not exist, is not valid, or does not suit another.
    """
    for option in built:
        one_of("Crossbar: options", option, tuple(Built.__annotations__))
    access, scheme = built.get("access", "transistor"), built.get("scheme", "V/2")
    one_of("Crossbar.access:", access, get_args(Access))
    one_of("Crossbar.scheme:", scheme, get_args(WriteScheme))
    if scheme != "V/2" and access != "passive":
        raise ParameterError(
            f"Crossbar.scheme: must be V/2 unless access is passive (got {scheme!r})"
        )
    wires, tiles = built.get("wires"), built.get("tiles")
    instance("Crossbar.wires:", wires, Wires, type(None))
    instance("Crossbar.tiles:", tiles, Tiles, type(None))
    return access, scheme, wires, tiles or Tiles()
