"""Number formats of conventional hardware, emulated exactly in float32.

===================================================== =============================================
:mod:`~cbramsim.simulator.comparison.formats.floats`     float16, bfloat16
:mod:`~cbramsim.simulator.comparison.formats.integers`   integers with scale and zero point
:mod:`~cbramsim.simulator.comparison.formats.sawb`       weights, clipped by their statistics
:mod:`~cbramsim.simulator.comparison.formats.pact`       activations, clipped at a learned value
:mod:`~cbramsim.simulator.comparison.formats.radix_four` FP4 gradients of radix 4, in two phases
:mod:`~cbramsim.simulator.comparison.formats.luq`        FP4 gradients of radix 2, unbiased
:mod:`~cbramsim.simulator.comparison.formats.grad_scale` the scale of a layer's gradients
:mod:`~cbramsim.simulator.comparison.formats.level_map`  values as conductances of a device
===================================================== =============================================
"""

from __future__ import annotations

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.simulator.comparison.formats.base import NumberFormat, moments, peak
from cbramsim.simulator.comparison.formats.floats import FloatFormat
from cbramsim.simulator.comparison.formats.grad_scale import GradScale
from cbramsim.simulator.comparison.formats.integers import (
    Grid,
    Integer,
    Multiplier,
    multiplier,
    requantise,
)
from cbramsim.simulator.comparison.formats.level_map import LevelMap, level_map
from cbramsim.simulator.comparison.formats.luq import Luq, running_maximum
from cbramsim.simulator.comparison.formats.pact import Pact
from cbramsim.simulator.comparison.formats.radix_four import RadixFour, identical_values, two_phases
from cbramsim.simulator.comparison.formats.sawb import COEFFICIENTS, Sawb

__all__ = [
    "COEFFICIENTS",
    "FORMATS",
    "FloatFormat",
    "GradScale",
    "Grid",
    "Integer",
    "LevelMap",
    "Luq",
    "Multiplier",
    "NumberFormat",
    "Pact",
    "RadixFour",
    "Sawb",
    "get",
    "identical_values",
    "level_map",
    "moments",
    "multiplier",
    "peak",
    "requantise",
    "running_maximum",
    "two_phases",
]

FORMATS: dict[str, NumberFormat] = {
    each.name: each
    for each in (
        FloatFormat(label="fp32", bits=32, exponent_bits=8),
        FloatFormat(label="fp16", bits=16, exponent_bits=5),
        FloatFormat(label="bf16", bits=16, exponent_bits=8),
        Integer(bits=8),
        Integer(bits=8, symmetric=True),
        Integer(bits=4),
        Integer(bits=4, symmetric=True),
        *(Sawb(bits=bits, zero=zero) for bits, zero in COEFFICIENTS),
        Pact(),
        Pact(plus=True),
        RadixFour(),
        RadixFour(phase="odd-low"),
        RadixFour(phase="odd-high"),
        Luq(),
        Luq(levels=5),
    )
}
"""Formats by name; other numbers of bits are made by their classes."""


def get(name: str) -> NumberFormat:
    """Return a format of `FORMATS` by name.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    if name not in FORMATS:
        raise ParameterError(
            f"format: must be one of {', '.join(FORMATS)} (got {name!r}){nearest(name, FORMATS)}"
        )
    return FORMATS[name]
