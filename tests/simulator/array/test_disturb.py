"""Half-selected cells of a passive array: how far they move, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from tests.replay import ReplayDraws
from tests.simulator.learning.twin import NumpyTwin

CBRAM = Device.load("subquantum-cbram")
QUIET = CBRAM.without_variability()
SOFT = QUIET.replace(v_switch=0.1)
"""At half the voltage a pulse moves a cell by 0.7 % of a step."""
SHAPE = (7, 5)


def passive(device: Device = SOFT, scheme: str = "V/2", weight: float = -0.2) -> Crossbar:
    crossbar = Crossbar(device, SHAPE, seed=5, access="passive", scheme=scheme)  # type: ignore[arg-type]
    crossbar.set_weights(np.full(SHAPE, weight))
    return crossbar


def test_the_part_of_a_step_has_the_limits_of_exponential_switching() -> None:
    for scale in (0.02, 0.05):
        device = QUIET.replace(v_switch=scale)
        assert device.part_of_step(0.5, 1.0) == pytest.approx(np.exp(-0.5 / scale), rel=1e-6)
    ohmic = QUIET.replace(v_switch=1000.0)
    assert ohmic.part_of_step(0.25, 1.0) == pytest.approx(0.25, rel=1e-6)
    assert SOFT.part_of_step(1.0, 1.0) == 1
    assert SOFT.part_of_step(0.0, 1.0) == 0
    assert QUIET.part_of_step(0.5, 1.0) == 0
    assert SOFT.part_of_step(0.3, 1.0) == pytest.approx(np.sinh(3) / np.sinh(10), rel=1e-12)


def test_a_transistor_in_every_cell_keeps_the_others_in_place() -> None:
    crossbar = Crossbar(SOFT, SHAPE, seed=5)
    crossbar.set_weights(np.full(SHAPE, -0.2))
    before = crossbar.conductance.copy()
    crossbar.program(1, [2], 50)
    assert np.argwhere(crossbar.conductance != before).tolist() == [[2, 1]]


@pytest.mark.parametrize("pulses", [9, -9])
def test_half_the_voltage_moves_the_cells_of_two_lines(pulses: int) -> None:
    crossbar = passive()
    before = crossbar.conductance.copy()
    crossbar.program(1, [2], pulses)
    moved = np.sign(crossbar.conductance - before)
    expected = np.zeros(SHAPE)
    expected[2, :] = expected[:, 1] = np.sign(pulses)
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("pulses", [9, -9])
def test_a_third_of_the_voltage_moves_all_cells_those_off_the_lines_backwards(pulses: int) -> None:
    crossbar = passive(scheme="V/3")
    before = crossbar.conductance.copy()
    crossbar.program(1, [2], pulses)
    moved = np.sign(crossbar.conductance - before)
    expected = np.full(SHAPE, -np.sign(pulses))
    expected[2, :] = expected[:, 1] = np.sign(pulses)
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("scheme", ["V/2", "V/3"])
def test_steeper_switching_disturbs_less(scheme: str) -> None:
    drifts = []
    for scale in (0.05, 0.07, 0.1, 0.2, 1.0):
        crossbar = passive(QUIET.replace(v_switch=scale), scheme)
        before = float(crossbar.conductance[3, 1])
        crossbar.program(1, [2], 20)
        drifts.append(float(crossbar.conductance[3, 1]) - before)
    assert drifts == sorted(drifts)
    assert drifts[0] < 0.01 * drifts[-1]


def test_the_third_disturbs_less_than_the_half_but_everywhere() -> None:
    half, third = passive(), passive(scheme="V/3")
    for crossbar in (half, third):
        crossbar.program(1, [2], 30)
    g0 = float(half.conductance[0, 0])
    assert float(third.conductance[3, 1]) - g0 < 0.2 * (float(half.conductance[3, 1]) - g0)
    assert half.conductance[3, 3] == g0 > third.conductance[3, 3]


@pytest.mark.parametrize(
    ("law", "scheme"),
    [
        ("exponential", "V/2"), ("exponential", "V/3"), ("power", "V/2"),
        pytest.param("power", "V/3", marks=pytest.mark.frozen),
    ],
)  # fmt: skip
def test_against_pulse_after_pulse(scheme: str, law: str) -> None:
    """Every pulse moves every other cell by its part of the mean step, in double precision."""
    device = SOFT.replace(v_set=1.2, t_reset=2e-6)
    if law == "power":
        device = device.replace(
            law="power", nonlinearity_up=0.0, nonlinearity_down=0.0, exponent_up=0.7,
            exponent_down=1.3,
        )  # fmt: skip
    crossbar = passive(device, scheme)
    crossbar.set_weights(np.random.default_rng(0).uniform(-0.8, 0.8, SHAPE))
    g = crossbar.conductance.astype(float)
    start = g.copy()
    rng = np.random.default_rng(1)
    programmed = np.zeros(SHAPE, bool)
    for _ in range(40):
        column = int(rng.integers(SHAPE[1]))
        rows = rng.permutation(SHAPE[0])[: rng.integers(1, 5)]
        pulses = rng.integers(-6, 7, rows.size)
        crossbar.program(column, rows, pulses)
        programmed[rows, column] = True
        for row, count in zip(rows, pulses, strict=True):
            for _ in range(abs(count)):
                g = after_one_pulse(device, scheme, g, (row, column), np.sign(count))
    assert np.abs(g - start)[~programmed].min() > 0
    drift, expected = crossbar.conductance - start, g - start
    np.testing.assert_allclose(drift, expected, rtol=2e-3, atol=2e-4 * device.g_range)


def after_one_pulse(
    device: Device, scheme: str, g: np.ndarray, cell: tuple[int, int], sign: int, pulses: int = 1
) -> np.ndarray:
    """The definition: voltages at all cells, the part of a step for each, and the step itself."""
    v, t = (device.v_set, device.t_set) if sign > 0 else (device.v_reset, device.t_reset)
    word, bit = {"V/2": (0.0, 0.0), "V/3": (-v / 6, v / 6)}[scheme]
    words, bits = np.full(g.shape[0], word), np.full(g.shape[1], bit)
    words[cell[0]], bits[cell[1]] = v / 2, -v / 2
    seen = sign * (words[:, None] - bits)
    scale = device.v_switch
    up = np.sinh(np.maximum(seen, 0) / scale) / np.sinh(device.v_set / scale) * t / device.t_set
    down = np.sinh(np.maximum(-seen, 0) / scale) / np.sinh(device.v_reset / scale)
    down *= t / device.t_reset
    for _ in range(pulses):
        g = np.clip(
            g + up * device.step_up(g) - down * device.step_down(g), device.g_min, device.g_max
        )
    return g


@pytest.mark.parametrize("sign", [1, -1])
def test_many_half_pulses_drive_a_cell_as_the_pulse_law_says(sign: int) -> None:
    """dG/dn = f r (G_inf - G), r = 1 - exp(-1 / A): an exponential, until the window ends."""
    part, rate = SOFT.part_of_step(0.5, 1.0), 1 - np.exp(-1 / SOFT.pulses_up)
    crossbar = passive(weight=-sign)
    given = 0
    for asked in (10, 100, 1000, 5000, 50_000):
        crossbar.program(1, [2], sign * (asked - given))
        given = asked
        depth = min((1 - np.exp(-asked * part * rate)) / (1 - np.exp(-1)), 1)
        assert crossbar.weights[4, 1] == pytest.approx(sign * (2 * depth - 1), abs=1e-5)
    end = SOFT.g_max if sign > 0 else SOFT.g_min
    assert crossbar.conductance[4, 1] == np.float32(end)


def test_what_single_precision_cannot_hold_is_not_lost() -> None:
    """A half pulse moves by 1e-9 of a step: lost, one by one, were nothing kept."""
    device = QUIET.replace(v_switch=0.5 / np.log(1e9))
    crossbar = passive(device)
    before = float(crossbar.conductance[4, 1])
    for _ in range(1000):
        crossbar.program(1, [2], [100])
    expected = 1e5 * 1e-9 * float(device.step_up(before))
    assert np.spacing(np.float32(before)) > expected / 1000  # each call alone is lost
    moved = (
        float(crossbar.conductance[4, 1])
        - before
        + float(crossbar.state.access.others.unresolved[1, 4])
    )
    assert moved == pytest.approx(expected, rel=1e-4)


def test_cells_of_finite_states_move_as_far_on_average() -> None:
    device = SOFT.replace(levels=16)
    crossbar = Crossbar(device, (3000, 1), seed=1, access="passive")
    crossbar.set_conductance(np.full((3000, 1), device.g_min + device.g_range * 5 / 15))
    before = float(crossbar.conductance[5, 0])
    crossbar.program(0, [0], [60])
    states = (crossbar.conductance[1:, 0] - device.g_min) * 15 / device.g_range
    np.testing.assert_allclose(states, np.round(states), atol=1e-4)
    drift = float(crossbar.conductance[1:, 0].mean()) - before
    expected = 60 * device.part_of_step(0.5, 1.0) * float(device.step_up(before))
    spread = crossbar.conductance[1:, 0].std() / np.sqrt(2999)
    assert abs(drift - expected) < 4 * spread
    assert drift > 0.5 * expected


def test_cells_that_cannot_move_do_not() -> None:
    crossbar = passive(SOFT.replace(stuck_low=0.3))
    stuck = crossbar.state.cells[..., 0].T == crossbar.state.cells[..., 3].T
    crossbar.disconnect(1, [6])
    before = crossbar.conductance.copy()
    crossbar.program(1, [2], 50)
    assert stuck[:, 1].any()
    np.testing.assert_array_equal(crossbar.conductance[stuck], before[stuck])
    assert crossbar.conductance[6, 1] == 0
    np.testing.assert_array_equal(crossbar.state.g_columns, crossbar.state.g.T)
    np.testing.assert_allclose(
        crossbar.state.row_sum, crossbar.state.g.sum(axis=1, dtype=float), rtol=1e-12
    )


def test_verified_cells_are_disturbed_by_those_written_after_them_only() -> None:
    """Written down a column, the first cell sees the half pulses of all others, the last of none."""
    crossbar = passive(SOFT.replace(v_switch=0.15), weight=-1)
    cells = [(row, 1) for row in range(7)]
    written = crossbar.write_verify(cells, SOFT.g_mid)
    last = written.trace.conductance[np.arange(7), written.pulses]
    drift = written.final - last
    later = np.cumsum(written.pulses[::-1])[::-1] - written.pulses
    part = crossbar.device.part_of_step(0.5, 1.0)
    expected = [float(SOFT.step_up(g)) * n * part for g, n in zip(last, later, strict=True)]
    np.testing.assert_allclose(drift, expected, rtol=0.05, atol=1e-12)
    assert written.reached.all()
    assert written.pulses[-1] < written.pulses[0]  # those written before it have pushed it


def test_energies_of_the_third_scheme_are_those_of_its_voltages() -> None:
    """All cells alike: every other one at a ninth of the power; lines at V/2 and V/6."""
    crossbar = passive(QUIET, "V/3")
    g = float(crossbar.conductance[0, 0])
    crossbar.program(1, [2], 1)
    (rows, columns), v = SHAPE, QUIET.v_set
    account = crossbar.ledger.account("use")
    others = rows * columns - 1
    assert account.counts[Operation.HALF_SELECT] == others
    assert account.joules[Operation.HALF_SELECT] == pytest.approx(
        others * g * (v / 3) ** 2 * QUIET.t_set, rel=1e-6
    )
    word, bit = QUIET.c_cell * columns, QUIET.c_cell * rows
    lines = (word + bit) * (v / 2) ** 2
    lines += ((rows - 1) * word + (columns - 1) * bit) * (v / 6) ** 2
    assert account.joules[Operation.PROGRAM_LINE] == pytest.approx(lines, rel=1e-12)


@pytest.mark.parametrize("scheme", ["V/2", "V/3"])
def test_the_ledger_against_brute_force_while_cells_drift(scheme: str) -> None:
    """Voltage at every cell squared, pulse by pulse, at the conductances of that moment."""
    crossbar = passive(scheme=scheme)
    crossbar.set_weights(np.random.default_rng(0).uniform(-0.8, 0.8, SHAPE))
    expected = 0.0
    for row, column, sign in [(2, 1, 1), (2, 3, -1), (6, 1, 1), (0, 0, 1), (2, 1, -1)] * 5:
        g = crossbar.conductance.astype(float)
        v, t = (SOFT.v_set, SOFT.t_set) if sign > 0 else (SOFT.v_reset, SOFT.t_reset)
        idle = 0.0 if scheme == "V/2" else v / 6
        words, bits = np.full(SHAPE[0], -idle), np.full(SHAPE[1], idle)
        words[row], bits[column] = v / 2, -v / 2
        joules = (words[:, None] - bits) ** 2 * g * t
        expected += joules.sum() - joules[row, column]
        crossbar.program(column, [row], sign)
    booked = crossbar.ledger.account("use").joules[Operation.HALF_SELECT]
    assert booked == pytest.approx(expected, rel=1e-6)


class PulseByPulse(NumpyTwin):
    """Moves the other cells after every single pulse of the learning loop, in double precision."""

    def __init__(self, network: SpikingNetwork, draws: ReplayDraws) -> None:
        super().__init__(network, draws)
        self.exact = self.g.astype(float)
        self.scheme = network.config.scheme

    def _program(self, column: int, pulses: np.ndarray) -> None:
        for row in np.flatnonzero(pulses):
            count, before = pulses[row], float(self.g[row, column])
            super()._program(column, np.where(np.arange(pulses.size) == row, pulses, 0))
            own = self.exact[row, column] + float(self.g[row, column]) - before
            self.exact = after_one_pulse(
                self.device, self.scheme, self.exact, (row, column), np.sign(count), abs(count)
            )
            self.exact[row, column] = own
            self.g[:] = self.exact
            self.row_sum[:] = self.g.sum(axis=1, dtype=float)


@pytest.mark.parametrize("scheme", [pytest.param("V/2", marks=pytest.mark.frozen), "V/3"])
def test_the_learning_loop_against_pulse_after_pulse(mnist: Dataset, scheme: str) -> None:
    """What is read may be a step behind, what is sensed and pulsed is not.

    The disturb is small here, lest one spike more or less takes the two apart for good.
    """
    network = SpikingNetwork(
        neurons=23, inputs=61, seed=3, access="passive", scheme=scheme, device=QUIET,
        cell={"v_switch": 0.048}, pruning={"kind": "none"},
    )  # fmt: skip
    inputs = network.prepare(mnist.train_images[:200])
    network.layers[
        0
    ].competition_scale = 1.0  # a sharper competition would tell the rounding of sums apart
    twin = PulseByPulse(network, ReplayDraws(network))
    start = network.crossbar.conductance.copy()
    homeostasis = np.float32(network.config.competition.homeostasis_at(0))
    winners = network.learn_from(inputs, np.arange(12))
    expected = [[twin.present(inputs[n], homeostasis) for _ in winners[0]] for n in range(12)]
    np.testing.assert_array_equal(winners, expected)
    g, idle = network.crossbar.conductance, network.crossbar.pulse_counts == 0
    drift = np.abs(twin.exact - start)[idle]
    apart = np.abs(g - twin.exact)
    assert drift.max() > 2e-5 * QUIET.g_range
    assert apart.max() < 0.02 * drift.max()
    booked, recounted = network.ledger.account("train"), twin.ledger.account("train")
    for op in (Operation.LTP_PULSE, Operation.LTD_PULSE, Operation.HALF_SELECT):
        assert booked.counts[op] == recounted.counts[op]
        assert booked.joules[op] == pytest.approx(recounted.joules[op], rel=2e-4)


def test_a_scheme_needs_a_passive_array() -> None:
    with pytest.raises(ParameterError, match=r"Crossbar\.scheme: must be V/2 unless access is"):
        Crossbar(QUIET, SHAPE, scheme="V/3")
    with pytest.raises(ParameterError, match=r"Crossbar\.scheme: must be one of V/2, V/3 \(got"):
        Crossbar(QUIET, SHAPE, access="passive", scheme="V/4")  # type: ignore[arg-type]
