"""Size of the memory that a block shares on a card; found without a card."""

from __future__ import annotations

from cbramsim.simulator.learning.neurons import BLOCK

SPEAKING = 256
"""Bytes at the beginning of shared memory in which up to 32 warps exchange a number."""
SHARED = 48 * 1024
"""Bytes that the threads of a block may share on any card."""


def shared_bytes(inputs: int, neurons: int) -> int:
    """Return the memory that the threads of a block share, bytes: see `memory.circuit_of`."""
    words = 2 * neurons + -(-neurons // BLOCK) + inputs + 1 + (inputs + 4) // 4
    return SPEAKING + 4 * words


def most_neurons(inputs: int) -> int:
    """Return the largest number of neurons for that memory."""
    neurons = SHARED // 8
    while neurons and shared_bytes(inputs, neurons) > SHARED:
        neurons -= 1
    return neurons
