"""Weights in several cells: closed forms, a plain reference, renewal, and what is booked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.synapse import Synapse, SynapseCrossbar
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.lines import Tiles, Wires

QUIET = Device.load("subquantum-cbram").without_variability()
LINEAR = QUIET.replace(nonlinearity_up=0.0, nonlinearity_down=0.0, pulses_up=100, pulses_down=100)
ABRUPT = Device.load("pcm-nandakumar").without_variability().replace(read_1f=())
SHAPE = (30, 6)
ROWS = np.arange(SHAPE[0])
KINDS = {
    "sum": Synapse(cells=3),
    "pair": Synapse(pair=True),
    "pairs": Synapse(cells=2, pair=True),
    "by sets": Synapse(cells=2, pair=True, pulses="set"),
    "two significances": Synapse(cells=2, significance=4),
    "four cells": Synapse(pair=True, pulses="set", significance=3),
}
kinds = pytest.mark.parametrize("synapse", KINDS.values(), ids=KINDS.keys())


def array(synapse: Synapse, device: Device = QUIET, **built: Any) -> SynapseCrossbar:
    crossbar = SynapseCrossbar(device, SHAPE, synapse, seed=2, **built)
    crossbar.set_weights(np.random.default_rng(0).uniform(-1, 1, SHAPE))
    return crossbar


def of_cells(crossbar: SynapseCrossbar) -> NDArray[np.float64]:
    """Return the weights of the cells by themselves, float64[rows, planes, columns]."""
    weights = crossbar.device.weight_of(crossbar.cells.conductance.astype(float))
    return weights.reshape(crossbar.shape[0], -1, crossbar.planes).swapaxes(1, 2)


def booked(crossbar: SynapseCrossbar, operation: Operation) -> int:
    return int(crossbar.cells.ledger.account("use").counts[operation])


# ---- what a weight is --------------------------------------------------------------------------


@kinds
def test_a_weight_is_the_signed_and_weighed_sum_of_its_cells(synapse: Synapse) -> None:
    crossbar = array(synapse)
    wanted = np.random.default_rng(0).uniform(-1, 1, SHAPE)
    np.testing.assert_allclose(crossbar.weights, wanted, atol=2e-6)
    total = 0.0
    for plane in range(synapse.planes):
        sign = -1 if synapse.pair and plane % 2 else 1
        weighing = synapse.significance if plane >= synapse.written else 1
        total = total + sign * weighing * of_cells(crossbar)[:, plane]
    groups = 1 if synapse.significance == 1 else 1 + synapse.significance
    expected = total / (synapse.cells * synapse.sides * groups)
    np.testing.assert_allclose(crossbar.weights, expected, atol=2e-6)
    assert np.abs(synapse.parts).sum() == pytest.approx(1)


@kinds
def test_a_read_is_the_product_with_the_weights(synapse: Synapse) -> None:
    crossbar = array(synapse)
    volts = np.random.default_rng(1).uniform(0, 0.1, (3, SHAPE[0]))
    expected = 0.5 * QUIET.g_range * volts @ crossbar.weights.astype(float)
    np.testing.assert_allclose(crossbar.read(volts), expected, rtol=1e-4, atol=1e-11)


def test_the_reads_of_one_cell_and_of_equal_cells_agree() -> None:
    volts = np.linspace(0, 0.1, SHAPE[0])
    one = Crossbar(QUIET, SHAPE)
    one.set_weights(array(KINDS["sum"]).weights)
    expected = one.read(volts, signed=True)
    np.testing.assert_allclose(array(KINDS["sum"]).read(volts), expected, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("cells", [1, 4, 16])
def test_the_noise_of_a_read_falls_with_the_root_of_the_cells(cells: int) -> None:
    device = QUIET.replace(read_c2c=0.05)
    crossbar = SynapseCrossbar(device, (30, 400), Synapse(cells=cells, pair=True), seed=1)
    volts = np.full(30, 0.1)
    quiet = crossbar.read(volts, noise=False)
    found = np.std([crossbar.read(volts) - quiet for _ in range(20)])
    of_weight = 0.05 * device.g_range / np.sqrt(2 * cells)
    assert found == pytest.approx(0.1 * np.sqrt(30) * of_weight, rel=0.03)


def test_the_spread_of_cells_falls_with_the_root_of_their_number() -> None:
    device = QUIET.replace(g_max_d2d_of_window=0.1)
    spreads = []
    for cells in (1, 9):
        crossbar = SynapseCrossbar(device, (200, 50), Synapse(cells=cells, significance=1), seed=4)
        crossbar.set_weights(1.0, clip=True)
        spreads.append(float(crossbar.weights[crossbar.weights < 1.5].std()))
    # Cells above the nominal window stay within it: a half-normal spread, for every cell.
    assert spreads[0] / spreads[1] == pytest.approx(3, rel=0.05)


# ---- pulses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [1, 2, 5])
@pytest.mark.parametrize("pair", [False, True])
def test_a_pulse_on_one_cell_is_its_part_of_a_step(cells: int, pair: bool) -> None:
    synapse = Synapse(cells=cells, pair=pair)
    crossbar = SynapseCrossbar(LINEAR, SHAPE, synapse)
    crossbar.set_weights(0.0)
    for _ in range(10):
        crossbar.program(2, ROWS, 1)
    expected = 10 * (2 / 100) / synapse.planes
    np.testing.assert_allclose(crossbar.weights[:, 2], expected, atol=1e-5)
    pulses = crossbar.cells.pulse_counts.reshape(SHAPE[0], -1, synapse.planes)[:, 2]
    assert np.ptp(pulses) <= 1
    assert pulses.sum() == 10 * SHAPE[0]
    np.testing.assert_array_equal(crossbar.updates, [0, 0, 10, 0, 0, 0])


def test_the_noise_of_pulses_adds_up_over_the_cells() -> None:
    """m pulses of noise s on N cells in turn: s sqrt(m) / N of the window, twice that in weight."""
    device = LINEAR.replace(step_c2c=0.01)
    crossbar = SynapseCrossbar(device, (2000, 1), Synapse(cells=4), seed=3)
    crossbar.set_weights(0.0)
    for _ in range(12):
        crossbar.program(0, np.arange(2000), 1)
    assert crossbar.weights.std() == pytest.approx(2 * 0.01 * np.sqrt(12) / 4, rel=0.05)


@pytest.mark.parametrize("pulses", ["both", "set"])
def test_a_pair_falls_as_it_rises(pulses: Any) -> None:
    """Reciprocity: whatever the law, the two sides are each other's mirror image."""
    synapse = Synapse(pair=True, pulses=pulses)
    up, down = (SynapseCrossbar(QUIET, SHAPE, synapse) for _ in range(2))
    for crossbar, way in ((up, 1), (down, -1)):
        crossbar.set_weights(0.0)
        for _ in range(20):
            crossbar.program(0, ROWS, 3 * way)
    if pulses == "both":  # an even number of turns has used both sides alike
        np.testing.assert_allclose(up.weights[:, 0], -down.weights[:, 0], atol=0.02)
    else:
        np.testing.assert_allclose(up.weights[:, 0], -down.weights[:, 0], atol=1e-6)
    assert up.weights[0, 0] > 0.3


