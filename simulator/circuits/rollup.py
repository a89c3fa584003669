r"""Cost of one vector-matrix product of a macro: energy, latency, area, part by part.

A macro is a matrix of weights on as many tiles as it needs, with its drivers and converters. One
product is `reads` reads of all tiles at once (see `InputEncoding`). In each read every physical
column is converted, `columns_per_adc` of them in turn by one converter; then codes are shifted and
added over reads and tiles. Conversion follows the read, without pipelining (assumed):

.. math:: t = n_{reads} (n_{slots} t_{slot} + n_{sharing} / f_s)

All drivers are counted as often as they can be switched on, times `activity`. Parts without a
source are listed without a price, and the totals are of the priced parts.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from cbramsim.core.provenance import Evidence
from cbramsim.core.validation import Parameters
from cbramsim.simulator.circuits.circuits import Periphery
from cbramsim.simulator.circuits.dac import InputEncoding
from cbramsim.simulator.circuits.prices import (
    ADC_AREA,
    ADC_AREA_BITS,
    ADD_16,
    INPUT_REGISTER,
    OUTPUT_REGISTER,
    SAMPLE_HOLD,
    SHIFT_ADD,
    AdcSource,
    DacSource,
    Price,
    conversion_price,
)
from cbramsim.simulator.circuits.reference import Reference

CELL_SQUARES = {"passive": 4.0, "transistor": 12.0}
"""Area of a cell in squares of the feature size, F² (assumed)."""


class Macro(Parameters):
    """Matrix of weights on tiles, and the circuits around them."""

    rows: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of inputs."""
    columns: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of columns of weights."""
    tile_rows: Annotated[int, Field(ge=1, le=65536)] = 128
    """Word lines of a tile."""
    tile_columns: Annotated[int, Field(ge=1, le=65536)] = 128
    """Bit lines of a tile."""
    encoding: InputEncoding = InputEncoding()
    """Encoding of inputs on the word lines."""
    reference: Reference
    """Read-out of signed weights."""
    subtraction: Literal["digital", "analog"] = "digital"
    """Whether both sides of a pair, and the reference column, are converted and then subtracted,
    or their currents are subtracted first."""
    cells_per_weight: Annotated[int, Field(ge=1, le=1024)] = 1
    """Cells whose currents are joined before they are converted, on each side of a pair."""
    readout: Literal["adc", "sense"] = "adc"
    """Converters, or `sense` amplifiers of one bit on every column."""
    adc_bits: Annotated[int, Field(ge=1, le=16)] = 8
    """Resolution of a converter."""
    adc_source: AdcSource = "isaac"
    """Source of the price of a converter: a key of `ADC_PRICES`."""
    adc_rate: Annotated[float, Field(ge=1e-3, le=1e12), "Hz"] = 1.28e9
    """Conversions per second of a converter, or decisions of a sense amplifier, 1/s."""
    columns_per_adc: Annotated[int, Field(ge=1, le=65536)] = 128
    """Bit lines that share a converter."""
    dac_source: DacSource = "isaac"
    """Source of the price of a driver: a key of `DAC_PRICES`."""
    activity: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Number of driver activations, as a part of the largest possible one."""
    cells_joules: Annotated[float | None, Field(ge=0, le=1), "J"] = None
    """Energy in cells and lines for one product, J: sum of V I t, from the array itself."""
    access: Literal["transistor", "passive"] = "transistor"
    """Cells with or without a transistor."""
    feature_size: Annotated[float, Field(ge=1e-10, le=1e-3), "m"] = 28e-9
    """Half the pitch of the lines, F, m."""
    neurons: bool = False
    """Whether each column of weights ends in a neuron that takes part in a competition."""


class Line(NamedTuple):
    """One part of a macro."""

    part: str
    """Its name."""
    events: float
    """Events in one product; circuits, where it is an area."""
    total: float | None
    """Energy, J, or area, mm²; None where no source gives a price."""
    evidence: Evidence | Literal["none"]
    """Grade of the price."""
    source: str
    """Source of the price."""


