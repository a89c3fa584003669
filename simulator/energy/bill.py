"""Costs of a piece of work: charges that know which constants they rest on, and their evidence.

A charge is an energy in joules, E = E_0 prod_i (c_i / c_i0)^p_i, where E_0 is the energy with all
constants c_i at their stated values c_i0. So a bill can be evaluated for any other values of its
constants without repeating the work; Monte Carlo intervals use this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.arguments import instance, number, seed_of, whole
from cbramsim.core.errors import ParameterError
from cbramsim.core.provenance import Evidence
from cbramsim.core.validation import Parameters, zero_or_from

FIRMEST_FIRST: tuple[Evidence, ...] = ("published", "derived", "assumed")


Quantity = Annotated[float, Field(ge=0, le=1e30), zero_or_from(1e-30)]
"""Quantity in SI units."""


MAX_DRAWS = 1_000_000
"""Most draws: 8 MB for every constant."""


class Constant(Parameters):
    """A published or assumed number, and the range in which it may lie."""

    name: str
    """Name, such as `fp32-mac-45nm`; constants of one name are one and the same."""
    value: Quantity
    """Value, in SI units."""
    low: Quantity
    """Lower end of the range."""
    high: Quantity
    """Upper end of the range."""
    unit: str
    """SI unit, such as `J`."""
    evidence: Evidence
    """Grade of evidence: `published`, `derived` or `assumed`."""
    source: str
    """Source of number and range."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"{self.name}: low <= value <= high is expected "
                f"(got {self.low:g}, {self.value:g}, {self.high:g})"
            )
        if self.value and not self.low:
            raise ValueError(f"{self.name}: low must be > 0 where value is (got 0)")
        return self

    @property
    def spread(self) -> tuple[float, float]:
        """Lower and upper end over the value; 1 and 1 for nothing."""
        return (self.low / self.value, self.high / self.value) if self.value else (1.0, 1.0)

    def within(self, factor: float) -> Self:
        """Return the constant with the range value / factor to value x factor."""
        number("Constant.within: factor", factor, 1)
        return self.replace(low=self.value / factor, high=self.value * factor)

    def times(self, factor: float) -> Self:
        """Return the constant in `factor` times as large a unit of work, under the same name."""
        number("Constant.times: factor", factor, 0)
        changes = {key: getattr(self, key) * factor for key in ("value", "low", "high")}
        return self.replace(**changes)


class Charge(NamedTuple):
    """One line of a bill."""

    component: str
    """Component to which the energy belongs, such as `arithmetic`, `L2`, `array read`."""
    joules: float
    """Energy at the stated values of the constants, J."""
    powers: Mapping[str, float]
    """Constants it depends on, by name, each with its power."""
    evidence: Evidence
    """Weakest grade of evidence of its constants."""


