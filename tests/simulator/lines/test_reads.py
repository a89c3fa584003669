"""Arrays behind resistive lines: while they are used, and while they learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim.core.errors import DataError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.solver import solve
from cbramsim.simulator.lines.tiles import Layout, Tiles

QUIET = Device.load("subquantum-cbram").without_variability()
WIRES = Wires(r_word=20.0, r_bit=30.0, r_source=200.0, r_sense=100.0, r_access=1e3)
TILES = Tiles(rows=10, columns=5)
ROWS = [slice(0, 8), slice(8, 16), slice(16, 23)]
COLUMNS = [slice(0, 4), slice(4, 8), slice(8, 11)]


def random_crossbar(wires: Wires = WIRES, tiles: Tiles | None = TILES, **more) -> Crossbar:
    crossbar = Crossbar(QUIET, (23, 11), seed=5, wires=wires, tiles=tiles, **more)
    crossbar.set_weights(np.random.default_rng(1).uniform(-1, 1, (23, 11)))
    return crossbar


def solved_tile_by_tile(crossbar: Crossbar, v: NDArray, wires: Wires = WIRES) -> tuple:
    """Return bit-line currents, A, and what cells, with their transistors, and lines take, W."""
    currents, cells, lines, source = np.zeros(11), 0.0, 0.0, 0.0
    for rows in ROWS:
        for columns in COLUMNS:
            g = crossbar.conductance[rows, columns]
            terminals = Terminals.product(v[rows], g.shape[1], wires)
            solution = solve(g, terminals, wires, tolerance=1e-12)
            currents[columns] += solution.outputs
            cells += solution.power.cells + solution.power.access
            lines += solution.power.word_lines + solution.power.bit_lines
            source += solution.power.source
    assert cells + lines == pytest.approx(source, rel=1e-9)
    return currents, cells, lines


# Tiles


def test_lines_are_shared_out_evenly() -> None:
    assert Tiles(rows=128).parts((397, 500))[0].tolist() == [0, 100, 199, 298, 397]
    assert Tiles(rows=128).parts((397, 500))[1].tolist() == [0, 500]
    assert Tiles(rows=1, columns=7).parts((3, 7))[0].tolist() == [0, 1, 2, 3]
    assert list(Layout((23, 11), WIRES, TILES)) == [(r, c) for r in ROWS for c in COLUMNS]


@pytest.mark.parametrize("ends", ["one", "both"])
def test_the_way_to_a_cell_is_what_the_circuit_says(ends: str) -> None:
    """With one cell in the tile, nothing else conducts: the resistance is that of its path."""
    wires = WIRES.replace(word_ends=ends, bit_ends=ends)
    layout = Layout((23, 11), wires, TILES)
    for row, column in [(0, 0), (7, 3), (9, 6), (20, 10)]:
        rows, columns = next(
            (r, c) for r in ROWS for c in COLUMNS
            if r.start <= row < r.stop and c.start <= column < c.stop
        )  # fmt: skip
        g = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
        g[row - rows.start, column - columns.start] = 1e-4
        terminals = Terminals.product(np.ones(len(g)), g.shape[1], wires)
        current = solve(g, terminals, wires).outputs.sum()
        path = layout.along_word[column] + layout.along_bit[row]
        assert current == pytest.approx(1 / (1e4 + path), rel=1e-7)


# Fixed cells


@pytest.mark.parametrize("ends", ["one", "both"])
def test_a_read_is_the_sum_of_the_tiles(ends: str, rng: np.random.Generator) -> None:
    wires = WIRES.replace(word_ends=ends, bit_ends=ends)
    crossbar = random_crossbar(wires)
    v = rng.uniform(-0.05, 0.1, 23)
    currents, cells, lines = solved_tile_by_tile(crossbar, v, wires)
    np.testing.assert_allclose(crossbar.read(v), currents, rtol=1e-5, atol=1e-12)
    account = crossbar.ledger.account("use")
    assert account.joules[Operation.CELL_READ] == pytest.approx(cells * QUIET.t_read, rel=1e-6)
    assert account.joules[Operation.READ_WIRE] == pytest.approx(lines * QUIET.t_read, rel=1e-5)
    assert account.counts[Operation.READ_WIRE] == account.counts[Operation.CELL_READ] == 23 * 11
    assert lines > 0.005 * cells


def test_batches_cost_what_single_reads_do(rng: np.random.Generator) -> None:
    v = rng.uniform(0, 0.1, (4, 23))
    together, singly = random_crossbar(), random_crossbar()
    currents = together.read(v)
    np.testing.assert_allclose(currents, [singly.read(one) for one in v], rtol=1e-6)
    for op in Operation:
        assert together.ledger.account("use").joules[op] == pytest.approx(
            singly.ledger.account("use").joules[op], rel=1e-9
        )


def test_every_change_of_a_cell_is_seen(rng: np.random.Generator) -> None:
    crossbar = random_crossbar()
    v = rng.uniform(0.05, 0.1, 23)

    def program(column: int = 6) -> None:
        crossbar.program(column, [9, 3], [20, -20])

    def age() -> None:
        crossbar.wait(years=1, celsius=85)

    changes = [
        program,
        lambda: crossbar.set_conductance(2e-5),
        lambda: crossbar.program_to(0, [22], QUIET.g_max),
        lambda: crossbar.set_weights(0.5),
        age,
        lambda: crossbar.disconnect(2, [0, 1, 17]),
        program,
    ]
    before = crossbar.read(v)
    for change in changes:
        change()
        after = crossbar.read(v)
        assert (after != before).any() or change is age
        np.testing.assert_allclose(after, solved_tile_by_tile(crossbar, v)[0], rtol=1e-5)
        before = after


def test_only_tiles_in_which_a_cell_has_changed_are_solved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cbramsim.simulator.array import wired_reads as reads

    solved = []
    original, updated = reads.effective, reads.updated
    monkeypatch.setattr(
        reads, "effective", lambda g, *a, **k: solved.append(g.shape) or original(g, *a, **k)
    )
    monkeypatch.setattr(
        reads, "updated", lambda t, g, *a, **k: solved.append(g.shape) or updated(t, g, *a, **k)
    )
    crossbar = random_crossbar()
    assert (crossbar.seen > 0).all()
    assert len(solved) == 9
    crossbar.read(np.full(23, 0.05))
    assert len(solved) == 9
    crossbar.program(10, [22], 5)
    assert (crossbar.seen > 0).all()
    assert solved[9:] == [(7, 3)]


def test_what_is_seen_is_read_only_and_the_product() -> None:
    crossbar = random_crossbar()
    v = np.linspace(0, 0.1, 23, dtype=np.float32)
    seen = crossbar.seen  # from here on it is known, and reads are products with it
    np.testing.assert_array_equal(crossbar.read(v), (v[None] @ seen)[0])
    with pytest.raises(ValueError, match="read-only"):
        crossbar.seen[0, 0] = 1
    assert (crossbar.seen < crossbar.conductance).all()


def test_lines_without_resistance_change_nothing(rng: np.random.Generator) -> None:
    none = Wires(r_word=0, r_bit=0)
    bare = Crossbar(QUIET, (23, 11), seed=5)
    wired = random_crossbar(none, None)
    bare.set_conductance(wired.conductance)
    v = rng.uniform(0, 0.1, (3, 23))
    np.testing.assert_allclose(wired.read(v), bare.read(v), rtol=1e-6)
    for crossbar in (wired, bare):
        crossbar.program(3, range(23), 4)
        crossbar.program_to(4, range(23), QUIET.g_mid)
    for op in Operation:
        expected = bare.ledger.account("use").joules[op]
        assert wired.ledger.account("use").joules[op] == pytest.approx(
            expected, rel=1e-6, abs=1e-30
        )
    np.testing.assert_array_equal(wired.conductance, bare.conductance)


def test_a_word_line_through_three_arrays_has_three_drivers() -> None:
    crossbar = random_crossbar()
    crossbar.read(np.full(23, 0.1))
    drive = 23 * (3 * Periphery.load("cmos-28nm").e_word_line + 11 * QUIET.c_cell * 0.01)
    booked = crossbar.ledger.account("use").joules[Operation.WORD_LINE_DRIVE]
    assert booked == pytest.approx(drive, rel=1e-6)


def test_programming_through_lines_by_hand() -> None:
    """(G V)² R t of each pulse, G at its middle; R from driver to sense circuit."""
    crossbar = random_crossbar()
    row, column = 9, 6  # second of eight rows and third of four columns of its tile
    path = 200 + 3 * 20 + 1000 + 7 * 30 + 100
    states = [float(crossbar.conductance[row, column])]
    for pulse in (1, 1, -1):
        crossbar.program(column, [row], pulse)
        states.append(float(crossbar.conductance[row, column]))
    volts = [QUIET.v_set, QUIET.v_set, QUIET.v_reset]
    seconds = [QUIET.t_set, QUIET.t_set, QUIET.t_reset]
    currents = [
        v * (a + b) / 2 for v, a, b in zip(volts, states[:-1], states[1:], strict=True)
    ]  # fmt: skip
    expected = sum(path * i * i * t for i, t in zip(currents, seconds, strict=True))
    account = crossbar.ledger.account("use")
    assert account.counts[Operation.PROGRAM_WIRE] == 3
    assert account.joules[Operation.PROGRAM_WIRE] == pytest.approx(expected, rel=1e-6)


def test_sensing_through_lines_by_hand() -> None:
    """A cell that is where it should be is sensed once."""
    crossbar = random_crossbar()
    g = float(crossbar.conductance[16, 0])  # first cell of its tile, seven rows
    crossbar.program_to(0, [16], g)
    path = 200 + 20 + 1000 + 7 * 30 + 100
    account = crossbar.ledger.account("use")
    assert account.counts[Operation.SENSE_READ] == account.counts[Operation.PROGRAM_WIRE] == 1
    expected = path * (g * QUIET.v_read) ** 2 * QUIET.t_read
    assert account.joules[Operation.PROGRAM_WIRE] == pytest.approx(expected, rel=1e-6)


# Learning

SMALL = {"neurons": 20, "inputs": 60, "wires": True, "pruning": {"kind": "none"}}
HEAVY = {"wiring": {"r_word": 50.0, "r_bit": 50.0}, "tiles": {"rows": 25}}


def state_of(network: SpikingNetwork) -> list[NDArray]:
    state, wired = network.crossbar.state, network.crossbar.wired
    assert wired is not None
    return [
        state.g, state.lines.seen, state.lines.base, state.lines.dissipated, state.row_sum, wired.beyond,
        np.array([wired.interval, wired.since, wired.solutions, wired.error]),
        network.bias, np.array(network.layers[0].streams), *network.ledger.to_arrays().values(),
    ]  # fmt: skip


def assert_same(first: SpikingNetwork, second: SpikingNetwork) -> None:
    for a, b in zip(state_of(first), state_of(second), strict=True):
        np.testing.assert_array_equal(a, b)


def exact(network: SpikingNetwork) -> NDArray:
    """What reads would see of the cells as they are, float64[rows, columns], S."""
    seen = np.zeros(network.crossbar.shape)
    wires = network.config.wiring
    for rows, columns in network.crossbar.wired.layout:  # type: ignore[union-attr]
        g = network.crossbar.conductance[rows, columns]
        for i, v in enumerate(np.eye(len(g))):
            terminals = Terminals.product(v, g.shape[1], wires)
            seen[rows.start + i, columns] = solve(g, terminals, wires).outputs
    return seen


def test_the_same_seed_gives_the_same_result(mnist: Dataset) -> None:
    images = mnist.train_images[:1000]
    first, second = (SpikingNetwork(**SMALL, **HEAVY).fit(images, epochs=1) for _ in range(2))
    assert_same(first, second)
    assert first.crossbar.wired.solutions >= 2
    ideal = SpikingNetwork(**{**SMALL, "wires": False}).fit(images, epochs=1)
    assert (ideal.crossbar.conductance != first.crossbar.conductance).any()


@pytest.mark.parametrize("kind", ["none", "hard"])
@pytest.mark.parametrize("stop_after", [1, 4, 6])
def test_saving_and_resuming_equals_not_stopping(
    mnist: Dataset, tmp_path: Path, stop_after: int, kind: str
) -> None:
    images = mnist.train_images[:1000]
    changes = {**SMALL, **HEAVY, "pruning": {"kind": kind, "mature_spikes": 40}}
    whole = SpikingNetwork(**changes).fit(images, epochs=2)
    steps = 0

    def stop(_) -> None:
        nonlocal steps
        steps += 1
        if steps == stop_after:
            raise InterruptedError

    network = SpikingNetwork(**changes)
    with pytest.raises(InterruptedError):
        network.fit(images, epochs=2, callback=stop)
    network.save(tmp_path / "state.npz")
    resumed = SpikingNetwork.load(tmp_path / "state.npz")
    assert_same(network, resumed)
    for _ in resumed.responses(mnist.test_images[:50], phase="test"):  # recognition leaves no trace
        pass
    resumed.ledger.clear("test")
    resumed.resume(resumed.prepare(images), epochs=2)
    assert_same(whole, resumed)


@pytest.mark.parametrize("name", ["wires_seen", "wires_base", "wires_dissipated", "together"])
def test_a_state_that_does_not_fit_is_refused(mnist: Dataset, tmp_path: Path, name: str) -> None:
    path = tmp_path / "state.npz"
    SpikingNetwork(**SMALL).fit(mnist.train_images[:200], epochs=1).save(path)
    arrays = dict(np.load(path))
    arrays[name] = arrays[name][:-1]
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=f"{name} must have shape"):
        SpikingNetwork.load(path)


@pytest.mark.parametrize(
    ("name", "value"), [("wires_error", [np.nan]), ("wires_progress", [0, 1, 1])]
)
def test_impossible_progress_is_refused(
    mnist: Dataset, tmp_path: Path, name: str, value: list
) -> None:
    path = tmp_path / "state.npz"
    SpikingNetwork(**SMALL).fit(mnist.train_images[:200], epochs=1).save(path)
    np.savez(path, **{**dict(np.load(path)), name: np.array(value)})
    with pytest.raises(DataError, match=f"{name} must be >= 0"):
        SpikingNetwork.load(path)


@pytest.mark.parametrize("rule", ["device", "ideal"])
@pytest.mark.parametrize("resistance", [0.0, 1e-6])
def test_with_hardly_any_resistance_it_learns_as_without(
    mnist: Dataset, rule: str, resistance: float
) -> None:
    images, labels = mnist.train_images[:600], mnist.train_labels[:600]
    changes = {**SMALL, "rule": rule, "tiles": {"rows": 25}}
    bare = SpikingNetwork(**{**changes, "wires": False}).fit(images, epochs=1)
    wired = SpikingNetwork(**changes, wiring={"r_word": resistance, "r_bit": resistance}).fit(
        images, epochs=1
    )
    np.testing.assert_array_equal(wired.spike_counts, bare.spike_counts)
    np.testing.assert_array_equal(wired.crossbar.conductance, bare.crossbar.conductance)
    for network in (wired, bare):
        network.label(images, labels)
    for phase in ("train", "label"):
        one, other = (n.ledger.account(phase) for n in (wired, bare))
        for op in Operation:
            if op in (Operation.READ_WIRE, Operation.PROGRAM_WIRE):
                assert abs(one.joules[op]) < 1e-6 * other.joules.sum()
            else:
                assert one.joules[op] == pytest.approx(other.joules[op], rel=1e-6)


def mean_read_error(network: SpikingNetwork, seen: NDArray) -> float:
    """Return the largest error of the mean current of a bit line, as a part of their mean."""
    mean = network.layers[0].inputs.activity @ exact(network)
    return float(np.abs(network.layers[0].inputs.activity @ seen - mean).max() / mean.mean())


@pytest.mark.parametrize(
    "changes",
    [HEAVY, {"wiring": {"r_word": 0.0, "r_bit": 50.0}}, {"wiring": {"r_access": 1e4}}],
    ids=["heavy", "ideal word lines", "access"],
)
def test_reads_while_learning_are_as_wrong_as_is_reported(mnist: Dataset, changes: dict) -> None:
    """What the last reads of every step saw, against the array solved there."""
    network = SpikingNetwork(**SMALL, **changes)
    found: list[float] = []

    def compare(_) -> None:
        found.append(mean_read_error(network, network.crossbar.state.lines.seen))

    network.fit(mnist.train_images[:2400], epochs=1, callback=compare)
    wired = network.crossbar.wired
    assert 2 <= wired.solutions <= 12
    loss = 1 - exact(network).sum() / network.crossbar.conductance.sum()
    assert loss > 0.05
    assert found[-1] < 0.3 * loss  # better than not to follow at all
    assert 0.2 * max(found) <= wired.error <= 1.5 * max(found)  # it takes each tile by itself


def test_the_exact_solution_is_taken_over(mnist: Dataset) -> None:
    network = SpikingNetwork(**SMALL, **HEAVY).fit(mnist.train_images[:600], epochs=1)
    state = network.crossbar.state
    network.crossbar.wired.since = network.crossbar.wired.interval
    network.crossbar.wired.follow(state, network.layers[0].inputs.together, 1e-4)
    np.testing.assert_allclose(state.lines.seen, exact(network), rtol=1e-3)
    np.testing.assert_allclose(network.crossbar.seen, exact(network), rtol=1e-5)


def test_a_cell_that_is_taken_out_is_seen_no_more(mnist: Dataset) -> None:
    """Between two solutions: the next read must not see what is no longer there."""
    network = SpikingNetwork(**SMALL, **HEAVY).fit(mnist.train_images[:600], epochs=1)
    wired, state = network.crossbar.wired, network.crossbar.state
    wired.since = wired.interval
    wired.follow(state, network.layers[0].inputs.together, 0.01)
    network.crossbar.disconnect(3, np.arange(10))
    wired.interval, wired.since = 64, 1
    solutions = wired.solutions
    wired.follow(network.crossbar.state, network.layers[0].inputs.together, 0.01)
    assert wired.solutions == solutions
    assert not network.crossbar.state.lines.seen[:10, 3].any()
    off = mean_read_error(network, network.crossbar.state.lines.seen)
    wired.since = wired.interval
    wired.follow(network.crossbar.state, network.layers[0].inputs.together, 1e-4)
    solved = network.crossbar.state.lines.seen.copy()
    assert (solved[:10, 3] > 0).all()  # other cells let something through to its lines
    wired.follow(network.crossbar.state, network.layers[0].inputs.together, 1e-4)
    np.testing.assert_allclose(network.crossbar.state.lines.seen, solved, rtol=1e-5)
    assert off < 0.02


def test_the_energy_of_reads_is_the_mean_over_spikes(mnist: Dataset) -> None:
    """Booked by row sums, against solutions for the spikes of many windows."""
    network = SpikingNetwork(**SMALL, **HEAVY).fit(mnist.train_images[:600], epochs=1)
    images = mnist.train_images[:150]
    for _ in network.responses(images, phase="test"):
        pass
    account = network.ledger.account("test")
    pixels = network.select_pixels(images)
    windows = network.config.encoding.windows
    rng = np.random.default_rng(0)
    spiked = rng.integers(0, 256, (40, *pixels.shape)) < pixels
    volts = spiked.reshape(-1, 60) * network.device.v_read
    cells, lines = network.crossbar.wired.read(network.crossbar.state.g, volts)[1:]
    per_read = network.device.t_read / len(volts) * len(images) * windows
    assert account.joules[Operation.CELL_READ] == pytest.approx(cells * per_read, rel=0.02)
    assert account.joules[Operation.READ_WIRE] == pytest.approx(lines * per_read, rel=0.05)
    assert lines > 0.05 * cells


def test_the_energy_of_reads_while_learning(mnist: Dataset) -> None:
    """Step by step, against the array solved at its end; within the first few, much changes."""
    network = SpikingNetwork(**SMALL, wiring={"r_word": 10.0, "r_bit": 10.0})
    off = []

    def compare(_) -> None:
        state, wired = network.crossbar.state, network.crossbar.wired
        by_row = wired.at_rest(state, network.layers[0].inputs.together).lines.dissipated
        power = state.row_sum * network.layers[0].inputs.activity
        off.append(state.lines.dissipated @ power / (by_row @ power) - 1)

    network.fit(mnist.train_images[:3000], epochs=1, callback=compare)
    cells, lines = np.abs(off).T
    assert lines[0] > 0.1
    assert cells[3:].max() < 0.03
    assert lines[3:].max() < 0.05


def test_the_power_of_a_read_is_that_of_its_solution(mnist: Dataset) -> None:
    network = SpikingNetwork(**SMALL, **HEAVY).fit(mnist.train_images[:200], epochs=1)
    v = np.where(np.arange(60) % 3, 0.0, 0.1)
    cells, lines = network.crossbar.wired.read(network.crossbar.state.g, v[None])[1:]
    power = [
        solve(
            network.crossbar.conductance[rows, columns],
            Terminals.product(v[rows], 20, network.config.wiring), network.config.wiring,
        ).power
        for rows, columns in network.crossbar.wired.layout
    ]  # fmt: skip
    assert cells == pytest.approx(sum(p.cells for p in power), rel=1e-7)
    assert lines == pytest.approx(sum(p.word_lines + p.bit_lines for p in power), rel=1e-6)


def test_nearly_opaque_lines_leave_finite_numbers(mnist: Dataset) -> None:
    network = SpikingNetwork(**SMALL, wiring={"r_word": 1e7, "r_bit": 1e7})
    network.fit(mnist.train_images[:400], epochs=1)
    assert np.isfinite(network.crossbar.state.lines.seen).all()
    assert np.isfinite(network.crossbar.wired.beyond).all()
    assert np.isfinite(network.bias).all()


# Single reads


def spied(monkeypatch: pytest.MonkeyPatch) -> tuple[list, list]:
    """Return what is solved for all inputs, and what for one read, from now on."""
    from cbramsim.simulator.array import wired_reads as reads

    whole: list[tuple[int, int]] = []
    single: list[tuple[int, int]] = []
    effective, one = reads.effective, reads.solve
    monkeypatch.setattr(
        reads, "effective", lambda g, *a, **k: whole.append(g.shape) or effective(g, *a, **k)
    )
    monkeypatch.setattr(
        reads, "solve", lambda g, *a, **k: single.append(g.shape) or one(g, *a, **k)
    )
    return whole, single


@pytest.mark.parametrize("tiles", [None, TILES])
@pytest.mark.parametrize("wires", [WIRES, WIRES.replace(word_ends="both", bit_ends="both"),
                                   Wires(r_word=0, r_bit=5)])  # fmt: skip
def test_a_single_read_is_what_the_whole_matrix_says(
    wires: Wires, tiles: Tiles | None, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    whole, single = spied(monkeypatch)
    reads = rng.uniform(-0.05, 0.1, 23), np.zeros(23), rng.uniform(0, 0.1, (2, 3, 23))
    for v, signed in zip(reads, (False, False, True), strict=True):
        one, other = random_crossbar(wires, tiles), random_crossbar(wires, tiles)
        for crossbar in (one, other):
            crossbar.disconnect(4, [0, 1, 20])
        currents = one.read(v, signed=signed)
        assert not whole
        assert other.seen.any()
        expected = other.read(v, signed=signed)
        whole.clear()
        assert currents.shape == expected.shape == (*v.shape[:-1], 11)
        assert currents.dtype == np.float32
        np.testing.assert_allclose(currents, expected, rtol=1e-5, atol=1e-11)
        for op in Operation:
            booked = one.ledger.account("use").joules[op]
            assert booked == pytest.approx(other.ledger.account("use").joules[op], rel=1e-6)
    assert len(single) == (1 + 1 + 6) * (1 if tiles is None else 9)


def test_many_reads_are_worth_the_whole_matrix(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Once a tile has been read as often as it has word lines; a change of a cell starts anew."""
    whole, single = spied(monkeypatch)
    crossbar = random_crossbar(tiles=Tiles(rows=12))  # tiles of 12 and of 11 word lines
    v = rng.uniform(0, 0.1, (30, 23))
    currents = [crossbar.read(one) for one in v[:11]]
    assert (len(whole), len(single)) == (0, 22)
    currents += [crossbar.read(one) for one in v[11:]]
    assert (whole, len(single)) == ([(11, 11), (12, 11)], 23)
    np.testing.assert_allclose(currents, crossbar.read(v), rtol=1e-5)
    crossbar.program(3, [0], 5)  # a cell of the first tile
    crossbar.read(v[0])
    assert (len(whole), len(single)) == (2, 24)
    at_once = random_crossbar(tiles=Tiles(rows=12))
    at_once.read(v)
    assert (len(whole), len(single)) == (4, 24)


def test_a_single_read_has_noise_as_any_other() -> None:
    noisy = QUIET.replace(read_c2c=0.05)
    singly, known = (Crossbar(noisy, (23, 11), seed=5, wires=WIRES) for _ in range(2))
    assert known.seen.any()
    v = np.full(23, 0.1)
    np.testing.assert_allclose(singly.read(v), known.read(v), rtol=1e-5)
