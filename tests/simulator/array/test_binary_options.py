"""Binary cells with the options of any array: verification, access, gaps, lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbramsim.core.kernels import lean_loop
from cbramsim.core.rng import stream
from cbramsim.core.verbs import give_pulses, read
from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies.overhead import loaded
from cbramsim.simulator.array.binary import BinaryCrossbar, BinaryWeights
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.loop import scratch
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.lines import Wires
from tests.simulator.array.binary_twin import assert_recounted
from tests.simulator.array.test_binary import assert_same, network_of, one_update

CBRAM = Device.load("subquantum-cbram")
NOMINAL = CBRAM.without_variability()
QUIET = NOMINAL.replace(read_c2c=1e-6)
"""With noise that changes nothing, in the loops that all noisy cells share."""

# ---- verification ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"device": loaded(CBRAM).replace(read_c2c=0.2, stuck_low=0.05), "binary": {"bits": 3}},
        pytest.param(
            {"binary": {"bits": 2, "write_pulses": 3}, "cell": {"stuck_high": 0.2}},
            marks=pytest.mark.frozen,
        ),
    ],
    ids=["misread", "stuck"],
)
def test_verified_bits_and_independent_recount_agree(mnist: Dataset, changes: dict) -> None:
    verify = {"method": "verify", "tries": 2}
    network, inputs = network_of(mnist, programming=verify, **changes)
    assert_recounted(network, inputs)


@pytest.mark.parametrize("tries", [pytest.param(1, marks=pytest.mark.frozen), 3])
def test_a_bit_is_written_again_as_often_as_it_is_misread(tries: int) -> None:
    """With noise, by a geometric series; a stuck bit takes all tries."""
    rows, cells = 20_000, BinaryWeights(bits=1)
    wanted = np.zeros((2, 256), np.float32)
    wanted[1, 0] = 1.0  # every 0 becomes a 1
    counts: dict[str, Any] = {}
    misread = 0.0
    for name, device in (
        ("noisy", NOMINAL.replace(read_c2c=0.4)), ("stuck", QUIET.replace(stuck_low=1.0)),
    ):  # fmt: skip
        crossbar = BinaryCrossbar(device, (rows, 1), cells)
        account = crossbar.cells.ledger.account("train")
        one_update(crossbar, wanted, 255, 0, tries)
        counts[name] = account.counts.copy(), account.joules.copy()
        misread = crossbar.expected_bit_error_rate() if name == "noisy" else misread
    first = rows * 255 / 256  # spiked, and read as 0
    sets, senses = (counts["stuck"][0][op] for op in (Operation.BIT_SET, Operation.SENSE_READ))
    assert sets == pytest.approx((1 + tries) * first, rel=0.01)
    assert senses - rows == sets
    sets, senses = (counts["noisy"][0][op] for op in (Operation.BIT_SET, Operation.SENSE_READ))
    once = first * (1 - misread)
    again = sum(misread**n for n in range(1, tries + 1))
    assert sets == pytest.approx(once * (1 + again), rel=0.01)
    assert senses - rows == pytest.approx(once * (1 + again), rel=0.01)


# ---- bare cells --------------------------------------------------------------------------------

AT_ONCE = NOMINAL.replace(
    law="constant", nonlinearity_up=0.0, nonlinearity_down=0.0, pulses_up=1, pulses_down=1,
    v_switch=0.1,
)  # fmt: skip
"""Cells that one pulse takes from one end to the other, and that a part of it moves by a part."""


@lean_loop
def change_code(slices, column, rows, by, stream, account):
    give_pulses(slices, column, rows, by, rows.size, slices.booked_as, stream, account)


def change(crossbar: BinaryCrossbar, column: int, row: int, by: int) -> None:
    crossbar.slices.codes[:] = crossbar.codes[:, column]
    change_code(
        crossbar.slices, column, np.array([row], np.int32), np.array([by], np.int32),
        crossbar.pulse_stream, crossbar.cells.ledger.account("use"),
    )  # fmt: skip
    crossbar.settle()


def test_half_selected_bits_by_hand() -> None:
    """One bit of 2 x 2 weights of 2 bits is set: V/2 on 3 cells of its row and 1 of its column."""
    crossbar = BinaryCrossbar(NOMINAL, (2, 2), BinaryWeights(bits=2), access="passive")
    crossbar.set_codes([[2, 1], [3, 0]])
    change(crossbar, 0, 0, 1)  # code 2 to 3: bit 0, line 0
    d, account = NOMINAL, crossbar.cells.ledger.account("use")
    np.testing.assert_array_equal(crossbar.codes, [[3, 1], [3, 0]])
    assert account.counts[Operation.HALF_SELECT] == 2 + 4 - 2
    # Of row 0: lines 1 (bit 0 of weight 1, set), 2 (bit 1 of weight 0, set), 3; of line 0: set.
    others = 2 * d.g_max + d.g_min + d.g_max
    half = (0.5 * d.v_set) ** 2 * d.t_set * others
    assert account.joules[Operation.HALF_SELECT] == pytest.approx(half, rel=1e-6)
    line = d.c_cell * (2 + 4) * 0.25 * d.v_set**2
    assert account.joules[Operation.PROGRAM_LINE] == pytest.approx(line)
    assert account.joules[Operation.BIT_SET] == pytest.approx(
        d.v_set**2 * d.t_set * 0.5 * (d.g_min + d.g_max), rel=1e-6
    )


def test_sensed_weights_leak_through_others_of_their_word_line() -> None:
    rows, binary = 40, BinaryWeights(bits=3)
    crossbar = BinaryCrossbar(QUIET, (rows, 1), binary, access="passive")
    wide = BinaryCrossbar(QUIET, (rows, 2), binary, access="passive")
    codes = np.random.default_rng(0).integers(0, 8, (rows, 2))
    nothing = np.zeros((2, 256), np.float32)
    crossbar.set_codes(codes[:, :1])
    one_update(crossbar, nothing, 100, 0)
    account = crossbar.cells.ledger.account("train")
    assert account.counts[Operation.HALF_SELECT] == 0
    assert abs(account.joules[Operation.HALF_SELECT]) < 1e-9 * account.joules.sum()
    wide.set_codes(codes)
    wide.inhibit(0, [3, 5])
    missed = wide.program_to(0, np.arange(rows), wide.device.conductance_of(codes[:, 0] / 3.5 - 1))
    assert not missed
    account = wide.cells.ledger.account("use")
    sensed = np.delete(np.arange(rows), [3, 5])
    bits = (codes[sensed, 1][:, None] >> np.arange(3)) & 1
    g = np.where(bits, NOMINAL.g_max, NOMINAL.g_min).sum()
    assert account.counts[Operation.HALF_SELECT] == 2 * 3 * len(sensed)
    assert account.joules[Operation.HALF_SELECT] == pytest.approx(
        2 * NOMINAL.v_read**2 * NOMINAL.t_read * g, rel=1e-5
    )


@pytest.mark.parametrize("scheme", ["V/2", "V/3"])
def test_bits_are_written_as_an_analog_array_is_pulsed(scheme: Any) -> None:
    """The same pulses on the same cells: same energy, same half-selected cells moved alike."""
    rows, columns, bits = 5, 3, 3
    binary = BinaryCrossbar(
        AT_ONCE, (rows, columns), BinaryWeights(bits=bits), access="passive", scheme=scheme
    )
    analog = Crossbar(AT_ONCE, (rows, bits * columns), access="passive", scheme=scheme)
    rng = np.random.default_rng(1)
    codes = np.zeros((rows, columns), int)
    for _ in range(60):
        row, column, plane = (int(rng.integers(n)) for n in (rows, columns, bits))
        codes = binary.codes
        way = -1 if codes[row, column] >> plane & 1 else 1
        change(binary, column, row, way << plane)
        analog.program(plane * columns + column, [row], way)
        np.testing.assert_allclose(binary.state.g, analog.state.g, rtol=1e-5)
    low, high = AT_ONCE.g_min, AT_ONCE.g_max
    moved = (binary.state.g > 1.001 * low) & (binary.state.g < 0.999 * high)
    assert moved.any()
    np.testing.assert_array_equal(binary.state.wear, analog.state.wear)
    mine, theirs = (each.ledger.account("use") for each in (binary.cells, analog))
    pulses = mine.joules[Operation.BIT_SET] + mine.joules[Operation.BIT_RESET]
    assert pulses == pytest.approx(theirs.joules[Operation.PROGRAM_PULSE], rel=1e-5)
    for op in (Operation.HALF_SELECT, Operation.PROGRAM_LINE):
        assert mine.counts[op] == theirs.counts[op] > 0
        assert mine.joules[op] == pytest.approx(theirs.joules[op], rel=1e-5)
    planes = binary.state.g.reshape(rows, bits, columns).astype(float)
    ones = np.einsum("rpk,p->rk", (planes - AT_ONCE.g_min) / AT_ONCE.g_range, [1, 2, 4])
    np.testing.assert_allclose(binary.weights, 2 * ones / 7 - 1, atol=1e-6)


def test_cells_that_half_the_voltage_does_not_move_learn_as_with_transistors(
    mnist: Dataset,
) -> None:
    bare, _ = network_of(mnist, access="passive")
    shut_off, _ = network_of(mnist)
    np.testing.assert_array_equal(bare.crossbar.state.g, shut_off.crossbar.state.g)
    np.testing.assert_array_equal(bare.spike_counts, shut_off.spike_counts)
    mine, theirs = (each.ledger.account("train") for each in (bare, shut_off))
    rewritten = mine.counts[Operation.PROGRAM_LINE]
    sensed = mine.counts[Operation.SENSE_READ] // 2
    assert mine.counts[Operation.HALF_SELECT] == rewritten * (101 + 74 - 2) + sensed * (74 - 2)
    assert theirs.counts[Operation.HALF_SELECT] == 0
    same = [op for op in Operation if op not in (Operation.HALF_SELECT, Operation.PROGRAM_LINE)]
    np.testing.assert_array_equal(mine.joules[same], theirs.joules[same])


# ---- gaps --------------------------------------------------------------------------------------


@lean_loop
def read_once(slices, readout, n_active, work, stream, account):
    return read(slices, readout, n_active, work, stream, account)


def read_of(
    crossbar: BinaryCrossbar, active: np.ndarray, seed: int = 0, slices: Any = None
) -> np.ndarray:
    """Return what is read less its reference, in weights, float[columns]."""
    work = scratch(*crossbar.shape, crossbar.binary.bits)
    work.rows[: active.size] = active
    account = crossbar.cells.ledger.account("use")
    reads = stream(seed, "reads")
    reference = read_once(
        slices or crossbar.slices, crossbar.readout(), active.size, work, reads, account
    )
    return 2 * (work.currents.astype(float) - reference) / crossbar.device.g_range


READS: dict[str, dict[str, Any]] = {
    "summed": {}, "converters": {"adc_bits": 5}, "sensed": {"read": "sensed"},
    "one by one": {"read": "sensed"},
}  # fmt: skip


@pytest.mark.parametrize("how", READS)
def test_missing_weights_add_nothing_however_one_reads(how: str) -> None:
    rows, columns, bits = 60, 7, 3
    rng = np.random.default_rng(2)
    binary = BinaryWeights(bits=bits, **READS[how])
    noise = how in ("summed", "one by one")  # of the others there is no noisy loop
    crossbar = BinaryCrossbar(QUIET if noise else NOMINAL, (rows, columns), binary)
    codes = rng.integers(0, 2**bits, (rows, columns))
    crossbar.set_codes(codes)
    gone = rng.random((rows, columns)) < 0.4
    for column in range(columns):
        crossbar.disconnect(column, np.flatnonzero(gone[:, column]))
    np.testing.assert_array_equal(crossbar.connected, ~gone)
    weights = np.where(gone, 0, 2 * codes / 7 - 1)
    np.testing.assert_allclose(crossbar.weights, weights, atol=1e-6)
    crossbar._bits_turn = how == "one by one"
    active = np.sort(rng.choice(rows, 25, replace=False))
    found = read_of(crossbar, active)
    if how == "converters":
        step, planes = rows / 2**5, 2.0 ** np.arange(bits)
        plus = (codes[active][:, None] >> np.arange(bits)[:, None] & 1) - 0.5
        counts = np.where(gone[active][:, None], 0, plus).sum(axis=0)
        rounded = step * np.clip(np.rint(counts / step), -16, 15)
        np.testing.assert_allclose(found, 2 * planes @ rounded / 7, atol=1e-3)
    else:
        np.testing.assert_allclose(found, weights[active].sum(axis=0), atol=1e-4)
    account = crossbar.cells.ledger.account("use")
    assert account.counts[Operation.CELL_READ] == bits * (~gone[active]).sum()
    g = np.where(
        codes[active][:, None] >> np.arange(bits)[:, None] & 1, NOMINAL.g_max, NOMINAL.g_min
    )
    taken = NOMINAL.v_read**2 * NOMINAL.t_read * (g * ~gone[active][:, None]).sum()
    assert account.joules[Operation.CELL_READ] == pytest.approx(taken, rel=1e-5)


@pytest.mark.parametrize(
    ("how", "noise"), [("summed", 0.1), ("sensed", 0.4)], ids=["sum", "one by one"]
)
def test_missing_cells_have_no_noise(how: Any, noise: float) -> None:
    """Of two neurons with the same weights, the one with a fifth of its cells has that variance."""
    rows, bits = 100, 2
    device = NOMINAL.replace(read_c2c=noise)
    crossbar = BinaryCrossbar(device, (rows, 40), BinaryWeights(bits=bits, read=how))
    crossbar.set_codes(np.arange(rows)[:, None] % 4)
    for column in range(20):
        crossbar.disconnect(column, np.arange(20, rows))
    reads = np.array([read_of(crossbar, np.arange(rows), seed) for seed in range(100)])
    few, all_ = reads[:, :20], reads[:, 20:]
    assert few.var() / all_.var() == pytest.approx(0.2, rel=0.15)
    expected = np.arange(20) % 4 / 1.5 - 1
    if how == "summed":
        assert few.mean() == pytest.approx(expected.sum(), abs=0.1)
        assert few.std() == pytest.approx(2 * noise * np.sqrt(20 * 5) / 3, rel=0.1)


def test_hard_pruned_weights_are_zero_and_get_no_pulses(mnist: Dataset) -> None:
    pruning = {"kind": "hard", "mature_spikes": 20}
    network, inputs = network_of(mnist, binary={"bits": 2}, pruning=pruning)
    crossbar = network.crossbar
    pruned = network.pruner.pruned.T.copy()
    assert pruned.mean() > 0.3
    np.testing.assert_array_equal(crossbar.connected, ~pruned)
    assert not crossbar.weights[pruned].any()
    assert not crossbar.state.g[np.tile(pruned, (1, 2))].any()
    wear = crossbar.state.wear.T.copy()
    network.pruner.policy = network.pruner.policy.replace(kind="none")
    network.learn_from(inputs, np.arange(100))
    crossbar.release()
    network.learn_from(inputs, np.arange(100))
    grown = wear != crossbar.state.wear.T
    assert grown.any()
    assert not grown[np.tile(pruned, (1, 2))].any()


# ---- lines -------------------------------------------------------------------------------------

LOSSY = Wires(r_word=300.0, r_bit=300.0)


def by_exact_solution(crossbar: BinaryCrossbar, active: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the current of each bit line per volt, S, and the power, W, of one product."""
    volts = np.zeros(crossbar.shape[0])
    volts[active] = crossbar.device.v_read
    solution = crossbar.cells.solve(volts)
    power = float(np.sum(solution.inputs * volts))
    return solution.outputs / crossbar.device.v_read, power


