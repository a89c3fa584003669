from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.lines import effective_matrix as module
from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.effective_matrix import Effective, effective
from cbramsim.simulator.lines.solver import solve
from tests.simulator.lines.oracle import dense_voltages

WIRES = Wires(r_word=2.0, r_bit=3.0, r_source=50.0, r_sense=20.0)
KINDS = {
    "lines": Wires(r_word=5, r_bit=5),
    "all": WIRES,
    "both ends": WIRES.replace(word_ends="both", bit_ends="both"),
    "access": WIRES.replace(r_access=5e3),
    "heavy": Wires(r_word=1e4, r_bit=2e3, r_source=1e5, r_sense=1e4),
    "ideal word lines": WIRES.replace(r_word=0, r_source=0),
    "ideal bit lines": WIRES.replace(r_bit=0, r_sense=0, word_ends="both"),
    "only ends": Wires(r_word=0, r_bit=0, r_source=100, r_sense=70),
    "only access": Wires(r_word=0, r_bit=0, r_access=1e4),
    "ideal": Wires(r_word=0, r_bit=0),
    "hardly any": Wires(r_word=1e-9, r_bit=1e-9, r_source=1e3),
}


def random_cells(shape: tuple[int, int] = (13, 9), seed: int = 0) -> NDArray:
    rng = np.random.default_rng(seed)
    g = 10 ** rng.uniform(-7, -4, shape)
    g[rng.random(shape) < 0.1] = 0
    return g


def assert_sees_what_is_solved(g: NDArray, wires: Wires, seen: Effective, seed: int) -> None:
    """For voltages of both signs, against the solution of the whole array."""
    v = np.random.default_rng(seed).uniform(-0.3, 0.5, len(g))
    solution = solve(g, Terminals.product(v, g.shape[1], wires), wires, tolerance=1e-11)
    near = 3e-9 * solution.through
    np.testing.assert_allclose(v @ seen.conductance, solution.outputs, atol=near)
    np.testing.assert_allclose(seen.admittance @ v, solution.inputs, atol=near)
    cells, lines = seen.power(v)
    power = solution.power
    assert cells == pytest.approx(power.cells + power.access, abs=near)
    assert lines == pytest.approx(power.word_lines + power.bit_lines, abs=near)
    assert cells + lines == pytest.approx(power.source, abs=near)


@pytest.mark.parametrize("wires", KINDS.values(), ids=KINDS)
def test_products_are_solutions(wires: Wires) -> None:
    g = random_cells()
    assert_sees_what_is_solved(g, wires, effective(g, wires), 1)


@given(
    rows=st.integers(1, 25), columns=st.integers(1, 25), word=st.floats(-2, 5),
    bit=st.floats(-2, 5), source=st.floats(-2, 5), ends=st.sampled_from(["one", "both"]),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_products_are_solutions_in_every_array(
    rows: int, columns: int, word: float, bit: float, source: float, ends: str, seed: int
) -> None:
    wires = Wires(
        r_word=10**word, r_bit=10**bit, r_source=10**source, word_ends=ends, bit_ends=ends
    )
    g = random_cells((rows, columns), seed)
    assert_sees_what_is_solved(g, wires, effective(g, wires, threads=1), seed)


@pytest.mark.parametrize("wires", KINDS.values(), ids=KINDS)
def test_admittance_and_dissipation_are_symmetric_and_lose_energy(wires: Wires) -> None:
    seen = effective(random_cells(), wires)
    scale = np.abs(seen.admittance).max()
    for matrix in (seen.admittance, seen.dissipation, seen.admittance - seen.dissipation):
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-9 * scale)
        assert np.linalg.eigvalsh(matrix + matrix.T).min() > -1e-9 * scale
    assert (seen.conductance >= 0).all()
    # what goes in comes out, through bit lines or other word lines
    np.testing.assert_allclose(
        seen.admittance.sum(axis=0), seen.conductance.sum(axis=1), atol=1e-8 * scale
    )
    off_diagonal = seen.admittance - np.diag(np.diag(seen.admittance))
    assert off_diagonal.max() <= 1e-9 * scale


def test_reads_add_up_and_so_do_not_their_powers() -> None:
    """Currents are linear in the voltages, power is quadratic."""
    seen = effective(random_cells(), WIRES)
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 0.3, (2, 13))
    outputs = [
        solve(random_cells(), Terminals.product(v, 9, WIRES), WIRES).outputs for v in (a, b, a + b)
    ]
    np.testing.assert_allclose(outputs[0] + outputs[1], outputs[2], rtol=1e-6)
    batch = seen.power(np.stack([a, b, a + b, a - b]))
    for part, each in zip(batch, zip(*(seen.power(v) for v in (a, b, a + b, a - b)), strict=True),
                          strict=True):  # fmt: skip
        np.testing.assert_allclose(part, each, rtol=1e-12)
        assert part[2] + part[3] == pytest.approx(2 * (part[0] + part[1]), rel=1e-9)
        assert part[2] > part[0] + part[1]


def test_the_cells_dissipate_the_derivative_of_the_admittance() -> None:
    """Tellegen: a common relative change of all cells, by differences."""
    g, change = random_cells(), 1e-4
    less, more = (effective(g * (1 + e), WIRES, tolerance=1e-12) for e in (-change, change))
    derivative = (more.admittance - less.admittance) / (2 * change)
    seen = effective(g, WIRES)
    np.testing.assert_allclose(seen.dissipation, derivative, atol=1e-7 * derivative.max())