def test_random_updates_do_what_a_plain_loop_says() -> None:
    """Ten lines of Python: whose turn it is, and the step of the nominal device."""
    for synapse in (Synapse(cells=3), Synapse(cells=2, pair=True)):
        crossbar, rng = array(synapse), np.random.default_rng(5)
        g = crossbar.cells.conductance.astype(float).reshape(SHAPE[0], -1, synapse.planes)
        turns = np.zeros(SHAPE[1], int)
        for _ in range(60):
            column = int(rng.integers(SHAPE[1]))
            pulses = rng.integers(-2, 3, SHAPE[0])
            crossbar.program(column, ROWS, pulses)
            plane = turns[column] % synapse.planes
            turns[column] += 1
            sign = -1 if synapse.pair and plane % 2 else 1
            for row, signed in enumerate(sign * pulses):
                for _ in range(abs(signed)):
                    at = g[row, column, plane]
                    step = QUIET.step_up(at) if signed > 0 else -QUIET.step_down(at)
                    g[row, column, plane] = np.clip(at + step, QUIET.g_min, QUIET.g_max)
        expected = g.reshape(SHAPE[0], -1)
        np.testing.assert_allclose(crossbar.cells.conductance, expected, rtol=1e-4)


def test_inhibited_and_disconnected_weights_get_no_pulses() -> None:
    crossbar = array(KINDS["pairs"])
    before = crossbar.weights
    crossbar.inhibit(1, [3, 4])
    crossbar.disconnect(1, [7])
    for _ in range(8):
        crossbar.program(1, ROWS, 2)
    after = crossbar.weights
    np.testing.assert_array_equal(after[[3, 4], 1], before[[3, 4], 1])
    assert after[7, 1] == 0
    assert np.all(np.delete(after[:, 1], [3, 4, 7]) >= np.delete(before[:, 1], [3, 4, 7]))
    volts = np.zeros(SHAPE[0])
    volts[7] = 0.1
    assert crossbar.read(volts)[1] == pytest.approx(0, abs=1e-15)
    crossbar.release()
    assert not np.delete(crossbar.inhibited[:, 1], 7).any()


