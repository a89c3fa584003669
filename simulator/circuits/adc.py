r"""Analogue-to-digital converters: range, resolution, offset, nonlinearity.

A converter of b bits has the codes 0 to 2^b - 1, at equal distances of one LSB from `minimum` to
``minimum + full_scale``. Code k begins at its lower edge, in LSB above `minimum`

.. math:: T_k = k - \tfrac12 + o + s\,\mathrm{inl}\,\sin(\pi k / 2^b)
          + \tfrac{\mathrm{dnl}}{\sqrt 2}\, n_k

with o the converter's offset, s = ±1 the direction of its bow, and n_k standard normal numbers, all
drawn once. The bow is zero at both ends; its form is assumed. Errors of edges are independent, as
those of the comparators of a flash converter (assumed): the width of a code then has an error of
`dnl` rms, and errors do not add up along the scale.

The code is the number of edges that the input reaches, so a converter is monotonic for any errors:
where `dnl` is so large that edges cross (1 in 1,000 at 0.32 LSB), a code is missing.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.arguments import array, instance, seed_of, whole
from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import kernel, lean_kernel, lean_loop
from cbramsim.core.rng import generator
from cbramsim.core.validation import Parameters

Code = np.uint16
TILE = 16
"""Number of columns converted together: a line of the processor's cache."""
HIGHEST = np.float32(1e30)
LOWEST = np.float32(-1e30)
"""Limits of the inputs, LSB, to which they are clipped, so that infinite edges are never
reached."""


