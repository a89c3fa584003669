from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.circuits.reference import Reference

KINDS = ["column", "pair", "offset"]
ROWS, COLUMNS = 40, 7


def case(kind: str) -> tuple[Reference, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    reference = Reference(kind=kind, g_min=2e-6, g_max=9e-5)
    return reference, rng.uniform(-1, 1, (ROWS, COLUMNS)), rng.uniform(0, 0.2, (6, ROWS)), rng


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_give_the_signed_product(kind: str) -> None:
    reference, w, v, _ = case(kind)
    g = reference.conductances(w).astype(float)
    assert g.shape == (ROWS, reference.physical_columns(COLUMNS))
    assert g.min() >= 2e-6 * (1 - 1e-6)
    assert g.max() <= 9e-5 * (1 + 1e-6)
    np.testing.assert_allclose(reference.combine(v @ g, v.sum(axis=1)), v @ w, atol=1e-5)


def errors(kind: str, disturb) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Return the error of a disturbed product beside the product, and of one scaled to fit."""
    reference, w, v, _ = case(kind)
    currents = disturb(v @ reference.conductances(w).astype(float))
    result, exact = reference.combine(currents, v.sum(axis=1)), v @ w
    scale = (result * exact).sum() / (exact**2).sum()
    return float(np.abs(result - exact).max()), float(np.abs(result - scale * exact).max())


def test_a_common_gain_only_scales_what_is_read_against_cells() -> None:
    def lossy(currents: np.ndarray) -> np.ndarray:
        return 0.9 * currents

    for kind in ("column", "pair"):
        error, shape_error = errors(kind, lossy)
        assert error > 0.05
        assert shape_error < 1e-5
    # The digital offset keeps its full size: -0.1 G_mid sum(V) is left over in every column.
    reference, w, v, _ = case("offset")
    result = reference.combine(0.9 * (v @ reference.conductances(w)), v.sum(axis=1))
    left = -0.1 * reference.g_mid * v.sum(axis=1) / reference.g_unit
    np.testing.assert_allclose(result - 0.9 * v @ w, np.tile(left, (COLUMNS, 1)).T, atol=1e-4)


def test_a_common_current_cancels_against_cells_only() -> None:
    def leaky(currents: np.ndarray) -> np.ndarray:
        return currents + 5e-6

    assert errors("column", leaky)[0] < 1e-5
    assert errors("pair", leaky)[0] < 1e-5
    assert errors("offset", leaky)[0] == pytest.approx(5e-6 / 4.4e-5, rel=1e-3)


def test_a_gradient_along_the_array_cancels_in_neighbours_only() -> None:
    def sloped(currents: np.ndarray) -> np.ndarray:
        return currents + np.linspace(0, 5e-6, currents.shape[-1])

    assert errors("pair", sloped)[0] == pytest.approx(5e-6 / 13 / 8.8e-5, rel=1e-2)
    assert errors("column", sloped)[0] == pytest.approx(5e-6 / 4.4e-5, rel=1e-2)


def test_columns_and_additions_are_counted() -> None:
    counted = {
        kind: (
            Reference(kind=kind, g_min=0, g_max=1e-4).physical_columns(10),
            Reference(kind=kind, g_min=0, g_max=1e-4).additions(100, 10),
        )
        for kind in KINDS
    }
    assert counted == {"column": (11, 10), "pair": (20, 10), "offset": (10, 110)}


def test_wrong_values_are_named() -> None:
    with pytest.raises(ParameterError, match=r"Reference: g_max must be above g_min"):
        Reference(g_min=1e-4, g_max=1e-5)
    with pytest.raises(ParameterError, match=r"Reference\.conductances"):
        Reference(g_min=0, g_max=1e-4).conductances([[1.5]])
