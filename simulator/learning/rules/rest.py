"""No rule: what recognition works with."""

from __future__ import annotations

from typing import NamedTuple

from cbramsim.core.verbs import implements, learn


class Rest(NamedTuple):
    """Nothing is learned."""


@implements(learn, Rest)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    pass
