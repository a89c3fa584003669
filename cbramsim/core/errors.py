"""The exceptions of the package, and the nearest valid name to a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST_SHOWN = 80
"""Characters of a value in a message."""


class CbramError(Exception):
    """Base of all errors that the caller can correct: the command line prints them as one line."""


class ParameterError(CbramError, ValueError):
    """A parameter that is unknown, of the wrong type, or outside its range."""


class DataError(CbramError, ValueError):
    """A file that is missing, damaged, or does not fit its companion."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the valid name closest to `name`, or ``""``."""
    match = difflib.get_close_matches(str(name)[:LONGEST_SHOWN], list(valid), n=1, cutoff=0.5)
    return f" (did you mean '{match[0]}'?)" if match else ""


def shown(value: Any) -> str:
    """Write a value for a message, on one line and cut where it is long."""
    if getattr(value, "ndim", None) == 0:  # a scalar of NumPy, without the name of its type
        value = value.item()
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # whole numbers of thousands of digits
        return "too long to write"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
