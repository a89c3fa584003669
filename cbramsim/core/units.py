"""SI prefixes at the boundary: "2.32 uS" in a file is 2.32e-6 inside, and back for display."""

from __future__ import annotations

import math

PREFIXES = {
    "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "\u00b5": 1e-6, "\u03bc": 1e-6, "m": 1e-3,
    "": 1.0, "k": 1e3, "M": 1e6,
}  # fmt: skip
"""Powers of ten by prefix. U+00B5 is the micro sign, U+03BC the Greek letter: keyboards have
either, and they look the same."""


TIMES = {"min": 60.0, "h": 3600.0, "day": 86400.0, "year": 365.25 * 86400}
"""Units of time beside the second, s."""


def to_si(value: float, unit: str, base: str) -> float:
    """Convert `value` in `unit` (a prefix and `base`, such as "uS") to the SI unit `base`.

    Raises
    ------
    ValueError
        If `unit` is not `base` with one of the known prefixes.
    """
    if not isinstance(unit, str):
        raise ValueError(f"must be a text (got {unit!r})")
    if base == "s" and unit in TIMES:
        return value * TIMES[unit]
    prefix = unit.removesuffix(base)
    if not unit.endswith(base) or prefix not in PREFIXES or (not base and unit):
        raise ValueError(
            f"must be {f'{base}, with or without a prefix of f p n u m k M' if base else 'absent'}"
            f" (got {unit!r})"
        )
    try:
        return value * PREFIXES[prefix] if prefix else value  # which may be a whole number
    except OverflowError:
        raise ValueError("is too large a number") from None


def in_prefixed(value: float, unit: str, digits: int = 3) -> str:
    """Write `value` with the SI prefix that leaves one to three digits before the point."""
    if value == 0 or not math.isfinite(value) or unit in ("degC", "eV"):
        return f"{value:g} {unit.replace('deg', '°')}"
    if unit == "s" and abs(value) >= TIMES["min"]:
        name, scale = max((t for t in TIMES.items() if t[1] <= abs(value)), key=lambda t: t[1])
        return f"{value / scale:.{digits}g} {name}"
    exponent = min(max(math.floor(math.log10(abs(value)) / 3), -5), 2)
    symbol = {-5: "f", -4: "p", -3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M"}[exponent]
    return f"{value / 1e3**exponent:.{digits}g} {symbol}{unit}"


def display_unit(largest: float, unit: str) -> tuple[float, str]:
    """Return the factor from the SI unit to the prefixed one that suits `largest`, and that
    unit."""
    prefixed = in_prefixed(largest, unit).split(" ")[1]
    return 1 / to_si(1, prefixed, unit), prefixed
