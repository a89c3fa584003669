"""Reads of a physical array, and the way of a sum from its bit lines to a number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop
from cbramsim.core.rng import State
from cbramsim.devices.noise import Growing
from cbramsim.simulator.array.cells import ArrayState
from cbramsim.simulator.array.compensation import Compensated
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.saving import physical
from cbramsim.simulator.array.synapse import SynapseCrossbar
from cbramsim.simulator.circuits.adc import Adc, Conversion, Converters, convert_rows
from cbramsim.simulator.circuits.normals import fill_normals
from cbramsim.simulator.circuits.rollup import Macro
from cbramsim.simulator.mapping.config import MappingConfig
from cbramsim.simulator.mapping.layers import Floats


class Seen(NamedTuple):
    """Conductances of one physical array as reads see them."""

    signed: Floats
    """Conductances less the reference, joined, float32[rows, columns], S."""
    white: float
    """Variance of the noise of a weight in one read, S²."""
    each: Floats
    """Part of it that differs between weights, float32[rows, columns], S²; or no rows."""
    joules: NDArray[np.float64]
    """Energy of a read of each row in its cells and in its lines, float64[2, rows], J."""


class Chain(NamedTuple):
    """Converters, for compiled loops."""

    conversion: Conversion
    of_column: NDArray[np.uint32]
    """The converter of each column, uint32[columns]; of none, if there are no converters."""
    minimum: np.float32
    """Value of code 0, S."""
    lsb: np.float32
    """Distance of two codes, S."""


NO_CONVERTERS = Chain(
    Converters(Adc(), 1).conversion, np.zeros(0, np.uint32), np.float32(0), np.float32(0)
)


def chain_of(config: MappingConfig, largest: float, columns: int, seed: int) -> Chain:
    """Return the converters of an array, for sums of conductances up to ± `largest`, S.

    0 is a code, with one more below it than above; a single bit is the sign.
    """
    readout = config.readout
    half = 1 << (readout.adc_bits - 1)
    lsb = largest / max(half - 1, 0.5)
    adc = Adc(
        bits=readout.adc_bits, full_scale=lsb * (2 * half - 1),
        minimum=-lsb * half if half > 1 else -largest,
        offset_d2d=readout.offset_d2d, inl=readout.inl, dnl=readout.dnl,
    )  # fmt: skip
    sharing = Macro.model_fields["columns_per_adc"].default
    at_once = min(sharing, config.tiles.columns or sharing) // config.synapse.planes
    converters = Converters(adc, columns, seed, sharing=max(1, at_once))
    return Chain(
        converters.conversion, converters.of_column, np.float32(adc.minimum), np.float32(adc.lsb)
    )


def seen_of(
    array: Crossbar | SynapseCrossbar, config: MappingConfig, together: NDArray[np.float64]
) -> Seen:
    """Return an array as reads see it; `together` is the probability that two word lines are on in
    one."""
    cells, device, state = physical(array), array.device, physical(array).state
    g = cells.seen.astype(np.float64)
    white = float(state.pulse.sum_sigma) ** 2
    each = np.zeros((0, 0))
    if isinstance(state.noise, Growing):
        white, each = float(state.noise.sigma) ** 2, state.noise.variance.astype(np.float64)
    if isinstance(state.gain, Compensated):  # what is made up for is noisier
        gain = state.gain.factors.astype(np.float64)
        g *= gain
        each = (white + (each if len(each) else np.zeros(g.shape))) * gain**2
        white = 0.0
    if isinstance(array, SynapseCrossbar):
        parts = config.synapse.parts
        g = np.einsum("rpk,p->rk", array.by_plane(g), parts)
        each = np.einsum("rpk,p->rk", array.by_plane(each), parts**2) if len(each) else each
        white *= float(parts @ parts)
    if not config.synapse.pair:
        g -= device.g_mid
    dissipated = np.array([np.ones(len(g)), np.zeros(len(g))])
    if config.wires:
        at_rest: ArrayState = cells.at_rest(together)
        dissipated = at_rest.lines.dissipated
    joules = device.v2t_read * dissipated * state.row_sum
    return Seen(g.astype(np.float32), white, each.astype(np.float32), joules)


@compiled_loop
def finish(sums, variances, state: State, chain, weight, into):  # type: ignore[no-untyped-def]
    """Add noise to sums of a read, convert them, and add them, times `weight`, `into` others.

    Parameters
    ----------
    sums, into
        float32[reads, columns], S.
    variances
        Variances of the noise of each read, float32[reads], or none; and of each sum,
        float32[reads, columns], or none, S².
    state
        A stream of random words.
    chain
        `Chain`.
    weight
        float32.
    """
    every, each = variances
    reads, columns = sums.shape
    if every.size or each.size:
        normals = np.empty(reads * columns, np.float32)
        fill_normals(state, normals)
        for n in range(reads):
            row = normals[n * columns : (n + 1) * columns]
            if each.size:
                for k in range(columns):
                    sums[n, k] += np.sqrt(every[n] + each[n, k]) * row[k]
            else:
                sigma = np.sqrt(every[n])
                for k in range(columns):
                    sums[n, k] += sigma * row[k]
    if chain.of_column.size:
        codes = np.empty((reads, columns), np.uint16)
        convert_rows(sums, chain.conversion, chain.of_column, codes)
        for n in range(reads):
            for k in range(columns):
                into[n, k] += weight * (chain.minimum + chain.lsb * np.float32(codes[n, k]))
    else:
        for n in range(reads):
            for k in range(columns):
                into[n, k] += weight * sums[n, k]
