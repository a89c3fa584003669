"""Checks of the arguments of plain functions, as strict as `core.validation` is about fields.

Every check returns the value of its argument, or raises a `ParameterError` that says what was
expected and what it got. A truth value is no number; a scalar of NumPy stands for its value.
`where` is the beginning of the message, such as ``Crossbar.seed:`` or ``Crossbar.read: voltages``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.errors import ParameterError, nearest, shown

LARGEST = sys.float_info.max
NAMES: dict[type, str] = {
    str: "a text",
    Path: "a path",
    type(None): "None",
    tuple: "a tuple",
    list: "a list",
}
"""Descriptions of kinds of objects, for messages."""


def whole(where: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """Return a whole number >= `least`, and <= `most` if given."""
    known = isinstance(value, Integral) and not isinstance(value, bool)
    if not known or value < least or (most is not None and value > most):
        upper = "" if most is None else f" and <= {most}"
        raise ParameterError(
            f"{where} must be a whole number >= {least}{upper} (got {shown(value)})"
        )
    return int(value)


def seed_of(where: str, value: Any) -> int:
    """Return a seed of random numbers: a whole number >= 0 and < 2^63."""
    return whole(where, value, 0, 2**63 - 1)


def number(
    where: str, value: Any, least: float = -LARGEST, most: float = LARGEST, unit: str = ""
) -> float:
    """Return a finite number >= `least` and <= `most`."""
    known = isinstance(value, Real) and not isinstance(value, bool)
    if not known or not least <= value <= most:
        limits = ((">=", least), ("<=", most))
        bounds = " and ".join(f"{sign} {end:g}" for sign, end in limits if abs(end) < LARGEST)
        kind = "a number" if bounds else "a finite number"
        expected = " ".join(part for part in (kind, bounds, unit) if part)
        raise ParameterError(f"{where} must be {expected} (got {shown(value)})")
    return float(value)


def flag(where: str, value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool | np.bool_):
        raise ParameterError(f"{where} must be true or false (got {shown(value)})")
    return bool(value)


def one_of(where: str, value: Any, choices: Sequence[str]) -> Any:
    """Return a text that is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        hint = nearest(value, choices) if isinstance(value, str) else ""
        raise ParameterError(
            f"{where} must be one of {', '.join(choices)} (got {shown(value)}){hint}"
        )
    return value


def instance(where: str, value: Any, *kinds: type) -> Any:
    """Return an object of one of some kinds."""
    if not isinstance(value, kinds):
        names = " or ".join(NAMES.get(kind, _with_article(kind.__name__)) for kind in kinds)
        raise ParameterError(f"{where} must be {names} (got {shown(value)})")
    return value


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"


def function(where: str, value: Any) -> Any:
    """Return something that can be called, or None."""
    if value is not None and not callable(value):
        raise ParameterError(f"{where} must be a function, or None (got {shown(value)})")
    return value


def array(where: str, values: ArrayLike, kinds: str = "iuf") -> NDArray[Any]:
    """Return an array of numbers; `kinds` are the codes of NumPy's types that are accepted.

    Nothing is converted: no text, no truth values, no objects, no imaginary parts, and no values
    under a mask.
    """
    try:
        found = np.asarray(values)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{where} must be numbers, in rows of one length") from None
    masked = isinstance(values, np.ma.MaskedArray) and bool(np.ma.getmaskarray(values).any())
    if masked or (found.dtype.kind not in kinds and found.size):
        got = "values under a mask" if masked else f"{found.dtype}: {shown(values)}"
        raise ParameterError(f"{where} must be real numbers (got {got})")
    return found if found.dtype.kind in kinds else np.zeros(found.shape)


def finite(where: str, values: ArrayLike, most: float = LARGEST, unit: str = "") -> NDArray[Any]:
    """Return an array of finite numbers, of sizes <= `most`."""
    found = array(where, values)
    if not np.isfinite(found).all():
        raise ParameterError(f"{where} must be finite")
    largest = max(abs(float(end(initial=0))) for end in (found.min, found.max))
    if largest > most:
        raise ParameterError(
            f"{where} must be >= -{most:g} and <= {most:g} {unit}".rstrip()
            + f" (got {largest:g} in size)"
        )
    return found


def whole_numbers(where: str, values: ArrayLike, least: int, most: int) -> NDArray[np.int64]:
    """Return an array of whole numbers >= `least` and <= `most` as int64[...]."""
    try:
        found = array(where, values, "iu")
    except ParameterError:
        found = None
    if found is None or (found.size and not (found.min() >= least and found.max() <= most)):
        raise ParameterError(
            f"{where} must be whole numbers >= {least} and <= {most} (got {shown(values)})"
        )
    return found.astype(np.int64)
