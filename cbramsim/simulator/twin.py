"""The mathematics of a presentation in plain NumPy: the oracle of the compiled loop.

`NumpyTwin` learns as `cbramsim.simulator.loop.train` does, from its own copy of the array, and
books every event in its own ledger. It is what the loop is tested against, word for word of the
random streams, and what `cbram benchmark` times it against: plain, vectorised NumPy.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.pulses import G_HIGH, G_LOW, R_DOWN, R_UP
from cbramsim.simulator.energy import EnergyLedger, Operation
from cbramsim.simulator.network import SpikingNetwork
from cbramsim.simulator.stdp import SENSED_STATES, pulse_tables


class Draws(Protocol):
    """Where the random numbers of a presentation come from."""

    def spike_bytes(self, count: int) -> NDArray[np.uint8]:
        """Return random bytes, one per input."""

    def read_normals(self, count: int) -> NDArray[np.float32]:
        """Return standard-normal numbers, one per bit line."""

    def competition_uniform(self) -> float:
        """Return a number in [0, 1)."""

    def sense(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return one normal and one uniform number per cell to sense."""

    def pulse_normals(self, count: int) -> NDArray[np.float32]:
        """Return standard-normal numbers, one per pulse."""

    def candidates(
        self, cells: int, probability: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]:
        """Choose each cell with `probability`; return which, and as `sense` for those."""


