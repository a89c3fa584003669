"""Reads of a whole array: the product V G with its noise, its reference and its energy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.arguments import whole
from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.devices.noise import Growing
from cbramsim.simulator.array.cells import ArrayState, Disconnected
from cbramsim.simulator.array.compensation import Compensated
from cbramsim.simulator.array.wired_reads import WiredReads
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.lines import Terminals, Wires


class Product(NamedTuple):
    """Result of a read at some voltages."""

    voltages: NDArray[np.float32]
    """Voltages of the word lines, float32[..., rows], V."""
    ohmic: NDArray[np.float32]
    """Voltages at which ohmic cells would carry the same currents, float32[..., rows], V."""
    currents: NDArray[np.float32]
    """Currents of the bit lines, float32[..., columns], A."""
    taken: tuple[float, float] | None
    """Power dissipated in cells and lines, W, of all reads; None for ideal lines."""


def multiply(
    array: ArrayState, device: Device, wired: WiredReads | None, voltages: NDArray[np.float32]
) -> Product:
    """Return the product of voltages, float32[..., rows], with the conductances; not booked."""
    ohmic = device.read_equivalent(voltages)
    if wired is None:
        return Product(voltages, ohmic, ohmic @ array.g, None)
    read = wired.read(array.g, voltages.reshape(-1, array.g.shape[0]))
    currents = read.currents.reshape(*voltages.shape[:-1], array.g.shape[1])
    return Product(voltages, ohmic, currents, (read.in_cells, read.in_lines))


def add_noise(product: Product, array: ArrayState, generator: np.random.Generator) -> None:
    """Add the noise of all cells of a bit line: one normal number with the variance of its sum."""
    if array.pulse.sum_sigma:
        squares, noise = product.ohmic**2, array.noise
        if isinstance(noise, Growing):
            white = np.float32(noise.sigma**2) * connected_sum(array, squares)
            sigma = np.sqrt(white + squares @ noise.variance)
        else:
            sigma = array.pulse.sum_sigma * np.sqrt(connected_sum(array, squares))
        currents = product.currents
        currents += sigma * generator.standard_normal(currents.shape, np.float32)


def make_up(product: Product, array: ArrayState) -> None:
    """Multiply the currents by the compensation of drift."""
    if isinstance(array.gain, Compensated):
        currents = product.currents
        currents *= array.gain.factors


def subtract_reference(product: Product, array: ArrayState) -> None:
    """Subtract the reference of each bit line, without its disconnected cells."""
    currents = product.currents
    currents -= array.pulse.g_mid * connected_sum(array, product.ohmic)


def connected_sum(array: ArrayState, x: NDArray) -> NDArray:
    """Return the sum of `x` over the word lines to which each bit line is connected."""
    if isinstance(array.gaps, Disconnected):
        return x @ (array.gaps.spared == 0).astype(np.float32)
    return x.sum(axis=-1, keepdims=True)


def book_read(
    product: Product,
    array: ArrayState,
    device: Device,
    driver: float,
    ledger: EnergyLedger,
    phase: str,
    *,
    signed: bool,
) -> None:
    """Book a read; if it is `signed`, that of the reference column as well.

    `driver` is the energy of driving one word line without its charge, J.
    """
    rows, columns = array.g.shape
    v, ohmic = product.voltages, product.ohmic
    v2 = np.square(v, dtype=np.float64).reshape(-1, rows)
    power = np.multiply(v, ohmic, dtype=np.float64).reshape(-1, rows).sum(axis=0)
    driven = v2 > 0
    n_driven = int(driven.sum())
    cells = int(driven.sum(axis=0) @ array.n_connected)
    drive = n_driven * driver + device.c_cell * columns * v2.sum()
    ledger.add(phase, Operation.WORD_LINE_DRIVE, n_driven, drive)
    if product.taken is None:
        ledger.add(phase, Operation.CELL_READ, cells, device.t_read * power @ array.row_sum)
    else:
        in_cells, in_lines = product.taken
        ledger.add(phase, Operation.CELL_READ, cells, device.t_read * in_cells)
        ledger.add(phase, Operation.READ_WIRE, cells, device.t_read * in_lines)
    if signed:
        joules = device.t_read * power.sum() * device.g_mid
        ledger.add(phase, Operation.REFERENCE_READ, n_driven, joules)


def circuit_of(
    wired: WiredReads | None, g: NDArray, tile: int, method: str, voltages: NDArray[np.float64]
) -> tuple[NDArray, Terminals, Wires]:
    """Return conductances, terminals and wires of one of the physical arrays while it is read.

    Raises
    ------
    ParameterError
        If there are no wires, no such tile, or not one voltage per word line.
    """
    if wired is None:
        raise ParameterError(f"Crossbar.{method}: needs an array with wires (got ideal lines)")
    if voltages.ndim != 1:
        raise ParameterError(
            f"Crossbar.{method}: voltages must be {g.shape[0]} values, one per word line "
            f"(got shape {voltages.shape})"
        )
    tiles = list(wired.layout)
    rows, columns = tiles[whole(f"Crossbar.{method}: tile", tile, 0, len(tiles) - 1)]
    part = g[rows, columns].astype(np.float64)
    return part, Terminals.product(voltages[rows], part.shape[1], wired.wires), wired.wires
