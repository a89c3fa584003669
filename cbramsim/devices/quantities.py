"""Types of parameters that the rooms of a device share, and how spreads are drawn."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

Spread = Annotated[float, Field(ge=0, le=2)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Siemens, Volt, Second, Farad = "S", "V", "s", "F"


def log_normal(
    rng: np.random.Generator, mean: float, relative: float, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Draw log-normal values, float64[shape], with the given mean and relative deviation."""
    sigma = np.sqrt(np.log1p(relative**2))
    return mean * np.exp(sigma * rng.standard_normal(shape) - 0.5 * sigma**2)