class GeneratorDraws:
    """Random numbers from NumPy, the fastest way NumPy has."""

    def __init__(self, seed: int) -> None:
        """Seed the generator."""
        self.rng = np.random.default_rng(seed)

    def spike_bytes(self, count: int) -> NDArray[np.uint8]:
        """See `Draws`."""
        return np.frombuffer(self.rng.bytes(count), np.uint8)

    def read_normals(self, count: int) -> NDArray[np.float32]:
        """See `Draws`."""
        return self.rng.standard_normal(count, np.float32)

    def competition_uniform(self) -> float:
        """See `Draws`."""
        return self.rng.random()

    def sense(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """See `Draws`."""
        return self.rng.standard_normal(count, np.float32), self.rng.random(count)

    def pulse_normals(self, count: int) -> NDArray[np.float32]:
        """See `Draws`."""
        return self.rng.standard_normal(count, np.float32)

    def candidates(
        self, cells: int, probability: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]:
        """See `Draws`."""
        rows = np.flatnonzero(self.rng.random(cells) < probability)
        return rows, *self.sense(len(rows))


class NumpyTwin:
    """A network's training loop in NumPy, on copies of its arrays.

    Attributes
    ----------
    g, row_sum
        float32[rows, columns] and the sums of its rows, float64[rows], S.
    bias
        float64[neurons].
    spike_counts
        int64[neurons].
    ledger
        Its own `EnergyLedger`, phase "train".
    """

    def __init__(self, network: SpikingNetwork, draws: Draws) -> None:
        """Copy the state of `network`, which must have been prepared or trained."""
        state = network.crossbar.state
        self.draws = draws
        self.device, self.pulse = network.device, network.crossbar.pulse
        self.costs, self.periphery = network.crossbar.program_costs(), network.periphery
        self.rule, self.competition = network.config.stdp, network.config.competition
        self.ideal = network.ideal
        self.g = state.g.copy()
        self.cells = state.cells.copy()
        self.inhibited = state.inhibited.copy()
        self.spared = np.where(network.crossbar.connected, 0, self.device.g_mid).astype(np.float32)
        self.any_spared = bool(self.spared.any())
        self.n_connected = network.crossbar.connected.sum(axis=1)
        self.row_sum = self.g.sum(axis=1, dtype=np.float64)
        self.bias = network.bias.astype(np.float64)
        self.spike_counts = network.spike_counts.copy()
        self.tables = pulse_tables(self.rule, self.device)
        self.ledger = EnergyLedger()

    def present(self, pixels: NDArray[np.uint8], homeostasis: float) -> int:
        """Learn from one window of one image, uint8[inputs]; return the winner."""
        spiked = self.draws.spike_bytes(pixels.size) < pixels
        winner = self.compete(spiked)
        self.spike_counts[winner] += 1
        self.bias[winner] -= homeostasis
        if self.ideal:
            self.learn_ideally(winner, spiked)
        else:
            self.learn_with_pulses(winner, spiked)
        return winner

    def potentials(self, spiked: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return u = b + beta sum(w y), float64[neurons], with read noise."""
        y = spiked.astype(np.float32)
        n = int(spiked.sum())
        summed = (y @ self.g).astype(np.float64) - n * self.device.g_mid
        if self.any_spared:
            summed += y @ self.spared
        if self.pulse.read_sigma:
            sigma = self.pulse.read_sigma * math.sqrt(n)
            summed += sigma * self.draws.read_normals(summed.size)
        gain = 2 * self.competition.sharpness / self.device.g_range
        return self.bias + gain * summed

    def compete(self, spiked: NDArray[np.bool_]) -> int:
        """Book a read, and draw the winner from the softmax of the potentials."""
        potentials = self.potentials(spiked)
        self._book_read(spiked)
        chances = np.exp(potentials - potentials.max())
        cumulative = np.cumsum(chances)
        return int(
            np.searchsorted(
                cumulative, self.draws.competition_uniform() * cumulative[-1], side="right"
            )
        )

    def learn_with_pulses(self, column: int, spiked: NDArray[np.bool_]) -> None:
        """Carry out the rule on `column` with device pulses."""
        rows = np.flatnonzero(spiked)
        normals, uniforms = self.draws.sense(len(rows))
        states, use = self._sense(column, rows, normals, ~self.inhibited[column, rows])
        pulses = (self.tables.up[states] + uniforms).astype(int) * use
        self._program(column, rows, pulses, up=True)

        rows, normals, uniforms = self.draws.candidates(len(spiked), self.tables.candidate)
        free = ~self.inhibited[column, rows] & ~spiked[rows]
        states, use = self._sense(column, rows, normals, free)
        pulses = (self.tables.down[states] / self.tables.candidate + uniforms).astype(int) * use
        self._program(column, rows, pulses, up=False)

    def learn_ideally(self, column: int, spiked: NDArray[np.bool_]) -> None:
        """Carry out the rule on `column` exactly."""
        device = self.device
        before = self.g[:, column].astype(np.float64)
        weight = 2 * (before - device.g_min) / device.g_range - 1
        change = np.where(spiked, self.rule.potentiation(weight), self.rule.depression(weight))
        after = np.clip(before + 0.5 * change * device.g_range, device.g_min, device.g_max)
        after = after.astype(np.float32)
        changed = ~self.inhibited[column] & (after != self.g[:, column])
        self.g[changed, column] = after[changed]
        self.row_sum[changed] += after[changed] - before[changed]
        for mask, operation, v2t, line in (
            (changed & spiked, Operation.LTP_PULSE, self.pulse.v2t_set, self.costs.line_set),
            (changed & ~spiked, Operation.LTD_PULSE, self.pulse.v2t_reset, self.costs.line_reset),
        ):
            joules = v2t * 0.5 * (before[mask] + after[mask].astype(np.float64)).sum()
            self._book(operation, mask.sum(), joules)
            self._book(Operation.PROGRAM_LINE, mask.sum(), mask.sum() * line)

    def _sense(
        self,
        column: int,
        rows: NDArray[np.int64],
        normals: NDArray[np.float32],
        use: NDArray[np.bool_],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        g = self.g[rows, column].astype(np.float64)
        joules = self.pulse.v2t_read * g[use].sum() + use.sum() * self.costs.sense
        self._book(Operation.SENSE_READ, use.sum(), joules)
        seen = g + self.pulse.read_sigma * normals.astype(np.float64)
        states = ((seen - self.tables.g_min) * self.tables.states_per_siemens).astype(np.int64)
        return np.clip(states, 0, SENSED_STATES - 1), use

    def _program(
        self, column: int, rows: NDArray[np.int64], pulses: NDArray[np.int64], *, up: bool
    ) -> None:
        """Give each cell its pulses, one round after the other."""
        rows, pulses = rows[pulses > 0], pulses[pulses > 0]
        normals = self.pulse.step_sigma * self.draws.pulse_normals(pulses.sum()).astype(np.float64)
        first = np.cumsum(pulses) - pulses
        cell = self.cells[column, rows].astype(np.float64)
        if up:
            operation, asymptote, fraction = Operation.LTP_PULSE, self.pulse.g_up_inf, cell[:, R_UP]
            v2t, line = self.pulse.v2t_set, self.costs.line_set
        else:
            operation, asymptote = Operation.LTD_PULSE, self.pulse.g_down_inf
            fraction, v2t, line = cell[:, R_DOWN], self.pulse.v2t_reset, self.costs.line_reset
        joules = 0.0
        for n in range(pulses.max(initial=0)):
            on = pulses > n
            before = self.g[rows[on], column].astype(np.float64)
            after = before + fraction[on] * (asymptote - before) + normals[first[on] + n]
            after = np.clip(after, cell[on, G_LOW], cell[on, G_HIGH]).astype(np.float32)
            self.g[rows[on], column] = after
            self.row_sum[rows[on]] += after - before
            joules += v2t * 0.5 * (before + after).sum()
        self._book(operation, pulses.sum(), joules)
        self._book(Operation.PROGRAM_LINE, pulses.sum(), pulses.sum() * line)

    def conductance_of(self, rows: NDArray[np.bool_]) -> float:
        """Return the sum of all conductances on the word lines `rows`, S."""
        return float(self.row_sum[rows].sum())

    def _book_read(self, spiked: NDArray[np.bool_]) -> None:
        n, columns = int(spiked.sum()), self.g.shape[1]
        v2t = self.pulse.v2t_read
        drive = self.periphery.e_word_line + self.device.c_cell * columns * self.device.v_read**2
        self._book(Operation.WORD_LINE_DRIVE, n, n * drive)
        self._book(
            Operation.CELL_READ, self.n_connected[spiked].sum(), v2t * self.conductance_of(spiked)
        )
        self._book(Operation.REFERENCE_READ, n, v2t * n * self.device.g_mid)
        self._book(Operation.NEURON_UPDATE, columns, columns * self.periphery.e_neuron)
        self._book(Operation.OUTPUT_SPIKE, 1, self.periphery.e_spike)

    def _book(self, operation: Operation, count: int, joules: float) -> None:
        self.ledger.add("train", operation, int(count), float(joules))
