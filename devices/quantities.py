"""Types of parameters that the parts of a device share, and the drawing of spreads."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.validation import zero_or_from

Spread = Annotated[float, Field(ge=0, le=2)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Siemens, Volt, Second, Farad = "S", "V", "s", "F"

Conductance = Annotated[float, Field(ge=1e-18, le=1), Siemens]
Lowest = Annotated[float, Field(ge=0, le=1), zero_or_from(1e-18), Siemens]
"""Lowest conductance of a cell; 0 if it then conducts nothing."""
Distance = Annotated[float, Field(ge=0, le=1), zero_or_from(1e-18), Siemens]
"""Distance of two conductances, S; 0 for none."""
Voltage = Annotated[float, Field(ge=1e-6, le=100), Volt]
Width = Annotated[float, Field(ge=1e-15, le=10), Second]
"""Width of a pulse, s."""
Capacitance = Annotated[float, Field(ge=0, le=1e-9), zero_or_from(1e-24), Farad]
"""Capacitance, F; 0 for none."""


def log_normal(
    rng: np.random.Generator, mean: float, relative: float, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Draw log-normal values, float64[shape], with the given mean and relative deviation."""
    sigma = np.sqrt(np.log1p(relative**2))
    return mean * np.exp(sigma * rng.standard_normal(shape) - 0.5 * sigma**2)
