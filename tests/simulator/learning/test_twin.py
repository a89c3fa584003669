"""The compiled loop against the NumPy twin: same streams, same physics, same joules."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cbramsim.core.rng import stream
from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies.overhead import loaded
from cbramsim.simulator.array.access import Halves, Thirds
from cbramsim.simulator.array.cells import ProgramCosts
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from tests.replay import ReplayDraws, Xoshiro
from tests.simulator.learning.twin import GeneratorDraws, NumpyTwin

CBRAM = Device.load("subquantum-cbram")
LINES = {
    "wires": True,
    "wiring": {"r_word": 20.0, "r_bit": 30.0, "r_source": 200.0, "r_access": 1e3},
    "tiles": {"rows": 40, "columns": 16},
}
POLICIES = {
    "wires": {**LINES, "pruning": {"kind": "none"}},
    "wires everything": {
        **LINES,
        "device": loaded(CBRAM).replace(v_sinh=0),
        "programming": {"method": "verify"},
        "pruning": {"kind": "none"},
    },
    "wires, tunnelling": {**LINES, "cell": {"v_sinh": 0.3}, "pruning": {"kind": "none"}},
    "wires, tunnelling, ideal": {
        **LINES,
        "cell": {"v_sinh": 0.3},
        "rule": "ideal",
        "pruning": {"kind": "none"},
    },
    "wires, tunnelling, dense": {
        **LINES,
        "cell": {"v_sinh": 0.3},
        "rule": "ideal",
        "update": "dense",
        "pruning": {"kind": "none"},
    },
    "wires ideal": {**LINES, "rule": "ideal", "pruning": {"kind": "none"}},
    "wires dense": {**LINES, "rule": "ideal", "update": "dense", "pruning": {"kind": "none"}},
    "wires hard": {
        **LINES,
        "access": "passive",
        "pruning": {"kind": "hard", "fraction": 0.4, "mature_spikes": 20},
    },
    "everything": {"device": loaded(CBRAM), "pruning": {"kind": "none"}},
    "verify": {"programming": {"method": "verify"}, "pruning": {"kind": "none"}},
    "verify everything": {
        "device": loaded(CBRAM),
        "programming": {"method": "verify"},
        "pruning": {"kind": "none"},
    },
    "metal": {"device": "metal-cbram", "pruning": {"kind": "none"}},
    "gate": {"device": "hzo-fefet", "pruning": {"kind": "none"}},
    "accelerating": {
        "device": "gst-pcm",
        "pruning": {"kind": "none"},
        "cell": {"read_1f": (), "read_c2c": 0.01},
    },
    "tunnelling": {
        "cell": {"v_sinh": 0.3},
        "access": "passive",
        "pruning": {"kind": "none"},
    },
    "binary": {"cell": {"levels": 2}, "pruning": {"kind": "none"}},
    "powers": {"cell": {"levels": 8, "level_radix": 2.0}, "pruning": {"kind": "none"}},
    "power": {
        "device": CBRAM.replace(
            law="power",
            nonlinearity_up=0.0,
            nonlinearity_down=0.0,
            exponent_up=0.7,
            exponent_down=1.3,
        ),
        "pruning": {"kind": "none"},
    },
    "device": {"pruning": {"kind": "none"}},
    "ideal": {"rule": "ideal", "pruning": {"kind": "none"}},
    "ideal device": {"device": "ideal", "pruning": {"kind": "none"}},
    "soft": {"pruning": {"mature_spikes": 20}},
    "hard": {"pruning": {"kind": "hard", "fraction": 0.4, "mature_spikes": 20}},
    "dense": {"rule": "ideal", "update": "dense", "pruning": {"kind": "none"}},
    "passive": {"access": "passive", "pruning": {"kind": "none"}},
    "passive ideal": {"access": "passive", "rule": "ideal", "pruning": {"kind": "none"}},
    "passive thirds": {"access": "passive", "scheme": "V/3", "pruning": {"kind": "none"}},
    "thirds ideal": {
        "access": "passive",
        "scheme": "V/3",
        "rule": "ideal",
        "pruning": {"kind": "none"},
    },
    "passive hard": {
        "access": "passive",
        "pruning": {"kind": "hard", "fraction": 0.4, "mature_spikes": 20},
    },
}


def joules_per_siemens(device: Device, volts: float, seconds: float) -> float:
    """V I t of a cell of 1 S at the read voltage."""
    if not device.v_sinh:
        return volts * volts * seconds
    current = device.v_read * math.sinh(volts / device.v_sinh)
    return volts * current / math.sinh(device.v_read / device.v_sinh) * seconds


def joules_per_ohm(device: Device, volts: float, seconds: float) -> float:
    """I I t of a cell of 1 S at the read voltage."""
    if not device.v_sinh:
        return volts * volts * seconds
    current = device.v_read * math.sinh(volts / device.v_sinh)
    current /= math.sinh(device.v_read / device.v_sinh)
    return current * current * seconds


def path_resistances() -> np.ndarray:
    """From driver to sense circuit by way of each cell of `LINES`, segment by segment, Ohm."""
    paths = []
    for height in (34, 34, 33):
        for row in range(height):
            along = 30.0 * (height - row) + 200 + 1e3
            paths.append([along + 20.0 * (n + 1) for width in (13, 12, 12) for n in range(width)])
    return np.array(paths)


class SlowRecount(NumpyTwin):
    """Prices every event from the bare parameters, and every cell of a read by itself."""

    def __init__(self, network: SpikingNetwork, draws: ReplayDraws) -> None:
        super().__init__(network, draws)
        d, p = self.device, self.periphery
        rows, columns = self.g.shape
        passive = network.config.access == "passive"
        if self.wired:  # cells are programmed and sensed in their tile
            rows, columns = 34, 13
            self.paths = path_resistances()
        lines = (rows + columns) * d.c_cell / (4 if passive else 1)
        thirds = network.config.scheme == "V/3"
        if thirds:  # the other word lines at -V/6, the other bit lines at V/6
            lines += ((rows - 1) * columns + (columns - 1) * rows) * d.c_cell / 36
        part = 3 if thirds else 2
        self.pulse = self.pulse._replace(
            v2t_set=0 if d.c_gate else joules_per_siemens(d, d.v_set, d.t_set),
            v2t_reset=0 if d.c_gate else joules_per_siemens(d, d.v_reset, d.t_reset),
            v2t_read=joules_per_siemens(d, d.v_read, d.t_read),
            i2t_set=0 if d.c_gate else joules_per_ohm(d, d.v_set, d.t_set),
            i2t_reset=0 if d.c_gate else joules_per_ohm(d, d.v_reset, d.t_reset),
        )
        self.costs = ProgramCosts(
            line_set=lines * d.v_set * d.v_set,
            line_reset=lines * d.v_reset * d.v_reset,
            sense=8 * p.e_sense + p.e_word_line + columns * d.c_cell * d.v_read * d.v_read,
        )
        if passive:
            self.half_selected = (Thirds if thirds else Halves)(
                joules_per_siemens(d, d.v_set / part, d.t_set),
                joules_per_siemens(d, d.v_reset / part, d.t_reset),
            )

    def conductance_of(self, rows: np.ndarray) -> float:
        return math.fsum(self.g[rows].astype(float).ravel().tolist())

    def set_pruned(self, column: int, rows: np.ndarray, target: float) -> None:
        """Program and verify, cell by cell, as the docstring of `Crossbar.program_to` says."""
        d, draws = self.device, self.draws
        noise = d.read_c2c * d.g_range
        budget = math.ceil(max(d.pulses_up, d.pulses_down))
        for row in rows:
            low, up, up_slope, high, down, down_slope = (float(x) for x in self.cells[column, row])
            for given in range(budget + 1):
                g = float(self.g[row, column])
                self._book(Operation.SENSE_READ, 1, self.pulse.v2t_read * g + self.costs.sense)
                seen = g + noise * float(draws.pulse_numbers(1)[0][0])
                if target - seen > d.step_up(seen) / 2 + 2 * noise:
                    step = up + up_slope * (g - low)
                elif seen - target > d.step_down(seen) / 2 + 2 * noise:
                    step = down + down_slope * (g - high)
                else:
                    break
                if given == budget:
                    break
                jitter = d.step_c2c * d.g_range * float(draws.pulse_numbers(1)[0][0])
                after = np.float32(min(max(g + step + jitter, low), high))
                self.g[row, column] = after
                joules = d.v_set**2 * d.t_set * (g + float(after)) / 2
                self._book(Operation.PRUNE_SET_PULSE, 1, joules)
                self._book(Operation.PROGRAM_LINE, 1, self.costs.line_set)


def small_network(data: Dataset, **changes) -> tuple[SpikingNetwork, np.ndarray]:
    """A network that has learned a little, so that all kinds of cells occur."""
    network = SpikingNetwork(neurons=37, inputs=101, seed=3, **changes)
    inputs = network.prepare(data.train_images[:600])
    network.layers[
        0
    ].competition_scale = 1.0  # a sharper competition would tell the rounding of sums apart
    network.resume(inputs, epochs=1)
    return network, inputs


OWN_LOOPS = (
    "wires, tunnelling, ideal", "wires, tunnelling, dense", "verify everything", "passive hard",
)  # fmt: skip
"""Whose parts are in other loops each: `pytest -m frozen`."""


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(changes, id=name, marks=[pytest.mark.frozen] * (name in OWN_LOOPS))
        for name, changes in POLICIES.items()
    ],
)
def test_loop_and_independent_recount_agree(mnist: Dataset, changes: dict) -> None:
    network, inputs = small_network(mnist, **changes)
    if network.crossbar.wired:  # as the next step does first: the twin begins with what it finds
        network.crossbar.wired.follow(
            network.crossbar.state, network.layers[0].inputs.together, 1e-3
        )
        network.crossbar.wired.interval, network.crossbar.wired.since = 1, 0
    twin = SlowRecount(network, ReplayDraws(network))
    homeostasis = np.float32(network.config.competition.homeostasis_at(network.images_seen))
    before = {op: network.ledger.account("train").counts[op] for op in Operation}
    joules = {op: network.ledger.account("train").joules[op] for op in Operation}

    chosen = np.arange(40)
    network.pruner.policy = network.pruner.policy.replace(kind="none")  # the next test prunes
    winners = network.learn_from(inputs, chosen)
    expected = [
        [twin.present(inputs[n], homeostasis) for _ in range(winners.shape[1])] for n in chosen
    ]

    np.testing.assert_array_equal(winners, expected)
    np.testing.assert_array_equal(network.spike_counts, twin.spike_counts)
    # A dense update carries the rounding of the potentials into every state.
    dense = network.config.update == "dense"
    np.testing.assert_allclose(network.crossbar.conductance, twin.g, rtol=0.02 if dense else 1e-6)
    np.testing.assert_allclose(
        network.bias - network.bias.mean(), twin.bias - twin.bias.mean(), atol=1e-4
    )
    account = network.ledger.account("train")
    for op in Operation:
        assert account.counts[op] - before[op] == twin.ledger.count("train", op), op
        assert account.joules[op] - joules[op] == pytest.approx(
            twin.ledger.account("train").joules[op], rel=1e-5 if dense else 1e-7
        ), op


def test_a_pruning_event_is_recounted(mnist: Dataset) -> None:
    """The set and reset pulses of the preset cost the same, so one price serves for both."""
    network, inputs = small_network(mnist, pruning={"kind": "none"})
    policy = network.pruner.policy.replace(
        kind="soft", selection="quantile", fraction=0.2, mature_spikes=1, stages=1
    )
    network.pruner.policy = policy
    twin = SlowRecount(network, ReplayDraws(network))
    before = network.ledger.account("train").counts.copy(), network.ledger.total()
    homeostasis = np.float32(network.config.competition.homeostasis_at(network.images_seen))
    windows = network.learn_from(inputs, np.arange(1)).shape[1]
    for _ in range(windows):
        twin.present(inputs[0], homeostasis)
    device = network.device
    for column in np.flatnonzero(network.pruner.mature):
        rows = np.flatnonzero(network.pruner.pruned[column])
        weights = 2 * (twin.g[rows, column] - device.g_min) / device.g_range - 1
        held = device.g_min + 0.5 * (float(weights.mean()) + 1) * device.g_range
        twin.set_pruned(int(column), rows, held)
    np.testing.assert_allclose(network.crossbar.conductance, twin.g, rtol=1e-6)
    for op in Operation:
        counted = network.ledger.count("train", op) - before[0][op]
        assert counted == twin.ledger.count("train", op), op
    assert twin.ledger.count("train", Operation.PRUNE_SET_PULSE) > 500
    assert network.ledger.total() - before[1] == pytest.approx(twin.ledger.total(), rel=1e-7)


def test_recognition_is_recounted(mnist: Dataset) -> None:
    network, _ = small_network(mnist, pruning={"kind": "hard", "mature_spikes": 20})
    images = mnist.test_images[:30]
    for _ in network.responses(images, phase="test"):
        pass
    d, p = network.device, network.periphery
    g = network.crossbar.conductance.astype(float)
    replay = Xoshiro(stream(3, "test spikes", 0))
    driven = cells = 0
    current = 0.0
    windows = network.config.encoding.windows
    for pixels in network.select_pixels(images):
        for _ in range(windows):
            words = [replay.word() for _ in range(-(-pixels.size // 8))]
            spiked = np.array(words, "<u8").view(np.uint8)[: pixels.size] < pixels
            driven += int(spiked.sum())
            cells += int((g[spiked] > 0).sum())
            current += d.v_read * g[spiked].sum()
    drive = p.e_word_line + g.shape[1] * d.c_cell * d.v_read**2
    spikes = 30 * windows
    expected = {
        Operation.WORD_LINE_DRIVE: (driven, driven * drive),
        Operation.CELL_READ: (cells, d.v_read * current * d.t_read),
        Operation.REFERENCE_READ: (driven, driven * d.v_read**2 * d.g_mid * d.t_read),
        Operation.NEURON_UPDATE: (spikes * g.shape[1], spikes * g.shape[1] * p.e_neuron),
        Operation.OUTPUT_SPIKE: (spikes, spikes * p.e_spike),
    }
    account = network.ledger.account("test")
    for op in Operation:
        count, joules = expected.get(op, (0, 0.0))
        assert account.counts[op] == count, op
        assert account.joules[op] == pytest.approx(joules, rel=1e-9), op


def test_the_twin_learns_with_random_numbers_of_its_own(mnist: Dataset) -> None:
    """Other draws, same physics: pulses, joules and weights agree on average."""
    network, inputs = small_network(mnist, pruning={"kind": "none"})
    twin = NumpyTwin(network, GeneratorDraws(0))
    before = network.ledger.account("train").counts.copy(), network.ledger.total()
    chosen = np.arange(600)
    windows = network.learn_from(inputs, chosen).shape[1]
    for n in chosen:
        for _ in range(windows):
            twin.present(inputs[n], network.config.competition.homeostasis)
    counts = network.ledger.account("train").counts - before[0]
    for op in (Operation.LTP_PULSE, Operation.LTD_PULSE, Operation.SENSE_READ):
        assert twin.ledger.count("train", op) == pytest.approx(counts[op], rel=0.05), op
    assert twin.ledger.total() == pytest.approx(network.ledger.total() - before[1], rel=0.03)
    assert twin.g.mean() == pytest.approx(network.crossbar.conductance.mean(), rel=0.02)