class Rollup(NamedTuple):
    """Cost of one product."""

    energy: tuple[Line, ...]
    """Energy by part, J."""
    area: tuple[Line, ...]
    """Area by part, mm²."""
    latency: float
    """Latency of one product, s."""
    conversions: int
    """Conversions, or decisions, of one product."""
    tiles: int
    """Tiles of the macro."""

    @property
    def joules(self) -> float:
        """Energy of the priced parts, J."""
        return sum(line.total for line in self.energy if line.total is not None)

    @property
    def mm2(self) -> float:
        """Area of the priced parts, mm²."""
        return sum(line.total for line in self.area if line.total is not None)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Parts that are in no total, such as `area of word-line drivers`."""
        return tuple(
            f"{what} of {line.part}"
            for what, lines in (("energy", self.energy), ("area", self.area))
            for line in lines if line.total is None
        )  # fmt: skip

    def __str__(self) -> str:
        """Return a table for people."""
        out = []
        for lines, unit, total in ((self.energy, "J", self.joules), (self.area, "mm2", self.mm2)):
            for line in lines:
                value = "unpriced" if line.total is None else f"{line.total:.3g} {unit}"
                out.append(f"{line.part:24}{line.events:12g}{value:>16}  {line.evidence}")
            out.append(f"{'total':24}{'':12}{f'{total:.3g} {unit}':>16}")
        return "\n".join([*out, f"{'latency':24}{'':12}{f'{self.latency:.3g} s':>16}"])


def roll_up(macro: Macro, periphery: Periphery | str = "cmos-28nm") -> Rollup:
    """Add up the costs of one product of `macro`.

    Parameters
    ----------
    macro
        The matrix, its tiles and converters.
    periphery
        Sense amplifiers and neurons.
    """
    circuits = periphery if isinstance(periphery, Periphery) else Periphery.load(periphery)
    lines = macro.reference.physical_columns(macro.columns)
    analog = macro.subtraction == "analog" and macro.reference.kind != "offset"
    converted = macro.columns if analog else lines
    physical = lines * macro.cells_per_weight
    row_tiles = -(-macro.rows // macro.tile_rows)
    column_tiles = -(-physical // macro.tile_columns)
    reads = macro.encoding.reads
    driven = macro.rows * column_tiles
    conversions = converted * row_tiles * reads
    per_tile = -(-min(physical, macro.tile_columns) // _joined(macro))
    shared = min(macro.columns_per_adc, per_tile) if macro.readout == "adc" else 1
    energy = [
        _priced(
            "word-line drivers",
            driven * macro.encoding.most_activations * macro.activity,
            macro.encoding.activation_price(macro.dac_source),
        ),
        Line("cells", macro.rows * physical * reads, macro.cells_joules,
             "none" if macro.cells_joules is None else "derived", "the caller, from the array"),
        _priced("input registers", driven * reads, INPUT_REGISTER),
        *_readout(macro, circuits, conversions),
        _priced("shift and add", conversions if reads * row_tiles > 1 else 0, SHIFT_ADD),
        _priced("output registers", conversions, OUTPUT_REGISTER),
        _priced(
            f"reference: {macro.reference.kind}",
            0 if analog else macro.reference.additions(macro.rows, macro.columns),
            ADD_16,
        ),
        *_neurons(macro, circuits),
        Line("control and wiring", 1, None, "none", "no source"),
    ]  # fmt: skip
    return Rollup(
        tuple(energy),
        _area(macro, row_tiles * column_tiles, shared),
        reads * (macro.encoding.slots * macro.encoding.t_slot + shared / macro.adc_rate),
        conversions,
        row_tiles * column_tiles,
    )


def _joined(macro: Macro) -> int:
    """Return the number of bit lines of one conversion."""
    pair = macro.subtraction == "analog" and macro.reference.kind == "pair"
    return macro.cells_per_weight * (2 if pair else 1)


def _priced(part: str, events: float, price: Price) -> Line:
    return Line(part, events, events * price.value, price.evidence, price.source)


def _sourced(part: str, events: float, circuits: Periphery, parameter: str) -> Line:
    """Return a part whose price is a parameter of the catalog."""
    origin = circuits.evidence(parameter)
    price = Price(getattr(circuits, parameter), origin.evidence, origin.source)
    return _priced(part, events, price)


def _readout(macro: Macro, circuits: Periphery, conversions: int) -> list[Line]:
    if macro.readout == "sense":
        return [_sourced("sense amplifiers", conversions, circuits, "e_sense")]
    return [
        _priced("sample and hold", conversions, SAMPLE_HOLD),
        _priced("ADC", conversions, conversion_price(macro.adc_bits, macro.adc_source)),
    ]


def _neurons(macro: Macro, circuits: Periphery) -> list[Line]:
    if not macro.neurons:
        return []
    return [
        _sourced("neurons", macro.columns, circuits, "e_neuron"),
        _sourced("output spike", 1, circuits, "e_spike"),
    ]


def _area(macro: Macro, tiles: int, shared: int) -> tuple[Line, ...]:
    """Return the area by part; tiles are there as a whole."""
    cells = tiles * macro.tile_rows * macro.tile_columns
    squares = CELL_SQUARES[macro.access]
    cell = Price(
        squares * (macro.feature_size * 1e3) ** 2, "assumed",
        f"{squares:g} F2, F = {macro.feature_size * 1e9:g} nm",
    )  # fmt: skip
    lines = [_priced("cells", cells, cell)]
    circuits = tiles * -(-macro.tile_columns // (shared * _joined(macro)))
    if macro.readout == "adc" and macro.adc_bits == ADC_AREA_BITS:
        lines.append(_priced("ADC", circuits, ADC_AREA))
    else:
        name = "ADC" if macro.readout == "adc" else "sense amplifiers"
        lines.append(Line(name, circuits, None, "none", "no source at this resolution"))
    lines.append(Line("word-line drivers", tiles * macro.tile_rows, None, "none", "no source"))
    return (*lines, Line("registers, control, wiring", tiles, None, "none", "no source"))
