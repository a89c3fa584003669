from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH
from cbramsim.simulator.array.cells import sum_rows
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.lines.tiles import Tiles

CBRAM = Device.load("subquantum-cbram")
QUIET = CBRAM.without_variability()


def random_crossbar(device: Device = QUIET, shape: tuple[int, int] = (23, 11)) -> Crossbar:
    crossbar = Crossbar(device, shape, seed=5)
    crossbar.set_weights(np.random.default_rng(1).uniform(-1, 1, shape))
    return crossbar


@given(
    rows=st.integers(1, 40), columns=st.integers(1, 70), active=st.integers(0, 40),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_the_read_kernel_equals_numpy(rows: int, columns: int, active: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    g = rng.random((rows, columns), np.float32)
    chosen = np.sort(rng.permutation(rows)[:active]).astype(np.int32)
    out = np.empty(columns, np.float32)
    sum_rows(g, chosen, len(chosen), out)
    np.testing.assert_allclose(out, g[chosen].sum(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (23, 11)])
def test_ohm_and_kirchhoff(shape: tuple[int, int]) -> None:
    crossbar = random_crossbar(shape=shape)
    v = np.random.default_rng(2).uniform(-0.2, 0.2, shape[0])
    expected = [
        sum(v[i] * float(crossbar.conductance[i, k]) for i in range(shape[0]))
        for k in range(shape[1])
    ]
    np.testing.assert_allclose(crossbar.read(v), expected, rtol=1e-5, atol=1e-12)


def test_reading_is_linear_and_batches_are_single_reads(rng: np.random.Generator) -> None:
    crossbar = random_crossbar()
    v = rng.uniform(0, 0.1, (4, 23))
    together = crossbar.read(v)
    np.testing.assert_allclose(together, [crossbar.read(one) for one in v], rtol=1e-5)
    np.testing.assert_allclose(crossbar.read(v.sum(axis=0)), together.sum(axis=0), rtol=1e-5)


def test_signed_currents_are_the_product_with_the_weights(rng: np.random.Generator) -> None:
    crossbar = random_crossbar()
    v = rng.uniform(0, 0.1, 23)
    expected = 0.5 * QUIET.g_range * v @ crossbar.weights
    np.testing.assert_allclose(crossbar.read(v, signed=True), expected, rtol=1e-4, atol=1e-11)


def test_a_read_of_spikes_is_a_read_at_the_read_voltage() -> None:
    crossbar = random_crossbar()
    spikes = np.arange(23) % 3 == 0
    np.testing.assert_allclose(
        crossbar.read_spikes(spikes), crossbar.read(CBRAM.v_read * spikes), rtol=1e-6
    )


def test_read_noise_has_the_variance_of_independent_cells() -> None:
    crossbar = random_crossbar(QUIET.replace(read_c2c=0.05))
    v = np.linspace(0, 0.1, 23)
    noise = crossbar.read(np.tile(v, (20_000, 1))) - crossbar.read(v, noise=False)
    expected = 0.05 * QUIET.g_range * np.sqrt((v**2).sum())
    np.testing.assert_allclose(noise.std(axis=0), expected, rtol=0.03)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=4 * expected / np.sqrt(20_000))


def test_read_energy_is_current_times_voltage_times_time(rng: np.random.Generator) -> None:
    """Energy from the power of the sources, sum(V_i I_i), with I_i the word-line currents."""
    crossbar = random_crossbar()
    v = rng.uniform(0, 0.1, 23)
    v[::4] = 0
    crossbar.read(v, signed=True)
    word_line_currents = (v[:, None] * crossbar.conductance.astype(float)).sum(axis=1)
    account = crossbar.ledger.account("use")
    assert account.joules[Operation.CELL_READ] == pytest.approx(
        QUIET.t_read * (v * word_line_currents).sum(), rel=1e-6
    )
    assert account.counts[Operation.CELL_READ] == np.count_nonzero(v) * 11
    assert account.joules[Operation.REFERENCE_READ] == pytest.approx(
        QUIET.t_read * QUIET.g_mid * (v**2).sum(), rel=1e-6
    )
    drive = np.count_nonzero(v) * Periphery.load("cmos-28nm").e_word_line
    line = 11 * QUIET.c_cell * (v**2).sum()
    assert account.joules[Operation.WORD_LINE_DRIVE] == pytest.approx(drive + line, rel=1e-6)


def test_programming_touches_only_the_chosen_cells() -> None:
    crossbar = random_crossbar(CBRAM)
    before = crossbar.conductance.copy()
    crossbar.program(4, [2, 7], [3, -3])
    changed = np.argwhere(crossbar.conductance != before).tolist()
    assert changed == [[2, 4], [7, 4]]


def test_both_layouts_and_row_sums_stay_in_step() -> None:
    crossbar = random_crossbar(CBRAM)
    for column in range(11):
        crossbar.program(column, np.arange(23), np.arange(23) - 11)
    crossbar.disconnect(3, [1, 2])
    state = crossbar.state
    np.testing.assert_array_equal(state.g_columns, state.g.T)
    np.testing.assert_allclose(state.row_sum, state.g.sum(axis=1, dtype=float), rtol=1e-12)


def test_inhibited_cells_get_no_pulse() -> None:
    crossbar = random_crossbar(CBRAM)
    crossbar.inhibit(4, [2, 3])
    before = crossbar.conductance.copy()
    crossbar.program(4, [2, 3, 5], 4)
    crossbar.program_to(4, [2, 3], CBRAM.g_max)
    np.testing.assert_array_equal(crossbar.conductance[[2, 3], 4], before[[2, 3], 4])
    assert crossbar.ledger.count("use", Operation.PROGRAM_PULSE) == 4


def test_disconnected_cells_carry_no_current_and_weigh_nothing() -> None:
    crossbar = random_crossbar()
    crossbar.disconnect(4, np.arange(23))
    v = np.full(23, 0.1)
    assert crossbar.read(v)[4] == 0
    assert abs(crossbar.read(v, signed=True)[4]) < 1e-6 * crossbar.read(v).max()
    assert not crossbar.weights[:, 4].any()


def test_an_open_cell_costs_nothing_to_read() -> None:
    crossbar, whole = random_crossbar(), random_crossbar()
    crossbar.disconnect(4, [0])
    for array in (crossbar, whole):
        array.read(np.full(23, 0.1))
    lost = QUIET.t_read * 0.01 * float(whole.conductance[0, 4])
    joules = [a.ledger.account("use").joules[Operation.CELL_READ] for a in (whole, crossbar)]
    assert joules[0] - joules[1] == pytest.approx(lost, rel=1e-4)


@pytest.mark.parametrize("weight", [-1.0, -0.6, 0.0, 0.7, 1.0])
def test_program_and_verify_comes_within_half_a_step(weight: float) -> None:
    crossbar = random_crossbar(shape=(50, 2))
    target = QUIET.g_min + 0.5 * (weight + 1) * QUIET.g_range
    crossbar.program_to(1, np.arange(50), target)
    half_step = 0.5 * max(QUIET.step_up(QUIET.g_min), QUIET.step_down(QUIET.g_max))
    assert np.abs(crossbar.conductance[:, 1] - target).max() < half_step


def test_the_same_seed_draws_the_same_cells_and_noise() -> None:
    v = np.full(23, 0.1)
    first, second = (random_crossbar(CBRAM) for _ in range(2))
    for crossbar in (first, second):
        crossbar.program(2, np.arange(23), 3)
    np.testing.assert_array_equal(first.conductance, second.conductance)
    np.testing.assert_array_equal(first.read(v), second.read(v))
    other = Crossbar(CBRAM, (23, 11), seed=6)
    assert (other.state.cells != first.state.cells).any()


def test_conductance_is_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        random_crossbar().conductance[0, 0] = 1


@pytest.mark.parametrize("shape", [(0, 3), (3, -1), (2.5, 3), (3,), "ab", (3, None)])
def test_an_impossible_shape_is_refused(shape: object) -> None:
    with pytest.raises(ParameterError, match=r"Crossbar\.shape: must be two whole numbers > 0"):
        Crossbar(QUIET, shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("voltages", [np.zeros(22), np.zeros((2, 24)), 0.1])
def test_wrong_voltages_are_refused(voltages: object) -> None:
    with pytest.raises(ParameterError, match="23 values on the last axis"):
        random_crossbar().read(voltages)  # type: ignore[arg-type]


def test_lines_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ParameterError, match="column must be a whole number >= 0 and <= 10"):
        random_crossbar().program(11, [0], 1)
    with pytest.raises(ParameterError, match="rows must be whole numbers >= 0 and <= 22"):
        random_crossbar().program(0, [23], 1)
    with pytest.raises(ParameterError, match="finite"):
        random_crossbar().read(np.full(23, np.nan))


def test_an_open_column_has_no_noise_and_half_a_column_half_the_variance() -> None:
    crossbar = random_crossbar(QUIET.replace(read_c2c=0.05), (40, 3))
    crossbar.disconnect(0, np.arange(40))
    crossbar.disconnect(1, np.arange(20))
    v = np.full((20_000, 40), 0.1)
    currents = crossbar.read(v)
    assert not currents[:, 0].any()
    spread = currents.std(axis=0)
    assert spread[1] / spread[2] == pytest.approx(np.sqrt(0.5), rel=0.03)


@pytest.mark.parametrize("method", ["program", "program_to", "inhibit", "disconnect"])
@pytest.mark.parametrize(
    ("column", "rows"), [(-1, [0]), (11, [0]), (0, [23]), (0, [-1]), (0, [0.5])]
)
def test_no_method_touches_lines_that_do_not_exist(method: str, column: int, rows: list) -> None:
    crossbar = random_crossbar()
    more = {"program": (1,), "program_to": (1e-5,)}.get(method, ())
    with pytest.raises(ParameterError, match=rf"Crossbar\.{method}: (rows|column) must be"):
        getattr(crossbar, method)(column, rows, *more)


@pytest.mark.parametrize("pulses", [1.5, np.nan, 10**9])
def test_impossible_trains_are_refused(pulses: float) -> None:
    with pytest.raises(ParameterError, match="pulses must be whole numbers"):
        random_crossbar().program(0, [0], pulses)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"target must be >= 0 and <= .* S, twice the g_max"):
        random_crossbar().program_to(0, [0], np.nan)
    with pytest.raises(ParameterError, match="values must be finite"):
        random_crossbar().set_weights(np.full((23, 11), np.nan))


