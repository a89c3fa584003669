"""Updates, which turn the change of a weight into pulses: types with one verb."""

from __future__ import annotations

import math
from typing import NamedTuple

from cbramsim.core.rng import next_word, uniform_of
from cbramsim.core.verbs import ask, fewest_asked, implements


class Rounded(NamedTuple):
    """Whole pulses, half away from zero; what is less is lost."""


class Stochastic(NamedTuple):
    """The whole part and, by chance, one more: right on average."""


class Sign(NamedTuple):
    """One pulse whose sign is that of the change: the Manhattan rule."""

    threshold: float
    """Less than so many pulses asked for are none."""


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
