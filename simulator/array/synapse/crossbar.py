"""`SynapseCrossbar`: weights in several analog cells, with the interface of an array to a
network."""

from __future__ import annotations

import math
from typing import Annotated, Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.arguments import instance
from cbramsim.core.errors import ParameterError, shown
from cbramsim.devices.device import Device
from cbramsim.simulator.array import storing
from cbramsim.simulator.array.built import Built
from cbramsim.simulator.array.cells import LEARNING, BookedAs
from cbramsim.simulator.array.checks import (
    MAX_CELLS,
    checked_lines,
    checked_shape,
    pulses_to_give,
)
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.own import Own
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.array.programming import budget_of
from cbramsim.simulator.array.synapse.parameters import MOST_CELLS, Synapse
from cbramsim.simulator.array.synapse.synapses import Budget, Never, Refresh, Synapses, Transfer
from cbramsim.simulator.array.synapse.turns import BothWays, BySets, Orders
from cbramsim.simulator.array.synapse.writing import program_weights
from cbramsim.simulator.array.writing import SENSED_STATES, program_column
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.lines import Tiles
from cbramsim.simulator.lines.tiles import shared_out


class TilesOfWeights(Tiles):
    """Tiles that do not separate the cells of a weight."""

    planes: Annotated[int, Field(ge=1, le=4 * MOST_CELLS)] = 1
    """Cells of a weight."""

    def parts(self, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first rows and columns of the physical arrays, and the end of the last one."""
        rows, _ = super().parts(shape)
        return rows, self.planes * shared_out(shape[1] // self.planes, self.columns // self.planes)


class SynapseCrossbar(PlaneArray):
    """An array with several cells for each weight, see `array.synapse`.

    A weight has a *logic conductance*, that of the one cell of the same weight in a `Crossbar`.

    Attributes
    ----------
    synapse
        The `Synapse`.
    updates
        int64[columns], the number of times each column has been given pulses.

    Examples
    --------
    >>> synapse = Synapse(cells=4, pair=True)
    >>> crossbar = SynapseCrossbar("pcm-nandakumar", (64, 32), synapse, seed=1)
    >>> crossbar.set_weights(np.full((64, 32), 0.5))
    >>> currents = crossbar.read(np.full(64, 0.1))  # amperes, proportional to the weights
    """

    def __init__(
        self,
        device: Device | str,
        shape: tuple[int, int],
        synapse: Synapse | None = None,
        seed: int = 0,
        periphery: Periphery | str = "cmos-28nm",
        ledger: EnergyLedger | None = None,
        own: Own | None = None,
        **built: Unpack[Built],
    ) -> None:
        """Draw the cells and write the weight -1 everywhere.

        Parameters
        ----------
        device, seed, periphery, ledger, own
            As for `Crossbar`.
        shape
            (word lines, weights per word line).
        synapse
            The cells of a weight; two, summed, by default.
        built
            `access`, `scheme`, `wires`, `tiles` of the physical array, as for `Crossbar`.
        """
        instance("SynapseCrossbar.synapse:", synapse, Synapse, type(None))
        self.synapse = Synapse(cells=2) if synapse is None else synapse
        rows, columns = checked_shape("SynapseCrossbar", shape)
        planes = self.synapse.planes
        if rows * columns * planes > MAX_CELLS:
            raise ParameterError(
                f"SynapseCrossbar.shape: must be at most {MAX_CELLS:,} cells, {planes} a weight "
                f"(got {shown(shape)})"
            )
        if isinstance(tiles := built.get("tiles"), Tiles) and tiles.columns:
            if tiles.columns < planes:
                raise ParameterError(
                    f"SynapseCrossbar.tiles: columns must be >= {planes}, the cells of a weight, "
                    f"for their currents are joined in one array (got {tiles.columns})"
                )
            built["tiles"] = TilesOfWeights(**tiles.model_dump(), planes=planes)
        cells = Crossbar(device, (rows, planes * columns), seed, periphery, ledger, own, **built)
        super().__init__(cells, planes)
        self.updates = np.zeros(columns, np.int64)
        self._orders = Orders.of(rows)
        self._steps = nominal_steps(self.synapse, self.device)
        self.set_weights(-1.0)

    def __repr__(self) -> str:
        """Return a short description of the array."""
        rows, columns = self.shape
        return (
            f"SynapseCrossbar({self.device.name}, {rows} x {columns} weights of "
            f"{self.planes} cells)"
        )

    def _repr_html_(self) -> str:
        """Return the main facts as a card, for notebooks."""
        return self.card({"cells of a weight": self.planes, "pairs": self.synapse.pair})

    # ---- what one sees -------------------------------------------------------------------------

    @property
    def conductance(self) -> NDArray[np.float32]:
        """Logic conductances, float32[rows, columns], S; 0 if disconnected."""
        return self._joined(self.by_plane(self.cells.conductance), self.connected)

    def column(self, column: int) -> NDArray[np.float32]:
        """Return the logic conductances of one column, float32[rows], S."""
        lines = slice(column * self.planes, (column + 1) * self.planes)
        # Laid out as all columns are, for that says in which order planes are summed.
        g = np.ascontiguousarray(self.state.g_columns[lines].T)
        return self._joined(g[..., None], storing.connected(self.state, lines)[:, :1])[:, 0]

    @property
    def seen(self) -> NDArray[np.float32]:
        """Logic conductances as reads see them, float32[rows, columns], S."""
        return self._joined(self.by_plane(self.cells.seen), self.connected)

    def _joined(
        self, of_planes: NDArray[np.float32], connected: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return the logic conductances of cells, float32[rows, planes, columns], S."""
        of_planes = of_planes.astype(np.float64)
        middle = self.device.g_mid
        logic = middle + np.einsum("rpk,p->rk", of_planes - middle, self.synapse.parts)
        return np.where(connected, logic, 0).astype(np.float32)

    def read(self, voltages: ArrayLike, *, noise: bool = True) -> NDArray[np.float64]:
        r"""Return the joined currents for voltages on the word lines: :math:`\sum V w` in amperes.

        That is half the window times the product with the weights, as `Crossbar.read` of signed
        currents. The read is booked.

        Parameters
        ----------
        voltages
            float[rows], or a batch float[..., rows], V.
        noise
            Include the device's read noise.

        Returns
        -------
        float64[columns] or float64[..., columns]
            Currents, A.
        """
        currents = self.cells.read(voltages, signed=not self.synapse.pair, noise=noise)
        of_weights = currents.reshape(*currents.shape[:-1], -1, self.planes).astype(np.float64)
        return of_weights @ self.synapse.parts

    def by_plane(self, of_cells: NDArray) -> NDArray:
        """Return a quantity of each cell, as [rows, planes, columns]; neighbours join."""
        return of_cells.reshape(len(of_cells), self._columns, self.planes).swapaxes(1, 2)

    # ---- writing -------------------------------------------------------------------------------

    def _put(self, weights: NDArray[np.float64]) -> None:
        places = self.synapse.places(weights)
        self.cells.set_weights(np.moveaxis(places, 0, 2).reshape(self.cells.shape), clip=True)

    def _write(
        self, column: int, rows: NDArray[np.int64], weights: NDArray, booked_as: BookedAs
    ) -> int:
        """Program and verify all cells of a weight.

        Cells of a pair take the lowest conductances that give the weight.
        """
        form = BySets() if self.synapse.pair else BothWays()
        return int(
            program_weights(
                self.synapses, form, column, rows, weights, booked_as,
                self.pulse_stream, self.cells.ledger.account(self.phase),
            )
        )  # fmt: skip

    def program(self, column: int, rows: ArrayLike, pulses: ArrayLike) -> None:
        """Give weights of one column pulses to rise (positive) or to fall (negative).

        The cells whose turn it is get them: one update of the column. Parameters and errors as for
        `Crossbar.program`; no row may be named twice.
        """
        self._lines("program", column)
        row_list = checked_lines("program", self.cells.shape, column, rows)
        if np.unique(row_list).size < row_list.size:
            raise ParameterError("SynapseCrossbar.program: rows must be different")
        inhibited = self.inhibited[row_list, column]
        row_list, counts = pulses_to_give("SynapseCrossbar", pulses, row_list, inhibited)
        program_column(
            self.synapses, column, row_list, counts,
            BookedAs.both(Operation.PROGRAM_PULSE),
            self.pulse_stream, self.cells.ledger.account(self.phase),
        )  # fmt: skip
        self.settle()

    # ---- for compiled loops --------------------------------------------------------------------

    @property
    def synapses(self) -> Synapses:
        """Array in the form of compiled loops."""
        synapse, device = self.synapse, self.device
        renewal: Never | Refresh | Transfer = Never()
        if synapse.planes > synapse.written:
            renewal = Transfer(synapse.renew_every)
        elif synapse.pulses == "set":
            empty = 2 * float(device.step_up(device.g_min)) + 2 * self.pulse.sum_sigma
            renewal = Refresh(synapse.renew_every, synapse.renew_above, empty / device.g_range)
        return Synapses(
            cells=self.state,
            parts=synapse.parts.astype(np.float32),
            share=synapse.share,
            written=synapse.written,
            references=0 if synapse.pair else 1,
            writing=synapse.writing,
            renewal=renewal,
            updates=self.updates,
            orders=self._orders,
            steps=self._steps,
            budget=Budget(2 * budget_of(device), 2 * math.ceil(device.pulses_down)),
            pulse=self.pulse,
            inhibited=self.state.inhibited[:: self.planes],
            booked_as=LEARNING,
        )

    for_loops = synapses

    def at_rest(self, together: NDArray[np.float64]) -> Synapses:
        """Return the array for reads without changes of weights; `together` as in `follow`."""
        return self.synapses._replace(cells=self.cells.at_rest(together))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that are saved beside the cells, by name."""
        return {"updates": self.updates}


def nominal_steps(synapse: Synapse, device: Device) -> NDArray[np.float32]:
    """Return the steps of a weight of nominal cells, float32[2, 256], S, as in `Synapses`."""
    weight = 2 * (np.arange(SENSED_STATES) + 0.5) / SENSED_STATES - 1
    steps = [synapse.falling(device, weight).step, synapse.rising(device, weight).step]
    return (0.5 * device.g_range * np.array(steps)).astype(np.float32)
