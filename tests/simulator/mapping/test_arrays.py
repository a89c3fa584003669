"""Products in arrays: exact limits, a plain reference, noise, energies, lines and time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.synapse.parameters import Synapse
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.readout import Readout
from cbramsim.simulator.lines import Tiles, Wires
from cbramsim.simulator.mapping.arrays import MatrixArrays, scale_of
from cbramsim.simulator.mapping.config import MappingConfig
from cbramsim.simulator.mapping.levels import Levels

RNG = np.random.default_rng(7)
MATRIX = RNG.standard_normal((23, 6)).astype(np.float32)
INPUTS = RNG.random((40, 23)).astype(np.float32)
CIRCUITS = Periphery.load("cmos-28nm")
PAIR, ONE = Synapse(pair=True, pulses="set"), Synapse()
EXACT: dict[str, Any] = {"device": "ideal", "writing": "exact", "readout": Readout()}


def arrays(matrix: NDArray[np.float32] = MATRIX, **changes: Any) -> MatrixArrays:
    config = MappingConfig(**(EXACT | changes))
    made = MatrixArrays(matrix, config, config.technology(), CIRCUITS, 0)
    made.calibrate(INPUTS)
    return made


# ---- the product -------------------------------------------------------------------------------


@pytest.mark.parametrize("synapse", [PAIR, ONE, Synapse(cells=3), PAIR.replace(cells=2)])
@pytest.mark.parametrize("scaling", ["layer", "column"])
@pytest.mark.parametrize("rows", [0, 9])
def test_ideal_cells_give_the_product(synapse: Synapse, scaling: str, rows: int) -> None:
    made = arrays(
        synapse=synapse, scaling=scaling, tiles=Tiles(rows=rows), encoding="amplitude",
        input_bits=0, percentile=100.0,
    )  # fmt: skip
    assert len(made.arrays) == (3 if rows else 1)
    np.testing.assert_allclose(made.product(INPUTS, "x"), INPUTS @ MATRIX, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("encoding", ["bits", "amplitude"])
def test_inputs_of_either_sign_are_rounded_to_levels(encoding: str) -> None:
    inputs = (INPUTS - 0.3).astype(np.float32)
    made = arrays(encoding=encoding, input_bits=3, percentile=100.0)
    made.calibrate(inputs)
    low, top = inputs.min(), inputs.max()
    rounded = low + (top - low) * np.floor((inputs - low) / (top - low) * 7 + 0.5) / 7
    np.testing.assert_allclose(made.product(inputs, "x"), rounded @ MATRIX, rtol=1e-4, atol=1e-4)


def test_what_is_beyond_the_calibration_is_cut_off() -> None:
    levels = Levels.of(np.float32([0.0, 0.5, 2.0]), 4, 100.0)
    assert levels == Levels(0.0, 2.0, 4)
    assert levels.codes(np.float32([-1, 0, 1.01, 2, 5])).tolist() == [0, 0, 8, 15, 15]
    assert Levels.of(np.zeros(3, np.float32), 8, 100.0).span == 1
    rare = np.zeros(10_000, np.float32)
    rare[0] = 5
    assert Levels.of(rare, 8, 99.9).span == 5
    assert Levels.of(np.float32([-1, 0, 2]), 8, 100.0) == Levels(-1.0, 3.0, 8)


def test_calibration_without_any_input_leaves_ranges_as_they_are() -> None:
    made = arrays(readout=Readout(adc_bits=8))
    made.calibrate(np.zeros_like(INPUTS))
    assert not made.product(np.zeros_like(INPUTS), "x").any()


def test_converters_round_each_read_of_each_array() -> None:
    """Against plain loops over bits and arrays."""
    readout = Readout(adc_bits=5)
    made = arrays(tiles=Tiles(rows=9), input_bits=4, readout=readout, percentile=100.0)
    codes = np.floor(INPUTS / INPUTS.max() * 15 + 0.5).astype(int)
    window = made.device.g_range
    signed = 0.5 * window * MATRIX / np.abs(MATRIX).max(axis=0)
    parts = np.split(np.arange(23), made.starts[1:-1])
    sums = [
        [((codes[:, part] >> bit) & 1) @ signed[part] for part in parts] for bit in range(4)
    ]  # fmt: skip
    reach = max(np.abs(each).max() for bits in sums for each in bits)
    lsb = reach / 15
    total = np.zeros((40, 6))
    for bit, bits in enumerate(sums):
        for each in bits:
            total += 2**bit / 15 * lsb * np.clip(np.rint(each / lsb), -16, 15)
    wanted = 2 / window * INPUTS.max() * total * np.abs(MATRIX).max(axis=0)
    found = made.product(INPUTS, "x")
    # What is within rounding of an edge may fall on either side.
    assert (np.abs(found - wanted) < 1e-3).mean() > 0.98
    lsb_of_output = 2 / window * INPUTS.max() * lsb * np.abs(MATRIX).max()
    assert np.abs(found - wanted).max() < 1.01 * lsb_of_output


@pytest.mark.parametrize(("clip", "cut"), [(0.0, 0), (0.1, 13)])
def test_the_window_holds_all_but_a_part_of_the_weights(clip: float, cut: int) -> None:
    config = MappingConfig(scaling="layer", clip=clip)
    scale = scale_of(MATRIX, config)
    assert int((np.abs(MATRIX) > scale).sum()) == pytest.approx(cut, abs=1)
    by_column = scale_of(MATRIX, config.replace(scaling="column", clip=0.0))
    np.testing.assert_allclose(by_column, np.abs(MATRIX).max(axis=0))
    assert scale_of(np.zeros((3, 2), np.float32), config).tolist() == [0, 0]


def test_a_column_of_zeros_gives_nothing() -> None:
    matrix = MATRIX.copy()
    matrix[:, 2] = 0
    made = arrays(matrix, device="subquantum-cbram", readout=Readout(adc_bits=6))
    found = made.product(INPUTS, "x")
    assert not found[:, 2].any()
    assert found[:, 1].any()


def test_what_is_not_read_is_not_converted() -> None:
    """An image without inputs gives the same beside others as alone."""
    made = arrays(readout=Readout(adc_bits=4), tiles=Tiles(rows=9))
    inputs = INPUTS[:3].copy()
    inputs[1] = 0
    inputs[2, :9] = 0
    together = made.product(inputs, "x")
    assert not together[1].any()
    for n in range(3):
        np.testing.assert_array_equal(made.product(inputs[n : n + 1], "x")[0], together[n])


def test_errors_of_converters_are_those_of_each_converter() -> None:
    """Offsets shift the sums of a converter by as much in all reads."""
    readout = Readout(adc_bits=8)
    plain = arrays(readout=readout, encoding="amplitude")
    shifted = arrays(readout=readout.replace(offset_d2d=20.0), encoding="amplitude")
    off = shifted.product(INPUTS, "x") - plain.product(INPUTS, "x")
    lsb = 2 / plain.device.g_range * plain.levels.span * plain.scale * plain._chains[0].lsb
    inner = np.median(off / lsb, axis=0)
    assert np.abs(inner).max() > 1
    assert (np.abs(off / lsb - inner).max(axis=0) < 30).all()
    assert np.std(off / lsb - inner) < 0.2 * np.abs(inner).max()


# ---- noise -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"synapse": PAIR, "tiles": Tiles(rows=9)},
        {"synapse": Synapse(cells=2), "tiles": Tiles()},
        {"synapse": ONE, "tiles": Tiles(), "encoding": "amplitude"},
    ],
)
def test_the_noise_of_a_product_is_that_of_all_its_cells_and_reads(changes: Any) -> None:
    """Variance sum over reads of (2^r / top)² sum of parts² sigma², to its own error."""
    cell, n = {"read_c2c": 0.05}, 20_000
    made = arrays(cell=cell, input_bits=3, **changes)
    x = np.tile(INPUTS[:1], (n, 1))
    found = made.product(x, "x")
    codes = made.levels.codes(INPUTS[0]).astype(int)
    if changes.get("encoding") == "amplitude":
        squares = ((codes / 7) ** 2).sum()
    else:
        squares = sum((((codes >> bit) & 1) * (2**bit / 7) ** 2).sum() for bit in range(3))
    parts = changes["synapse"].parts
    sigma = 0.05 * made.device.g_range * np.sqrt(squares * (parts @ parts))
    wanted = 2 / made.device.g_range * made.levels.span * made.scale * sigma
    np.testing.assert_allclose(found.std(axis=0), wanted, rtol=5 / np.sqrt(2 * n))
    quiet = arrays(input_bits=3, **changes).product(x[:1], "x")[0]
    assert (np.abs(found.mean(axis=0) - quiet) < 5 * wanted / np.sqrt(n)).all()


def test_noise_that_grows_differs_from_weight_to_weight() -> None:
    """Against the variance of the joined cells, with 1/f noise of a published cell."""
    n, inputs = 20_000, np.ones((1, 23), np.float32)
    made = arrays(device="pcm-nandakumar", input_bits=1, synapse=PAIR)
    made.wait(3600.0)
    (cells,) = (array.cells for array in made.arrays)  # type: ignore[union-attr]
    variance = cells.state.noise.variance.astype(float) + made.device.read_c2c**2 * (
        made.device.g_range**2
    )
    of_column = variance.reshape(23, 6, 2).sum(axis=(0, 2)) / 4
    made.levels = Levels(0.0, 1.0, 1)
    found = made.product(np.tile(inputs, (n, 1)), "x")
    wanted = 2 / made.device.g_range * made.scale * np.sqrt(of_column)
    np.testing.assert_allclose(found.std(axis=0), wanted, rtol=5 / np.sqrt(2 * n))
    assert np.ptp(of_column) > 0.05 * of_column.mean()


def test_the_same_seed_gives_the_same_bits() -> None:
    made = [arrays(device="subquantum-cbram", writing="verify", seed=seed) for seed in (3, 3, 4)]
    found = [each.product(INPUTS, "x") for each in made]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


# ---- writing -----------------------------------------------------------------------------------


def test_verified_weights_are_within_what_verification_accepts() -> None:
    device = Device.load("subquantum-cbram").without_variability()
    made = arrays(device="subquantum-cbram", cell=quiet("subquantum-cbram"), writing="verify")
    (array,) = made.arrays
    step = 2 * device.step_up(device.g_min) / device.g_range
    assert made.missed == 0
    assert np.abs(array.weights - made.weights).max() < step
    assert made.ledger.account("program").counts[Operation.PROGRAM_PULSE] > made.weights.size
    # One side of each pair is left at the bottom of the window.
    (cells,) = (array.by_plane(array.cells.conductance),)  # type: ignore[union-attr]
    assert (cells.min(axis=1) < device.g_min + 2 * device.step_up(device.g_min)).all()


def test_published_errors_of_writing_are_those_of_the_device() -> None:
    matrix = np.full((400, 40), 0.5, np.float32)
    matrix[0] = 1
    made = arrays(
        matrix, device="rram-milo2021", writing="error", synapse=ONE,
        tiles=Tiles(), input_bits=1,
    )  # fmt: skip
    device = made.device
    (array,) = made.arrays
    found = array.conductance[1:].astype(float)
    target = device.conductance_of(0.5)
    sigma = device.program_sigma(np.array([target]), device.g_max)[0]
    assert found.std() == pytest.approx(sigma, rel=0.05)
    assert made.ledger.total("program") == 0


# ---- what is booked ----------------------------------------------------------------------------


@pytest.mark.parametrize("synapse", [PAIR, ONE])
def test_reads_are_booked_cell_by_cell(synapse: Synapse) -> None:
    made = arrays(
        device="subquantum-cbram", writing="exact", synapse=synapse, tiles=Tiles(rows=9, columns=4),
        readout=Readout(adc_bits=6), input_bits=4,
    )  # fmt: skip
    device, inputs = made.device, INPUTS.copy()
    inputs[:, :9] = 0
    made.product(inputs, "x")
    codes = made.levels.codes(inputs).astype(int)
    bits = np.stack([(codes >> bit) & 1 for bit in range(4)])
    on = bits.sum(axis=(0, 1))
    row_sum = np.concatenate([array.state.g.sum(axis=1, dtype=float) for array in made.arrays])
    account = made.ledger.account("x")
    cells = made.arrays[0].state.g.shape[1]
    counts, joules = account.counts, account.joules
    assert counts[Operation.WORD_LINE_DRIVE] == on.sum()
    assert counts[Operation.CELL_READ] == on.sum() * cells
    assert joules[Operation.CELL_READ] == pytest.approx(device.v2t_read * on @ row_sum, rel=1e-5)
    references = 0 if synapse.pair else on.sum()
    assert counts[Operation.REFERENCE_READ] == references
    assert joules[Operation.REFERENCE_READ] == pytest.approx(
        references * device.v2t_read * device.g_mid
    )
    parts = np.split(bits, made.starts[1:-1], axis=2)
    reads = sum(int(part.any(axis=2).sum()) for part in parts)
    assert counts[Operation.ADC_CONVERSION] == 6 * reads
    price = made.config.readout.price().value
    assert joules[Operation.ADC_CONVERSION] == pytest.approx(6 * reads * price)
    assert counts[Operation.SHIFT_ADD] == 40 * 6 * (3 + 4 * 2 + 1)
    added = counts[Operation.SHIFT_ADD] * CIRCUITS.e_add
    assert joules[Operation.SHIFT_ADD] == pytest.approx(added)


@pytest.mark.parametrize("synapse", [PAIR, ONE])
def test_voltages_are_booked_and_give_what_a_read_of_the_array_does(synapse: Synapse) -> None:
    """Of cells that are not ohmic, with lines that take charge."""
    cell = quiet("subquantum-cbram") | {"v_sinh": 0.05, "c_cell": 1e-13}
    made = arrays(
        device="subquantum-cbram", cell=cell, synapse=synapse, encoding="amplitude", input_bits=4,
        tiles=Tiles(columns=4),
    )  # fmt: skip
    found = made.product(INPUTS, "x")
    (array,) = made.arrays
    levels = made.levels.codes(INPUTS) / 15
    array.phase = "read"
    signed = {"signed": True} if synapse is ONE else {}
    currents = array.read(made.device.v_read * levels, **signed)  # type: ignore[arg-type]
    sums = currents / made.device.v_read
    wanted = 2 / made.device.g_range * made.levels.span * made.scale * sums
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-4 * np.abs(wanted).max())
    ledger = made.ledger
    for operation in (
        Operation.WORD_LINE_DRIVE, Operation.CELL_READ, Operation.REFERENCE_READ
    ):  # fmt: skip
        booked = [ledger.account(phase).joules[operation] for phase in ("x", "read")]
        assert booked[0] == pytest.approx(booked[1], rel=1e-5)
        counted = [ledger.account(phase).counts[operation] for phase in ("x", "read")]
        assert counted[0] == counted[1]
    ohmic = arrays(
        device="subquantum-cbram", cell=quiet("subquantum-cbram"), synapse=synapse,
        encoding="amplitude", input_bits=4,
    )  # fmt: skip
    assert np.abs(ohmic.product(INPUTS, "x") - found).max() > 0.05 * np.abs(found).max()


def test_bare_cells_beside_those_that_are_written_take_energy() -> None:
    made = {
        access: arrays(device="subquantum-cbram", writing="verify", access=access)
        for access in ("transistor", "passive")
    }
    half = {
        access: each.ledger.account("program").joules[Operation.HALF_SELECT]
        for access, each in made.items()
    }
    assert half["transistor"] == 0
    assert half["passive"] > 0


# ---- lines -------------------------------------------------------------------------------------


@pytest.mark.parametrize("synapse", [PAIR, ONE])
def test_behind_lines_a_product_is_the_exact_solution(synapse: Synapse) -> None:
    wires = Wires(r_word=40.0, r_bit=30.0)
    made = arrays(
        device="subquantum-cbram", writing="exact", wires=True, wiring=wires, synapse=synapse,
        cell=quiet("subquantum-cbram"), input_bits=1, tiles=Tiles(),
    )  # fmt: skip
    (array,) = made.arrays
    cells = getattr(array, "cells", array)
    on = (INPUTS[0] > 0.5).astype(np.float32)
    made.levels = Levels(0.0, 1.0, 1)
    solution = cells.solve(made.device.v_read * on)
    currents = solution.outputs / made.device.v_read
    if synapse.pair:
        sums = 0.5 * (currents[0::2] - currents[1::2])
    else:
        sums = currents - on.sum() * made.device.g_mid
    wanted = 2 / made.device.g_range * made.scale * sums
    found = made.product(on[None], "x")[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
    ideal = on @ MATRIX
    assert np.abs(found - ideal).max() > 1e-3


def test_behind_lines_energy_is_that_of_the_solution() -> None:
    """On average over the inputs that it was calibrated with."""
    wires = Wires(r_word=40.0, r_bit=30.0)
    made = arrays(
        device="subquantum-cbram", writing="exact", wires=True, wiring=wires, input_bits=1,
        cell=quiet("subquantum-cbram"), tiles=Tiles(), percentile=100.0,
    )  # fmt: skip
    made.product(INPUTS, "x")
    bits = made.levels.codes(INPUTS)
    (array,) = made.arrays
    read = array.wired.read(  # type: ignore[union-attr]
        array.state.g, made.device.v_read * bits.astype(np.float32)
    )
    joules = made.ledger.account("x").joules
    t = made.device.t_read
    assert joules[Operation.CELL_READ] == pytest.approx(t * read.in_cells, rel=1e-3)
    assert joules[Operation.READ_WIRE] == pytest.approx(t * read.in_lines, rel=1e-3)


def quiet(name: str) -> dict[str, Any]:
    device = Device.load(name)
    return device.differing(device.without_variability())


# ---- time --------------------------------------------------------------------------------------


def test_compensation_gives_back_what_drift_takes_from_all() -> None:
    """With one exponent for all cells, a factor for all is the whole of it."""
    cell = quiet("gst-pcm") | {"drift_exponent": 0.05}
    made = {
        kind: arrays(device="gst-pcm", cell=cell, compensation=kind, input_bits=8)
        for kind in ("none", "global", "column")
    }
    before = {kind: each.product(INPUTS, "x") for kind, each in made.items()}
    for each in made.values():
        each.wait(1e5)
    after = {kind: each.product(INPUTS, "x") for kind, each in made.items()}
    part = after["none"] / before["none"]
    np.testing.assert_allclose(part, part[0, 0], rtol=1e-3)
    assert part[0, 0] == pytest.approx(1e5**-0.05, rel=0.2)
    for kind in ("global", "column"):
        np.testing.assert_allclose(after[kind], before[kind], rtol=1e-3, atol=1e-3)
        assert made[kind].ledger.total("compensation") > 0


def test_what_is_made_up_for_is_noisier() -> None:
    """As in a read of the array: noise is amplified with the sums."""
    cell = quiet("gst-pcm") | {"drift_exponent": 0.1, "read_c2c": 0.05}
    n = 20_000
    for synapse in (PAIR, ONE):
        made = arrays(
            device="gst-pcm", cell=cell, compensation="column", input_bits=1, synapse=synapse
        )
        made.levels = Levels(0.0, 1.0, 1)
        before = made.product(np.ones((n, 23), np.float32), "x").std(axis=0)
        made.wait(1e7)
        after = made.product(np.ones((n, 23), np.float32), "x").std(axis=0)
        (array,) = made.arrays
        signed = {"signed": True} if synapse is ONE else {}
        read = array.read(np.full((n, 23), made.device.v_read), **signed)  # type: ignore[arg-type]
        wanted = 2 / made.device.g_range * made.scale * read.std(axis=0) / made.device.v_read
        np.testing.assert_allclose(after, wanted, rtol=5 / np.sqrt(n))
        assert (after > 2 * before).all()


def test_heat_makes_cells_relax_sooner() -> None:
    changes: dict[str, Any] = {"device": "subquantum-cbram", "cell": {"retention_celsius": 55.0}}
    moved = {}
    for celsius in (25.0, 150.0):
        made = arrays(celsius=celsius, **changes)
        before = made.written.copy()
        made.wait(3e8)
        moved[celsius] = np.abs(made.written - before).mean()
    assert moved[150.0] > 3 * moved[25.0]


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"input_bits": 0}, "input_bits must be >= 1 with encoding bits"),
        ({"wiring": Wires(r_word=7.0)}, "wires must be true"),
        ({"synapse": Synapse(pair=True)}, "synapse.pulses must be set with pairs"),
        ({"synapse": Synapse(significance=3.0)}, "synapse.significance must be 1"),
        ({"percentile": 20.0}, "percentile: must be a number >= 50 and <= 100"),
    ],
)
def test_what_means_nothing_is_refused(changes: Any, wrong: str) -> None:
    with pytest.raises(ParameterError, match=wrong):
        MappingConfig(**changes)
