"""Arrays of cells that are not ohmic behind resistive lines: used, and while they learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.curved_reads import CurvedReads
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.lines import exact_reads
from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.curves import Sinh
from cbramsim.simulator.lines.effective_matrix import effective
from cbramsim.simulator.lines.saturating import drawn_patterns, saturated, saturating
from cbramsim.simulator.lines.solver import solve
from cbramsim.simulator.lines.tiles import Tiles
from tests.simulator.lines.test_reads import COLUMNS, ROWS, TILES, WIRES
from tests.simulator.lines.told import told

QUIET = Device.load("subquantum-cbram").without_variability().replace(v_sinh=0.05)
CURVE = Sinh(0.05, QUIET.v_read)
SMALL = {"neurons": 20, "inputs": 60, "wires": True, "pruning": {"kind": "none"}}
LOSSY = {"wiring": {"r_word": 20.0, "r_bit": 20.0}, "tiles": {"rows": 25}}
CURVED = {**SMALL, **LOSSY, "cell": {"v_sinh": 0.1}}


def random_crossbar(wires: Wires = WIRES, tiles: Tiles | None = TILES) -> Crossbar:
    crossbar = Crossbar(QUIET, (23, 11), seed=5, wires=wires, tiles=tiles)
    crossbar.set_weights(np.random.default_rng(1).uniform(-1, 1, (23, 11)))
    return crossbar


def solved_tile_by_tile(crossbar: Crossbar, v: NDArray, wires: Wires = WIRES) -> tuple:
    """Return bit-line currents, A, and what cells, with their transistors, and lines take, W."""
    currents, cells, lines = np.zeros(11), 0.0, 0.0
    for rows in ROWS:
        for columns in COLUMNS:
            g = crossbar.conductance[rows, columns]
            terminals = Terminals.product(v[rows], g.shape[1], wires)
            solution = solve(g, terminals, wires, tolerance=1e-12, curve=CURVE)
            currents[columns] += solution.outputs
            cells += solution.power.cells + solution.power.access
            lines += solution.power.word_lines + solution.power.bit_lines
    return currents, cells, lines


# Fixed cells


@pytest.mark.parametrize(
    "wires", [WIRES, WIRES.replace(word_ends="both", bit_ends="both"), Wires(r_word=0, r_bit=50)]
)
def test_a_read_is_the_sum_of_the_tiles_and_pays_for_what_they_take(
    wires: Wires, rng: np.random.Generator
) -> None:
    crossbar = random_crossbar(wires)
    v = rng.uniform(-0.1, 0.2, 23)
    currents, cells, lines = solved_tile_by_tile(crossbar, v, wires)
    np.testing.assert_allclose(crossbar.read(v), currents, rtol=1e-5, atol=1e-12)
    account = crossbar.ledger.account("use")
    assert account.joules[Operation.CELL_READ] == pytest.approx(cells * QUIET.t_read, rel=1e-6)
    assert account.joules[Operation.READ_WIRE] == pytest.approx(lines * QUIET.t_read, rel=1e-5)


def test_batches_spikes_and_any_number_of_threads_read_the_same(rng: np.random.Generator) -> None:
    spikes = rng.random((2, 5, 23)) < 0.4
    several, one = random_crossbar(), random_crossbar()
    one.wired.threads = 1
    at_once = several.read_spikes(spikes, signed=True)
    np.testing.assert_array_equal(at_once, one.read_spikes(spikes, signed=True))
    singly = np.array([[one.read_spikes(x, signed=True) for x in row] for row in spikes])
    np.testing.assert_array_equal(at_once, singly)
    assert at_once.shape == (2, 5, 11)
    for op in Operation:
        twice = one.ledger.account("use").joules[op]
        assert twice == pytest.approx(2 * several.ledger.account("use").joules[op], rel=1e-12)


def test_every_change_of_a_cell_is_read(rng: np.random.Generator) -> None:
    crossbar = random_crossbar()
    v = rng.uniform(0.05, 0.1, 23)
    for change in (
        lambda: crossbar.program(6, [9, 3], [20, -20]), lambda: crossbar.set_weights(0.5),
        lambda: crossbar.disconnect(2, [0, 1, 17]),
    ):  # fmt: skip
        before = crossbar.read(v)
        change()
        after = crossbar.read(v)
        assert (after != before).any()
        np.testing.assert_allclose(after, solved_tile_by_tile(crossbar, v)[0], rtol=1e-5)


def test_lines_without_resistance_change_nothing(rng: np.random.Generator) -> None:
    none = Wires(r_word=0, r_bit=0)
    bare = Crossbar(QUIET, (23, 11), seed=5)
    wired = random_crossbar(none, None)
    bare.set_conductance(wired.conductance)
    v = rng.uniform(0, 0.2, (3, 23))
    np.testing.assert_allclose(wired.read(v), bare.read(v), rtol=1e-6)
    for crossbar in (wired, bare):
        crossbar.program(3, range(23), 4)
    for op in Operation:
        expected = bare.ledger.account("use").joules[op]
        assert wired.ledger.account("use").joules[op] == pytest.approx(
            expected, rel=1e-6, abs=1e-30
        )


def test_a_large_voltage_scale_reads_as_an_ohmic_array(rng: np.random.Generator) -> None:
    arrays = [
        Crossbar(QUIET.replace(v_sinh=v_sinh), (23, 11), seed=5, wires=WIRES, tiles=TILES)
        for v_sinh in (0.0, 1000.0)
    ]
    v = rng.uniform(0, 0.1, (3, 23))
    np.testing.assert_allclose(arrays[1].read(v), arrays[0].read(v), rtol=1e-5)
    np.testing.assert_allclose(arrays[1].seen, arrays[0].seen, rtol=1e-5)
    for op in Operation:
        one, other = (crossbar.ledger.account("use").joules[op] for crossbar in arrays)
        assert other == pytest.approx(one, rel=1e-5, abs=1e-30)


def test_a_typical_read_is_the_product_with_what_is_seen(rng: np.random.Generator) -> None:
    crossbar = random_crossbar()
    spikes = crossbar.wired.patterns
    exact = crossbar.read_spikes(spikes).mean(axis=0)
    told = (spikes @ crossbar.seen).mean(axis=0) * QUIET.v_read
    np.testing.assert_allclose(told, exact, rtol=2e-3)
    with pytest.raises(ValueError, match="read-only"):
        crossbar.seen[0, 0] = 1


def test_programming_through_lines_by_hand() -> None:
    """I² R t of each pulse, I at its nominal voltage and mean conductance."""
    crossbar = random_crossbar()
    row, column = 9, 6  # second of eight rows and third of four columns of its tile
    path = 200 + 3 * 20 + 1000 + 7 * 30 + 100
    states = [float(crossbar.conductance[row, column])]
    for pulse in (1, -1):
        crossbar.program(column, [row], pulse)
        states.append(float(crossbar.conductance[row, column]))
    ways = [(QUIET.v_set, QUIET.t_set), (QUIET.v_reset, QUIET.t_reset)]
    expected = sum(
        path * (float(QUIET.read_equivalent(volts)) * (a + b) / 2) ** 2 * seconds
        for (volts, seconds), a, b in zip(ways, states[:-1], states[1:], strict=True)
    )
    booked = crossbar.ledger.account("use").joules[Operation.PROGRAM_WIRE]
    assert booked == pytest.approx(expected, rel=1e-6)


# What saturates


def tile(seed: int = 0) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(seed)
    g = rng.uniform(1e-6, 2e-5, (64, 32))
    densities = np.minimum(255, rng.gamma(2, 40, (64, 64))).astype(np.uint8)
    return g, drawn_patterns(densities, 3)


def test_of_ohmic_cells_nothing_saturates() -> None:
    g, patterns = tile()
    wires = Wires(r_word=20, r_bit=20)
    found = saturating(g, Sinh(1e3, 0.1), wires, patterns, 1e-10)
    np.testing.assert_allclose(found.conductance, effective(g, wires).conductance, rtol=1e-6)
    assert (found.bend * (patterns @ found.conductance).mean(axis=0)).max() < 1e-5
    assert np.abs(found.off).max() < 1e-6 * found.currents.mean()


@pytest.mark.parametrize(("v_sinh", "scatter"), [(0.2, 5e-4), (0.1, 2e-3), (0.05, 7e-3)])
def test_a_read_is_nearer_to_the_exact_one_than_a_product_is(v_sinh: float, scatter: float) -> None:
    """Of patterns that were not fitted to: some three times."""
    g, patterns = tile()
    wires, curve = Wires(r_word=20, r_bit=20), Sinh(v_sinh, 0.1)
    found = saturating(g, curve, wires, patterns, 1e-9)
    rms = float(np.sqrt(np.square(found.off).mean()) / found.currents.mean())
    assert rms < scatter
    seen = effective(g, wires).conductance
    exact = exact_reads.exact_reads(g, curve, wires, patterns * 0.1, 1e-9).currents / 0.1
    seen *= exact[::2].sum(axis=0) / (patterns[::2] @ seen).sum(axis=0)
    product = float(np.sqrt(np.square(patterns[1::2] @ seen - exact[1::2]).mean()) / exact.mean())
    assert rms < 0.6 * product
    assert (found.bend >= 0).all()


def test_energy_by_word_line_adds_up_to_that_of_exact_reads() -> None:
    g, patterns = tile()
    wires, curve = Wires(r_word=20, r_bit=20, r_access=1e3), Sinh(0.05, 0.1)
    found = saturating(g, curve, wires, patterns, 1e-9)
    other = tile(1)[1]
    exact = exact_reads.exact_reads(g, curve, wires, other * 0.1, 1e-9)
    cells, lines = 0.01 * (found.dissipated @ other.sum(axis=0))
    assert cells == pytest.approx(exact.in_cells.sum(), rel=0.02)
    assert lines == pytest.approx((exact.given.sum() - exact.in_cells.sum()), rel=0.05)
    assert lines > 0.05 * cells


# Learning


def mean_read_error(network: SpikingNetwork) -> float:
    """Error of the mean of exact reads of other patterns, part of the current, after `follow`."""
    state, rng = network.crossbar.state, np.random.default_rng(5)
    spikes = rng.random((200, 60)) < network.layers[0].inputs.activity
    exact = network.crossbar.wired.read(state.g, spikes * network.device.v_read).currents
    reads = [told(one.astype(np.float32), state.lines.seen, state.lines) for one in spikes]
    mean = exact.mean(axis=0) / network.device.v_read
    return float(np.abs(np.mean(reads, axis=0) - mean).max() / mean.mean())


def test_reads_while_learning_are_as_wrong_as_is_reported(mnist: Dataset) -> None:
    network = SpikingNetwork(**CURVED)
    found: list[float] = []
    network.fit(
        mnist.train_images[:2400], epochs=1,
        callback=lambda _: found.append(mean_read_error(network)),
    )  # fmt: skip
    wired = network.crossbar.wired
    assert isinstance(wired, CurvedReads)
    assert 2 <= wired.solutions <= 12
    assert max(found) < 1.5 * wired.error
    assert found[-1] < 0.02
    assert 0 < wired.scatter < 0.01


def test_the_same_seed_gives_the_same_for_any_number_of_threads(mnist: Dataset) -> None:
    images = mnist.train_images[:800]
    first, second = SpikingNetwork(**CURVED), SpikingNetwork(**CURVED)
    second.threads = 1
    first.fit(images, epochs=1)
    second.fit(images, epochs=1)
    np.testing.assert_array_equal(first.crossbar.conductance, second.crossbar.conductance)
    np.testing.assert_array_equal(
        first.crossbar.state.lines.bends, second.crossbar.state.lines.bends
    )
    ideal = SpikingNetwork(**CURVED | {"wires": False, "wiring": {}}).fit(images, epochs=1)
    ohmic = SpikingNetwork(**SMALL, **LOSSY).fit(images, epochs=1)
    for other in (ideal, ohmic):
        assert (other.crossbar.conductance != first.crossbar.conductance).any()


@pytest.mark.parametrize("kind", ["none", pytest.param("hard", marks=pytest.mark.frozen)])
def test_saving_and_resuming_equals_not_stopping(mnist: Dataset, tmp_path: Path, kind: str) -> None:
    images = mnist.train_images[:1000]
    changes = {**CURVED, "pruning": {"kind": kind, "mature_spikes": 40}}
    whole = SpikingNetwork(**changes).fit(images, epochs=2)
    steps = 0

    def stop(_) -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise InterruptedError

    network = SpikingNetwork(**changes)
    with pytest.raises(InterruptedError):
        network.fit(images, epochs=2, callback=stop)
    network.save(tmp_path / "state.npz")
    resumed = SpikingNetwork.load(tmp_path / "state.npz")
    for _ in resumed.responses(mnist.test_images[:50], phase="test"):  # leaves no trace
        pass
    resumed.ledger.clear("test")
    resumed.resume(resumed.prepare(images), epochs=2)
    for name, value in whole.to_state().items():
        np.testing.assert_array_equal(resumed.to_state()[name], value, err_msg=name)


def test_recognition_sees_what_exact_reads_would(mnist: Dataset) -> None:
    """The responses of neurons, with what is seen against reads solved one by one."""
    network = SpikingNetwork(**CURVED).fit(mnist.train_images[:1000], epochs=1)
    state = network.crossbar.wired.at_rest(
        network.crossbar.state, network.layers[0].inputs.together
    )
    pixels = network.select_pixels(mnist.test_images[:60])
    spikes = np.random.default_rng(0).integers(0, 256, pixels.shape) < pixels
    exact = network.crossbar.wired.read(state.g, spikes * network.device.v_read).currents
    reads = [told(one.astype(np.float32), state.lines.seen, state.lines) for one in spikes]
    currents = np.array(reads) * network.device.v_read
    off = np.sqrt(np.square(currents - exact).mean()) / exact.mean()
    assert off < 0.01
    for _ in network.responses(mnist.test_images[:60], phase="test"):
        pass
    account = network.ledger.account("test")
    assert account.joules[Operation.READ_WIRE] > 0.02 * account.joules[Operation.CELL_READ]


def test_with_a_large_voltage_scale_it_learns_as_ohmic_cells_do(mnist: Dataset) -> None:
    images, labels = mnist.train_images[:600], mnist.train_labels[:600]
    ohmic = SpikingNetwork(**SMALL, **LOSSY).fit(images, epochs=1)
    curved = SpikingNetwork(**SMALL, **LOSSY, cell={"v_sinh": 1000.0}).fit(images, epochs=1)
    np.testing.assert_array_equal(curved.spike_counts, ohmic.spike_counts)
    np.testing.assert_array_equal(curved.crossbar.conductance, ohmic.crossbar.conductance)
    for network in (ohmic, curved):
        network.label(images, labels)
    for op in Operation:
        one, other = (n.ledger.account("label").joules[op] for n in (ohmic, curved))
        assert other == pytest.approx(one, rel=0.03)


def test_saturated_sums() -> None:
    np.testing.assert_allclose(saturated(np.array([[0.0, 2.0]]), np.array([1.0, 0.5])), [[0, 1]])
