"""Updates, which turn the change of a weight into pulses: types with one verb."""

from __future__ import annotations

import math
from typing import NamedTuple

from cbramsim.core.rng import next_word, uniform_of
from cbramsim.core.verbs import ask, fewest_asked, implements


class Rounded(NamedTuple):
    """Rounding to whole pulses, half away from zero; smaller changes are lost."""


class Stochastic(NamedTuple):
    """Rounding at random to one of the two whole numbers, right on average."""


class Sign(NamedTuple):
    """One pulse with the sign of the change: the Manhattan rule."""

    threshold: float
    """Smallest number of requested pulses for which one is given."""


@implements(ask, Rounded)
def _(rule, wanted, stream):  # type: ignore[no-untyped-def]
    return math.floor(wanted + 0.5)


@implements(ask, Stochastic)
def _(rule, wanted, stream):  # type: ignore[no-untyped-def]
    return math.floor(wanted + uniform_of(next_word(stream)))


@implements(ask, Sign)
def _(rule, wanted, stream):  # type: ignore[no-untyped-def]
    return 1 if wanted > 0 and wanted >= rule.threshold else 0


@implements(fewest_asked, Rounded)
def _(rule):  # type: ignore[no-untyped-def]
    return 0.5


@implements(fewest_asked, Stochastic)
def _(rule):  # type: ignore[no-untyped-def]
    return 0.0


@implements(fewest_asked, Sign)
def _(rule):  # type: ignore[no-untyped-def]
    return rule.threshold