def lossy(how: dict[str, Any], device: Device = NOMINAL) -> tuple[BinaryCrossbar, np.ndarray]:
    rng = np.random.default_rng(4)
    binary = BinaryWeights(bits=2, **how)
    crossbar = BinaryCrossbar(device, (30, 8), binary, wires=LOSSY)
    crossbar.set_codes(rng.integers(0, 4, crossbar.shape))
    crossbar.disconnect(2, [1, 2, 3])
    return crossbar, np.sort(rng.choice(30, 12, replace=False))


@pytest.mark.parametrize("how", ["summed", "converters"])
def test_planes_behind_lines_are_summed_as_solved(how: str) -> None:
    crossbar, active = lossy(READS[how])
    together = np.zeros((30, 30))
    together[np.ix_(active, active)] = 1
    found = read_of(crossbar, active, slices=crossbar.at_rest(together))
    outputs, power = by_exact_solution(crossbar, active)
    d = NOMINAL
    gaps = np.where(crossbar.connected[active], 0, d.g_mid).sum(axis=0)
    ones = (outputs.reshape(2, 8) + gaps - active.size * d.g_mid) / d.g_range
    if how == "converters":
        step = 30 / 2**5
        ones = step * np.clip(np.rint(ones / step), -16, 15)
    np.testing.assert_allclose(found, 2 * np.array([1, 2]) @ ones / 3, atol=1e-4)
    account = crossbar.cells.ledger.account("use")
    taken = account.joules[Operation.CELL_READ] + account.joules[Operation.READ_WIRE]
    assert taken == pytest.approx(power * d.t_read, rel=1e-5)
    assert account.joules[Operation.READ_WIRE] > 0.02 * taken