def test_verify_gives_up_on_cells_that_cannot_reach_the_target() -> None:
    stuck = QUIET.replace(stuck_high=0.5)
    budget = np.ceil(max(stuck.pulses_up, stuck.pulses_down))
    crossbar = Crossbar(stuck, (200, 1), seed=0)
    high = crossbar.conductance[:, 0] > stuck.g_mid
    assert crossbar.program_to(0, np.arange(200), stuck.g_min) == high.sum() > 50
    assert crossbar.ledger.count("use", Operation.PROGRAM_PULSE) == high.sum() * budget


def test_half_selected_cells_of_a_passive_array_see_half_the_voltage() -> None:
    """V/2 scheme, all cells alike: a pulse drives m + n - 2 cells, each at a quarter of the power."""
    rows, columns = shape = (9, 6)
    crossbar = Crossbar(QUIET, shape, access="passive")
    crossbar.set_weights(np.full(shape, -0.2))
    g = float(crossbar.conductance[0, 0])
    crossbar.program(column=2, rows=[4], pulses=[3])
    crossbar.program(column=1, rows=[7], pulses=[-1])
    moved = float(crossbar.conductance[4, 2]) - g  # no line of the second pulse, so not its concern
    assert moved > 0
    account = crossbar.ledger.account("use")
    set_pulse, reset_pulse = QUIET.v_set**2 * QUIET.t_set, QUIET.v_reset**2 * QUIET.t_reset
    others = rows + columns - 2
    expected = others * g * (3 * set_pulse + reset_pulse) / 4
    assert account.joules[Operation.HALF_SELECT] == pytest.approx(expected, rel=1e-5)
    assert account.counts[Operation.HALF_SELECT] == 4 * others


