"""No learning rule, for recognition."""

from __future__ import annotations

from typing import NamedTuple

from cbramsim.core.verbs import implements, learn


class Rest(NamedTuple):
    """Rule by which nothing is learned."""


@implements(learn, Rest)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    pass
