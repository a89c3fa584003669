r"""Products of a batch with the read noise of every cell, and their conversion.

Errors of cells are independent and normal in each read, with :math:`\sigma(G)`. Their sum on a bit
line is therefore exactly one normal number, with the variance

.. math:: \sum_i V_i^2 \sigma^2(G_{ij}) = a^2 \sum_i V_i^2 + r^2 \sum_i V_i^2 G_{ij}^2, \qquad
          \sigma^2 = a^2 + r^2 G^2 .

The first term is one number for each input; the second one is a product of squares, which costs as
much as the product itself, and is only formed if r is not 0.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import compiled_loop, vector_kernel
from cbramsim.core.rng import State, stream
from cbramsim.core.validation import Parameters
from cbramsim.simulator.circuits.adc import Adc, Code, Converters, convert_rows
from cbramsim.simulator.circuits.normals import fill_normals

BLOCK = 1 << 18
"""Approximate number of outputs made at a time, which remain in the processor's cache."""


class ReadNoise(Parameters):
    """Standard deviation of a cell's conductance from read to read."""

    absolute: Annotated[float, Field(ge=0, le=1), "S"] = 0.0
    """Part that is the same at every conductance, S: `read_c2c` times the device's range."""
    relative: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Part in proportion to the conductance; both parts are independent."""


def noisy_product(
    voltages: ArrayLike,
    g: NDArray[np.float32],
    noise: ReadNoise,
    state: State,
    converters: Converters | None = None,
) -> NDArray:
    """Return the bit-line currents V G with read noise, or their codes.

    Parameters
    ----------
    voltages
        float[batch, rows], V.
    g
        float32[rows, columns], S.
    noise
        Noise of a cell's conductance from read to read.
    state
        A stream of `cbramsim.core.rng.stream`, which is advanced.
    converters
        Converters of the currents, A; without them, the currents are returned.

    Returns
    -------
    float32[batch, columns] or uint16[batch, columns]
        Currents, A, or codes.

    Raises
    ------
    ParameterError
        If shapes do not fit, or a value is not finite.
    """
    v, g = _checked(voltages, g, converters)
    batch, columns = len(v), g.shape[1]
    at_once = max(1, BLOCK // columns)
    g2 = np.square(np.float32(noise.relative) * g) if noise.relative else None
    currents = np.empty((batch if converters is None else min(batch, at_once), columns), np.float32)
    codes = np.empty((0 if converters is None else batch, columns), Code)
    chain = converters or Converters(Adc(), columns)  # unused: there is no room for codes
    for start in range(0, batch, at_once):
        part = v[start : start + at_once]
        place = start if converters is None else 0
        out = np.matmul(part, g, out=currents[place : place + len(part)])
        if not np.isfinite(out.sum()):
            raise ParameterError("noisy_product: voltages and g must be finite")
        every, each = _variances(part, g2, noise.absolute, columns)
        _finish(
            out, every, each, state, chain.conversion, chain.of_column,
            codes[start : start + at_once],
        )  # fmt: skip
    return currents if converters is None else codes


def time_noisy_product(
    batch: int = 100, shape: tuple[int, int] = (397, 500), repetitions: int = 50
) -> dict[str, float]:
    """Time the product with noise and 8-bit conversion against NumPy's float32 product alone.

    Both run in turn; the minimum of `repetitions` each is taken. Single-threaded only if BLAS was
    started so (OPENBLAS_NUM_THREADS=1). The errors are those of the currents, in units of the
    standard deviation that they should have: their mean should be 0, their deviation 1, kurtosis 0.
    """
    rng = np.random.default_rng(0)
    v = (0.1 * rng.random((batch, shape[0]))).astype(np.float32)
    g = rng.uniform(1e-6, 1e-4, shape).astype(np.float32)
    kinds = {"absolute": ReadNoise(absolute=2e-6), "relative": ReadNoise(relative=0.02)}
    exact = v @ g
    adc = Adc(bits=8, full_scale=1.2 * float(exact.max()))
    chains = {
        "": Converters(adc, shape[1]),
        "_nonideal": Converters(adc.replace(offset_d2d=0.5, inl=0.5, dnl=0.25), shape[1]),
    }
    state = stream(0, "noisy product")
    runs: dict[str, Callable[[], NDArray]] = {"numpy": lambda: v @ g}
    for kind, noise in kinds.items():
        for end, chain in chains.items():
            runs[kind + end] = partial(noisy_product, v, g, noise, state, chain)
    for run in runs.values():  # compiles
        run()
    seconds = dict.fromkeys(runs, math.inf)
    for _ in range(repetitions):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    figures = {f"{name}_seconds": value for name, value in seconds.items()}
    for name in runs:
        if name != "numpy":
            figures[f"{name}_ratio"] = seconds[name] / seconds["numpy"]
    for kind, noise in kinds.items():
        variance = (v**2) @ (noise.absolute**2 + np.square(noise.relative * g, dtype=np.float64))
        error = (noisy_product(v, g, noise, state) - exact) / np.sqrt(variance)
        figures |= {
            f"{kind}_error_mean": float(error.mean()),
            f"{kind}_error_deviation": float(error.std()),
            f"{kind}_error_kurtosis": float((error**4).mean() / (error**2).mean() ** 2 - 3),
        }
    return figures


def _checked(
    voltages: ArrayLike, g: NDArray[np.float32], converters: Converters | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    v, g = np.asarray(voltages, np.float32), np.asarray(g, np.float32)
    if v.ndim != 2 or g.ndim != 2 or v.shape[1] != len(g):
        raise ParameterError(
            f"noisy_product: voltages must be [batch, rows] and g [rows, columns] "
            f"(got shapes {v.shape} and {g.shape})"
        )
    if converters is not None and converters.columns != g.shape[1]:
        raise ParameterError(
            f"noisy_product: converters must be for {g.shape[1]} columns (got {converters.columns})"
        )
    return v, g


def _variances(
    v: NDArray[np.float32], g2: NDArray[np.float32] | None, absolute: float, columns: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the variances of each input, float32[n], and of each output, float32[n, columns], A².

    The latter has no rows if noise does not depend on conductance.
    """
    every = np.float32(absolute**2) * np.einsum("ni,ni->n", v, v)
    each = np.empty((0, columns), np.float32) if g2 is None else np.square(v) @ g2
    return every, each


@vector_kernel
def _add_noise(out, normals, every, each):  # type: ignore[no-untyped-def]
    """Add noise to one row of outputs, of the variance `every`, and of each output's own."""
    if each.size:
        for k in range(out.size):
            out[k] += math.sqrt(every + each[k]) * normals[k]
    else:
        sigma = math.sqrt(every)
        for k in range(out.size):
            out[k] += sigma * normals[k]


@compiled_loop
def _finish(out, every, each, state, conversion, of_column, codes):  # type: ignore[no-untyped-def]
    """Add noise to `out`, float32[n, columns], and convert it to `codes` if there is room."""
    rows, columns = out.shape
    normals = np.empty(rows * columns, np.float32)
    fill_normals(state, normals)
    for n in range(rows):
        own = each[n] if each.shape[0] else each.reshape(-1)
        _add_noise(out[n], normals[n * columns : (n + 1) * columns], every[n], own)
    if codes.shape[0]:
        convert_rows(out, conversion, of_column, codes)
