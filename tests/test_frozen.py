"""What a network computes stays what it was in version 0.5.0, to the last bit; joules to 1e-12."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.frozen.__main__ import KEPT
from tests.frozen.cases import CASES, arithmetic, begun, learned, resumed

FROZEN = Path(__file__).parent / "frozen"
FOUND = json.loads((FROZEN / "digests.json").read_text())
pytestmark = pytest.mark.skipif(
    arithmetic() != FOUND["arithmetic"], reason="this processor adds up in another order"
)


def same(found: dict[str, Any], name: str) -> None:
    """Operations that 0.5.0 did not have come after those that it had."""
    frozen = FOUND[name]
    for key, value in frozen.items():
        if key not in ("counts", "joules"):
            assert found[key] == value, key
    known = len(frozen["counts"][0])
    counts, joules = (np.array(found[key]) for key in ("counts", "joules"))
    np.testing.assert_array_equal(counts[:, :known], frozen["counts"])
    np.testing.assert_allclose(joules[:, :known], frozen["joules"], rtol=1e-12, atol=0)
    assert not counts[:, known:].any()


OWN_LOOPS = (
    "law table, levels", "levels, radix", "quantum", "flicker", "flicker, verify", "passive",
    "passive, disturb, thirds", "passive, disturb, levels", "passive, hard, ideal rule",
    "passive, verify", "wires", "wires, passive", "wires, verify", "wires, ideal rule, dense",
    "converters, wires", "2 bits, sensed, noisy", "2 bits, flicker, faults",
)  # fmt: skip
"""Cases for each of which loops are compiled that no other test needs: `pytest -m frozen`."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.frozen] * (name in OWN_LOOPS)) for name in CASES]
)
def test_learning_and_naming(name: str) -> None:
    same(learned(*begun(CASES[name])), name)


@pytest.mark.parametrize("name", KEPT)
def test_states_of_half_the_way_go_on(name: str) -> None:
    same(learned(*resumed(FROZEN / "states" / f"{name}.npz")), f"{name}, resumed")