@pytest.mark.parametrize("several", [True, False])
def test_no_pulses_leave_no_noise_of_writing(several: bool) -> None:
    device = QUIET.replace(write_c2c=0.05)
    crossbar: Any = array(KINDS["pair"], device) if several else Crossbar(device, SHAPE, seed=2)
    crossbar.inhibit(0, [1])
    crossbar.disconnect(0, [2])
    before = crossbar.seen.copy()
    for _ in range(2):
        crossbar.program(0, ROWS, np.where(ROWS == 3, 1, 0))
        crossbar.program(0, [1, 2], 1)
    changed = np.argwhere(crossbar.seen != before)
    np.testing.assert_array_equal(changed, [[3, 0]])


# ---- written anew ------------------------------------------------------------------------------


def test_a_refresh_keeps_weights_and_empties_cells() -> None:
    synapse = Synapse(pair=True, pulses="set", renew_every=40, renew_above=0.7)
    crossbar = SynapseCrossbar(LINEAR, SHAPE, synapse)
    crossbar.set_weights(0.1)
    for n in range(39):
        crossbar.program(0, ROWS, 4 if n % 2 else -4)
    full, before = (of_cells(crossbar)[:, :, 0] + 1) / 2, crossbar.weights[:, 0]
    assert full.min() > 0.7
    assert booked(crossbar, Operation.RENEWAL_PULSE) == 0
    crossbar.program(0, ROWS[:1], 1)
    after = (of_cells(crossbar)[1:, :, 0] + 1) / 2
    assert after.min(axis=1).max() < 0.02
    np.testing.assert_allclose(crossbar.weights[1:, 0], before[1:], atol=0.03)
    assert booked(crossbar, Operation.RENEWAL_PULSE) > 0
    assert np.all(crossbar.cells.pulse_counts[:, 2:] == 0)


def test_weights_with_an_empty_side_are_not_refreshed() -> None:
    synapse = Synapse(pair=True, pulses="set", renew_every=1)
    crossbar = SynapseCrossbar(LINEAR, SHAPE, synapse)
    crossbar.set_weights(-1.0)
    crossbar.program(0, ROWS, 1)
    assert booked(crossbar, Operation.RENEWAL_PULSE) == 0
    assert booked(crossbar, Operation.SENSE_READ) == 2 * SHAPE[0]


@pytest.mark.parametrize("pair", [False, True])
def test_a_transfer_hands_a_weight_over_and_keeps_it(pair: bool) -> None:
    synapse = Synapse(cells=2, pair=pair, significance=4, renew_every=50)
    crossbar = SynapseCrossbar(LINEAR, SHAPE, synapse)
    crossbar.set_weights(0.0)
    for n in range(49):
        crossbar.program(0, ROWS, 1 + n % 2)
    before, cells = crossbar.weights[:, 0], of_cells(crossbar)[:, :, 0]
    np.testing.assert_allclose(cells[:, synapse.written :], 0, atol=1e-5)
    crossbar.program(0, ROWS[:1], 1)
    cells = of_cells(crossbar)[1:, :, 0]
    second = (cells * synapse.parts)[:, synapse.written :].sum(axis=1)
    np.testing.assert_allclose(second, before[1:], atol=0.02)
    np.testing.assert_allclose(crossbar.weights[1:, 0], before[1:], atol=0.01)
    assert np.abs(cells[:, : synapse.written]).max() < 0.15


def test_two_significances_program_more_exactly_than_one() -> None:
    """What the more significant cells miss is left to the others."""
    device = LINEAR.replace(step_c2c=0.01)
    errors = []
    for synapse in (Synapse(cells=1, pair=True), Synapse(cells=1, pair=True, significance=8)):
        crossbar = SynapseCrossbar(device, (300, 1), synapse, seed=1)
        wanted = np.random.default_rng(2).uniform(-0.8, 0.8, 300)
        crossbar.program_to(0, np.arange(300), device.conductance_of(wanted))
        errors.append(float((crossbar.weights[:, 0] - wanted).std()))
    assert errors[1] == pytest.approx(errors[0] / 9, rel=0.2)


