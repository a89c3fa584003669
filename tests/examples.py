"""How many examples of a property are tried."""

from __future__ import annotations

from hypothesis import settings


def times(factor: float) -> settings:
    """Return the decorator for a multiple of the examples that the profile in use gives.

    A number of its own would be the same in every profile.
    """
    return settings(max_examples=round(factor * settings.default.max_examples))
