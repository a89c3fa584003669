"""`MlpConfig`: everything that defines the network except its data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cbramsim.core.validation import Parameters
from cbramsim.simulator.comparison.layers import Layers

Precision = Literal["fp32", "fp16", "bf16", "int8", "fp4", "luq"]
FirstLast = Literal["same", "int8", "fp16"]
OddGrid = Literal["odd-low", "odd-high", "none"]
EvenPhase = Literal["backward", "update"]


class MlpConfig(Parameters):
    """Everything that defines the network and its training except its data.

    The defaults were chosen on the last 10,000 training images of MNIST, held out.
    """

    layers: Layers = Layers()
    """Widths of the network, such as 784, 256, 256, 10."""
    precision: Precision = "fp32"
    """Format to which the operands of all matrix products are rounded: `fp32` (not at all), `fp16`
    (with a loss scale), `bf16`, `int8`, `fp4` (INT4 weights and activations, radix-4 FP4 gradients,
    as Sun et al.), `luq` (INT4 weights and activations, unbiased FP4 gradients, as Chmiel et
    al.)."""
    first_last: FirstLast = "same"
    """Format to which the first and the last layer are rounded: the `same` as the others, or more,
    with `fp4` and `luq`."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 12
    """Passes over the training images, each in its own random order; an incomplete last batch is
    left out."""
    batch: Annotated[int, Field(ge=1, le=100_000)] = 128
    """Images per update."""
    learning_rate: Annotated[float, Field(ge=1e-9, le=100)] = 0.1
    """Largest learning rate; it falls to 0 with half a cosine."""
    warm_up: Annotated[float, Field(ge=0, le=0.9)] = 0.005
    """Part of the training in which the learning rate rises linearly."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Part of the last step that is repeated."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Slope of the weights towards 0, per weight; biases have none."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Part of the target that is spread evenly over the classes."""
    shift: Annotated[int, Field(ge=0, le=100)] = 1
    """Largest shift of a training image along each axis, pixels; shifts are uniformly
    distributed."""
    clip_start: Annotated[float, Field(ge=1e-6, le=1e6)] = 8.0
    """Clip of 4-bit activations (PACT) to begin with."""
    clip_penalty: Annotated[float, Field(ge=0, le=1)] = 1e-3
    """Slope of that clip towards 0, per unit."""
    odd_grid: OddGrid = "odd-low"
    """Second grid of `fp4` gradients: 2^-7..2^5 (`odd-low`), 2^-5..2^7 (`odd-high`), or the first
    once more (`none`)."""
    even_phase: EvenPhase = "backward"
    """Product that takes `fp4` gradients on the first grid: the one for the layer before
    (`backward`) or the one for the weights (`update`)."""
    luq_levels: Annotated[int, Field(ge=1, le=7)] = 7
    """Powers of two among the values of `luq` gradients; 5 by the paper's formula."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of all random numbers."""

    @field_validator("layers", mode="before")
    @classmethod
    def _accept_widths(cls, value: Any) -> Any:
        return {"widths": value} if isinstance(value, tuple | list) else value

    @model_validator(mode="after")
    def _check_first_last(self) -> Self:
        if self.first_last != "same" and self.precision not in ("fp4", "luq"):
            raise ValueError(
                f"first_last must be same where precision is not fp4 or luq "
                f"(got {self.first_last} and {self.precision})"
            )
        return self