@kinds
def test_programming_comes_to_the_target_by_the_lowest_conductances(synapse: Synapse) -> None:
    crossbar = SynapseCrossbar(LINEAR, SHAPE, synapse)
    wanted = np.linspace(-0.8, 0.8, SHAPE[0])
    assert crossbar.program_to(0, ROWS, LINEAR.conductance_of(wanted)) == 0
    np.testing.assert_allclose(crossbar.weights[:, 0], wanted, atol=0.025)
    if synapse.pair:
        sides = of_cells(crossbar)[:, : synapse.written, 0].reshape(SHAPE[0], -1, 2)
        assert sides.min(axis=2).max() < -0.97


def abrupt(cells: int = 1) -> SynapseCrossbar:
    """Return pairs of phase-change cells that are set gradually and reset in one pulse."""
    synapse = Synapse(cells=cells, pair=True, pulses="set", renew_every=1, renew_above=0.5)
    return SynapseCrossbar(ABRUPT, SHAPE, synapse)


@pytest.mark.parametrize("full", [(0.8, 0.45), (0.9, 0.49), (0.45, 0.9), (0.8, 0.3)])
def test_a_refresh_keeps_the_weights_of_cells_that_are_reset_at_once(
    full: tuple[float, float],
) -> None:
    crossbar = abrupt()
    sides = np.tile(np.multiply(2, full) - 1, SHAPE[1])
    crossbar.cells.set_weights(np.broadcast_to(sides, crossbar.cells.shape))
    before = crossbar.weights[:, 0]
    crossbar.program(0, ROWS[:1], 1)
    after = (of_cells(crossbar)[1:, :, 0] + 1) / 2
    assert after.min(axis=1).max() < 0.03
    np.testing.assert_allclose(crossbar.weights[1:, 0], before[1:], atol=0.05)


@pytest.mark.parametrize("cells", [1, 3])
def test_cells_that_are_reset_at_once_are_programmed_both_ways(cells: int) -> None:
    crossbar = abrupt(cells)
    for wanted in (np.linspace(-0.8, 0.8, SHAPE[0]), np.linspace(0.5, -0.9, SHAPE[0])):
        missed = crossbar.program_to(1, ROWS, crossbar.device.conductance_of(wanted))
        assert missed == 0
        half_a_step = 0.5 * crossbar.device.step_up(crossbar.device.g_min) / crossbar.device.g_range
        np.testing.assert_allclose(crossbar.weights[:, 1], wanted, atol=1.2 * half_a_step)


@pytest.mark.parametrize("device", [LINEAR, ABRUPT], ids=["gradual", "abrupt"])
def test_noise_of_reads_does_not_make_refreshed_weights_fade(device: Device) -> None:
    synapse = Synapse(pair=True, pulses="set", renew_every=1)
    noisy = device.replace(read_c2c=0.03)
    crossbar = SynapseCrossbar(noisy, (2000, 1), synapse, seed=3)
    crossbar.cells.set_weights(np.tile([2 * 0.9 - 1, 2 * 0.6 - 1], (2000, 1)))
    crossbar.program(0, [0], 1)
    assert crossbar.weights[1:].mean() == pytest.approx(0.3, abs=0.03)


def test_a_transfer_leaves_weights_alone_that_have_not_changed() -> None:
    synapse = Synapse(pair=True, pulses="set", significance=3, renew_every=1)
    crossbar = SynapseCrossbar(LINEAR, SHAPE, synapse)
    crossbar.set_weights(0.6)
    for _ in range(10):
        crossbar.program(0, ROWS[:1], 1)
    assert np.all(crossbar.cells.pulse_counts[1:] == 0)


# ---- energy, time and lines --------------------------------------------------------------------


def test_every_event_is_booked() -> None:
    crossbar = array(Synapse(cells=2, pair=True))
    device, n = crossbar.device, crossbar.planes
    crossbar.read(np.full(SHAPE[0], device.v_read))
    total = crossbar.cells.conductance.astype(float).sum()
    account = crossbar.cells.ledger.account("use")
    assert account.counts[Operation.CELL_READ] == n * SHAPE[0] * SHAPE[1]
    assert account.joules[Operation.CELL_READ] == pytest.approx(
        device.v_read**2 * device.t_read * total, rel=1e-5
    )
    assert account.counts[Operation.REFERENCE_READ] == 0
    before = crossbar.cells.conductance[:, 0].astype(float)
    crossbar.program(0, ROWS, 1)
    after = crossbar.cells.conductance[:, 0].astype(float)
    assert account.joules[Operation.PROGRAM_PULSE] == pytest.approx(
        device.v2t_set * 0.5 * (before + after).sum(), rel=1e-5
    )
    assert account.counts[Operation.PROGRAM_LINE] == crossbar.cells.pulse_counts.sum()
    sums = array(Synapse(cells=2))
    sums.read(np.full(SHAPE[0], device.v_read))
    account = sums.cells.ledger.account("use")
    assert account.counts[Operation.REFERENCE_READ] == SHAPE[0]


