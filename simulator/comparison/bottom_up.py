"""Energy of learning and recognition from prices of arithmetic and of bytes moved.

.. math::
    E = \\sum_p M_p e_p + e_1 \\sum_k O_k b_k / r + \\sum_k A_k b_k e_{level(k)}

with M_p multiply-adds of product p (see `Macs`), O_k operands and A_k accesses of kind k of b_k
bytes (see `traffic`), r the reuse of an operand in registers, e_1 and e_level(k) the energy of a
byte in the innermost level and where tensors of kind k live: weights with the forward set f;
gradients, the master copy and, in learning, activations with the backward set b; activations of
recognition with l; data with d. Bytes are counted once, whatever the number of units that work
side by side. There is no control, no instruction and no leakage in it: it is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison.hierarchy import Hierarchy, Level
from cbramsim.simulator.comparison.layers import Layers
from cbramsim.simulator.comparison.placement import Placed, place
from cbramsim.simulator.comparison.traffic import StepCounts, step_counts
from cbramsim.simulator.comparison.working_sets import bytes_by_kind, working_sets
from cbramsim.simulator.energy.bill import Bill, Constant

REUSE = Constant(
    name="operand-reuse", value=8, low=1, high=32, unit="", evidence="assumed",
    source="multiply-adds per operand taken from the innermost level, by blocking in registers",
)  # fmt: skip
"""Number of uses of an operand once it has been taken from the innermost level."""
HOMES: Mapping[str, tuple[str, ...]] = {
    "weights": ("f",),
    "activations": ("b", "l"),
    "gradients": ("b",),
    "master": ("b",),
    "data": ("d",),
}
"""Working set of each kind of tensor: the first of these that was placed."""


class Macs(NamedTuple):
    """Energies of one multiply-add, by product, J."""

    forward: Constant
    """Energy for inputs and weights."""
    backward: Constant
    """Energy for gradients and weights."""
    update: Constant
    """Energy for gradients and inputs."""
    step: Constant
    """Energy of the optimiser, once per parameter."""

    @classmethod
    def alike(cls, mac: Constant) -> Self:
        """Return one energy for all products."""
        return cls(mac, mac, mac, mac)


def price(
    counts: StepCounts,
    bits: float | Mapping[str, float],
    placement: Iterable[Placed],
    hierarchy: Hierarchy,
    mac: Constant | Macs,
    reuse: Constant = REUSE,
) -> Bill:
    """Return the bill of `counts`.

    Parameters
    ----------
    counts
        Multiply-adds and values moved.
    bits
        Bits per value, of one width or by kind of tensor; kinds not given have 32. Those of `data`
        are as it is stored: it is multiplied in the width of activations.
    placement
        Where the working sets live in `hierarchy`, made with the same bits.
    hierarchy
        The memory levels.
    mac
        Energy of one multiply-add, J, or of each kind.
    reuse
        Number of uses of an operand once it has been taken from the innermost level.

    Raises
    ------
    ParameterError
        If the energy per byte of a level that is needed is not known.
    """
    size = bytes_by_kind(bits)
    homes = {placed.working_set.name: placed.level for placed in placement}
    widths = size | {"data": size["activations"]}  # pixels are multiplied as activations are
    taken = sum(counts.operands[kind] * width for kind, width in widths.items())
    per_byte = energy_per_byte(hierarchy.innermost, hierarchy)
    macs = mac if isinstance(mac, Macs) else Macs.alike(mac)
    bill = Bill()
    for product, energy in macs._asdict().items():
        bill.add("arithmetic", getattr(counts, product), energy)
    bill.add_joules(
        hierarchy.innermost.name,
        taken * per_byte.value / reuse.value,
        {per_byte: 1.0, reuse: -1.0},
    )
    for kind, count in counts.accesses.items():
        if count:
            level = homes[next(name for name in HOMES[kind] if name in homes)]
            bill.add(level.name, count * size[kind], energy_per_byte(level, hierarchy))
    return bill


def train_bill(
    layers: Layers,
    batch: int,
    images: int,
    hierarchy: Hierarchy,
    bits: float | Mapping[str, float],
    mac: Constant | Macs,
    reuse: Constant = REUSE,
    states: int = 0,
) -> Bill:
    """Return the energy of learning from one of `images` data, in batches.

    There is a master copy if it has other bits than the weights: with bits by kind it has 32 by
    default, with bits of one width there is none. See `price` and `step_counts`.
    """
    size = bytes_by_kind(bits)
    sets = working_sets(layers, batch, images, bytes_per_value=size)
    counts = step_counts(layers, batch, master=size["master"] != size["weights"], states=states)
    return price(counts, bits, place(sets, hierarchy), hierarchy, mac, reuse) * (1 / batch)


def energy_per_byte(level: Level, hierarchy: Hierarchy) -> Constant:
    """Return the energy of one byte read or written in a level of a hierarchy, J; refuse none."""
    if level.energy_per_byte is None:
        raise ParameterError(
            f"Level.energy_per_byte: is required to price work on {hierarchy.name}, "
            f"but {level.name} has none"
        )
    return level.energy_per_byte
