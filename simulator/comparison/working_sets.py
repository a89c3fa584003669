"""Working sets of a training step, after the caching analysis of BUTTER-E (facts A.5).

==================  ==========  ===========================  ==========
set                 replicated  distributed                  stacked on
==================  ==========  ===========================  ==========
l, inter-layer      0           max_i B (w_i + w_{i+1})      -
f, forward pass     P           0                            l
b, backward pass    2 P         B sum_i w_i - l              l
d, data set         0           n (features + targets)       b
==================  ==========  ===========================  ==========

in values; of a replicated set every core holds a copy, a distributed one is split over them. Each
kind of tensor has its own number of bytes: P of the forward pass are weights, 2 P are weights and
their gradients. With a `master` copy of another width than the weights b has 3 P: weights, the copy
and gradients of its width; state of an optimiser is left out, as by the authors, who trained with
Adam. Recognition has no b: d then lies on f (ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.simulator.comparison.layers import Layers, data_outputs

KINDS = ("weights", "activations", "gradients", "master", "data")
"""Kinds of tensor; `gradients` are those of activations and of weights."""


class WorkingSet(NamedTuple):
    """Bytes that are used again and again while a piece of work lasts."""

    name: str
    """Name: l, f, b or d."""
    replicated: float
    """Bytes of which every unit of a level holds a copy."""
    distributed: float
    """Bytes that are split over the units of a level."""
    stacked_on: str | None
    """Set of higher priority that is placed before."""

    @property
    def total(self) -> float:
        """Bytes of one copy."""
        return self.replicated + self.distributed


def bytes_by_kind(bits: float | Mapping[str, float]) -> dict[str, float]:
    """Return bytes per value of each kind of tensor, from bits, of one width or by kind.

    Kinds that are not given have 32 bits.
    """
    widths = dict(bits) if isinstance(bits, Mapping) else dict.fromkeys(KINDS, bits)
    for kind, width in widths.items():
        if kind not in KINDS:
            raise ParameterError(f"bits.{kind}: unknown kind of tensor{nearest(kind, KINDS)}")
        if not width > 0:
            raise ParameterError(f"bits.{kind}: must be a number > 0 (got {width})")
    return {kind: widths.get(kind, 32) / 8 for kind in KINDS}


def working_sets(
    layers: Layers,
    batch: int,
    observations: int,
    outputs_per_observation: int | None = None,
    bytes_per_value: float | Mapping[str, float] = 4,
    training: bool = True,
) -> tuple[WorkingSet, ...]:
    """Return the working sets in the order of their priority.

    Parameters
    ----------
    layers
        The network.
    batch
        Observations that are processed at a time.
    observations
        Observations in the data set.
    outputs_per_observation
        Target values per observation; if `None`, as many as outputs if more than two, else one.
    bytes_per_value
        Bytes of every value, or by kind of tensor, see `bytes_by_kind`.
    training
        Whether there is a backward pass.
    """
    for name, value in (("batch", batch), ("observations", observations)):
        if value < 1:
            raise ParameterError(f"working_sets.{name}: must be a whole number >= 1 (got {value})")
    if isinstance(bytes_per_value, Mapping):
        size = bytes_by_kind({kind: 8 * width for kind, width in bytes_per_value.items()})
    else:
        size = bytes_by_kind(8 * bytes_per_value)
    targets = outputs_per_observation
    if targets is None:
        targets = data_outputs(layers.widths[-1])
    between = size["activations"] * batch * max(map(sum, layers.matrices))
    forward = size["weights"] * layers.parameters
    copies = size["weights"] + size["gradients"]
    if size["master"] != size["weights"]:
        copies = size["weights"] + 2 * size["master"]
    kept = size["activations"] * batch * sum(layers.widths) - between
    data = size["data"] * observations * (layers.widths[0] + targets)
    sets = [WorkingSet("l", 0, between, None), WorkingSet("f", forward, 0, "l")]
    if training:
        sets.append(WorkingSet("b", copies * layers.parameters, kept, "l"))
    return (*sets, WorkingSet("d", 0, data, sets[-1].name))