@pytest.mark.parametrize("one_by_one", [False, True])
def test_each_bit_is_sensed_through_its_own_path(one_by_one: bool) -> None:
    """Row by row, with all others at ground, a lossy line takes far bits below the reference."""
    crossbar, active = lossy({"read": "sensed"})
    crossbar._bits_turn = one_by_one
    slices = crossbar.at_rest(np.full((30, 30), 0.5))
    crossbar._bits_turn = one_by_one
    found = read_of(crossbar, active, slices=slices)
    total, joules = np.zeros(8), 0.0
    for row in active:
        outputs, power = by_exact_solution(crossbar, np.array([row]))
        codes = np.array([1, 2]) @ (outputs.reshape(2, 8) > NOMINAL.g_mid)
        total += np.where(crossbar.connected[row], 2 * codes / 3 - 1, 0)
        joules += power * NOMINAL.t_read
    np.testing.assert_allclose(found, total, atol=1e-4)
    ideal = (crossbar.weights[active]).sum(axis=0)
    assert (found < ideal - 0.5).any()
    account = crossbar.cells.ledger.account("use")
    taken = account.joules[Operation.CELL_READ] + account.joules[Operation.READ_WIRE]
    assert taken == pytest.approx(joules, rel=1e-5)


WIRED = {
    "wires": True, "wiring": {"r_word": 5.0, "r_bit": 5.0}, "wires_error": 0.05,
}  # fmt: skip


