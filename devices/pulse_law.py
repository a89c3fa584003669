r"""Laws of the mean step of one pulse, published in the literature, as a function of the state.

With x the position in the cell's own window (0 at its lowest, 1 at its highest conductance), a set
pulse moves x up by a step, and a reset pulse moves it down by a step taken at depth 1 - x:

================== ===================================== ========================================
law                step of a set pulse, part of window   parameters
================== ===================================== ========================================
`exponential`      :math:`\alpha - r x`                  `pulses_up`, `nonlinearity_up`
`constant`         :math:`1 / N`                         `pulses_up`
`linear`           :math:`(1 + s x) / N`                 `pulses_up`, `slope_up`
`power`            :math:`(1 - x)^\gamma / N`            `pulses_up`, `exponent_up`
`exponential-step` :math:`(1 + p\, e^{k x})_+ / N`       `pulses_up`, `factor_up`, `rate_up`
`table`            S(x) / N, interpolated in `shape_up`  `pulses_up`, `shape_up`
================== ===================================== ========================================

*Exponential* is the usual pulse curve, :math:`G(P) = B (1 - e^{-P/A}) + G_{min}` with
:math:`B = (G_{max} - G_{min}) / (1 - e^{-N/A})` (MLP+NeuroSim V3.0 manual, eqs 1-3), written as one
step: :math:`G \leftarrow G + r (G_\infty - G)`, :math:`r = 1 - e^{-1/A}`,
:math:`G_\infty = G_{min} + B`, hence :math:`\alpha = r / (1 - e^{-N/A})`. Linear, saturating and
accelerating devices all take one multiply-add. N is the number of pulses from end to end.

The *nonlinearity label* of the same manual names :math:`a = A / N`: 0 is linear, 9 jumps. With
:math:`B = 1 / (1 - e^{-1/a})`, the curve departs from the straight line by at most
:math:`D = B - a - a \ln(B / a)`, and the label is D / 0.099 (derived here; it agrees with the
manual's table within its rounding). Signs are the manual's: a positive label is a curve above the
line from `g_min` to `g_max`, for depression too. So set pulses saturate if `nonlinearity_up` is
positive, and reset pulses saturate if `nonlinearity_down` is negative.

*Linear*: the step changes in proportion to the distance covered: with s = -1 (*soft bounds*) it
falls to 0 at the bound, with s = 0 it is constant, with s > 0 it grows. *Exponential-step*: it
changes exponentially towards a constant; where it would be negative it is 0. (LinearStep,
SoftBounds and ExpStep of Gokmen and Vlasov, Front. Neurosci. 10, 333, 2016, and of Rasch et al.,
AICAS 2021; their step is in units of that at weight 0, ours in units of the window over N.)
*Power*: the step falls as a power of the distance to the bound. *Table*: relative measured steps,
at equally spaced states from the beginning of the train to its end. For all of these N is the
window over the step whose form is 1.

The noise of a pulse is normal,

.. math:: \sigma^2 = \sigma_w^2 (G_{max} - G_{min})^2 + \sigma_s^2 S^2,

with :math:`\sigma_w` of the *window*, `step_c2c` (times a shape, `noise_up`, where it depends on
the state), and :math:`\sigma_s` of the mean *step* S at that state, `step_c2c_of_step`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.provenance import SourcedParameters
from cbramsim.devices.quantities import Spread

Law = Literal["exponential", "constant", "linear", "power", "exponential-step", "table"]
Pulses = Annotated[float, Field(ge=1, le=1e6)]
Label = Annotated[float, Field(ge=-9, le=9)]
Slope = Annotated[float, Field(ge=-1, le=100)]
Factor = Annotated[float, Field(ge=-1e3, le=1e3)]
Rate = Annotated[float, Field(ge=-100, le=20)]
Shape = Annotated[tuple[Annotated[float, Field(ge=0, le=1000)], ...], Field(max_length=1025)]

LABEL_UNIT = 0.099
"""Largest departure from the line, part of the window, of a device of label 1."""
NEARLY = 0.99
"""Part of the window that counts as the whole for laws that only approach its bound."""
FORM_POINTS = 1025
"""States at which a law that is not linear in the state is tabulated for compiled loops."""
AFFINE = ("exponential", "constant", "linear")
"""Laws whose step is linear in the state."""
FORMS = {
    "nonlinearity": "exponential", "slope": "linear", "exponent": "power",
    "factor": "exponential-step", "rate": "exponential-step", "shape": "table",
}  # fmt: skip
"""Law to which each parameter belongs; names without their polarity."""


class PulseLaw(SourcedParameters):
    """Effect of one set pulse and of one reset pulse on the state of a cell."""

    law: Law = "exponential"
    """Form of the step: see the module."""
    pulses_up: Pulses
    """Set pulses from `g_min` to `g_max`, or window over the unit step: see the module."""
    pulses_d2d: Spread = 0.0
    """Spread of the size of set and reset steps, together, from cell to cell, relative."""
    pulses_up_d2d: Spread = 0.0
    """Spread of the size of a set step alone from cell to cell, relative."""
    nonlinearity_up: Label = 0.0
    """Label of the set curve, law `exponential`: positive if set pulses saturate."""
    nonlinearity_up_d2d: Spread = 0.0
    """Spread of that label from cell to cell, absolute."""
    slope_up: Slope = 0.0
    """Change of the set step over the window, a part of the first one; law `linear`."""
    slope_up_d2d: Spread = 0.0
    """Spread of `slope_up` from cell to cell, absolute."""
    exponent_up: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Exponent of the distance to the upper bound; law `power`."""
    factor_up: Factor = 0.0
    """Part of the first set step that changes with the state; law `exponential-step`."""
    rate_up: Rate = 0.0
    """Exponent of that part over the window, negative if it falls; law `exponential-step`."""
    shape_up: Shape = ()
    """Relative set steps at equally spaced states, from lowest to highest; law `table`."""

    pulses_down: Pulses
    """Reset pulses from `g_max` to `g_min`, or window over the unit step, as `pulses_up`."""
    pulses_down_d2d: Spread = 0.0
    """Spread of the size of a reset step alone from cell to cell, relative."""
    nonlinearity_down: Label = 0.0
    """Label of the reset curve, law `exponential`: negative if reset pulses saturate."""
    nonlinearity_down_d2d: Spread = 0.0
    """Spread of that label from cell to cell, absolute."""
    slope_down: Slope = 0.0
    """Change of the reset step over the window, a part of the first one; law `linear`."""
    slope_down_d2d: Spread = 0.0
    """Spread of `slope_down` from cell to cell, absolute."""
    exponent_down: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Exponent of the distance to the lower bound; law `power`."""
    factor_down: Factor = 0.0
    """Part of the first reset step that changes with the state; law `exponential-step`."""
    rate_down: Rate = 0.0
    """Exponent of that part over the window, negative if it falls; law `exponential-step`."""
    shape_down: Shape = ()
    """Relative reset steps at equally spaced states, from highest to lowest; law `table`."""

    step_c2c: Spread = 0.0
    """Noise of one pulse: standard deviation as a fraction of `g_max - g_min`."""
    step_c2c_of_step: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Noise of one pulse as a fraction of the mean step at its state; adds to `step_c2c` as
    independent noise."""
    noise_up: Shape = ()
    """Noise of a set pulse at equally spaced states, lowest to highest, times `step_c2c`; none if
    it is the same in all."""
    noise_down: Shape = ()
    """Noise of a reset pulse, as `noise_up`, from highest to lowest."""

    @model_validator(mode="after")
    def _check_noise(self) -> Self:
        for key in ("noise_up", "noise_down"):
            if len(shape := getattr(self, key)) == 1:
                raise ValueError(f"{key} must be none, or at least two numbers (got {list(shape)})")
        return self

    @model_validator(mode="after")
    def _check_law(self) -> Self:
        for way in ("up", "down"):
            shape = getattr(self, f"shape_{way}")
            if self.law == "table" and (len(shape) < 2 or max(shape) == 0):
                raise ValueError(
                    f"shape_{way} must be at least two steps, not all 0, for the law table "
                    f"(got {list(shape)})"
                )
            for key, law in FORMS.items():
                if getattr(self, f"{key}_{way}") and self.law != law:
                    raise ValueError(f"{key}_{way} needs the law {law} (got law {self.law})")
            if self.law == "exponential-step" and not self._form(way, np.linspace(0, 1, 65)).any():
                raise ValueError(f"factor_{way}, rate_{way}: the step must not be 0 in all states")
        return self

    def relative_step_up(self, x: Any) -> Any:
        """Return the step of a set pulse at the state `x` in [0, 1], as a part of the window."""
        return _relative_step(self, "up", x)

    def relative_step_down(self, x: Any) -> Any:
        """Return the size of the step of a reset pulse at the state `x`, part of the window."""
        return _relative_step(self, "down", 1 - np.asarray(x, np.float64))

    def relative_noise(self, way: Literal["up", "down"], x: Any) -> Any:
        """Return the standard deviation of a pulse at the state `x`, as a part of the window."""
        depth = np.asarray(x, np.float64)
        depth = depth if way == "up" else 1 - depth
        shape = getattr(self, f"noise_{way}") or (1.0, 1.0)
        of_window = self.step_c2c * np.interp(depth, np.linspace(0, 1, len(shape)), shape)
        return np.hypot(of_window, self.step_c2c_of_step * _relative_step(self, way, depth))

    def pulses_end_to_end(self, way: Literal["up", "down"]) -> float:
        """Return the number of pulses that take the nominal cell from one bound to the other.

        It is a parameter of some laws; for the others it is counted, to `NEARLY` of the window.
        """
        if self.law in ("exponential", "constant"):
            return float(getattr(self, f"pulses_{way}"))
        depth = NEARLY * (np.arange(10_000) + 0.5) / 10_000
        with np.errstate(divide="ignore"):
            return float(NEARLY * np.mean(1 / _relative_step(self, way, depth)))

    def shape_table(self, way: Literal["up", "down"]) -> NDArray[np.float32]:
        """Return the relative steps for compiled loops; none if the step is affine in the state."""
        if self.law in AFFINE:
            return np.zeros(0, np.float32)
        if self.law == "table":
            return np.array(getattr(self, f"shape_{way}"), np.float32)
        return self._form(way, np.linspace(0, 1, FORM_POINTS)).astype(np.float32)

    def _form(self, way: str, depth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the step of a law in units of the window over `pulses_up`."""
        match self.law:
            case "linear":
                return 1 + getattr(self, f"slope_{way}") * depth
            case "power":
                return np.maximum(1 - depth, 0) ** getattr(self, f"exponent_{way}")
            case "exponential-step":
                changing = getattr(self, f"factor_{way}") * np.exp(
                    getattr(self, f"rate_{way}") * depth
                )
                return np.maximum(1 + changing, 0)
            case "table":
                shape = getattr(self, f"shape_{way}")
                return np.interp(depth, np.linspace(0, 1, len(shape)), shape)
            case _:
                return np.ones_like(depth)


def affine_step(pulses: Any, label: Any) -> tuple[Any, Any]:
    """Return first step and slope (both parts of the window) of an exponential train.

    At the depth d, measured from the beginning of the train, the step is ``first + slope d``: see
    the module.

    Parameters
    ----------
    pulses
        Pulses from end to end, float[...].
    label
        Nonlinearity, float[...]: positive if the train saturates.
    """
    pulses, label = np.asarray(pulses, np.float64), np.asarray(label, np.float64)
    # Not broadcast before: most arrays have one label for all cells.
    inverse_a = np.sign(label) * inverse_pulse_constant(np.abs(label))
    # expm1(x) / x, 1 at 0: no division by zero for a linear device
    slope = np.expm1(-inverse_a / pulses)
    first = _relative_expm1(-inverse_a / pulses) / _relative_expm1(-inverse_a) / pulses
    return first, slope


def inverse_pulse_constant(label: Any) -> Any:
    """Return 1 / a = N / A of nonlinearity labels >= 0, to 1e-12: `nonlinearity_label` inverted."""
    label = np.asarray(label, np.float64)
    low, high = np.zeros_like(label), np.full_like(label, 2000.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = nonlinearity_label(middle) < label
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def nonlinearity_label(inverse_a: Any) -> Any:
    """Return the label of 1 / a = N / A >= 0: largest departure from the line over 0.099."""
    k = np.maximum(np.asarray(inverse_a, np.float64), 1e-4)
    # B / a = k / (1 - e^-k); D = B - a (1 + ln(B / a)), and 1/8 k for a nearly straight line
    ratio = k / -np.expm1(-k)
    departure = np.where(k < 1e-2, k / 8, (ratio - 1 - np.log(ratio)) / k)
    return np.where(np.asarray(inverse_a) < 1e-4, np.asarray(inverse_a) / 8, departure) / LABEL_UNIT


def _relative_expm1(x: Any) -> Any:
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, np.expm1(safe) / safe)


def _relative_step(law: PulseLaw, way: str, depth: Any) -> Any:
    """Return the size of a step at `depth`, the part of the window that the train has covered."""
    depth = np.asarray(depth, np.float64)
    pulses = getattr(law, f"pulses_{way}")
    if law.law != "exponential":
        return law._form(way, depth) / pulses
    sign = 1 if way == "up" else -1
    first, slope = _nominal_step(pulses, sign * getattr(law, f"nonlinearity_{way}"))
    return first + slope * depth


@lru_cache
def _nominal_step(pulses: float, label: float) -> tuple[Any, Any]:
    """Return `affine_step` of one train, cached as it is needed often."""
    return affine_step(pulses, label)
