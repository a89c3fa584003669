"""Values of formats as conductances."""

from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.comparison.formats import get, level_map

CBRAM = Device.load("subquantum-cbram").without_variability()
WIDE = CBRAM.replace(g_min=1e-9, g_max=1e-5)
PAIRS = {
    "fp4": {"levels": 8, "level_radix": 4.0},
    "fp4-odd-low": {"levels": 8, "level_radix": 4.0},
    "luq": {"levels": 8, "level_radix": 2.0},
    "luq5": {"levels": 6, "level_radix": 2.0},
    "sawb4-zero": {"levels": 8},
    "pact4": {"levels": 16},
    "int8-symmetric": {"levels": 128},
    "fp16": {},
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_of_cells_hold_values_in_proportion(name: str) -> None:
    device = WIDE.replace(**PAIRS[name])
    values, plus, minus, unit = level_map(get(name), device)
    np.testing.assert_array_equal(values, get(name).values())
    np.testing.assert_allclose((plus - minus) * unit, values, atol=1e-12 * values.max())
    assert max(plus.max(), minus.max()) == pytest.approx(device.g_max, rel=1e-12)
    assert (np.minimum(plus, minus) == device.g_min).all()


@pytest.mark.parametrize("name", [name for name in PAIRS if name != "fp16"])
def test_an_array_keeps_the_values_that_it_is_given(name: str) -> None:
    device = WIDE.replace(**PAIRS[name])
    values, plus, minus, unit = level_map(get(name), device)
    crossbar = Crossbar(device, (values.size, 2), seed=0)
    crossbar.set_conductance(np.stack([plus, minus], axis=1))
    held = crossbar.conductance.astype(float)
    np.testing.assert_allclose((held[:, 0] - held[:, 1]) * unit, values, atol=2e-7 * values.max())


def test_single_cells_hold_values_if_the_window_is_as_wide() -> None:
    values, plus, minus, unit = level_map(get("fp4"), WIDE, pair=False)
    assert values.tolist() == [0] + [4.0**k for k in range(-3, 4)]
    np.testing.assert_allclose(plus * unit, values, rtol=1e-12)
    assert not minus.any()
    assert plus[0] == 0
    assert plus[1] >= WIDE.g_min
    just = WIDE.replace(g_min=WIDE.g_max / 4096)
    assert level_map(get("fp4"), just, pair=False).plus[1] == pytest.approx(just.g_min)
    narrow = WIDE.replace(g_min=WIDE.g_max / 4095)
    with pytest.raises(ParameterError, match=r"fp4 needs a window of g_max / g_min >= 4096 .*4095"):
        level_map(get("fp4"), narrow, pair=False)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("fp4", {"levels": 8}), ("fp4", {"levels": 7, "level_radix": 4.0}),
     ("fp4", {"levels": 8, "level_radix": 2.0}), ("sawb4", {"levels": 8}),
     ("sawb4-zero", {"levels": 16}), ("pact4", {"levels": 15})],
)  # fmt: skip
def test_missing_states_are_named(name: str, changes: dict) -> None:
    with pytest.raises(ParameterError, match=rf"level_map: {name} needs a state .* missing among"):
        level_map(get(name), WIDE.replace(**changes))


def test_finer_states_hold_coarser_values() -> None:
    assert level_map(get("luq5"), WIDE.replace(levels=8, level_radix=2.0)).plus.size == 11
    assert level_map(get("sawb2-zero"), WIDE.replace(levels=33)).plus.size == 3
