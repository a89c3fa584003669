"""Prices of the circuits around an array, by resolution, each with its source and its grade."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.core.provenance import Evidence

PJ, FJ = 1e-12, 1e-15


class Price(NamedTuple):
    """Cost of one event, or of one circuit."""

    value: float
    """Energy of an event, J; area of a circuit, mm²."""
    evidence: Evidence
    """`published`, `derived` or `assumed`."""
    source: str
    """Source of the value."""


class PriceTable(NamedTuple):
    """Prices by number of bits."""

    joules: Mapping[int, float]
    """Energy per event, J, by bits, in rising order."""
    evidence: Evidence
    """Grade of the entries."""
    source: str
    """Source of the entries."""

    def at(self, bits: int) -> Price:
        """Return the price at `bits`; outside the entries it is assumed.

        Between two entries the logarithm is interpolated; beyond the last one the price is
        proportional to 2^bits, which is a constant Walden figure of merit, P / (2^ENOB f_s).
        """
        if bits in self.joules:
            return Price(self.joules[bits], self.evidence, self.source)
        below = max((b for b in self.joules if b < bits), default=None)
        above = min((b for b in self.joules if b > bits), default=None)
        if below is not None and above is not None:
            share = (bits - below) / (above - below)
            ends = math.log(self.joules[below]), math.log(self.joules[above])
            value = math.exp(ends[0] + share * (ends[1] - ends[0]))
            rule = f"interpolated between {below} and {above} bits"
        else:
            known = above if below is None else below
            assert known is not None
            value = self.joules[known] * 2.0 ** (bits - known)
            rule = f"from {known} bits, as 2^bits"
        return Price(value, "assumed", f"{self.source}; {rule}")


ISAAC = "ISAAC (Shafiee et al., ISCA 2016), 32 nm, simulated"
MNSIM = "MNSIM 2.0 library"
SURVEY = "Murmann ADC survey, entries 2010-2025, P/f_s by ENOB"
ACCELERGY = "Accelergy ADC model, an optimistic envelope of the Murmann survey, <= 100 MS/s"


def _accelergy(node: int, *pj: float) -> PriceTable:
    entries = {bits: value * PJ for bits, value in zip(range(4, 11), pj, strict=True)}
    return PriceTable(entries, "derived", f"{ACCELERGY}, {node} nm")


def _survey(kind: str, *pj: float) -> PriceTable:
    """Return a table from the bins 3.5-5, 5-6, ..., 10-11 of the effective number of bits.

    A converter of b bits has fewer effective ones: it is priced by the bin that ends at b.
    """
    entries = dict(zip((4, 5, 6, 7, 8, 9, 10, 11), (pj[0], *pj), strict=True))
    joules = {bits: value * PJ for bits, value in entries.items()}
    return PriceTable(joules, "derived", f"{SURVEY}, {kind}")


ADC_PRICES: Mapping[str, PriceTable] = {
    "isaac": PriceTable(
        {8: 16e-3 / (8 * 1.28e9)}, "derived", f"{ISAAC}: 8 ADCs at 1.28 GS/s, 16 mW"
    ),
    "mnsim": PriceTable(
        {4: 0.7e-3 / 1e9, 6: 1.26e-3 / 1e9, 8: 4e-3 / 1.1e9, 10: 6.92e-3 / 1.5e9},
        "derived", f"{MNSIM}: power over sampling rate",
    ),
    "accelergy-130nm": _accelergy(130, 12.9, 13.1, 14.9, 18.3, 23.9, 32.6, 46.2),
    "accelergy-65nm": _accelergy(65, 3.50, 3.55, 4.04, 4.97, 6.49, 8.87, 12.5),
    "accelergy-45nm": _accelergy(45, 1.75, 1.78, 2.02, 2.49, 3.25, 4.44, 6.28),
    "accelergy-32nm": _accelergy(32, 0.92, 0.94, 1.07, 1.31, 1.71, 2.34, 3.31),
    "survey-best": _survey("best", 0.96, 0.78, 0.30, 1.1, 0.42, 0.19, 2.2),
    "survey-p10": _survey("best tenth", 1.2, 1.5, 1.5, 1.4, 3.5, 4.2, 7.0),
    "survey-median": _survey("median", 6.8, 3.8, 4.4, 5.8, 16, 31, 66),
}  # fmt: skip
"""Energy per conversion, J, by source and bits."""

DAC_PRICES: Mapping[str, PriceTable] = {
    "isaac": PriceTable(
        {1: 4e-3 * 100e-9 / (8 * 128)}, "derived", f"{ISAAC}: 8x128 DACs, 4 mW, 100 ns cycle"
    ),
    "mnsim": PriceTable(
        {1: 3.9 * FJ, 2: 7.8 * FJ, 3: 15.6 * FJ, 4: 31.2 * FJ, 6: 124.8 * FJ, 8: 499.2 * FJ},
        "derived", f"{MNSIM}: power at 1 GS/s (8 bits: its 0.4992 W taken for mW)",
    ),
}  # fmt: skip
"""Energy per activation of one word line, J, by source and bits."""

SAMPLE_HOLD = Price(10e-6 * 100e-9 / (8 * 128), "derived", f"{ISAAC}: 8x128, 10 uW, 100 ns cycle")
"""Energy of sampling and holding one bit line, J."""
SHIFT_ADD = Price(
    0.2e-3 / (8 * 1.28e9), "derived", f"{ISAAC}: 4 units, 0.2 mW, behind 8 ADCs at 1.28 GS/s"
)
"""Energy of shifting and adding one code, J."""
INPUT_REGISTER = Price(
    1.24e-3 * 100e-9 / (8 * 128), "derived", f"{ISAAC}: 2 KB, 1.24 mW, 8x128 rows in 100 ns"
)
"""Energy of storing the input of one word line for one read, J."""
OUTPUT_REGISTER = Price(
    0.23e-3 / (8 * 1.28e9), "derived", f"{ISAAC}: 256 B, 0.23 mW, behind 8 ADCs at 1.28 GS/s"
)
"""Energy of storing one code, J."""
ADD_16 = Price(
    0.05e-12, "published", "Horowitz, ISSCC 2014, 45 nm, 16-bit addition; quoted by PMC8934428"
)
"""Energy of one addition of 16 bits, J."""
ADC_AREA = Price(0.0096 / 8, "derived", f"{ISAAC}: 8 ADCs of 8 bits, 0.0096 mm2")
"""Area of one converter of `ADC_AREA_BITS`, mm²."""
ADC_AREA_BITS = 8


def conversion_price(bits: int, source: str = "isaac") -> Price:
    """Return the energy of one analogue-to-digital conversion, J, by a key of `ADC_PRICES`."""
    return _table("ADC", ADC_PRICES, source).at(bits)


def activation_price(bits: int, source: str = "isaac") -> Price:
    """Return the energy of one word line driven once, J, by a key of `DAC_PRICES`."""
    return _table("DAC", DAC_PRICES, source).at(bits)


def _known(tables: Mapping[str, PriceTable]) -> AfterValidator:
    def check(source: str) -> str:
        if source not in tables:
            raise ValueError(
                f"must be one of {', '.join(tables)} (got {source!r}){nearest(source, tables)}"
            )
        return source

    return AfterValidator(check)


AdcSource = Annotated[str, _known(ADC_PRICES)]
"""A key of `ADC_PRICES`."""
DacSource = Annotated[str, _known(DAC_PRICES)]
"""A key of `DAC_PRICES`."""


def _table(what: str, tables: Mapping[str, PriceTable], source: str) -> PriceTable:
    if source not in tables:
        raise ParameterError(
            f"{what} price source: must be one of {', '.join(tables)} (got {source!r})"
            f"{nearest(source, tables)}"
        )
    return tables[source]
