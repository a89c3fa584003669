r"""Conversion of joules to another node, to the meter of the building, and to grams of CO2.

Every conversion is off by default, and is stated where it is used. Node scaling is a power law
between the two columns of the tables of arithmetic and memory,

.. math:: E(n) = E(45)\, r^{\ln(45/n) / \ln(45/7)}, \qquad r = E(7) / E(45),

with r the geometric mean over the operations of a kind, and its range that of the operations: a
straight line in the logarithms (assumed; between the columns only). Memory scales less than
arithmetic, and DRAM not at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.core.validation import Parameters
from cbramsim.simulator.comparison.arithmetic import TABLES
from cbramsim.simulator.energy.bill import Bill, Constant

Kind = Literal["arithmetic", "memory"]
OLDEST, NEWEST = 45.0, 7.0
"""Nodes of the two columns, nm."""
SRAM = {"45nm": (10.0, 20.0, 100.0), "7nm": (7.5, 8.5, 14.0)}
"""8 KB, 32 KB, 1 MB, 64-bit access, pJ; the 8 KB at 45 nm quoted, the others recalled."""
KIND_OF: Mapping[str, Kind] = {
    "arithmetic": "arithmetic", "instructions": "arithmetic",
    "registers": "memory", "L1": "memory", "L2": "memory", "L3": "memory",
}  # fmt: skip
"""Kind of scaling of the components of a bill; all others, DRAM and arrays among them, do not
scale."""

KWH = 3.6e6
"""Energy of a kilowatt-hour, J."""
POUND = 453.592
"""Mass of a pound, g."""
PUE_BY_YEAR: Mapping[int, float] = {
    2007: 2.5, 2011: 1.98, 2013: 1.65, 2018: 1.58, 2019: 1.67, 2020: 1.59, 2021: 1.57, 2022: 1.55,
    2023: 1.58,
}  # fmt: skip
"""Power usage effectiveness of data centres, BUTTER notebook 8; 2007 stands for earlier years."""
GRAMS_PER_KWH: Mapping[str, float] = {
    "world": 475, "USA": 369, "CHN": 582, "IND": 713, "DEU": 381, "FRA": 56, "GBR": 238, "POL": 662,
    "NOR": 30, "SWE": 41, "CAN": 170, "JPN": 485, "BRA": 98, "AUS": 549, "ZAF": 708,
    "coal": 995, "petroleum": 816, "gas": 743, "fossil": 635, "geothermal": 38, "hydro": 26,
    "nuclear": 29, "solar": 48, "wind": 26,
    "USA-2018": 1.017 * POUND, "USA-2019": 0.954 * POUND, "USA-2020": 0.883 * POUND,
    "USA-2021": 0.919 * POUND,
}  # fmt: skip
"""g CO2 per kWh: world (IEA 2019), countries (2023) and sources of CodeCarbon; the US grid by year
of BUTTER notebook 8 (2018 also for earlier years, 2021 also for later ones)."""


class Footprint(Parameters):
    """Conversion of joules into other quantities; nothing by default."""

    node: Annotated[float | None, Field(ge=NEWEST, le=OLDEST), "nm"] = None
    """Node to which digital circuits are scaled, nm; None leaves them at the node of their data."""
    pue: Annotated[float, Field(ge=1, le=10)] = 1.0
    """Energy of the building over that of its computers (power usage effectiveness)."""
    country: str | None = None
    """Source of the electricity: a key of `GRAMS_PER_KWH` (a country, a source, `world`); None for
    no CO2.
    """

    @model_validator(mode="after")
    def _check_country(self) -> Self:
        if self.country is not None and self.country not in GRAMS_PER_KWH:
            raise ValueError(
                f"country must be one of {', '.join(GRAMS_PER_KWH)} (got {self.country!r})"
                f"{nearest(self.country, GRAMS_PER_KWH)}"
            )
        return self

    def scaled(self, bill: Bill, made_at: float) -> Bill:
        """Return `bill`, whose digital circuits are of the node `made_at` (nm), at `node`."""
        if self.node is None:
            return bill
        factors = {kind: node_factor(kind, made_at, self.node) for kind in get_args(Kind)}
        result = Bill()
        for charge in bill:
            powers = {bill.constants[name]: power for name, power in charge.powers.items()}
            factor = factors[KIND_OF[charge.component]] if charge.component in KIND_OF else None
            joules = charge.joules
            if factor is not None:
                joules *= factor.value
                powers[factor] = 1
            result.add_joules(charge.component, joules, powers)
        return result

    def at_the_meter(self, bill: Bill) -> Bill:
        """Return `bill` with the overhead of the building: `pue` times, which has no range."""
        return bill * self.pue

    def co2_grams(self, joules: float) -> float:
        """Return the CO2 of `joules` of the computers themselves, g: E x PUE x intensity.

        Raises
        ------
        ParameterError
            If no country is given.
        """
        if self.country is None:
            raise ParameterError(
                "Footprint.country: is required for CO2, such as world, USA or wind (got None)"
            )
        return joules / KWH * self.pue * GRAMS_PER_KWH[self.country]

    def __str__(self) -> str:
        """Return a description of the conversions in use."""
        parts = []
        if self.node is not None:
            parts.append(f"digital circuits scaled to {self.node:g} nm (assumed)")
        if self.pue != 1:
            parts.append(f"PUE {self.pue:g}")
        if self.country is not None:
            parts.append(f"{self.country}: {GRAMS_PER_KWH[self.country]:.4g} g CO2 per kWh")
        return "; ".join(parts) or "no conversions"


def node_factor(kind: Kind, made_at: float, node: float) -> Constant:
    """Return the energy at `node` over that at `made_at`, both in nm.

    Raises
    ------
    ParameterError
        If a node is outside the columns of the tables, 7 to 45 nm, or the kind is not known.
    """
    if kind not in get_args(Kind):
        raise ParameterError(
            f"node_factor: kind must be one of {', '.join(get_args(Kind))} (got {kind!r})"
            f"{nearest(kind, get_args(Kind))}"
        )
    for name, nm in (("made_at", made_at), ("node", node)):
        if not NEWEST <= nm <= OLDEST:
            raise ParameterError(
                f"node_factor: {name} must be >= {NEWEST:g} and <= {OLDEST:g} nm, between the "
                f"tables (got {nm:g})"
            )
    share = math.log(made_at / node) / math.log(OLDEST / NEWEST)
    ratios = _ratios(kind)
    mean = math.prod(ratios) ** (1 / len(ratios))
    low, high = sorted((min(ratios) ** share, max(ratios) ** share))
    return Constant(
        name=f"{kind}-{made_at:g}nm-to-{node:g}nm", value=mean**share, low=low, high=high, unit="1",
        evidence="assumed",
        source="power law between Horowitz's 45 nm and Jouppi's 7 nm, mean and range of operations",
    )  # fmt: skip


def pue_of(year: int) -> float:
    """Return the power usage effectiveness of a year of the table.

    Raises
    ------
    ParameterError
        If the year is not in the table.
    """
    if year not in PUE_BY_YEAR:
        years = ", ".join(map(str, PUE_BY_YEAR))
        raise ParameterError(f"PUE: year must be one of {years} (got {year})")
    return PUE_BY_YEAR[year]


def _ratios(kind: Kind) -> list[float]:
    """Return energies at 7 nm over those at 45 nm, of all operations in both tables."""
    if kind == "memory":
        return [new / old for old, new in zip(SRAM["45nm"], SRAM["7nm"], strict=True)]
    return [
        new / TABLES["45nm"][operator][precision]
        for operator, entries in TABLES["7nm"].items()
        for precision, new in entries.items()
        if precision in TABLES["45nm"][operator]
    ]