def test_against_the_equations_written_down_once_more() -> None:
    g, wires = random_cells((5, 4), 3), KINDS["heavy"]
    seen = effective(g, wires, tolerance=1e-12)
    for i, v in enumerate(np.eye(5)):
        word, bit = dense_voltages(g, Terminals.product(v, 4, wires), wires)
        np.testing.assert_allclose(
            seen.conductance[i], bit[-1] / (wires.r_bit + wires.r_sense), atol=1e-14
        )
        across = word - bit
        assert seen.dissipation[i, i] == pytest.approx((across**2 * g).sum(), rel=1e-9)


def test_little_resistance_is_the_product() -> None:
    """The loss is the resistance times a constant: first order, to seven decades."""
    g = random_cells()
    lost = []
    for r in (1e-2, 1e-5, 1e-9):
        seen = effective(g, Wires(r_word=r, r_bit=r), tolerance=1e-12)
        np.testing.assert_allclose(seen.conductance, g, rtol=100 * r, atol=1e-3 * r * g.max())
        _, lines = seen.power(np.full(13, 0.3))
        lost.append(lines / r)
    assert lost == pytest.approx([lost[-1]] * 3, rel=1e-3)
    ideal = effective(g, KINDS["ideal"])
    np.testing.assert_array_equal(ideal.conductance, g)
    np.testing.assert_array_equal(ideal.admittance, np.diag(g.sum(axis=1)))
    assert ideal.power(np.full(13, 0.3))[1] == 0


def test_the_result_does_not_depend_on_the_threads() -> None:
    results = [effective(random_cells((21, 10)), WIRES, threads=n) for n in (1, 2, 3, 40)]
    for result in results[1:]:
        for one, other in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(one, other)


def test_without_power_the_rest_is_the_same() -> None:
    g = random_cells()
    both = [effective(g, WIRES, dissipation=asked) for asked in (True, False)]
    np.testing.assert_array_equal(both[0].conductance, both[1].conductance)
    np.testing.assert_array_equal(both[0].admittance, both[1].admittance)
    assert both[1].dissipation.size == 0


def test_single_precision_cells_are_taken_as_they_are() -> None:
    g = random_cells().astype(np.float32)
    np.testing.assert_array_equal(
        effective(g, WIRES).conductance, effective(g.astype(float), WIRES).conductance
    )


@pytest.mark.parametrize("left", [1.0, np.nan])
def test_where_relaxation_fails_the_array_is_solved_directly(
    monkeypatch: pytest.MonkeyPatch, left: float
) -> None:
    monkeypatch.setattr(module, "_drive_each", lambda *_: left)
    g = random_cells()
    assert_sees_what_is_solved(g, WIRES, effective(g, WIRES), 2)


@pytest.mark.parametrize("resistance", [1e-9, 1e-7])
def test_lines_with_next_to_no_resistance_beside_their_drivers(resistance: float) -> None:
    """1e-7 beside 1e5 Ohm: of 0.3 V, drops along the line are lost to rounding."""
    wires = Wires(r_word=resistance, r_bit=resistance, r_source=1e5, r_sense=1e5)
    g = random_cells()
    near, ideal = effective(g, wires), effective(g, wires.replace(r_word=0, r_bit=0))
    np.testing.assert_allclose(near.conductance, ideal.conductance, rtol=1e-6)
    np.testing.assert_allclose(near.dissipation, ideal.dissipation, rtol=1e-5, atol=1e-16)


@pytest.mark.parametrize(
    ("g", "changes", "message"),
    [
        (np.full((2, 3), np.inf), {}, "effective.conductance: must be finite"),
        (np.full((2, 3), np.nan), {}, "conductance: must be"),
        (np.full((2, 3), -1.0), {}, "conductance: must be"),
        (np.ones(3), {}, "conductance: must be"),
        (np.ones((0, 3)), {}, "conductance: must be"),
        (np.ones((2, 3)), {"tolerance": 0}, r"effective.tolerance: must be >= 1e-13 and < 1 \(got"),
        (np.ones((2, 3)), {"tolerance": np.nan}, "effective.tolerance"),
    ],
)
def test_what_is_no_array(g: NDArray, changes: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        effective(g, WIRES, **changes)


IN_A_PROGRAM_OF_ITS_OWN = """
import numpy as np
from cbramsim.simulator.lines.circuit import Wires
from cbramsim.simulator.lines.effective_matrix import _drive_each, effective
g = np.random.default_rng(1).uniform(1e-6, 1e-4, (37, 23))
seen = effective(g, Wires(), tolerance=1e-4, threads=1)
print(sum(_drive_each.stats.cache_hits.values()), *(part.tobytes().hex() for part in seen))
"""


@pytest.mark.frozen
def test_the_program_that_compiles_the_loops_finds_the_bits_of_those_that_load_them(
    tmp_path: Path,
) -> None:
    found = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", IN_A_PROGRAM_OF_ITS_OWN],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True, check=True,
        )  # fmt: skip
        loaded, *parts = run.stdout.split()
        found.append((int(loaded), parts))
    (compiled, first), (loaded, second) = found
    assert (compiled, loaded) == (0, 1)
    assert first == second
