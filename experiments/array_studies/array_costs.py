r"""Costs of one product of a trained matrix of weights, and its errors by converters.

Nothing is learned here. Costs are those of `periphery.rollup.roll_up`; the energy of the cells is
:math:`\sum_{reads} \sum_{i,k} V_i^2 G_{ik} t` over the conductances in which each scheme stores the
weights, for images of the data set. The error is that of the sum of all tiles, in parts of the
standard deviation of the exact product, apart from a factor common to all results.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.device import Device
from cbramsim.experiments.array_studies.array_plan import LAYOUTS
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.circuits.adc import Adc, Converters
from cbramsim.simulator.circuits.dac import InputEncoding, Kind
from cbramsim.simulator.circuits.reference import Reference, ReferenceKind
from cbramsim.simulator.circuits.rollup import Macro, Rollup, roll_up

IMAGES = 50
"""Number of images for which the product is computed."""
INPUT_BITS = 8
TILES = ("512 x 1024", "128 x 128")
USUAL_KIND: Kind = "bit-serial"
USUAL_BITS = 8
"""Encoding and resolution that are shown, and whose parts are listed."""
DISTURBANCES: dict[str, dict[str, float]] = {
    "none": {},
    "all currents 1 % low": {"gain": 0.99},
    "offset, INL, DNL of 0.5 LSB": {"offset_d2d": 0.5, "inl": 0.5, "dnl": 0.5},
}
"""Imperfections of a product beside its rounding."""
SCHEMES: tuple[ReferenceKind, ...] = get_args(ReferenceKind)
KINDS: tuple[Kind, ...] = get_args(Kind)


class Trained(NamedTuple):
    """Inputs and weights of the products of a trained network."""

    device: Device
    """Technology of the cells."""
    periphery: Periphery
    """Circuits around the array."""
    weights: NDArray[np.float64]
    """Weights, -1 to 1, float64[rows, columns]."""
    inputs: NDArray[np.float64]
    """Inputs, 0 to 1, float64[images, rows]."""

    def reference(self, scheme: ReferenceKind) -> Reference:
        """Return the storage of its weights."""
        return Reference(kind=scheme, g_min=self.device.g_min, g_max=self.device.g_max)

    def encoding(self, kind: Kind) -> InputEncoding:
        """Return the encoding of its inputs: a slot is a read pulse of the device."""
        device = self.device
        return InputEncoding(kind=kind, bits=INPUT_BITS, v_read=device.v_read, t_slot=device.t_read)


def product_costs(
    trained: Trained, adc_bits: tuple[int, ...], adc_source: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the costs of a product.

    Returns
    -------
    totals
        One row for each size of tile, reference, encoding and resolution.
    parts
        The parts of those with the usual encoding and resolution, with source and evidence grade.
    """
    totals, parts = [], []
    resolutions = sorted({*adc_bits, USUAL_BITS})
    for tile, scheme, kind, bits in product(TILES, SCHEMES, KINDS, resolutions):
        what = {"tile": tile, "reference": scheme, "encoding": kind, "adc_bits": bits}
        found = _roll_up(trained, tile, scheme, kind, bits, adc_source)
        totals.append(
            what | {
                "joules": found.joules, "seconds": found.latency, "mm2": found.mm2,
                "conversions": found.conversions, "tiles": found.tiles,
                "unpriced": "; ".join(found.unpriced),
            }
        )  # fmt: skip
        if (kind, bits) == (USUAL_KIND, USUAL_BITS):
            parts += [
                what | {"quantity": quantity} | line._asdict()
                for quantity, lines in (("energy (J)", found.energy), ("area (mm2)", found.area))
                for line in lines
            ]
    return totals, parts


def product_errors(trained: Trained, adc_bits: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return the error of a product, by tile, reference, converter and fault."""
    encoding = trained.encoding(USUAL_KIND)
    codes = encoding.codes(trained.inputs)
    voltages = encoding.voltages(codes)
    exact = (codes / encoding.top * encoding.v_read) @ trained.weights
    found = []
    for tile, scheme in product(TILES, SCHEMES):
        reference = trained.reference(scheme)
        starts, _ = LAYOUTS[tile].parts(trained.weights.shape)
        g = reference.conductances(trained.weights)
        currents = [voltages[..., a:b] @ g[a:b] for a, b in pairwise(starts)]
        sums = [voltages[..., a:b].sum(axis=-1) for a, b in pairwise(starts)]
        full_scale = max(float(part.max()) for part in currents)
        for bits, (fault, changes) in product(adc_bits, DISTURBANCES.items()):
            gain = changes.get("gain", 1.0)
            errors = {key: value for key, value in changes.items() if key != "gain"}
            adc = Adc(bits=bits, full_scale=full_scale, **errors)  # type: ignore[arg-type]
            result = sum(
                reference.combine(_converted(np.float32(gain) * part, adc, tile_number), total)
                for tile_number, (part, total) in enumerate(zip(currents, sums, strict=True))
            )
            found.append(
                {"tile": tile, "reference": scheme, "adc_bits": bits, "disturbance": fault,
                 "error": _relative_error(encoding.combine(np.asarray(result)), exact)}
            )  # fmt: skip
    return found


def _roll_up(
    trained: Trained, tile: str, scheme: ReferenceKind, kind: Kind, bits: int, source: str
) -> Rollup:
    rows, columns = trained.weights.shape
    encoding = trained.encoding(kind)
    codes = encoding.codes(trained.inputs)
    most = encoding.most_activations * codes.size
    macro = Macro(
        rows=rows, columns=columns, tile_rows=LAYOUTS[tile].rows,
        tile_columns=LAYOUTS[tile].columns, encoding=encoding,
        reference=trained.reference(scheme), adc_bits=bits, adc_source=source,
        activity=float(encoding.activations(codes).sum() / most),
        cells_joules=_cell_joules(trained, encoding, scheme), neurons=True,
    )  # fmt: skip
    return roll_up(macro, trained.periphery)


def _cell_joules(trained: Trained, encoding: InputEncoding, scheme: ReferenceKind) -> float:
    """Return the mean energy in the cells for one product, J."""
    codes = encoding.codes(trained.inputs)
    if encoding.kind in ("duration", "count"):
        squares = encoding.v_read**2 * codes  # of the volts, summed over slots
    else:
        squares = np.square(encoding.voltages(codes), dtype=np.float64).sum(axis=0)
    g = trained.reference(scheme).conductances(trained.weights)
    return float(squares.mean(axis=0) @ g.sum(axis=1, dtype=np.float64) * encoding.t_slot)


def _converted(currents: NDArray[np.float32], adc: Adc, seed: int) -> NDArray[np.float64]:
    return adc.to_values(Converters(adc, currents.shape[-1], seed).convert(currents))


def _relative_error(result: NDArray[np.float64], exact: NDArray[np.float64]) -> float:
    scale = float((result * exact).sum() / np.square(result).sum())
    return float(np.sqrt(np.mean((scale * result - exact) ** 2)) / exact.std())