def test_drift_of_both_sides_leaves_a_pair_in_proportion() -> None:
    device = QUIET.replace(drift_exponent=0.05)
    crossbar = array(Synapse(pair=True), device)
    crossbar.cells.clock.start(crossbar.state.g_columns)
    volts = np.linspace(0, 0.1, SHAPE[0])
    before = crossbar.read(volts)
    crossbar.wait(1e5)
    np.testing.assert_allclose(crossbar.read(volts), before * 1e5**-0.05, rtol=1e-3, atol=1e-13)


def test_a_pair_sees_what_its_cells_see_behind_resistive_lines() -> None:
    crossbar = array(KINDS["pairs"], wires=Wires(r_word=5.0, r_bit=5.0))
    volts = np.linspace(0, 0.1, SHAPE[0])
    cells = crossbar.cells.read(volts).reshape(-1, crossbar.planes)
    expected = cells @ KINDS["pairs"].parts
    np.testing.assert_allclose(crossbar.read(volts), expected, rtol=1e-6)
    middle = QUIET.g_mid  # of the weight 0: lines make all weights smaller
    assert np.abs(crossbar.seen - middle).sum() < np.abs(crossbar.conductance - middle).sum()


def test_pairs_are_neighbours_and_no_array_parts_them() -> None:
    """Lines make weights smaller, but take no side; a tile holds whole weights."""
    synapse = Synapse(cells=2, pair=True)
    wires = Wires(r_word=5.0, r_bit=5.0)
    crossbar = SynapseCrossbar(QUIET, (64, 16), synapse, wires=wires, tiles=Tiles(columns=13))
    crossbar.set_weights(0.0)
    full = 0.5 * QUIET.g_range * 64 * 0.1
    assert np.abs(crossbar.read(np.full(64, 0.1))).max() < 0.003 * full
    np.testing.assert_array_equal(crossbar.cells.column_parts % synapse.planes, 0)
    assert np.diff(crossbar.cells.column_parts).max() <= 13


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"cells": 0}, "Synapse.cells: must be a whole number >= 1 and <= 64 (got 0)"),
        ({"pulses": "set"}, "Synapse: pulses must be both unless pair is true (got 'set')"),
        ({"renew_above": 0.4}, "Synapse.renew_above: must be a number >= 0.5 and <= 1 (got 0.4)"),
        ({"renew_every": 7}, "renew_every needs pulses set, or significance > 1"),
        ({"significance": 0.5}, "Synapse.significance: must be a number >= 1 and <= 1000"),
    ],
)
def test_what_no_weight_can_be_kept_in_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as error:
        Synapse(**asked)
    assert message in str(error.value)


def test_refusals_of_an_array_name_it() -> None:
    crossbar = array(KINDS["sum"])
    with pytest.raises(ParameterError, match=r"SynapseCrossbar.shape: .* cells, 64 a weight"):
        SynapseCrossbar(QUIET, (784, 500), Synapse(cells=64))
    with pytest.raises(ParameterError, match=r"SynapseCrossbar.tiles: columns must be >= 3"):
        array(KINDS["sum"], tiles=Tiles(columns=2))
    with pytest.raises(ParameterError, match=r"SynapseCrossbar.program: rows must be different"):
        crossbar.program(0, [1, 1], 1)
    with pytest.raises(ParameterError, match=r"SynapseCrossbar.program: column must be .*got 6"):
        crossbar.program(6, [1], 1)
    with pytest.raises(ParameterError, match=r"SynapseCrossbar.set_weights: values must be .* 1"):
        crossbar.set_weights(1.5)


@pytest.mark.parametrize("cells", [1, 2, 5, 7])
def test_a_column_has_the_conductances_of_the_array(cells: int) -> None:
    crossbar = array(Synapse(cells=cells))
    crossbar.disconnect(2, [3, 4])
    for column in range(SHAPE[1]):
        crossbar.program(column, ROWS, column + 1)
        np.testing.assert_array_equal(crossbar.column(column), crossbar.conductance[:, column])
