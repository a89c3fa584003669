"""A network of binary cells in plain NumPy."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.rules.codes import wanted_codes
from tests.replay import ReplayDraws


class BinaryTwin:
    """Training of a network of binary cells in plain NumPy, priced from the bare parameters."""

    def __init__(self, network: SpikingNetwork) -> None:
        crossbar, self.network = network.crossbar, network
        self.binary, self.device = network.config.binary, network.device
        self.rows, self.columns = crossbar.shape
        self.bits = self.binary.bits
        shape = (self.rows, self.bits, self.columns)
        self.g = crossbar.state.g.astype(float).reshape(shape)
        window = crossbar.state.cells.transpose(1, 0, 2).astype(float)
        self.low = window[..., G_LOW].reshape(shape)
        self.high = window[..., G_HIGH].reshape(shape)
        self.bias = network.bias.astype(float)
        self.draws = ReplayDraws(network)
        self.draws.normals = crossbar.state.normals
        self.ledger = EnergyLedger()
        self.codes = crossbar.codes

    def book(self, operation: Operation, count: int, joules: float) -> None:
        self.ledger.add("train", operation, int(count), float(joules))

    def v2t(self, volts: float, seconds: float) -> float:
        """V I t of 1 S at the read voltage."""
        d = self.device
        if not d.v_sinh:
            return volts**2 * seconds
        slope = math.sinh(volts / d.v_sinh) / math.sinh(d.v_read / d.v_sinh)
        return volts * d.v_read * slope * seconds

    def present(self, pixels: np.ndarray, homeostasis: float) -> int:
        spiked = self.draws.spike_bytes(pixels.size) < pixels
        sums = self.code_sums(np.flatnonzero(spiked))
        weights = 2 * sums / (2**self.bits - 1) - spiked.sum()
        u = self.bias + self.network.config.competition.sharpness * weights
        cumulative = np.cumsum(np.exp(u - u.max()))
        winner = int(
            np.searchsorted(cumulative, self.draws.competition_uniform() * cumulative[-1], "right")
        )
        self.bias[winner] -= homeostasis
        self.book_read(spiked)
        self.learn(winner, spiked)
        return winner

    def code_sums(self, active: np.ndarray) -> np.ndarray:
        """Return the sum of the codes on the active rows as the read-out finds it, float[columns]."""
        d, n, planes = self.device, len(active), 2.0 ** np.arange(self.bits)
        ones = (self.g[active] - d.g_min) / d.g_range
        sigma = d.read_c2c
        if self.binary.read == "sensed":
            if self.reach < np.abs(np.stack([self.g, self.low, self.high]) - d.g_mid).min():
                return planes @ (self.g[active] > d.g_mid).sum(axis=0)
            total = np.zeros(self.columns)
            for row in active:
                noise, flicker = self.sense(self.draws.reads, self.bits * self.columns)
                seen = self.g[row].ravel() + noise + flicker
                total += planes @ (seen > d.g_mid).reshape(self.bits, -1)
            return total
        sigma = math.hypot(sigma, d.flicker_sigma / d.g_range)
        if not self.binary.adc_bits:
            noise = 0
            if sigma:
                noise = sigma * math.sqrt(n * (planes**2).sum())
                noise = noise * self.draws.read_normals(self.columns)
            return planes @ ones.sum(axis=0) + noise
        counts = ones.sum(axis=0) - n / 2
        if sigma:
            normals = self.draws.read_normals(self.bits * self.columns)
            counts += sigma * math.sqrt(n) * normals.reshape(self.bits, -1)
        step, half = self.rows / 2**self.binary.adc_bits, 2 ** (self.binary.adc_bits - 1)
        return planes @ (step * np.clip(np.rint(counts / step), -half, half - 1) + n / 2)

    @property
    def reach(self) -> float:
        d = self.device
        return d.read_c2c * d.g_range * np.abs(self.draws.normals).max() + d.g_flicker

    def sense(self, words, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return noise and flicker of `count` cells, S, from one word."""
        d, word, normals = self.device, words.word(), self.draws.normals
        first, second = word & 0x3FFF, (word >> 20) & 0x3FFF
        noise = d.read_c2c * d.g_range * normals[first : first + count].astype(float)
        quantile = NormalDist().inv_cdf(d.flicker_duty)
        upper = normals[second : second + count] < quantile
        return noise, d.g_flicker * (upper - d.flicker_duty)

    def book_read(self, spiked: np.ndarray) -> None:
        d, p, n = self.device, self.network.periphery, int(spiked.sum())
        lines = self.bits * self.columns
        v2t = self.v2t(d.v_read, d.t_read)
        drive = p.e_word_line + lines * d.c_cell * d.v_read**2
        self.book(Operation.WORD_LINE_DRIVE, n, n * drive)
        self.book(Operation.CELL_READ, n * lines, v2t * self.g[spiked].sum())
        self.book(Operation.REFERENCE_READ, n, v2t * n * d.g_mid)
        if self.binary.read == "sensed":
            self.book(Operation.BIT_SENSE, n * lines, n * lines * p.e_sense)
            self.book(Operation.SHIFT_ADD, n * self.columns, n * self.columns * p.e_add)
        else:
            resolution = self.binary.adc_bits or math.ceil(math.log2(self.rows + 1))
            conversion = 16e-3 / (8 * 1.28e9) / 2**8 * 2**resolution  # of ISAAC, per step
            adds = (self.bits - 1) * self.columns
            self.book(Operation.ADC_CONVERSION, lines, lines * conversion)
            self.book(Operation.SHIFT_ADD, adds, adds * p.e_add)
        self.book(Operation.NEURON_UPDATE, self.columns, self.columns * p.e_neuron)
        self.book(Operation.OUTPUT_SPIKE, 1, p.e_spike)

    def learn(self, column: int, spiked: np.ndarray) -> None:
        d, p = self.device, self.network.periphery
        lines = self.bits * self.columns
        drive = p.e_word_line + lines * d.c_cell * d.v_read**2
        joules = self.rows * (drive + self.bits * p.e_sense)
        joules += self.v2t(d.v_read, d.t_read) * self.g[:, :, column].sum()
        self.book(Operation.SENSE_READ, self.rows * self.bits, joules)
        codes = np.zeros(self.rows, int)
        for plane in range(self.bits):
            noise, flicker = self.sense(self.draws.pulses, self.rows)
            codes += (self.g[:, plane, column] + noise + flicker > d.g_mid) << plane
        wanted = wanted_codes(self.network.config.stdp, self.binary)[spiked.astype(int), codes]
        change = np.floor(wanted + self.draws.rounding_uniforms(self.rows)).astype(int)
        target = codes + np.where(spiked, change, -change)
        for row, plane in np.argwhere((codes ^ target)[:, None] >> np.arange(self.bits) & 1):
            self.write(row, plane, column, target[row] >> plane & 1)
        if self.network.config.programming.method == "verify":
            for row in np.flatnonzero(codes ^ target):
                self.verify(row, column, target[row], codes[row] ^ target[row])

    def write(self, row: int, plane: int, column: int, bit: int) -> None:
        d = self.device
        before = self.g[row, plane, column]
        after = (self.high if bit else self.low)[row, plane, column]
        self.g[row, plane, column] = after
        volts, seconds = (d.v_set, d.t_set) if bit else (d.v_reset, d.t_reset)
        pulses = self.binary.write_pulses
        energy = pulses * self.v2t(volts, seconds) * (before + after) / 2
        self.book(Operation.BIT_SET if bit else Operation.BIT_RESET, pulses, energy)
        line = (self.rows + self.bits * self.columns) * d.c_cell * volts**2
        self.book(Operation.PROGRAM_LINE, pulses, pulses * line)

    def verify(self, row: int, column: int, target: int, written: int) -> None:
        """Sense the bits that were written, and write again those that read otherwise."""
        d, p = self.device, self.network.periphery
        planes = [plane for plane in range(self.bits) if written >> plane & 1]
        for attempt in range(self.network.config.programming.tries + 1):
            if not planes:
                return
            drive = p.e_word_line + self.bits * self.columns * d.c_cell * d.v_read**2
            read = self.v2t(d.v_read, d.t_read) * self.g[row, planes, column].sum()
            self.book(Operation.SENSE_READ, len(planes), read + drive + len(planes) * p.e_sense)
            wrong = []
            for plane in planes:
                noise, flicker = self.sense(self.draws.pulses, 1)
                seen = self.g[row, plane, column] + noise[0] + flicker[0]
                if (seen > d.g_mid) != (target >> plane & 1):
                    wrong.append(plane)
            planes = wrong
            if attempt < self.network.config.programming.tries:
                for plane in planes:
                    self.write(row, plane, column, target >> plane & 1)


def assert_recounted(network: SpikingNetwork, inputs: NDArray[np.uint8]) -> None:
    """Let the loop and the twin learn from the same 40 images; all must be alike."""
    twin = BinaryTwin(network)
    homeostasis = np.float32(network.config.competition.homeostasis_at(network.images_seen))
    account = network.ledger.account("train")
    counts, joules = account.counts.copy(), account.joules.copy()
    winners = network.learn_from(inputs, np.arange(40))
    expected = [[twin.present(inputs[n], homeostasis) for _ in range(5)] for n in range(40)]
    np.testing.assert_array_equal(winners, expected)
    np.testing.assert_array_equal(
        network.crossbar.state.g.reshape(twin.g.shape), twin.g.astype(np.float32)
    )
    for op in Operation:
        assert account.counts[op] - counts[op] == twin.ledger.count("train", op), op
        assert account.joules[op] - joules[op] == pytest.approx(
            twin.ledger.account("train").joules[op], rel=1e-7
        ), op