@pytest.mark.parametrize("read", [pytest.param("summed", marks=pytest.mark.frozen), "sensed"])
def test_while_it_learns_what_is_read_keeps_step_with_what_is_seen(
    mnist: Dataset, read: str
) -> None:
    network, inputs = network_of(
        mnist, **WIRED, binary={"bits": 3, "read": read}, pruning={"mature_spikes": 20}
    )
    crossbar, d = network.crossbar, NOMINAL
    network.learn_from(inputs, np.arange(50))
    seen = crossbar.state.lines.seen.reshape(101, 3, 37).astype(float)
    ones = (seen - d.g_min) / d.g_range if read == "summed" else seen > d.g_mid
    logic = d.g_min + d.g_range / 7 * np.einsum("rpk,p->rk", ones, [1, 2, 4])
    np.testing.assert_allclose(crossbar.logic, logic, rtol=1e-5)
    assert crossbar.wired is not None
    assert 0 < crossbar.wired.error < 0.15
    lost = crossbar.conductance - crossbar.seen
    assert lost.mean() > (0.01 * d.g_range if read == "summed" else -1)
    mean = network.layers[0].inputs.activity @ crossbar.seen
    tracked = network.layers[0].inputs.activity @ crossbar.logic
    if read == "summed":
        np.testing.assert_allclose(tracked, mean, rtol=0.05)
    account = network.ledger.account("train")
    assert account.joules[Operation.READ_WIRE] > 0
    assert account.joules[Operation.PROGRAM_WIRE] > 0


