r"""Stochastic winner-take-all competition, and homeostasis.

The potential of neuron k is its bit-line current against the reference column, in units of the
weight, plus its bias: :math:`u_k = b_k + \beta \sum_i w_{ik} y_i`. Exactly one neuron fires in a
window, neuron k with probability :math:`e^{u_k} / \sum_j e^{u_j}` (Nessler et al., PLoS Comput.
Biol. 9, e1003037, 2013). With the log-odds weights of the learning rule this samples from the
posterior of a mixture model, up to the sharpness :math:`\beta`.

Homeostasis: the bias of a neuron that fires falls by a fixed amount. Only differences of potentials
matter, so this is the same as raising all others: on average the potential of a neuron whose share
of the spikes is above 1/N falls (form assumed; the reference says only that no neuron may fire much
more often than the others).
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.arguments import whole
from cbramsim.core.kernels import each, floor, lean_kernel, lean_vector_kernel
from cbramsim.core.rng import uniform_of
from cbramsim.core.validation import Parameters
from cbramsim.core.verbs import excite, fire, implements

CONTRAST = 47.0
"""Contrast of handwritten digits, for which the constants were chosen: 51 for MNIST, 43 for slanted
digits."""
SCALING = 2 / 3
"""Power of the contrast by which potentials are divided."""
STEPS_PER_OCTAVE = 4
"""Steps per octave with which the competition is adapted to other data sets."""


class Competition(Parameters):
    """Competition of the neurons, and its homeostasis."""

    sharpness: Annotated[float, Field(ge=1e-6, le=1000)] = 4.0
    """Inverse temperature of the competition while learning, per unit of weight, for images that
    differ as much as MNIST's; for others see `Competition.scale`."""
    readout_sharpness: Annotated[float, Field(ge=1e-6, le=1)] = 0.1
    """Factor on all potentials for recognition: softer, so that several neurons contribute. (They
    are named at full sharpness.)"""
    homeostasis: Annotated[float, Field(ge=0, le=1000)] = 2.0
    """Fall of a neuron's bias per output spike at the start of training."""
    homeostasis_halving: Annotated[float, Field(ge=1e-3, le=1e12)] = 50_000
    """Images after which `homeostasis` has halved."""

    def homeostasis_at(self, images_seen: int) -> float:
        """Return the fall of the bias per spike after `images_seen` images."""
        whole("Competition.homeostasis_at: images_seen", images_seen)
        return self.homeostasis * 0.5 ** (images_seen / self.homeostasis_halving)

    @staticmethod
    def scale(contrast: float) -> float:
        r"""Return the factor on `sharpness` for images of a given `encoding.contrast` C.

        Potentials are sums over the inputs: they differ more if inputs differ more from image to
        image. They are divided by :math:`(C / 47)^{2/3}`, rounded to a quarter of an octave so that
        all parts of one data set share one factor. The bias, and with it homeostasis, is in units
        of the potential, and is not scaled. (Form assumed; the power was chosen on held-back
        training images of MNIST in 7x7 to 56x56 pixels and of Fashion-MNIST.)
        """
        octaves = SCALING * math.log2(CONTRAST / max(contrast, 1e-3))
        return 2.0 ** (round(STEPS_PER_OCTAVE * octaves) / STEPS_PER_OCTAVE)


class Stochastic(NamedTuple):
    """Neurons of which one fires, drawn by the exponentials of their potentials."""

    bias: NDArray[np.float32]
    """Biases, float32[neurons]; they fall as neurons fire."""
    gain: np.float32
    """Potential per siemens of summed conductance."""
    tiring: np.float32
    """Fall of the bias of a neuron that fires."""


@implements(excite, Stochastic)
def _(neurons, reference, work):  # type: ignore[no-untyped-def]
    largest = to_potentials(work.currents, reference, neurons.gain, neurons.bias)
    exponentials(work.currents, largest, work.exponent_bits, work.power_of_two)
    return block_sums(work.currents, work.sums)


@implements(fire, Stochastic)
def _(neurons, total, work, word):  # type: ignore[no-untyped-def]
    winner = draw_winner(work.currents, work.sums, total, word)
    neurons.bias[winner] -= neurons.tiring
    return winner


@lean_vector_kernel
def to_potentials(currents, offset, gain, bias):  # type: ignore[no-untyped-def]
    """Turn summed conductances into potentials in place; return the largest.

    ``u = gain (sum G - offset) + bias``, with `offset` the conductance of the reference column
    and `gain` the sharpness per siemens.
    """
    for k in range(currents.size):
        currents[k] = gain * (currents[k] - offset) + bias[k]
    # Four maxima side by side: one alone is a chain of comparisons that each wait for the last.
    a = b = c = d = currents[0]
    whole = currents.size // 4 * 4
    for k in range(0, whole, 4):
        a = currents[k] if currents[k] > a else a
        b = currents[k + 1] if currents[k + 1] > b else b
        c = currents[k + 2] if currents[k + 2] > c else c
        d = currents[k + 3] if currents[k + 3] > d else d
    for k in range(whole, currents.size):
        a = currents[k] if currents[k] > a else a
    return max(max(a, b), max(c, d))


@lean_vector_kernel
def exponentials(potentials, largest, exponent_bits, power_of_two):  # type: ignore[no-untyped-def]
    """Replace potentials by exp(u - largest), to 2e-7 relative, in a form that vectorises.

    exp(x) = 2^n 2^f with n whole and 0 <= f < 1: the power of two is written as the exponent bits
    of a float, the rest is a polynomial.

    Parameters
    ----------
    potentials
        float32[neurons], overwritten.
    largest
        Their maximum.
    exponent_bits, power_of_two
        Scratch, int32[neurons] and the same memory seen as float32.
    """
    for k in each(potentials.size):
        x = max((potentials[k] - largest) * np.float32(1.4426950408889634), np.float32(-126.0))
        whole = floor(x)
        f = x - whole
        exponent_bits[k] = (np.int32(whole) + np.int32(127)) << np.int32(23)
        p = np.float32(1.8937541e-3)
        p = p * f + np.float32(8.9495904e-3)
        p = p * f + np.float32(5.5860337e-2)
        p = p * f + np.float32(2.4014182e-1)
        p = p * f + np.float32(6.9315449e-1)
        potentials[k] = p * f + np.float32(9.9999990e-1)
    for k in each(potentials.size):
        potentials[k] *= power_of_two[k]


BLOCK = 32


@lean_vector_kernel
def block_sums(values, sums):  # type: ignore[no-untyped-def]
    """Sum `values` in blocks of 32 into `sums`; return the total."""
    total = np.float32(0)
    for block in range(sums.size):
        part = np.float32(0)
        for k in range(block * BLOCK, min((block + 1) * BLOCK, values.size)):
            part += values[k]
        sums[block] = part
        total += part
    return total


@lean_kernel
def draw_winner(values, sums, total, word):  # type: ignore[no-untyped-def]
    """Draw index k with probability values[k] / total by inverting the cumulative sum.

    Parameters
    ----------
    values
        float32[neurons], not negative.
    sums, total
        From `block_sums`.
    word
        64 random bits.
    """
    rest = np.float32(uniform_of(word)) * total
    block = 0
    while block < sums.size - 1 and rest >= sums[block]:
        rest -= sums[block]
        block += 1
    k = block * BLOCK
    last = min(k + BLOCK, values.size) - 1
    while k < last and rest >= values[k]:
        rest -= values[k]
        k += 1
    return k