class Bill:
    """Charges, and the constants that they rest on.

    Attributes
    ----------
    charges
        The lines, in the order in which they were added.
    constants
        All constants by name, `Constant`.
    """

    def __init__(self) -> None:
        """Begin with an empty bill."""
        self.charges: list[Charge] = []
        self.constants: dict[str, Constant] = {}

    def __iter__(self) -> Iterator[Charge]:
        """Go through the lines."""
        return iter(self.charges)

    def add(self, component: str, count: float, *constants: Constant) -> Self:
        """Charge `count` times the product of `constants` to `component`."""
        number("Bill.add: count", count)
        for constant in constants:
            instance("Bill.add: constants", constant, Constant)
        product = float(np.prod([constant.value for constant in constants]))
        powers: dict[Constant, float] = {}
        for constant in constants:
            powers[constant] = powers.get(constant, 0.0) + 1
        return self.add_joules(component, count * product, powers)

    def add_joules(
        self, component: str, joules: float, constants: Mapping[Constant, float]
    ) -> Self:
        """Charge an energy that is proportional to the given powers of `constants`."""
        instance("Bill.add_joules: component", component, str)
        number("Bill.add_joules: joules", joules)
        for constant in constants:
            known = self.constants.setdefault(constant.name, constant)
            if (known.low, known.value, known.high) != (
                constant.low, constant.value, constant.high,
            ):  # fmt: skip
                raise ParameterError(f"Bill: two different constants are called {constant.name}")
        grades = [FIRMEST_FIRST.index(constant.evidence) for constant in constants]
        powers = {constant.name: power for constant, power in constants.items()}
        evidence = FIRMEST_FIRST[max(grades, default=0)]
        self.charges.append(Charge(component, float(joules), powers, evidence))
        return self

    def __add__(self, other: Bill) -> Bill:
        """Return both bills as one."""
        instance("Bill: what is added", other, Bill)
        both = Bill()
        for bill in (self, other):
            for charge in bill:
                both.add_joules(
                    charge.component, charge.joules,
                    {bill.constants[name]: power for name, power in charge.powers.items()},
                )  # fmt: skip
        return both

    def __mul__(self, factor: float) -> Bill:
        """Return the bill for the same work done `factor` times."""
        number("Bill: factor", factor)
        bill = Bill()
        bill.constants = dict(self.constants)
        bill.charges = [line._replace(joules=line.joules * factor) for line in self.charges]
        return bill

    __rmul__ = __mul__

    @property
    def joules(self) -> float:
        """Total at the stated values, J."""
        return sum(charge.joules for charge in self.charges)

    def components(self) -> dict[str, float]:
        """Return the total of each component, J, in the order of their first appearance."""
        totals: dict[str, float] = {}
        for charge in self.charges:
            totals[charge.component] = totals.get(charge.component, 0.0) + charge.joules
        return totals

    def of(self, component: str) -> Bill:
        """Return the part of one component."""
        bill = Bill()
        bill.constants = self.constants
        bill.charges = [charge for charge in self.charges if charge.component == component]
        return bill

    @property
    def evidence(self) -> Evidence:
        """Grade of the larger part of the energy: of its median joule, firmest first."""
        shares = [
            sum(charge.joules for charge in self.charges if charge.evidence == grade)
            for grade in FIRMEST_FIRST
        ]
        half = sum(shares) / 2
        return FIRMEST_FIRST[int(np.searchsorted(np.cumsum(shares), half))]

    def to_dict(self) -> dict[str, Any]:
        """Return lines and constants as plain values, for JSON; `from_dict` reads them back."""
        return {
            "charges": [
                {**charge._asdict(), "powers": dict(charge.powers)} for charge in self.charges
            ],
            "constants": [constant.model_dump() for constant in self.constants.values()],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the bill from which `to_dict` was made."""
        bill = cls()
        bill.constants = {entry["name"]: Constant(**entry) for entry in values["constants"]}
        bill.charges = [Charge(**entry) for entry in values["charges"]]
        return bill

    def sample(self, draws: Draws) -> NDArray[np.float64]:
        """Return the total for each draw of the constants, float64[draws], J."""
        instance("Bill.sample: draws", draws, Draws)
        total = np.zeros(draws.count)
        for charge in self.charges:
            joules = np.full(draws.count, charge.joules)
            for name, power in charge.powers.items():
                joules *= draws.factor(self.constants[name]) ** power
            total += joules
        return total


class Draws:
    """Random values of constants, the same for every bill, so that ratios of bills have a meaning.

    Half of the draws of a constant lie below its stated value and half above, evenly in the
    logarithm between it and the end of its range (assumed). Each constant has a stream of its own,
    by its name: adding or removing a constant does not change the others.
    """

    def __init__(self, count: int = 4000, seed: int = 0) -> None:
        """Prepare `count` draws, at most `MAX_DRAWS`."""
        self.count = whole("Draws.count:", count, 1, MAX_DRAWS)
        self.seed = seed_of("Draws.seed:", seed)
        self._drawn: dict[str, tuple[Constant, NDArray[np.float64]]] = {}

    def factor(self, constant: Constant) -> NDArray[np.float64]:
        """Return drawn over stated value of `constant`, float64[draws]."""
        if constant.name not in self._drawn:
            self._drawn[constant.name] = constant, self._draw(constant)
        known, factors = self._drawn[constant.name]
        pairs = zip(known.spread, constant.spread, strict=True)
        if not all(math.isclose(one, other, rel_tol=1e-9) for one, other in pairs):
            raise ParameterError(f"Draws: two different constants are called {constant.name}")
        return factors

    def _draw(self, constant: Constant) -> NDArray[np.float64]:
        if not constant.value:
            return np.ones(self.count)
        key = list(constant.name.encode())
        u = np.random.default_rng([self.seed, *key]).uniform(-1, 1, self.count)
        down, up = np.log(constant.spread)
        return np.exp(np.where(u < 0, -u * down, u * up))


def interval(samples: NDArray[np.float64], level: float = 0.9) -> tuple[float, float]:
    """Return the central interval that holds `level` of `samples`."""
    number("interval: level", level, 0, 1)
    if not np.size(samples):
        raise ParameterError("interval: samples must be at least one (got none)")
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def total(bills: Iterable[Bill]) -> Bill:
    """Return all bills as one."""
    result = Bill()
    for bill in bills:
        result = result + bill
    return result