# ---- state files -------------------------------------------------------------------------------

OPTIONS: dict[str, dict[str, Any]] = {
    "moving": {
        "access": "passive", "cell": {"v_switch": 0.05}, "programming": {"method": "verify"},
    },
    "moving, sensed, thirds": {
        "access": "passive", "scheme": "V/3", "cell": {"v_switch": 0.1, "read_c2c": 0.2},
        "binary": {"bits": 3, "read": "sensed"}, "pruning": {"mature_spikes": 20},
    },
    "hard": {"pruning": {"kind": "hard", "mature_spikes": 25}, "binary": {"adc_bits": 6}},
    "hard, trained, noisy": {
        "pruning": {"kind": "hard", "maturity": "trained"}, "device": loaded(CBRAM),
    },
    "wires": {**WIRED, "pruning": {"kind": "hard", "mature_spikes": 25}},
    "wires, tiles, passive": {
        **WIRED, "access": "passive", "cell": {"v_switch": 0.05, "read_c2c": 0.1},
        "tiles": {"rows": 40, "columns": 30}, "binary": {"read": "sensed"},
        "programming": {"method": "verify"},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(changes, id=name, marks=[pytest.mark.frozen] if n else [])
        for n, (name, changes) in enumerate(OPTIONS.items())
    ],
)
def test_saving_and_resuming_equals_not_stopping(
    mnist: Dataset, tmp_path: Path, changes: dict[str, Any]
) -> None:
    images, labels = mnist.train_images[:300], mnist.train_labels[:300]
    network, inputs = network_of(mnist, images=300, **changes)
    network.save(tmp_path / "state.npz")
    again = SpikingNetwork.load(tmp_path / "state.npz")
    assert_same(network, again)
    np.testing.assert_array_equal(
        *(next(each.responses(images[:50], "test")) for each in (network, again))
    )
    for each in (network, again):
        each.resume(inputs, epochs=2).label(images, labels)
    assert_same(network, again)
    np.testing.assert_array_equal(network.class_counts, again.class_counts)
    if network.crossbar.disturbs:
        levels = network.crossbar.state.cells[..., [0, 3]]
        g = network.crossbar.state.g_columns
        assert ((g != levels[..., 0]) & (g != levels[..., 1])).mean() > 0.1
