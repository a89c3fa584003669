"""Types of parameters that the rooms of a device share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Spread = Annotated[float, Field(ge=0, le=2)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Siemens, Volt, Second, Farad = "S", "V", "s", "F"
