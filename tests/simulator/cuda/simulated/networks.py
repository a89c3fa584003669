"""Small networks for the comparisons, and what is compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim import SpikingNetwork

IMAGES = (np.random.default_rng(0).random((6, 36)) ** 3 * 256).astype(np.uint8)
"""Grey levels of 36 pixels."""
LABELS = np.arange(len(IMAGES)) % 3


def network(seed: int = 1, **changes: Any) -> SpikingNetwork:
    """Return a network that has been prepared, and has six neurons unless `changes` say otherwise."""
    changes = {"neurons": 6, "encoding": {"windows": 2}} | changes
    made = SpikingNetwork(seed=seed, **changes)
    made.prepare(IMAGES)
    (layer,) = made.layers
    layer.crossbar.state = with_typed_numbers(layer.crossbar.state)
    layer.rule = with_typed_numbers(layer.rule)
    return made


def with_typed_numbers(item: Any) -> Any:
    """Return NamedTuples whose numbers have the types that compiled loops give them.

    In plain Python, a float32 times a float is a float32; times a float64 it is none.
    """
    if isinstance(item, tuple):
        return type(item)(*map(with_typed_numbers, item))
    return item if isinstance(item, np.ndarray) else np.asarray(item)[()]


def differences(one: SpikingNetwork, other: SpikingNetwork) -> dict[str, Any]:
    """Return names of what is not equal in two networks; energies may differ by 1e-12."""
    mine, its = one.to_state(), other.to_state()
    wrong: dict[str, Any] = {name: "not there" for name in mine.keys() ^ its.keys()}
    for name in mine.keys() & its.keys():
        a, b = np.asarray(mine[name]), np.asarray(its[name])
        # Sums in another order: of what threads book, and of a row, to which several columns add.
        near = name.endswith("joules")
        equal = np.allclose(a, b, rtol=1e-12, atol=0) if near else np.array_equal(a, b)
        if not equal:
            wrong[name] = a, b
    return wrong


def energies_apart(mine: NDArray[np.float64], its: NDArray[np.float64]) -> float:
    """Return by how much, relatively, sums of energies differ at most."""
    return float(np.max(np.abs(mine - its) / np.where(its == 0, 1, np.abs(its))))
