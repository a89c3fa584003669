"""`MappedNetwork`: a trained network whose products are made in arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from cbramsim.core.arguments import instance
from cbramsim.core.units import in_prefixed
from cbramsim.simulator.array.lifetime import total_seconds
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.circuits.dac import InputEncoding
from cbramsim.simulator.circuits.reference import Reference
from cbramsim.simulator.circuits.rollup import Macro, roll_up
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.mapping.arrays import SAMPLE, MatrixArrays
from cbramsim.simulator.mapping.config import MappingConfig
from cbramsim.simulator.mapping.layers import Floats, Weighted, apply
from cbramsim.simulator.mapping.trained import TrainedNetwork, name_of, part_found

MOST_CALIBRATION = 1000
"""Most images from which ranges are found."""


def map_network(
    model: Any,
    calibration: ArrayLike,
    config: MappingConfig | None = None,
    *,
    progress: bool = False,
    **changes: Any,
) -> MappedNetwork:
    """Return a trained network in arrays: its weights written, its ranges calibrated.

    Parameters
    ----------
    model
        The path of an ONNX or NIR file, a PyTorch `state_dict` or module of layers in a row, a list
        of weights, float[inputs, outputs] each, or a `TrainedNetwork`.
    calibration
        Training images, [images, ...]: their inputs and sums set the ranges of levels and
        converters. At most 1,000 are used, evenly spaced. uint8 stands for 0 to 1.
    config
        `MappingConfig`.
    progress
        Whether to show a progress bar.
    **changes
        Keys of the configuration to change.

    Examples
    --------
    >>> mapped = map_network("lenet.onnx", train_images, device="epiram")
    >>> mapped.score(test_images, test_labels)
    >>> mapped.wait(days=30)
    >>> print(mapped.ledger)
    """
    instance("map_network: config", config, MappingConfig, type(None))
    wanted = (config or MappingConfig()).replace(**changes)
    network = TrainedNetwork.of(model)
    return MappedNetwork(network, calibration, wanted, progress=progress)


class MappedNetwork:
    """A trained network whose products are made in arrays; everything else is digital.

    Activations, pooling and the rest are exact. Biases are added to the codes. Of the digital part,
    additions and, as `neuron update`, activations of layers with weights are booked.

    Attributes
    ----------
    network
        The `TrainedNetwork`, with batch norms folded into the weights.
    config
        `MappingConfig`.
    device, periphery
        Technology of the cells, and the circuits around them.
    arrays
        `MatrixArrays` of each layer with weights.
    positions
        Number of products that one image needs of each of them, in all steps.
    """

    def __init__(
        self, network: TrainedNetwork, calibration: ArrayLike, config: MappingConfig, *,
        progress: bool = False,
    ) -> None:  # fmt: skip
        """Write the weights into new cells, and calibrate; as `map_network`."""
        self.network, self.config = network.folded(), config
        self.device, self.periphery = config.technology(), Periphery.load(config.periphery)
        seen, self.positions = self._inputs(self._few(calibration))
        self.arrays: list[MatrixArrays] = []
        with tqdm(self.network.weighted, unit="layers", disable=not progress, leave=False) as bar:
            for number, layer in enumerate(bar):
                arrays = MatrixArrays(layer.matrix, config, self.device, self.periphery, number)
                arrays.calibrate(seen[number])
                self.arrays.append(arrays)

    def _few(self, calibration: ArrayLike) -> Floats:
        images = np.asarray(calibration)
        if images.ndim > 1 and len(images) > MOST_CALIBRATION:
            images = images[np.linspace(0, len(images) - 1, MOST_CALIBRATION).astype(int)]
        return self.network.prepared(images)

    def _inputs(self, x: Floats) -> tuple[list[Floats], list[int]]:
        """Return some inputs of each layer with weights in software, and its positions."""
        count, steps = len(self.network.weighted), max(self.network.steps, 1)
        seen: list[list[Floats]] = [[] for _ in range(count)]
        positions = [0] * count

        def note(n: int, layer: Weighted, part: Floats) -> Floats:
            rows = layer.unroll(part)
            flat = rows.reshape(-1, rows.shape[2])
            few = max(1, min(len(flat), SAMPLE * len(part) // (steps * len(x))))
            seen[n].append(flat[np.linspace(0, len(flat) - 1, few).astype(int)])
            positions[n] += rows.shape[1] * len(part)
            return apply(layer, part)

        for part in self.network.parts(x):
            self.network.carry(part, note)
        return [np.concatenate(each) for each in seen], [each // len(x) for each in positions]

    def __repr__(self) -> str:
        """Return what it is."""
        layers = " - ".join(name_of(layer) for layer in self.network.weighted)
        return f"MappedNetwork({layers}; {self.cells:,} cells of {self.device.name})"

    def __str__(self) -> str:
        """Return a table of the layers for people; errors are rms, in parts of the scale."""
        lines = [
            repr(self),
            f"{'layer':>28}{'arrays':>8}{'cells':>10}{'missed':>9}{'error':>8}{'products':>10}",
        ]
        for layer, arrays, positions in zip(
            self.network.weighted, self.arrays, self.positions, strict=True
        ):
            missed = f"{arrays.missed / arrays.weights.size:.2%}"
            error = f"{np.sqrt(np.mean((arrays.written - arrays.weights) ** 2)):.2%}"
            lines.append(
                f"{name_of(layer):>28}{len(arrays.arrays):>8}{arrays.cells:>10,}{missed:>9}"
                f"{error:>8}{positions:>10}"
            )
        lines.append(f"latency {in_prefixed(self.latency, 's')} an image, layer after layer")
        return "\n".join(lines)

    @property
    def cells(self) -> int:
        """Cells of all layers."""
        return sum(arrays.cells for arrays in self.arrays)

    @property
    def ledger(self) -> EnergyLedger:
        """Events of all layers: phases `program`, `test`, `compensation`."""
        return EnergyLedger.sum([arrays.ledger for arrays in self.arrays])

    # ---- at work -------------------------------------------------------------------------------

    def forward(self, images: ArrayLike, *, progress: bool = False) -> Floats:
        """Return the scores of images, float32[images, classes]; booked as `test`.

        The noise of reads continues from image to image and from call to call: the same sequence of
        calls gives the same bits.
        """
        x = self.network.prepared(images)
        found = []
        with tqdm(total=len(x), unit="images", disable=not progress, leave=False) as bar:
            for part in self.network.parts(x):
                found.append(self.network.carry(part, self._product))
                bar.update(len(part))
        return np.concatenate(found)

    def _product(self, number: int, layer: Weighted, x: Floats) -> Floats:
        """Return the product of a layer with weights, in its arrays."""
        arrays, rows = self.arrays[number], layer.unroll(x)
        flat = np.ascontiguousarray(rows.reshape(-1, rows.shape[2]))
        y = arrays.product(flat, "test") + layer.bias
        account = arrays.ledger.account("test")
        account.counts[Operation.NEURON_UPDATE] += y.size
        account.joules[Operation.NEURON_UPDATE] += y.size * self.periphery.e_neuron
        return layer.roll_up(y.reshape(*rows.shape[:2], -1), x.shape)

    def predict(self, images: ArrayLike, *, progress: bool = False) -> NDArray[np.int64]:
        """Return the class of each image, int64[images]."""
        return self.forward(images, progress=progress).argmax(axis=1)

    def score(self, images: ArrayLike, labels: ArrayLike, *, progress: bool = False) -> float:
        """Return the fraction of the images that are classified correctly."""
        return part_found(self.predict(images, progress=progress), labels)

    def wait(
        self, seconds: float = 0.0, *, hours: float = 0.0, days: float = 0.0, years: float = 0.0
    ) -> None:
        """Let time pass at `config.celsius`; drift is compensated as in `config.compensation`."""
        total = total_seconds("MappedNetwork.wait", seconds, hours, days, years)
        for arrays in self.arrays:
            arrays.wait(total)

    # ---- what it takes -------------------------------------------------------------------------

    @property
    def macros(self) -> list[Macro]:
        """Arrays of each layer in the form that `circuits.roll_up` prices, with their
        converters."""
        config, device = self.config, self.device
        encoding = InputEncoding(
            kind="amplitude" if config.encoding == "amplitude" else "bit-serial",
            bits=config.input_bits or 16,
            v_read=device.v_read,
            t_slot=device.t_read,
        )
        reference = Reference(
            kind="pair" if config.synapse.pair else "column", g_min=device.g_min,
            g_max=device.g_max,
        )  # fmt: skip
        return [
            Macro(
                rows=arrays.weights.shape[0], columns=arrays.weights.shape[1],
                tile_rows=config.tiles.rows or arrays.weights.shape[0],
                tile_columns=config.tiles.columns or arrays.cells // arrays.weights.shape[0],
                encoding=encoding, reference=reference, cells_per_weight=config.synapse.cells,
                subtraction="analog", adc_bits=config.readout.adc_bits or 1,
                adc_source=config.readout.adc_source, access=config.access,
            )
            for arrays in self.arrays
        ]  # fmt: skip

    @property
    def latencies(self) -> list[float]:
        """Time that the products of one image take in each layer, s.

        A read and the conversions that share a converter (`Macro.columns_per_adc`), one position
        of a kernel after the other; without converters, reads alone. The digital part takes none.
        """
        return [
            positions
            * (roll_up(macro).latency if self.config.readout.adc_bits else macro.encoding.latency)
            for macro, positions in zip(self.macros, self.positions, strict=True)
        ]

    @property
    def latency(self) -> float:
        """Time from an image to its class, s: layer after layer, without pipelining (assumed)."""
        return sum(self.latencies)
