r"""Spike times of inputs: rates from grey levels, and a calendar of the next spike of every input.

The rate of the level x is :math:`r_{max} + (r_{min} - r_{max}) (1 - x)`. Every input has one entry
in the calendar, its next spike; after it, the following spike is drawn. So a presentation takes
memory and work for its spikes only, and steps without events cost almost nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import part
from cbramsim.core.rng import next_word, normal_of, uniform_of, upper_uniform_of
from cbramsim.core.timed_verbs import gap
from cbramsim.core.verbs import implements
from cbramsim.simulator.timed.config import Coding

NEVER = -(2**62)
"""Step of the last spike of an input that has not spiked."""


class Poisson(NamedTuple):
    """Inputs that spike independently in each step: one Bernoulli trial per step."""

    dt: float
    """Step, s."""


class Jittered(NamedTuple):
    """Inputs that spike periodically, each period with normal noise of its own."""

    dt: float
    """Step, s."""
    jitter: float
    """Standard deviation of a period, relative."""
    shortest: float
    """Shortest period, s."""


def coding_of(coding: Coding, dt: float) -> Poisson | Jittered:
    """Return the coding of spikes, for compiled loops."""
    if coding.kind == "poisson":
        return Poisson(dt)
    return Jittered(dt, coding.jitter, coding.period_min)


def rates(coding: Coding) -> NDArray[np.float64]:
    """Return the rate of each grey level, float64[256], Hz."""
    x = np.arange(256) / 255
    rate = coding.rate_max + (coding.rate_min - coding.rate_max) * (1 - x)
    return np.where((x < coding.darkest) | (x == 0), 0, rate)


@implements(gap, Poisson)
def _(coding, rate, first, stream, normals):  # type: ignore[no-untyped-def]
    """Draw the geometric number of trials up to the next success, by inversion."""
    chance = min(rate * coding.dt, 0.999999)
    trials = math.log(1 - uniform_of(next_word(stream))) / math.log1p(-chance)
    return np.int64(min(trials, 1e15)) + (0 if first else 1)


@implements(gap, Jittered)
def _(coding, rate, first, stream, normals):  # type: ignore[no-untyped-def]
    word = next_word(stream)
    period = (1 + coding.jitter * normal_of(word, normals)) / rate
    if first:
        return np.int64(max(period, 0.0) * upper_uniform_of(word) / coding.dt)
    return max(np.int64(max(period, coding.shortest) / coding.dt + 0.5), np.int64(1))


@part
def enter(work, step, row):  # type: ignore[no-untyped-def]
    """Enter the spike of an input into the calendar, if its step is in this presentation."""
    if step < work.heads.size:
        work.links[row] = work.heads[step]
        work.heads[step] = row


@part
def open_calendar(coding, pixels, factor, work, stream, normals):  # type: ignore[no-untyped-def]
    """Draw the first spike of every input; rates are `factor` times those of the levels."""
    for step in range(work.heads.size):
        work.heads[step] = -1
    for row in range(pixels.size):
        rate = factor * work.rates[pixels[row]]
        if rate > 0:
            enter(work, gap(coding, rate, True, stream, normals), row)


@part
def spikes_of(coding, pixels, factor, step, now, work, stream, normals):  # type: ignore[no-untyped-def]
    """Write the inputs that spike in this step into ``work.scratch.rows``; return their number."""
    n, row = 0, work.heads[step]
    while row >= 0:
        following = work.links[row]
        work.scratch.rows[n] = row
        work.last[row] = now
        n += 1
        rate = factor * work.rates[pixels[row]]
        enter(work, step + gap(coding, rate, False, stream, normals), row)
        row = following
    return n