@pytest.mark.parametrize(("scheme", "others", "part"), [("V/2", 9 + 6 - 2, 4), ("V/3", 53, 9)])
def test_half_selected_gates_are_charged_to_a_part_of_the_voltage(
    scheme: Any, others: int, part: int
) -> None:
    """C (V/2)² each, or C (V/3)², whatever the cells conduct; sensing drives their channels."""
    device = QUIET.replace(c_gate=1e-15)
    crossbar = Crossbar(device, (9, 6), access="passive", scheme=scheme)
    crossbar.program(column=2, rows=[4], pulses=[3])
    crossbar.program(column=1, rows=[7], pulses=[-2])
    account = crossbar.ledger.account("use")
    expected = others * 1e-15 * (3 * device.v_set**2 + 2 * device.v_reset**2) / part
    assert account.joules[Operation.HALF_SELECT] == pytest.approx(expected, rel=1e-12)
    assert account.counts[Operation.HALF_SELECT] == 5 * others
    crossbar.set_weights(np.zeros((9, 6)))
    crossbar.ledger.clear("use")
    crossbar.program_to(0, [0], float(crossbar.conductance[0, 0]))
    sneak = device.v_read**2 * device.t_read * float(crossbar.conductance[0, 1:].sum())
    booked = crossbar.ledger.account("use").joules[Operation.HALF_SELECT]
    assert booked == pytest.approx(sneak, rel=1e-6)


