r"""Rounding of the operands of one layer's matrix products.

With weights W[in, out], inputs a[batch, in] and errors delta[batch, out], a layer multiplies

.. math::
    z = Q(a) Q(W) + b, \quad g_{prev} = Q(\delta) Q(W)^T, \quad dW = Q(a)^T Q(\delta)

(Sun et al., NeurIPS 2020; Chmiel et al., ICLR 2023, eqs 1-3). Operands are values of their formats
exactly; they are multiplied and added up in float32, so that the accumulators are wider than
those of a chip with FP16 or INT32 ones. Master weights and their update stay in float32. Rounding
is passed straight through by the gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import stream
from cbramsim.simulator.comparison.formats import (
    FloatFormat,
    GradScale,
    Grid,
    Integer,
    Luq,
    Pact,
    RadixFour,
    Sawb,
    peak,
)
from cbramsim.simulator.comparison.mlp.configuration import MlpConfig
from cbramsim.simulator.comparison.mlp.kernels import dither, rectify, rectify_back

Array = NDArray[Any]
Mask = NDArray[np.bool_] | None

FP16 = FloatFormat(label="fp16", bits=16, exponent_bits=5)
BF16 = FloatFormat(label="bf16", bits=16, exponent_bits=8)
UNSIGNED = Integer(bits=8)
SIGNED = Integer(bits=8, symmetric=True)
INT4_WEIGHTS = Sawb(bits=4, zero=True)
INT4_ACTIVATIONS = Pact(bits=4)
GREY = Grid(float(np.float32(1 / 255)), 0)
"""Grid of pixels as they are stored."""
LOSS_SCALE = 2.0**12
"""Loss scale to begin with (assumed)."""
PATIENCE = 1000
"""Steps without overflow after which the loss scale is doubled (assumed)."""
MEMORY = 0.99
"""Part of the range of activations that is carried over from step to step (assumed)."""

LEAST_CLIP = 1e-3
"""Lowest clip of 4-bit activations (assumed)."""


PIXEL_BITS = 8
"""Bits of a pixel as it is stored, whatever its format in products."""


def bits_of(operands: int) -> dict[str, int]:
    """Return the bits of a value by kind of tensor, as `bottom_up.price` takes them."""
    kinds = dict.fromkeys(("weights", "activations", "gradients"), operands)
    return kinds | {"master": 32, "data": PIXEL_BITS}


def operands_of(config: MlpConfig, number: int) -> Operands:
    """Return the rounding of the operands of layer `number`."""
    outer = number in (0, config.layers.depth - 1)
    precision = config.precision
    if outer and config.first_last != "same":
        precision = config.first_last
    kinds: dict[str, type[Operands]] = {
        kind.name: kind for kind in (Operands, Half, Brain, Int8, Fp4, LuqOperands)
    }
    return kinds[precision](config, number)


class Operands:
    """Operands without rounding: fp32. Base of the others.

    Attributes
    ----------
    name
        The precision that has them.
    bits
        Bits of a value by kind of tensor.
    """

    name = "fp32"
    bits = bits_of(32)

    def __init__(self, config: MlpConfig, number: int) -> None:
        """Begin, for layer `number`."""
        self.config = config

    def weights(self, weights: Array, mask: Mask) -> Array:
        """Return the weights as they are multiplied; `mask`: which are not pruned."""
        return weights

    def pixels(self, x: Array) -> Array:
        """Return pixels from 0 to 1 as they are multiplied."""
        return x

    def activations(self, z: Array, learning: bool) -> Array:
        """Return the activations of the layer before, from its sums, as they are multiplied."""
        a = np.empty_like(z)
        rectify(z, a)
        return a

    def activations_back(self, g: Array, z: Array) -> Array:
        """Return dL/dz from dL/da, float[batch, in], which is overwritten."""
        rectify_back(g, z)
        return g

    def gradients(self, delta: Array) -> tuple[Array, Array]:
        """Return the errors as they are multiplied for g_prev, and for dW."""
        return delta, delta

    def learn(self, rate: float, finite: bool) -> None:
        """Adapt parameters that are not weights, after each step; `finite`: it had no overflow."""


class Brain(Operands):
    """All operands in bfloat16."""

    name = "bf16"
    bits = bits_of(16)
    format = BF16

    def weights(self, weights: Array, mask: Mask) -> Array:
        """Return rounded weights."""
        return self.format.quantise(weights)

    def pixels(self, x: Array) -> Array:
        """Return rounded pixels."""
        return self.format.quantise(x)

    def activations(self, z: Array, learning: bool) -> Array:
        """Return rounded activations."""
        return self.format.quantise(super().activations(z, learning))

    def gradients(self, delta: Array) -> tuple[Array, Array]:
        """Return rounded errors."""
        rounded = self.format.quantise(delta)
        return rounded, rounded


class Half(Brain):
    """All operands in float16; errors are scaled, so that few of them vanish.

    The scale is halved where something overflows (that step is left out), and doubled after 1000
    steps without overflow. It is a power of two, so that its removal is exact.
    """

    name = "fp16"
    format = FP16

    def __init__(self, config: MlpConfig, number: int) -> None:
        super().__init__(config, number)
        self.scale, self.good_steps = LOSS_SCALE, 0

    def gradients(self, delta: Array) -> tuple[Array, Array]:
        """Return rounded errors; infinite where they overflow."""
        scale = np.float32(self.scale)
        rounded = self.format.quantise(delta * scale) / scale
        self._overflow = not np.isfinite(rounded).all()
        return rounded, rounded

    def learn(self, rate: float, finite: bool) -> None:
        """Adapt the scale."""
        self.good_steps = 0 if self._overflow else self.good_steps + 1
        if self._overflow:
            self.scale /= 2
        elif self.good_steps % PATIENCE == 0:
            self.scale *= 2


class Int8(Operands):
    """Symmetric 8-bit weights, affine activations, and symmetric errors rounded at random.

    Grids of weights and errors hold the largest one of the tensor. That of activations holds all of
    the batch while learning; for recognition it is that of the last hundred batches or so.
    """

    name = "int8"
    bits = bits_of(8)

    def __init__(self, config: MlpConfig, number: int) -> None:
        super().__init__(config, number)
        self.stream = stream(config.seed, "mlp rounding", number)
        self.top = 0.0

    def weights(self, weights: Array, mask: Mask) -> Array:
        """Return rounded weights."""
        return SIGNED.quantise(weights)

    def pixels(self, x: Array) -> Array:
        """Return the pixels: they have 8 bits already."""
        return UNSIGNED.quantise(x, GREY)

    def activations(self, z: Array, learning: bool) -> Array:
        """Return rounded activations."""
        a = super().activations(z, learning)
        top = peak(a)
        if learning:
            self.top = MEMORY * self.top + (1 - MEMORY) * top if self.top else top
        return UNSIGNED.quantise(a, UNSIGNED.grid(0.0, top if learning else self.top or top))

    def gradients(self, delta: Array) -> tuple[Array, Array]:
        """Return errors rounded up or down, right on average."""
        grid = SIGNED.grid_of(delta)
        dithered = np.empty_like(delta)
        dither(delta, np.float32(grid.scale), self.stream, dithered)
        rounded = SIGNED.quantise(dithered, grid)
        return rounded, rounded


class Int4(Operands):
    """Weights by SAWB, activations by PACT with a learned clip; base of the 4-bit modes.

    Pixels are multiplied with 16 grey levels, and stored with 256.
    """

    bits = bits_of(4)

    def __init__(self, config: MlpConfig, number: int) -> None:
        super().__init__(config, number)
        self.clip, self.clip_slope, self.clip_velocity = config.clip_start, 0.0, 0.0

    def weights(self, weights: Array, mask: Mask) -> Array:
        """Return rounded weights, 0 among their values; pruned ones do not affect the clip."""
        clip = INT4_WEIGHTS.clip(weights if mask is None else weights[mask])
        return INT4_WEIGHTS.quantise(weights, clip)

    def pixels(self, x: Array) -> Array:
        """Return rounded pixels."""
        return INT4_ACTIVATIONS.quantise(x, 1.0)

    def activations(self, z: Array, learning: bool) -> Array:
        """Return activations clipped to 0 and the clip, and rounded."""
        return INT4_ACTIVATIONS.quantise(z, self.clip)

    def activations_back(self, g: Array, z: Array) -> Array:
        """Return dL/dz from dL/da, and keep dL/dclip."""
        g, self.clip_slope = INT4_ACTIVATIONS.gradients(z, g, self.clip, out=g)
        return g

    def learn(self, rate: float, finite: bool) -> None:
        """Move the clip down the slope of the loss and of its penalty, penalty x clip^2 / 2."""
        if finite:
            slope = self.clip_slope + self.config.clip_penalty * self.clip
            self.clip_velocity = self.config.momentum * self.clip_velocity + slope
            self.clip = max(LEAST_CLIP, self.clip - rate * self.clip_velocity)


class Fp4(Int4):
    """4 bits as Sun et al.: errors in radix-4 FP4, with a scale per layer, in two phases."""

    name = "fp4"

    def __init__(self, config: MlpConfig, number: int) -> None:
        super().__init__(config, number)
        self.rule = GradScale()
        self.scale = self.rule.start
        even = RadixFour()
        other = even if config.odd_grid == "none" else RadixFour(phase=config.odd_grid)
        self.phases = (even, other) if config.even_phase == "backward" else (other, even)

    def gradients(self, delta: Array) -> tuple[Array, Array]:
        """Return the errors in one phase for g_prev, in the other for dW."""
        back, update = (phase.quantise(delta, self.scale) for phase in self.phases)
        self.scale = self.rule.updated(self.scale, peak(delta))
        return back, update


class LuqOperands(Int4):
    """4 bits as Chmiel et al.: errors in logarithmic FP4, rounded at random, right on average."""

    name = "luq"

    def __init__(self, config: MlpConfig, number: int) -> None:
        super().__init__(config, number)
        self.format = Luq(levels=config.luq_levels)
        self.stream = stream(config.seed, "mlp rounding", number)

    def gradients(self, delta: Array) -> tuple[Array, Array]:
        """Return rounded errors."""
        rounded = self.format.draw(delta, self.stream)
        return rounded, rounded
