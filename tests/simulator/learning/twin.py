"""The mathematics of a presentation in plain NumPy: the oracle of the compiled loop.

`NumpyTwin` learns as `simulator.learning.loop.train` does, from its own copy of the array, and
books every event in its own ledger. It is what the loop is tested against, word for word of the
random streams.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.laws import Shaped
from cbramsim.devices.pulses import (
    G_HIGH,
    G_LOW,
    SLOPE_DOWN,
    SLOPE_UP,
    STEP_DOWN,
    STEP_UP,
)
from cbramsim.devices.states import level_places
from cbramsim.simulator.array.access import Passive, Thirds
from cbramsim.simulator.array.writing import SENSED_STATES
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.learning.network import SpikingNetwork
from tests.simulator.lines.told import told


class Draws(Protocol):
    """Where the random numbers of a presentation come from."""

    def spike_bytes(self, count: int) -> NDArray[np.uint8]:
        """Return random bytes, one per input."""

    def read_normals(self, count: int) -> NDArray[np.float32]:
        """Return standard-normal numbers, one per bit line."""

    def competition_uniform(self) -> float:
        """Return a number in [0, 1)."""

    def sense_normals(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return standard-normal numbers, one per cell of a column, for noise and for flicker."""

    def rounding_uniforms(self, count: int) -> NDArray[np.float32]:
        """Return numbers in [0, 1), one per cell of a column."""

    def pulse_numbers(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return standard-normal numbers and numbers in [0, 1), one of each per pulse."""


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

    def sense_normals(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Draws`."""
        return tuple(self.rng.standard_normal((2, count), np.float32))  # type: ignore[return-value]

    def rounding_uniforms(self, count: int) -> NDArray[np.float32]:
        """See `Draws`."""
        return self.rng.random(count, np.float32)

    def pulse_numbers(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """See `Draws`."""
        return self.rng.standard_normal(count, np.float32), self.rng.random(count)


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
        self.rule = network.config.stdp
        self.sharpness = network.layers[0].competition_scale * network.config.competition.sharpness
        self.ideal = network.config.rule == "ideal"
        self.dense = network.config.update == "dense"
        self.g = state.g.copy()
        self.cells, self.nominal = state.cells.copy(), state.nominal[0, 0]
        self.shapes = state.law.shapes if isinstance(state.law, Shaped) else np.zeros((2, 0))
        self.of_cells = network.crossbar.device
        self.half_selected = state.access.scheme if isinstance(state.access, Passive) else None
        self.inhibited = state.inhibited.copy()
        self.connected = network.crossbar.connected.astype(np.float32)
        self.any_open = not self.connected.all()
        self.n_connected = network.crossbar.connected.sum(axis=1)
        self.row_sum = self.g.sum(axis=1, dtype=np.float64)
        self.bias = network.bias.astype(np.float64)
        self.spike_counts = network.spike_counts.copy()
        if not self.ideal:
            self.table, self.tries = (
                network.layers[0].rule.table,
                getattr(network.layers[0].rule, "tries", 0),
            )
        self.wired = network.crossbar.wired
        if self.wired:
            self.lines, self.effective = state.lines, state.lines.seen.copy()
            self.base, self.in_common = state.lines.base.T.copy(), self._in_common(network)
            self.dissipated = state.lines.dissipated.copy()
            self.paths = state.lines.along_bit[:, None] + state.lines.along_word
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
        read = told(y, self.effective, self.lines) if self.wired else y @ self.g
        summed = read.astype(np.float64) - connected * self.device.g_mid
        if self.pulse.sum_sigma:
            sigma = self.pulse.sum_sigma * np.sqrt(connected)
            summed += sigma * self.draws.read_normals(summed.size)
        gain = 2 * self.sharpness / self.device.g_range
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
        wanted = self.table.pulses[spiked.astype(int), states]
        pulses = (wanted + self.draws.rounding_uniforms(len(states))).astype(int) * free
        pulses = np.where(spiked, pulses, -pulses)
        self._program(column, pulses)
        if self.tries:
            for row in np.flatnonzero(pulses):
                self._verify(column, int(row), self._nominal_result(int(row), int(pulses[row])))

    def _nominal_result(self, row: int, pulses: int) -> float:
        """Return where the pulses would have taken a nominal cell from where it was sensed."""
        nominal, up = self.nominal[None].astype(np.float64), np.array([pulses > 0])
        g = self.seen[row : row + 1].astype(np.float64)
        for _ in range(abs(pulses)):
            g = g + self._steps(g, nominal, up)
        return float(np.clip(g, nominal[:, G_LOW], nominal[:, G_HIGH])[0])

    def _verify(self, column: int, row: int, target: float) -> None:
        """Correct one cell, pulse by pulse, until it reads as `target` or the tries are used up."""
        nominal, here = self.nominal[None].astype(np.float64), np.zeros(len(self.g), np.int64)
        for tried in range(self.tries + 1):
            g = self.g[row : row + 1, column]
            self._book(
                Operation.SENSE_READ, 1, self.pulse.v2t_read * float(g[0]) + self.costs.sense
            )
            square = g.astype(np.float64) ** 2
            self._book_lines(column, np.array([row]), self.pulse.v2t_read * square, 1)
            seen = self._seen(g.astype(np.float64))
            up, down = (
                abs(float(self._steps(seen, nominal, np.array([way]))[0])) for way in (True, False)
            )
            band, off = 2 * self.pulse.sum_sigma, target - float(seen[0])
            here[row] = 1 if off > 0.5 * up + band else -1 if -off > 0.5 * down + band else 0
            if not here[row] or tried == self.tries:
                return
            self._program(column, here)

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
        self._move(np.flatnonzero(changed), column, after[changed])
        for mask, operation, v2t, i2t, gate, line in (
            (changed & spiked, *self._price_of_sets),
            (changed & ~spiked, *self._price_of_resets),
        ):
            mean = 0.5 * (before[mask] + after[mask].astype(np.float64))
            joules = v2t * mean.sum() + gate * mask.sum()
            self._book_lines(column, np.flatnonzero(mask), i2t * mean**2, mask.sum())
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
        if self.wired:
            self.effective[:] = self.base * self.g / (1 + self.in_common @ self.g)
            squares = 0.5 * (before**2 + self.g.astype(np.float64) ** 2) * self.paths
            price = np.where(spiked, self.pulse.i2t_set, self.pulse.i2t_reset)
            self._book(Operation.PROGRAM_WIRE, self.g.size, price @ squares.sum(axis=1))
        for mask, operation, v2t, _, gate, line in (
            (spiked, *self._price_of_sets),
            (~spiked, *self._price_of_resets),
        ):
            cells = int(mask.sum()) * self.g.shape[1]
            self._book(operation, cells, v2t * mean[mask].sum() + gate * cells)
            self._book(Operation.PROGRAM_LINE, cells, cells * line)

    def _sense(self, column: int, free: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Book the sensing of the cells that are `free`, and return the states of all."""
        g = self.g[:, column]
        joules = self.pulse.v2t_read * g[free].sum(dtype=np.float64) + free.sum() * self.costs.sense
        self._book(Operation.SENSE_READ, free.sum(), joules)
        rows = np.flatnonzero(free)
        squares = g[rows].astype(np.float64) ** 2
        self._book_lines(column, rows, self.pulse.v2t_read * squares, rows.size)
        if self.half_selected:
            sneak = (self.row_sum[free] - g[free].astype(np.float64)).sum()
            others = int(free.sum()) * (self.g.shape[1] - 1)
            self._book(Operation.HALF_SELECT, others, self.pulse.v2t_read * sneak)
        self.seen = self._seen(g)
        states = (self.seen - self.table.g_min) * self.table.states_per_siemens
        return np.clip(states.astype(np.int64), 0, SENSED_STATES - 1)

    def _seen(self, g: NDArray[Any]) -> NDArray[Any]:
        """Return what is sensed of cells at `g`: noise, and one of the two values of a flicker."""
        normals, flicker = self.draws.sense_normals(len(g))
        seen = g + np.float32(self.pulse.read_sigma) * normals
        device = self.of_cells
        if device.g_flicker:
            upper = flicker < NormalDist().inv_cdf(device.flicker_duty)
            seen += (device.g_flicker * (upper - device.flicker_duty)).astype(np.float32)
        return seen

    def _sigma(
        self, g: NDArray[np.float64], cell: NDArray[np.float64], up: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the noise of a pulse on each cell, S."""
        device, sigma = self.of_cells, np.full(len(g), self.pulse.step_sigma)
        if not (device.noise_up or device.noise_down):
            return sigma
        window = cell[:, G_HIGH] - cell[:, G_LOW]
        for way, shape, climbed in (
            (up, device.noise_up, g - cell[:, G_LOW]),
            (~up, device.noise_down, cell[:, G_HIGH] - g),
        ):
            depth = np.divide(climbed, window, out=np.zeros(len(g)), where=window > 0)
            points = np.array(shape or (1, 1), np.float32)
            relative = np.interp(depth, np.linspace(0, 1, len(points)), points)
            sigma[way] *= relative[way]
        return sigma

    def _program(self, column: int, pulses: NDArray[np.int64]) -> None:
        """Give each cell its pulses, one round after the other."""
        rows = np.flatnonzero(pulses)
        up, trains = pulses[rows] > 0, np.abs(pulses[rows])
        normals, uniforms = self.draws.pulse_numbers(trains.sum())
        first = np.cumsum(trains) - trains
        cell = self.cells[column, rows].astype(np.float64)
        start = self.g[rows, column].astype(np.float64)
        g, conductance = start.copy(), np.zeros(len(rows))
        squares = np.zeros(len(rows))
        for n in range(trains.max(initial=0)):
            on = np.flatnonzero(trains > n)
            noise = self._sigma(g[on], cell[on], up[on]) * normals[first[on] + n].astype(np.float64)
            after = g[on] + self._steps(g[on], cell[on], up[on]) + noise
            after = self._settled(after, cell[on], uniforms[first[on] + n])
            # A cell that time took out of its window is not pushed back by a pulse the other way.
            low, high = (
                np.minimum(cell[on, G_LOW], start[on]),
                np.maximum(cell[on, G_HIGH], start[on]),
            )
            after = np.clip(after, low, high).astype(np.float32)
            conductance[on] += 0.5 * (g[on] + after)
            squares[on] += 0.25 * (g[on] + after) ** 2
            g[on] = after
        self._book_half_select(column, rows, pulses[rows], g)
        self._move(rows, column, g)
        for mask, operation, v2t, i2t, gate, line in (
            (up, *self._price_of_sets),
            (~up, *self._price_of_resets),
        ):
            count = trains[mask].sum()
            self._book(operation, count, v2t * conductance[mask].sum() + gate * count)
            self._book_lines(column, rows[mask], i2t * squares[mask], count)
            self._book(Operation.PROGRAM_LINE, count, count * line)

    def _steps(
        self, g: NDArray[np.float64], cell: NDArray[np.float64], up: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the signed mean steps of one pulse: see `cbramsim.devices.pulse_law`."""
        window = np.maximum(cell[:, G_HIGH] - cell[:, G_LOW], 1e-30)
        steps = []
        for behind, sign, first, slope, shape in (
            (g - cell[:, G_LOW], 1, STEP_UP, SLOPE_UP, self.shapes[0]),
            (g - cell[:, G_HIGH], -1, STEP_DOWN, SLOPE_DOWN, self.shapes[1]),
        ):
            if shape.size:
                depth = sign * behind / window
                relative = np.interp(depth, np.linspace(0, 1, shape.size), shape)
                steps.append(cell[:, first] * relative)
            else:
                steps.append(cell[:, first] + cell[:, slope] * behind)
        return np.where(up, steps[0], steps[1])

    def _settled(
        self, g: NDArray[np.float64], cell: NDArray[np.float64], uniforms: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the states that cells take, where these are finite."""
        low, high = cell[:, G_LOW], cell[:, G_HIGH]
        device = self.of_cells
        if device.level_radix:
            places = level_places(device.levels, device.level_radix)
            window = np.maximum(high - low, 1e-30)
            place = (g - low) / window
            k = np.clip(np.searchsorted(places, place, side="right"), 1, places.size - 1)
            share = (place - places[k - 1]) / (places[k] - places[k - 1])
            chosen = places[np.where(share + uniforms >= 1, k, k - 1)]
            outside = (place < 0) | (place > 1)
            return np.where(high > low, np.where(outside, g, low + chosen * window), low)
        if device.levels or device.g_quantum:
            levels = device.levels
            distance = (high - low) / (levels - 1) if levels else device.g_quantum + 0 * low
            safe = np.where(distance > 0, distance, 1)
            g = low + np.floor((g - low) / safe + uniforms) * distance
        return g

    def _move(self, rows: NDArray[np.int64], column: int, after: NDArray[Any]) -> None:
        """Put cells of a column into another state, wherever it is kept or seen."""
        before = self.g[rows, column].astype(np.float64)
        self.row_sum[rows] += after - before
        self.g[rows, column] = after
        if self.wired:
            g = self.g[:, column]
            self.effective[:, column] = self.base[:, column] * g / (1 + self.in_common @ g)

    def _in_common(self, network: SpikingNetwork) -> NDArray[np.float64]:
        """Return the resistance of a bit line that two cells share, float64[rows, rows], Ohm."""
        assert self.wired
        wires, rows = network.config.wiring, len(self.g)
        shared = np.zeros((rows, rows))
        for part, _ in self.wired.layout:
            count = part.stop - part.start
            i, m = np.indices((count, count))
            below = wires.r_bit * (count - np.maximum(i, m)) + wires.r_sense
            if wires.bit_ends == "both":
                above = wires.r_bit * (np.minimum(i, m) + 1) + wires.r_sense
                below = below * above / (wires.r_bit * (count + 1) + 2 * wires.r_sense)
            shared[part, part] = below
        return shared

    def _book_lines(
        self, column: int, rows: NDArray[np.int64], squares: NDArray[Any], count: int
    ) -> None:
        """Book what pulses on cells, or sensing them, drive through the lines: (G V)² R t.

        `squares` are the sums of (G V)² t of each of `rows`.
        """
        if self.wired:
            joules = squares @ self.paths[rows, column]
            self._book(Operation.PROGRAM_WIRE, count, joules)

    def _book_half_select(
        self, column: int, rows: NDArray[np.int64], pulses: NDArray[np.int64], after: NDArray
    ) -> None:
        """Book the cells that see a part of the voltage while one after the other is pulsed."""
        if not self.half_selected:
            return
        before = self.g[rows, column].astype(np.float64)
        moved = np.cumsum(after - before) - (after - before)
        if isinstance(self.half_selected, Thirds):
            others = self.row_sum.sum() + moved - before
            cells = self.g.size - 1
        else:
            column_sum = self.g[:, column].sum(dtype=np.float64) + moved
            others = self.row_sum[rows] + column_sum - 2 * before
            cells = sum(self.g.shape) - 2
        half = np.where(pulses > 0, self.half_selected.v2t_set, self.half_selected.v2t_reset)
        count = np.abs(pulses)
        self._book(Operation.HALF_SELECT, count.sum() * cells, (count * half * others).sum())

    def _book_read(self, spiked: NDArray[np.bool_]) -> None:
        n, columns = int(spiked.sum()), self.g.shape[1]
        v2t = self.pulse.v2t_read
        drivers = self.wired.layout.across if self.wired else 1
        drive = (
            drivers * self.periphery.e_word_line
            + self.device.c_cell * columns * self.device.v_read**2
        )
        self._book(Operation.WORD_LINE_DRIVE, n, n * drive)
        cells = self.n_connected[spiked].sum()
        if self.wired:
            in_cells, in_lines = self.dissipated @ (self.row_sum * spiked)
            self._book(Operation.CELL_READ, cells, v2t * in_cells)
            self._book(Operation.READ_WIRE, cells, v2t * in_lines)
        else:
            self._book(Operation.CELL_READ, cells, v2t * self.conductance_of(spiked))
        self._book(Operation.REFERENCE_READ, n, v2t * n * self.device.g_mid)
        self._book(Operation.NEURON_UPDATE, columns, columns * self.periphery.e_neuron)
        self._book(Operation.OUTPUT_SPIKE, 1, self.periphery.e_spike)

    def conductance_of(self, rows: NDArray[np.bool_]) -> float:
        """Return the sum of all conductances on the word lines `rows`, S."""
        return float(self.row_sum[rows].sum())

    @property
    def _price_of_sets(self) -> tuple[Operation, float, float, float, float]:
        """Energy of a set pulse: per siemens, per Ohm and S², of a gate, and of the lines."""
        p = self.pulse
        return Operation.LTP_PULSE, p.v2t_set, p.i2t_set, p.gate_set, self.costs.line_set

    @property
    def _price_of_resets(self) -> tuple[Operation, float, float, float, float]:
        """Energy of a reset pulse, likewise."""
        p = self.pulse
        return Operation.LTD_PULSE, p.v2t_reset, p.i2t_reset, p.gate_reset, self.costs.line_reset

    def _book(self, operation: Operation, count: int, joules: float) -> None:
        self.ledger.add("train", operation, int(count), float(joules))
