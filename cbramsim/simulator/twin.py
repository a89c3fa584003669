"""The mathematics of a presentation in plain NumPy: the oracle of the compiled loop.

`NumpyTwin` learns as `cbramsim.simulator.loop.train` does, from its own copy of the array, and
books every event in its own ledger. It is what the loop is tested against, word for word of the
random streams, and what `cbram benchmark` times it against: plain, vectorised NumPy.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.pulses import G_HIGH, G_LOW, R_DOWN, R_UP
from cbramsim.simulator.energy import EnergyLedger, Operation
from cbramsim.simulator.network import SpikingNetwork
from cbramsim.simulator.stdp import SENSED_STATES


class Draws(Protocol):
    """Where the random numbers of a presentation come from."""

    def spike_bytes(self, count: int) -> NDArray[np.uint8]:
        """Return random bytes, one per input."""

    def read_normals(self, count: int) -> NDArray[np.float32]:
        """Return standard-normal numbers, one per bit line."""

    def competition_uniform(self) -> float:
        """Return a number in [0, 1)."""

    def sense_normals(self, count: int) -> NDArray[np.float32]:
        """Return standard-normal numbers, one per cell of a column."""

    def rounding_uniforms(self, count: int) -> NDArray[np.float32]:
        """Return numbers in [0, 1), one per cell of a column."""

    def pulse_normals(self, count: int) -> NDArray[np.float32]:
        """Return standard-normal numbers, one per pulse."""


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

    def sense_normals(self, count: int) -> NDArray[np.float32]:
        """See `Draws`."""
        return self.rng.standard_normal(count, np.float32)

    def rounding_uniforms(self, count: int) -> NDArray[np.float32]:
        """See `Draws`."""
        return self.rng.random(count, np.float32)

    def pulse_normals(self, count: int) -> NDArray[np.float32]:
        """See `Draws`."""
        return self.rng.standard_normal(count, np.float32)


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
        self.dense = network.config.update == "dense"
        self.g = state.g.copy()
        self.cells = state.cells.copy()
        self.inhibited = state.inhibited.copy()
        self.connected = network.crossbar.connected.astype(np.float32)
        self.any_open = not self.connected.all()
        self.n_connected = network.crossbar.connected.sum(axis=1)
        self.row_sum = self.g.sum(axis=1, dtype=np.float64)
        self.bias = network.bias.astype(np.float64)
        self.spike_counts = network.spike_counts.copy()
        self.tables = network.pulse_tables
        self.ledger = EnergyLedger()

    def present(self, pixels: NDArray[np.uint8], homeostasis: float) -> int:
        """Learn from one window of one image, uint8[inputs]; return the winner."""
        spiked = self.draws.spike_bytes(pixels.size) < pixels
        winner = self.compete(spiked)
        self.spike_counts[winner] += 1
        self.bias[winner] -= homeostasis
        if self.dense:
            self.learn_densely(spiked)
        elif self.ideal:
            self.learn_ideally(winner, spiked)
        else:
            self.learn_with_pulses(winner, spiked)
        return winner

    def potentials(self, spiked: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return u = b + beta sum(w y), float64[neurons], with read noise."""
        y = spiked.astype(np.float32)
        connected = y @ self.connected if self.any_open else y.sum()
        summed = (y @ self.g).astype(np.float64) - connected * self.device.g_mid
        if self.pulse.read_sigma:
            sigma = self.pulse.read_sigma * np.sqrt(connected)
            summed += sigma * self.draws.read_normals(summed.size)
        gain = 2 * self.competition.sharpness / self.device.g_range
        return self.bias + gain * summed

    def compete(self, spiked: NDArray[np.bool_]) -> int:
        """Book a read, and draw the winner from the softmax of the potentials."""
        potentials = self.potentials(spiked)
        self._book_read(spiked)
        self.chances = np.exp(potentials - potentials.max())
        cumulative = np.cumsum(self.chances)
        return int(
            np.searchsorted(
                cumulative, self.draws.competition_uniform() * cumulative[-1], side="right"
            )
        )

    def learn_with_pulses(self, column: int, spiked: NDArray[np.bool_]) -> None:
        """Carry out the rule on `column` with device pulses."""
        free = ~self.inhibited[column]
        states = self._sense(column, free)
        wanted = self.tables.pulses[spiked.astype(int), states]
        pulses = (wanted + self.draws.rounding_uniforms(len(states))).astype(int) * free
        self._program(column, np.where(spiked, pulses, -pulses))

    def learn_ideally(self, column: int, spiked: NDArray[np.bool_]) -> None:
        """Carry out the rule on `column` exactly."""
        device = self.device
        before = self.g[:, column].astype(np.float64)
        weight = device.weight_of(before)
        change = np.where(spiked, self.rule.potentiation(weight), self.rule.depression(weight))
        after = np.clip(before + 0.5 * change * device.g_range, device.g_min, device.g_max)
        after = after.astype(np.float32)
        changed = ~self.inhibited[column] & (after != self.g[:, column])
        signs = changed * np.where(spiked, 1, -1)
        self._book_half_select(column, np.flatnonzero(changed), signs[changed], after[changed])
        self.g[changed, column] = after[changed]
        self.row_sum[changed] += after[changed] - before[changed]
        for mask, operation, v2t, line in (
            (changed & spiked, Operation.LTP_PULSE, self.pulse.v2t_set, self.costs.line_set),
            (changed & ~spiked, Operation.LTD_PULSE, self.pulse.v2t_reset, self.costs.line_reset),
        ):
            joules = v2t * 0.5 * (before[mask] + after[mask].astype(np.float64)).sum()
            self._book(operation, mask.sum(), joules)
            self._book(Operation.PROGRAM_LINE, mask.sum(), mask.sum() * line)

    def learn_densely(self, spiked: NDArray[np.bool_]) -> None:
        """Carry out the rule on every column, by its chance of firing; every cell gets a pulse."""
        before, device = self.g.astype(np.float64), self.device
        weight = device.weight_of(before)
        asked = np.where(
            spiked[:, None], self.rule.potentiation(weight), self.rule.depression(weight)
        )
        share = self.chances / self.chances.sum()
        after = np.clip(before + 0.5 * share * asked * device.g_range, device.g_min, device.g_max)
        self.g[:] = after.astype(np.float32)
        self.row_sum[:] = self.g.sum(axis=1, dtype=np.float64)
        mean = 0.5 * (before + self.g).sum(axis=1)
        for mask, operation, v2t, line in (
            (spiked, Operation.LTP_PULSE, self.pulse.v2t_set, self.costs.line_set),
            (~spiked, Operation.LTD_PULSE, self.pulse.v2t_reset, self.costs.line_reset),
        ):
            cells = int(mask.sum()) * self.g.shape[1]
            self._book(operation, cells, v2t * mean[mask].sum())
            self._book(Operation.PROGRAM_LINE, cells, cells * line)

    def _sense(self, column: int, free: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Book the sensing of the cells that are `free`, and return the states of all."""
        g = self.g[:, column]
        joules = self.pulse.v2t_read * g[free].sum(dtype=np.float64) + free.sum() * self.costs.sense
        self._book(Operation.SENSE_READ, free.sum(), joules)
        if self.costs.half_set:
            sneak = (self.row_sum[free] - g[free].astype(np.float64)).sum()
            others = int(free.sum()) * (self.g.shape[1] - 1)
            self._book(Operation.HALF_SELECT, others, self.pulse.v2t_read * sneak)
        noise = np.float32(self.pulse.read_sigma) * self.draws.sense_normals(len(g))
        states = ((g + noise - self.tables.g_min) * self.tables.states_per_siemens).astype(np.int64)
        return np.clip(states, 0, SENSED_STATES - 1)

    def _program(self, column: int, pulses: NDArray[np.int64]) -> None:
        """Give each cell its pulses, one round after the other."""
        rows = np.flatnonzero(pulses)
        up, trains = pulses[rows] > 0, np.abs(pulses[rows])
        normals = self.draws.pulse_normals(trains.sum()).astype(np.float64)
        first = np.cumsum(trains) - trains
        cell = self.cells[column, rows].astype(np.float64)
        fraction = np.where(up, cell[:, R_UP], cell[:, R_DOWN])
        asymptote = np.where(up, self.pulse.g_up_inf, self.pulse.g_down_inf)
        start = self.g[rows, column].astype(np.float64)
        g, conductance = start.copy(), np.zeros(len(rows))
        for n in range(trains.max(initial=0)):
            on = np.flatnonzero(trains > n)
            noise = self.pulse.step_sigma * normals[first[on] + n]
            after = g[on] + fraction[on] * (asymptote[on] - g[on]) + noise
            after = np.clip(after, cell[on, G_LOW], cell[on, G_HIGH]).astype(np.float32)
            conductance[on] += 0.5 * (g[on] + after)
            g[on] = after
        self._book_half_select(column, rows, pulses[rows], g)
        self.g[rows, column] = g
        self.row_sum[rows] += g - start
        for mask, operation, v2t, line in (
            (up, Operation.LTP_PULSE, self.pulse.v2t_set, self.costs.line_set),
            (~up, Operation.LTD_PULSE, self.pulse.v2t_reset, self.costs.line_reset),
        ):
            count = trains[mask].sum()
            self._book(operation, count, v2t * conductance[mask].sum())
            self._book(Operation.PROGRAM_LINE, count, count * line)

    def _book_half_select(
        self, column: int, rows: NDArray[np.int64], pulses: NDArray[np.int64], after: NDArray
    ) -> None:
        """Book the cells that see half the voltage while one cell after the other is pulsed."""
        if not self.costs.half_set:
            return
        before = self.g[rows, column].astype(np.float64)
        moved = np.cumsum(after - before) - (after - before)
        column_sum = self.g[:, column].sum(dtype=np.float64) + moved
        others = self.row_sum[rows] + column_sum - 2 * before
        half = np.where(pulses > 0, self.costs.half_set, self.costs.half_reset)
        count = np.abs(pulses)
        cells = sum(self.g.shape) - 2
        self._book(Operation.HALF_SELECT, count.sum() * cells, (count * half * others).sum())

    def _book_read(self, spiked: NDArray[np.bool_]) -> None:
        n, columns = int(spiked.sum()), self.g.shape[1]
        v2t = self.pulse.v2t_read
        drive = self.periphery.e_word_line + self.device.c_cell * columns * self.device.v_read**2
        self._book(Operation.WORD_LINE_DRIVE, n, n * drive)
        cells = self.n_connected[spiked].sum()
        self._book(Operation.CELL_READ, cells, v2t * self.conductance_of(spiked))
        self._book(Operation.REFERENCE_READ, n, v2t * n * self.device.g_mid)
        self._book(Operation.NEURON_UPDATE, columns, columns * self.periphery.e_neuron)
        self._book(Operation.OUTPUT_SPIKE, 1, self.periphery.e_spike)

    def conductance_of(self, rows: NDArray[np.bool_]) -> float:
        """Return the sum of all conductances on the word lines `rows`, S."""
        return float(self.row_sum[rows].sum())

    def _book(self, operation: Operation, count: int, joules: float) -> None:
        self.ledger.add("train", operation, int(count), float(joules))