def test_half_selected_cells_are_told_apart_and_follow_the_state() -> None:
    """Against the definition, cell by cell, in an array of different cells."""
    crossbar = random_crossbar()
    passive = Crossbar(QUIET, crossbar.shape, access="passive")
    passive.set_conductance(crossbar.conductance)
    rows, expected = [3, 8, 8, 20], 0.0
    for row in rows:
        g = passive.conductance.astype(float)
        seen = g[row].sum() + g[:, 5].sum() - 2 * g[row, 5]
        expected += (0.5 * QUIET.v_set) ** 2 * QUIET.t_set * seen
        passive.program(column=5, rows=[row], pulses=[1])
    booked = passive.ledger.account("use").joules[Operation.HALF_SELECT]
    assert booked == pytest.approx(expected, rel=1e-6)


def test_a_transistor_in_every_cell_changes_the_bill_and_nothing_else() -> None:
    arrays = {}
    for access in ("transistor", "passive"):
        arrays[access] = Crossbar(CBRAM, (30, 8), seed=3, access=access)
        arrays[access].program(column=2, rows=range(30), pulses=[5] * 15 + [-5] * 15)
        arrays[access].program_to(1, range(30), CBRAM.g_mid)
    with_it, without = (arrays[access].ledger.account("use") for access in arrays)
    np.testing.assert_array_equal(*(array.conductance for array in arrays.values()))
    assert with_it.joules[Operation.HALF_SELECT] == 0
    assert without.joules[Operation.HALF_SELECT] > 0
    for op in Operation:
        if op == Operation.PROGRAM_LINE:  # each line to V, or to V/2
            assert without.joules[op] == pytest.approx(with_it.joules[op] / 4, rel=1e-12)
        elif op != Operation.HALF_SELECT:
            assert with_it.joules[op] == without.joules[op]


def test_sensing_in_a_passive_array_drives_the_whole_word_line() -> None:
    """A cell that is where it should be is sensed once, and the others of its row conduct."""
    device = QUIET
    array = Crossbar(device, (5, 7), access="passive")
    array.set_weights(np.full((5, 7), 0.1))
    g = float(array.conductance[0, 0])
    array.program_to(2, [3], g)
    account = array.ledger.account("use")
    assert account.counts[Operation.SENSE_READ] == 1
    assert account.counts[Operation.HALF_SELECT] == 6
    expected = 6 * device.v_read**2 * device.t_read * g
    assert account.joules[Operation.HALF_SELECT] == pytest.approx(expected, rel=1e-6)


def test_an_unknown_kind_of_access_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"access: must be one of transistor, passive \(got"):
        Crossbar(CBRAM, (3, 3), access="1T1R")


def test_cells_are_programmed_to_targets_of_their_own() -> None:
    crossbar = Crossbar(QUIET, (40, 2), seed=3)
    targets = QUIET.conductance_of(np.linspace(-0.9, 0.9, 40))
    assert crossbar.program_to(1, range(40), targets) == 0
    reached = QUIET.weight_of(crossbar.conductance[:, 1])
    np.testing.assert_allclose(reached, np.linspace(-0.9, 0.9, 40), atol=0.05)
    with pytest.raises(ParameterError, match="one for all or one per row, 40"):
        crossbar.program_to(1, range(40), targets[:7])


def test_lines_end_where_their_tile_does() -> None:
    """A read drives the word lines of all tiles; a sense or a pulse, only those of its own."""
    device = Device.load("subquantum-cbram")
    crossbar = Crossbar(device, (300, 200), tiles=Tiles(rows=100, columns=64))
    one, whole = crossbar.periphery.e_word_line, Crossbar(device, (300, 200))
    read_line = device.c_cell * device.v_read**2
    assert crossbar.word_line_energy == pytest.approx(4 * one + 200 * read_line)
    assert whole.word_line_energy == pytest.approx(one + 200 * read_line)
    tiled, plain = crossbar.program_costs(), whole.program_costs()
    assert plain.sense - tiled.sense == pytest.approx(150 * read_line)
    assert tiled.line_set == pytest.approx((100 + 50) * device.c_cell * device.v_set**2)
    assert plain.line_set == pytest.approx((300 + 200) * device.c_cell * device.v_set**2)


