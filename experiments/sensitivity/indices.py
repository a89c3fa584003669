r"""Samples of the unit cube, and what each of its directions has to do with a result: by SALib.

*Sobol indices* share out the variance of Y over the inputs X:

.. math:: S_i = \frac{V(E[Y | X_i])}{V(Y)}, \qquad S_{Ti} = 1 - \frac{V(E[Y | X_{\sim i}])}{V(Y)},

what would be gone if X_i alone were known, and what would be left if all others were. Sampled after
Saltelli (Comput. Phys. Commun. 181, 259, 2010), N (D + 2) points in blocks of D + 2.

*Morris*: the mean size :math:`\mu^*` of elementary effects, changes of Y as one input moves, here
per whole range, along N random paths of D + 1 points on a grid of four levels (Morris 1991,
Campolongo 2007). Far fewer points, and a ranking only: no part of a variance.

Half-widths of 95 % intervals are from SALib's bootstrap over blocks; where several blocks are from
the same runs, from a jackknife over these. SALib is imported here alone, when
it is needed.
"""

from __future__ import annotations

from importlib.util import find_spec
from statistics import NormalDist
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.arguments import one_of, whole
from cbramsim.core.errors import CbramError, ParameterError

Method = Literal["morris", "sobol"]
LEVELS = 4
"""Values of a parameter on a path of Morris."""
RESAMPLES, CONFIDENCE = 1000, 0.95
"""Of the bootstrap."""
SEED = 1
"""Of the bootstrap; SALib takes 0 for none."""


class Sample(NamedTuple):
    """Points at which to look."""

    method: Method
    """Purpose of the samples."""
    points: NDArray[np.float64]
    """float64[blocks x block, inputs], 0 to 1."""
    block: int
    """Points that belong together: without one of them the others are of no use."""
    times: int = 1
    """Blocks that follow one another and are from the same runs: see `closed_form`."""


class Indices(NamedTuple):
    """Indices of each input for a result, float64[inputs] each."""

    total: NDArray[np.float64]
    """Total Sobol indices, or mean sizes of elementary effects."""
    total_half: NDArray[np.float64]
    """Half-widths of their intervals."""
    first: NDArray[np.float64] | None
    """First-order Sobol indices."""
    first_half: NDArray[np.float64] | None
    """Half-widths of their intervals."""
    blocks: int
    """From how many blocks they are."""

    def ranking(self) -> NDArray[np.int64]:
        """Return the inputs, the most influential first."""
        return np.argsort(-self.total, kind="stable")

    def resolved(self) -> int:
        """Return how many inputs lead one by one: each interval above that of the next."""
        order = self.ranking()
        low, high = self.total - self.total_half, self.total + self.total_half
        apart = low[order[:-1]] > high[order[1:]]
        return int(np.argmin(np.append(apart, False)))


def need_salib() -> None:
    """Raise `CbramError` if SALib is not installed."""
    if find_spec("SALib") is None:
        raise CbramError("SALib is not installed; install cbramsim with its extra 'sensitivity'")


def sample(method: Method, inputs: int, samples: int, seed: int) -> Sample:
    """Return a sample of the unit cube; the same for the same arguments.

    Parameters
    ----------
    method
        `sobol` or `morris`.
    inputs
        Dimensions.
    samples
        Blocks: base points of Saltelli's sample, a power of two, or paths of Morris.
    seed
        Of the draw.

    Raises
    ------
    CbramError
        If an argument is wrong, or SALib is missing.
    """
    one_of("sensitivity.method:", method, get_args(Method))
    whole("sensitivity.samples:", samples, 2)
    need_salib()
    if method == "morris":
        from SALib.sample import morris

        drawn = morris.sample(_problem(inputs), samples, num_levels=LEVELS, seed=seed)
        return Sample(method, np.asarray(drawn), inputs + 1)
    if samples & (samples - 1):
        raise ParameterError(
            f"sensitivity.samples: must be a power of two for sobol (got {samples})"
        )
    from SALib.sample import sobol

    drawn = sobol.sample(_problem(inputs), samples, calc_second_order=False, seed=seed)
    return Sample(method, np.asarray(drawn), inputs + 2)


def whole_blocks(taken: Sample, *values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points are in blocks all of whose values are known, bool[points]."""
    known = np.all([np.isfinite(one) for one in values], axis=0)
    return np.repeat(known.reshape(-1, taken.block).all(axis=1), taken.block)


def indices(taken: Sample, values: NDArray[np.float64]) -> Indices | None:
    """Return the indices of a result; None if fewer than two blocks are known.

    Parameters
    ----------
    taken
        Where it was looked at.
    values
        What came out, float64[points]; NaN where nothing did.
    """
    need_salib()
    kept = whole_blocks(taken, values)
    inputs, blocks = taken.points.shape[1], int(kept.sum()) // taken.block
    if blocks < 2:
        return None
    points, found = taken.points[kept], values[kept]
    if not np.ptp(found):  # nothing to share out
        nothing = np.zeros(inputs)
        first = nothing if taken.method == "sobol" else None
        return Indices(nothing, nothing, first, first, blocks)
    options = {"num_resamples": RESAMPLES, "conf_level": CONFIDENCE, "seed": SEED}
    if taken.method == "morris":
        from SALib.analyze import morris

        made = morris.analyze(_problem(inputs), points, found, num_levels=LEVELS, **options)
        effects, half = (np.asarray(made[key], np.float64) for key in ("mu_star", "mu_star_conf"))
        return Indices(effects, half, None, None, blocks)
    if taken.times > 1:
        return _of_groups(found, inputs, taken.times)
    total, total_half, first, first_half = _sobol(found, inputs, options)
    return Indices(total, total_half, first, first_half, blocks)


def _sobol(found: NDArray[np.float64], inputs: int, options: dict[str, Any]) -> NDArray[np.float64]:
    """Return total and first-order indices, each with its half-width, float64[4, inputs]."""
    from SALib.analyze import sobol

    made = sobol.analyze(_problem(inputs), found, calc_second_order=False, **options)
    return np.array([made[key] for key in ("ST", "ST_conf", "S1", "S1_conf")])


def _of_groups(found: NDArray[np.float64], inputs: int, times: int) -> Indices | None:
    """Return the indices of blocks that come in groups, with intervals from a jackknife."""
    groups = found.reshape(-1, times * (inputs + 2))
    count, few = len(groups), {"num_resamples": 2, "seed": SEED}
    if count < 2:
        return None
    total, _, first, _ = _sobol(found, inputs, few)
    without = np.array(
        [_sobol(np.delete(groups, one, axis=0).ravel(), inputs, few) for one in range(count)]
    )
    error = ((count - 1) * without.var(axis=0)) ** 0.5
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * error
    return Indices(total, half[0], first, half[2], count)


def _problem(inputs: int) -> dict[str, Any]:
    names = [f"x{number}" for number in range(inputs)]
    return {"num_vars": inputs, "names": names, "bounds": [[0.0, 1.0]] * inputs}
