"""The compiled loop's random streams, replayed word for word in plain Python."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import normal_table
from cbramsim.simulator.learning.network import SpikingNetwork

MASK = (1 << 64) - 1


class Xoshiro:
    """xoshiro256++ in Python integers."""

    def __init__(self, state: NDArray[np.uint64]) -> None:
        self.s = [int(word) for word in state]

    def word(self) -> int:
        s = self.s
        result = (_rotl((s[0] + s[3]) & MASK, 23) + s[0]) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = _rotl(s[3], 45)
        return result

    def uniform(self) -> float:
        return (self.word() >> 11) / 2**53


def _rotl(x: int, k: int) -> int:
    return ((x << k) | (x >> (64 - k))) & MASK


class ReplayDraws:
    """The `Draws` of a network's own streams."""

    def __init__(self, network: SpikingNetwork) -> None:
        streams = network.layers[0].streams
        self.spikes, self.reads = Xoshiro(streams.spikes), Xoshiro(streams.reads)
        self.competition, self.pulses = Xoshiro(streams.competition), Xoshiro(streams.pulses)
        self.normals = normal_table(max(network.crossbar.shape))

    def spike_bytes(self, count: int) -> NDArray[np.uint8]:
        words = [self.spikes.word() for _ in range(-(-count // 8))]
        return np.array(words, "<u8").view(np.uint8)[:count]

    def read_normals(self, count: int) -> NDArray[np.float32]:
        offset = self.reads.word() & 0x3FFF
        return self.normals[offset : offset + count]

    def competition_uniform(self) -> float:
        return self.competition.uniform()

    def sense_normals(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        word = self.pulses.word()
        first, second = word & 0x3FFF, (word >> 20) & 0x3FFF
        return self.normals[first : first + count], self.normals[second : second + count]

    def rounding_uniforms(self, count: int) -> NDArray[np.float32]:
        words = [self.pulses.word() for _ in range(-(-count // 4))]
        shorts = np.array(words, "<u8").view(np.uint16)[:count]
        return shorts.astype(np.float32) / np.float32(2**16)

    def pulse_numbers(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        words = [self.pulses.word() for _ in range(count)]
        normals = self.normals[np.array([word & 0x3FFF for word in words], int)]
        return normals, np.array([(word >> 32) / 2**32 for word in words])
