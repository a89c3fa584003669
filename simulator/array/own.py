"""Custom parts: laws, rules, encoders, neurons and criteria besides the built-in ones.

A part is a `NamedTuple` for whose class verbs are implemented, see `cbramsim.core.verbs` and the
scripts `*_own_*.py` among the examples. It may hold arrays, which are saved and restored with a
network; then it is made for an array or a network by a function.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.verbs import draw_spikes, excite, fire, learn, mean_step

NEEDED: dict[str, tuple[Any, ...]] = {
    "law": (mean_step,),
    "rule": (learn,),
    "encoder": (draw_spikes,),
    "neurons": (excite, fire),
}
"""Verbs that a part must implement; a law also `mean_train`, where half-selected cells move."""
PREFIX = "own_"
"""Prefix of the names of the arrays of such parts in a state."""


class Own(NamedTuple):
    """Parts to use instead of the built-in ones; each a part, or a function that makes it.

    >>> network = SpikingNetwork(neurons=100, own=Own(rule=Additive(down=0.02)))
    """

    law: Any = None
    """Law of the mean step of a pulse; made from the `Crossbar`."""
    rule: Any = None
    """Learning rule of an array; made from the `Layer`, as all that follow."""
    encoder: Any = None
    """Encoder of densities as spikes, in the first layer."""
    neurons: Any = None
    """Neurons: a part that decides which of them fire."""
    criterion: Any = None
    """Criterion of pruning, which chooses the weights of a mature neuron: any object with the
    method `choose` of `pruning.selection.Selection`."""


def made(own: Own, role: str, of: Any) -> Any:
    """Return the part in a role, made for a crossbar or network; None if there is none.

    Raises
    ------
    ParameterError
        If it is not an instance of a NamedTuple class, or a verb is not implemented for it.
    """
    part = getattr(own, role)
    if part is None:
        return None
    if callable(part) and not isinstance(part, type):
        part = part(of)
    if not (isinstance(part, tuple) and hasattr(part, "_fields")):
        raise ParameterError(
            f"Own.{role}: must be an instance of a NamedTuple class, or a function that returns "
            f"one (got {part!r:.80})"
        )
    for verb in NEEDED[role]:
        if type(part) not in verb.table:
            raise ParameterError(
                f"Own.{role}: must be of a class for which the verb {verb.__name__} is implemented "
                f"(got {type(part).__name__})"
            )
    return part


def apart(part: Any) -> Any:
    """Return the same part with copies of its arrays, so that its use leaves no trace."""
    return type(part)(*(a.copy() if isinstance(a, np.ndarray) else a for a in part))


def arrays_of(parts: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays of parts, by role, under their names in a state."""
    return {
        f"{PREFIX}{role}_{name}": value
        for role, part in parts.items()
        for name, value in part._asdict().items()
        if isinstance(value, np.ndarray)
    }


def put_back(parts: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Restore the arrays of parts from a state.

    Raises
    ------
    ValueError
        If one is missing, or of another shape or type.
    """
    for name, mine in arrays_of(parts).items():
        saved = arrays.get(name)
        if saved is None or saved.shape != mine.shape or saved.dtype != mine.dtype:
            raise ValueError(f"{name} must be {mine.dtype}{list(mine.shape)}, as of these parts")
        mine[:] = saved


def kinds_of(parts: dict[str, Any]) -> str:
    """Return the roles, classes and numbers of parts, in the form of a state."""
    texts = []
    for role, part in sorted(parts.items()):
        numbers = [f"{n}={v!r}" for n, v in part._asdict().items() if isinstance(v, int | float)]
        texts.append(f"{role} {type(part).__name__}({', '.join(numbers)})")
    return ", ".join(texts)


def check(own: Own, storage: str, rule: str, pruning: str) -> None:
    """Refuse an object that is not a custom part, or could not act in a network.

    Raises
    ------
    ParameterError
        Naming the part.
    """
    for role in NEEDED:
        part = getattr(own, role)
        if part is not None and (not callable(part) or isinstance(part, type)):
            made(own, role, None)
    if own.criterion is not None and not callable(getattr(own.criterion, "choose", None)):
        raise ParameterError(
            f"Own.criterion: must have the method `choose` (got {own.criterion!r:.80})"
        )
    for role, wrong, what in (
        ("law", storage == "binary", "needs storage analog: binary cells know no steps"),
        ("law", rule == "ideal", "needs rule device: the ideal rule gives no pulses"),
        ("criterion", pruning == "none", "needs pruning.kind soft or hard (got none)"),
    ):
        if wrong and getattr(own, role) is not None:
            raise ParameterError(f"Own.{role}: {what}")