# Values outside the window

OUTSIDE = [
    ("set_weights", 1.5, "values must be >= -1 and <= 1 (got 253 of 253 outside, by up to 0.5;"),
    ("set_weights", -1.01, "by up to 0.01; clip=True takes the nearest inside)"),
    ("set_weights", 1e300, "by up to inf"),
    ("set_conductance", 1.0, " S (got 253 of 253 outside, by up to 1 S"),
    ("set_conductance", 0.0, "Crossbar.set_conductance: values must be >= 2.32e-06"),
    ("set_conductance", -1e-6, "Crossbar.set_conductance: values must be >= 2.32e-06"),
]


@pytest.mark.parametrize(("method", "value", "message"), OUTSIDE)
def test_values_outside_the_window_are_refused_unless_clipped(
    method: str, value: float, message: str
) -> None:
    crossbar = random_crossbar()
    before = crossbar.conductance.copy()
    with pytest.raises(ParameterError) as error:
        getattr(crossbar, method)(value)
    assert message in str(error.value)
    np.testing.assert_array_equal(crossbar.conductance, before)
    getattr(crossbar, method)(value, clip=True)
    end = QUIET.g_max if value > 1e-3 else QUIET.g_min
    np.testing.assert_allclose(crossbar.conductance, end, rtol=1e-6)


def test_how_many_are_outside_is_said() -> None:
    weights = np.zeros((23, 11))
    weights[3, 4], weights[5, 6] = -1.2, 1.7
    with pytest.raises(ParameterError, match=r"2 of 253 outside, by up to 0\.7"):
        random_crossbar().set_weights(weights)


@pytest.mark.parametrize("shape", [(11, 23), (23, 12), (23,), (2, 23, 11), (0, 11)])
@pytest.mark.parametrize("method", ["set_weights", "set_conductance"])
def test_values_of_another_shape_are_refused(method: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError) as error:
        getattr(random_crossbar(), method)(np.full(shape, 1e-5))
    assert (
        f"Crossbar.{method}: values must have the shape (word lines, bit lines), (23, 11)"
        in str(error.value)
    )
    assert ("looks transposed, use .T" in str(error.value)) == (shape == (11, 23))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.nan, "must be finite"), (np.inf, "must be finite"), ("a", "must be real numbers"),
        (1j, "must be real numbers"), (None, "must be real numbers"), (True, "must be real numbers"),
        ([[1.0, 2.0], [3.0]], "in rows of one length"), (10**400, "must be real numbers"),
        (np.ma.masked_array([0.0] * 11, [True] * 11), "values under a mask"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["set_weights", "set_conductance"])
@pytest.mark.parametrize("clip", [False, True])
def test_values_that_are_no_numbers_are_refused(
    method: str, values: object, message: str, clip: bool
) -> None:
    with pytest.raises(ParameterError, match=f"Crossbar.{method}: values {message}|{message}"):
        getattr(random_crossbar(), method)(values, clip=clip)


def test_clip_is_yes_or_no() -> None:
    with pytest.raises(ParameterError, match="clip must be true or false"):
        random_crossbar().set_weights(0.0, clip="no")  # type: ignore[arg-type]


def test_an_array_of_different_cells_can_be_put_back() -> None:
    """A cell's own window may be wider than that of the device, or narrower."""
    first, second = (Crossbar(CBRAM, (40, 30), seed=5) for _ in range(2))
    first.set_weights(np.random.default_rng(0).normal(-1, 0.7, (40, 30)), clip=True)
    first.disconnect(2, [3, 4])
    assert first.weights.min() < -1.01
    second.set_conductance(first.conductance, clip=True)
    second.disconnect(2, [3, 4])
    second.set_conductance(first.conductance)
    np.testing.assert_array_equal(second.conductance, first.conductance)
    second.set_weights(first.weights)
    np.testing.assert_allclose(second.conductance, first.conductance, rtol=1e-5)
    second.set_weights(1.0)  # where a cell does not get there, it takes what it has
    high = second.state.cells[..., G_HIGH].T
    assert (high < CBRAM.g_max).any()
    assert second.conductance.max() <= np.float32(CBRAM.g_max)