class Adc(Parameters):
    """A kind of converter. Inputs are in one unit throughout, such as A."""

    bits: Annotated[int, Field(ge=1, le=16)] = 8
    """Resolution, bits."""
    full_scale: Annotated[float, Field(ge=1e-30, le=1e30)] = 1.0
    """Range from the input of the lowest code to that of the highest, in the unit of the input."""
    minimum: Annotated[float, Field(ge=-1e30, le=1e30)] = 0.0
    """Input of code 0; -full_scale / 2 makes a bipolar converter."""
    offset_d2d: Annotated[float, Field(ge=0, le=65536)] = 0.0
    """Standard deviation of the offset from converter to converter, LSB."""
    inl: Annotated[float, Field(ge=0, le=65536)] = 0.0
    """Peak integral nonlinearity, LSB."""
    dnl: Annotated[float, Field(ge=0, le=65536)] = 0.0
    """Root mean square of the error of a code's width, LSB."""

    @property
    def top(self) -> int:
        """Highest code."""
        return 2**self.bits - 1

    @property
    def lsb(self) -> float:
        """Distance of two codes, in the unit of the input."""
        return self.full_scale / self.top

    @property
    def ideal(self) -> bool:
        """Whether the converter only rounds and clips."""
        return not (self.offset_d2d or self.inl or self.dnl)

    def to_values(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the inputs for which `codes` stand, in the unit of the input."""
        return self.minimum + self.lsb * np.asarray(codes, np.float64)


class Conversion(NamedTuple):
    """Conversion of inputs into codes, for compiled loops."""

    factor: np.float32
    """LSB per unit of the input."""
    summand: np.float32
    """Input of zero, LSB above `minimum`."""
    offsets: NDArray[np.float32]
    """Offset of each converter, float32[converters], LSB."""
    edges: NDArray[np.float32]
    """Edges, float32[converters, 2^bits + 1], LSB above `minimum`: code k is given from edge k to
    edge k + 1; the outermost are infinite. No rows if the converters are ideal."""


class Converters:
    """Converters of an array: one for each `sharing` neighbouring columns."""

    def __init__(self, adc: Adc, columns: int, seed: int = 0, sharing: int = 1) -> None:
        """Draw offset and edges of every converter.

        Parameters
        ----------
        adc
            Kind of converter.
        columns
            Number of columns.
        seed
            Seed of the differences between converters.
        sharing
            Number of neighbouring columns that share a converter, in turn.
        """
        instance("Converters.adc:", adc, Adc)
        whole("Converters.columns:", columns, 1, 10**7)
        whole("Converters.sharing:", sharing, 1, 2**32 - 1)
        seed_of("Converters.seed:", seed)
        self.adc, self.columns = adc, columns
        self.of_column = np.arange(columns, dtype=np.uint32) // np.uint32(sharing)
        """Converter of each column, uint32[columns]."""
        self.count = int(self.of_column[-1]) + 1
        self.offsets = np.zeros(self.count, np.float32)
        self.edges = np.zeros((0, adc.top + 2), np.float32)
        if not adc.ideal:
            self._draw(generator(seed, "adc"))

    def _draw(self, rng: np.random.Generator) -> None:
        adc = self.adc
        self.offsets += (adc.offset_d2d * rng.standard_normal(self.count)).astype(np.float32)
        direction = rng.choice((-1.0, 1.0), self.count)
        k = np.arange(1, adc.top + 1)
        bow = adc.inl * np.sin(np.pi * k / 2**adc.bits)
        self.edges = np.empty((self.count, adc.top + 2), np.float32)
        self.edges[:, 0], self.edges[:, -1] = -np.inf, np.inf
        for j in range(self.count):
            jitter = adc.dnl / np.sqrt(2) * rng.standard_normal(adc.top)
            self.edges[j, 1:-1] = np.sort(k - 0.5 + self.offsets[j] + direction[j] * bow + jitter)

    def convert(self, values: ArrayLike) -> NDArray[np.uint16]:
        """Return the codes of `values`, float[..., columns], in the unit of the input.

        Values outside the range get the lowest or the highest code.
        """
        x = array("Converters.convert: values", values).astype(np.float32)
        if x.ndim == 0 or x.shape[-1] != self.columns:
            raise ParameterError(
                f"Converters.convert: values must have {self.columns} columns on the last axis "
                f"(got shape {x.shape})"
            )
        if np.isnan(x).any():
            raise ParameterError("Converters.convert: values must be numbers (got NaN)")
        flat = np.ascontiguousarray(x.reshape(-1, self.columns))
        codes = np.empty(flat.shape, Code)
        _convert(flat, self.conversion, self.of_column, codes)
        return codes.reshape(x.shape)

    @property
    def conversion(self) -> Conversion:
        """Conversion of inputs into codes, for compiled loops."""
        factor, summand = np.float32(1 / self.adc.lsb), np.float32(-self.adc.minimum / self.adc.lsb)
        return Conversion(factor, summand, self.offsets, self.edges)


def check_range(adc: Adc, signal_span: float, signal_step: float = 0.0) -> None:
    """Refuse a converter whose range does not suit the signal.

    Parameters
    ----------
    adc
        The converter.
    signal_span
        Range from the lowest to the highest signal, in the unit of the input.
    signal_step
        The smallest difference of two signals that matters, in the unit of the input.

    Raises
    ------
    ParameterError
        If the whole signal is below one level of the converter, or its whole range below one step
        of the signal.
    """
    if signal_span < adc.lsb:
        raise ParameterError(
            f"Adc.full_scale: must be at most {signal_span * adc.top:g} at {adc.bits} bits: the "
            f"signal spans {signal_span:g}, below one level (got {adc.full_scale:g})"
        )
    if adc.full_scale < signal_step:
        raise ParameterError(
            f"Adc.full_scale: must be at least {signal_step:g}, one level of the signal: the range "
            f"is below one level (got {adc.full_scale:g})"
        )


@kernel
def round_and_clip(values, factor, summand, top, codes):  # type: ignore[no-untyped-def]
    """Convert one row of `values` by ideal converters."""
    half, highest = np.float32(0.5), np.float32(top)
    for k in range(values.size):
        x = min(max(values[k] * factor + summand, np.float32(0)), highest)
        codes[k] = np.uint16(np.int32(x + half))


@kernel
def count_edges(values, conversion, of_column, codes):  # type: ignore[no-untyped-def]
    """Convert `values`: the ideal code, corrected until the input is between the code's edges.

    A few columns at a time, so that their edges stay in the cache. The first correction, by one
    code at most, is made without a branch, as it cannot be predicted.
    """
    factor, summand, offsets, edges = conversion
    top, one = np.float32(edges.shape[1] - 2), np.uint32(1)
    for first in range(0, values.shape[1], TILE):
        for n in range(values.shape[0]):
            for k in range(first, min(first + TILE, values.shape[1])):
                c = of_column[k]
                x = min(max(values[n, k] * factor + summand, LOWEST), HIGHEST)
                guess = min(max(x - offsets[c] + np.float32(0.5), np.float32(0)), top)
                code = np.uint32(guess)
                up, down = x >= edges[c, code + one], x < edges[c, code]
                code = np.uint32(code + np.uint32(up) - np.uint32(down))
                while x >= edges[c, code + one]:
                    code = np.uint32(code + one)
                while x < edges[c, code]:
                    code = np.uint32(code - one)
                codes[n, k] = np.uint16(code)


@lean_kernel
def convert_rows(values, conversion, of_column, codes):  # type: ignore[no-untyped-def]
    """Convert `values`, float32[n, columns], to `codes`, uint16[n, columns].

    The converter of each column is `of_column`, uint32[columns].
    """
    if conversion.edges.shape[0]:
        count_edges(values, conversion, of_column, codes)
    else:
        factor, summand, _, edges = conversion
        for n in range(values.shape[0]):
            round_and_clip(values[n], factor, summand, edges.shape[1] - 2, codes[n])


@lean_loop
def _convert(values, conversion, of_column, codes):  # type: ignore[no-untyped-def]
    convert_rows(values, conversion, of_column, codes)
