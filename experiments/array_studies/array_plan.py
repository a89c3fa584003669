"""Runs of `cbram array`: converters on tiles, converters that err, and binary cells."""

from __future__ import annotations

from typing import Any, NamedTuple

from cbramsim.experiments.study.cases import Case
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.lines.tiles import Tiles

SIZE = {"train_images": 25_000, "validation_images": 5_000, "epochs": 1, "inputs": 397}
"""Images of the runs: some of the training images, scored on others of them."""
QUICK_SIZE = {
    "neurons": 20, "inputs": 200, "train_images": 600, "validation_images": 200,
    "epochs": 1, "pruning.mature_spikes": 60,
}  # fmt: skip
"""Images of a run that only shows that everything works."""
LAYOUTS = {
    "one array": Tiles(),
    "512 x 1024": Tiles(rows=512, columns=1024),
    "128 x 128": Tiles(rows=128, columns=128),
    "64 x 64": Tiles(rows=64, columns=64),
}
"""Word lines x bit lines of the physical arrays."""
SMALL_TILES = "128 x 128"
"""Tiles used for single questions."""
ERRORS = {"offset": "offset_d2d", "INL": "inl", "DNL": "dnl"}
"""Imperfection of a converter -> key of `Readout`."""
ANALOG = "no converter"
"""Run with which all others are compared: analog, without converters."""


class Scope(NamedTuple):
    """Extent of the study."""

    adc_bits: tuple[int, ...] = (3, 4, 5, 6, 7, 8, 9, 10)
    errors_at: int = 6
    """Bits of the converters that err."""
    errors: tuple[float, ...] = (0.5, 1.0)
    """Sizes of the imperfections, LSB."""
    binary_bits: tuple[int, ...] = (1, 2, 3, 4, 8)
    repetitions: int = 30
    """Repetitions of the measurement of time."""
    batches: tuple[int, ...] = (100, 10_000)
    """Inputs of the products that are timed."""


FULL = Scope()
QUICK = Scope((4, 8), 4, (1.0,), (1, 2), 3, (100,))

VARIED = (
    "seed", "storage", "readout.adc_bits", "readout.offset_d2d", "readout.inl", "readout.dnl",
    "tiles.rows", "tiles.columns", "binary.bits", "binary.read", "binary.adc_bits",
)  # fmt: skip
"""Keys that the study itself sets."""


def layouts(config: TrainConfig) -> dict[str, str]:
    """Return each of `LAYOUTS`, and the first one that cuts the network in the same way."""
    first: dict[tuple[int, ...], str] = {}
    found = {}
    for name, tiles in LAYOUTS.items():
        rows, columns = tiles.parts((config.planned_inputs, config.neurons))
        found[name] = first.setdefault((*rows.tolist(), -1, *columns.tolist()), name)
    return found


def cases(config: TrainConfig, scope: Scope) -> list[Case]:
    """Return every case that learns, each once."""
    return [
        Case(ANALOG, {}, {"part": "analog"}),
        *_converters(config, scope),
        *_errors(scope),
        *_binary(scope),
    ]


def converter_case(layout: str, bits: int) -> str:
    """Return the name of the case of converters of a number of bits."""
    return f"{layout},adc={bits}"


def binary_case(bits: int, read: str = "summed", adc_bits: int = 0) -> str:
    """Return the name of the case of weights in binary cells."""
    return f"binary={bits},{read}" + (f",adc={adc_bits}" if adc_bits else "")


def _converters(config: TrainConfig, scope: Scope) -> list[Case]:
    same = layouts(config)
    return [
        Case(
            converter_case(layout, bits),
            {**_tiles(layout), "readout.adc_bits": bits},
            {"part": "converters", "layout": layout, "adc_bits": bits},
        )
        for layout in dict.fromkeys(same.values())
        for bits in scope.adc_bits
    ]


def _errors(scope: Scope) -> list[Case]:
    return [
        Case(
            f"{what}={size:g}",
            {**_tiles(SMALL_TILES), "readout.adc_bits": scope.errors_at, f"readout.{key}": size},
            {"part": "errors", "layout": SMALL_TILES, "adc_bits": scope.errors_at, "error": what,
             "lsb": size},
        )
        for what, key in ERRORS.items()
        for size in scope.errors
    ]  # fmt: skip


def _binary(scope: Scope) -> list[Case]:
    kinds = [(bits, read, 0) for read in ("summed", "sensed") for bits in scope.binary_bits]
    return [
        Case(
            binary_case(bits, read, adc_bits),
            {"storage": "binary", "binary.bits": bits, "binary.read": read,
             "binary.adc_bits": adc_bits},
            {"part": "binary", "bits": bits, "read": read, "adc_bits": adc_bits},
        )
        for bits, read, adc_bits in [*kinds, (2, "summed", 6)]
    ]  # fmt: skip


def _tiles(layout: str) -> dict[str, Any]:
    tiles = LAYOUTS[layout]
    return {"tiles.rows": tiles.rows, "tiles.columns": tiles.columns}
