r"""Optimizers, which turn the slopes of images into changes of weights: at once, or by way of a
digital memory.

With a `batch` of one and plain descent a change is an outer product, which needs no memory: each
image gives its pulses. Otherwise a controller beside the array stores, in float32 and for each
weight, the sum s of the slopes of a batch, and the moments of the optimizer:

.. math:: \text{plain:}\; d = s; \qquad
          \text{momentum:}\; d = v \leftarrow \beta v + s; \\
          \text{Adam:}\; m \leftarrow \beta_1 m + (1 - \beta_1) s, \quad
          v \leftarrow \beta_2 v + (1 - \beta_2) s^2, \quad
          d = \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

(Polyak 1964; Kingma and Ba, ICLR 2015), and then gives the pulses of :math:`\Delta w = -\eta d`.
Every byte into or out of the memory and every multiply-add is booked, and priced by the
`Periphery`. A root or a quotient counts as one (assumed).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.kernels import part
from cbramsim.core.validation import Parameters
from cbramsim.core.verbs import (
    ask,
    begin_descent,
    descend,
    give_pulses,
    implements,
    toll,
    use_slopes,
)
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.supervised.loop import change_weights

MEMORY_BYTE = int(Operation.MEMORY_BYTE)
MULTIPLY_ADD = int(Operation.MULTIPLY_ADD)
WORD = 4
"""Bytes of a float32."""

Decay = Annotated[float, Field(ge=0, lt=1)]


class Optimizer(Parameters):
    """Optimizer of the slopes before pulses are given."""

    kind: Literal["sgd", "momentum", "adam"] = "sgd"
    """Kind of optimizer: plain descent, with momentum, or Adam."""
    decay: Decay = 0.9
    """Part of a velocity, or of Adam's mean of the slopes, that is left from one change to the
    next."""
    decay_of_squares: Decay = 0.999
    """Part of Adam's mean of the squares that is left from one change to the next."""
    epsilon: Annotated[float, Field(gt=0, le=1)] = 1e-8
    """Summand of the root of that mean in Adam."""

    def new_moments(self, shape: tuple[int, int]) -> Plain | Momentum | Adam:
        """Return the initial moments for compiled loops; `shape` is (rows, columns)."""
        columns_first = shape[::-1]
        if self.kind == "momentum":
            return Momentum(self.decay, np.zeros(columns_first, np.float32))
        if self.kind == "adam":
            first, second = np.zeros((2, *columns_first), np.float32)
            return Adam(
                self.decay, self.decay_of_squares, self.epsilon, first, second, np.zeros(2)
            )  # fmt: skip
        return Plain()


class Immediately(NamedTuple):
    """Pulses from the slopes of each image at once."""


class Collected(NamedTuple):
    """Sum of slopes over a batch, outside the array."""

    batch: int
    """Images of a batch."""
    rate: float
    """Learning rate eta."""
    gain: float
    """Slope by a weight over delta times input, gamma."""
    sums: NDArray[np.float32]
    """Slopes by the weights, summed over the batch so far, float32[columns, rows]."""
    counted: NDArray[np.int64]
    """Images of the batch so far, int64[1]."""
    moments: Any
    """Optimizer of the sums: `Plain`, `Momentum` or `Adam`."""


class Plain(NamedTuple):
    """Descent along the slopes."""


class Momentum(NamedTuple):
    """Descent along a velocity."""

    decay: float
    """Decay beta of the velocity."""
    velocity: NDArray[np.float32]
    """Velocity, float32[columns, rows]."""


class Adam(NamedTuple):
    """Descent along the mean slope over the root of the mean square."""

    decay: float
    """Decay beta_1 of the mean slope."""
    decay_of_squares: float
    """Decay beta_2 of the mean square."""
    epsilon: float
    """Summand of the root, see above."""
    first: NDArray[np.float32]
    """Mean slope m, float32[columns, rows]."""
    second: NDArray[np.float32]
    """Mean square v, float32[columns, rows]."""
    left: NDArray[np.float64]
    """Corrections 1 - beta_1^t and 1 - beta_2^t, float64[2]."""


@implements(use_slopes, Immediately)
def _(optimizer, stage, streams):  # type: ignore[no-untyped-def]
    change_weights(stage, streams)


@implements(use_slopes, Collected)
def _(optimizer, stage, streams):  # type: ignore[no-untyped-def]
    keep_slopes(optimizer, stage)
    if optimizer.counted[0] < optimizer.batch:
        return
    optimizer.counted[0] = 0
    begin_descent(optimizer.moments)
    for k in range(stage.delta.size):
        change_column(optimizer, stage, k, streams)
    weights = optimizer.sums.size
    size, sums = toll(optimizer.moments)
    if optimizer.batch > 1:
        size += 2
    stage.account.counts[MEMORY_BYTE] += WORD * size * weights
    stage.account.counts[MULTIPLY_ADD] += sums * weights


@part
def keep_slopes(optimizer, stage):  # type: ignore[no-untyped-def]
    """Add the slopes of one image to the sums; a batch of one passes on without the memory."""
    values, active = stage.values, 0
    for row in range(values.size):
        active += values[row] > 0
    for k in range(stage.delta.size):
        delta = optimizer.gain * stage.delta[k]
        for row in range(values.size):
            optimizer.sums[k, row] += np.float32(delta * values[row])
    optimizer.counted[0] += 1
    if optimizer.batch > 1:
        stage.account.counts[MEMORY_BYTE] += 2 * WORD * active * stage.delta.size
        stage.account.counts[MULTIPLY_ADD] += active * stage.delta.size


@part
def change_column(optimizer, stage, column, streams):  # type: ignore[no-untyped-def]
    """Give one column the pulses of a batch, and reset its sums."""
    array, work = stage.array, stage.work
    most, n = max(stage.levels[0], stage.levels[1]), 0
    for row in range(stage.values.size):
        slope = np.float64(optimizer.sums[column, row])
        optimizer.sums[column, row] = np.float32(0)
        change = -optimizer.rate * descend(optimizer.moments, row, column, slope)
        wanted = 0.5 * abs(change) * (stage.levels[1] if change > 0 else stage.levels[0])
        if not wanted > 0:
            continue
        pulses = np.int32(ask(stage.update, min(wanted, most), streams.pulses))
        work.chosen[n], work.pulses[n] = row, pulses if change > 0 else -pulses
        n += pulses > 0 and not array.inhibited[column, row]
    if n > 0:
        give_pulses(
            array, column, work.chosen, work.pulses, n, array.booked_as, streams.pulses,
            stage.account,
        )  # fmt: skip


@implements(begin_descent, Plain)
def _(moments):  # type: ignore[no-untyped-def]
    pass


@implements(begin_descent, Momentum)
def _(moments):  # type: ignore[no-untyped-def]
    pass


@implements(begin_descent, Adam)
def _(moments):  # type: ignore[no-untyped-def]
    left = moments.left
    left[0] = 1 - moments.decay * (1 - left[0])
    left[1] = 1 - moments.decay_of_squares * (1 - left[1])


@implements(descend, Plain)
def _(moments, row, column, slope):  # type: ignore[no-untyped-def]
    return slope


@implements(descend, Momentum)
def _(moments, row, column, slope):  # type: ignore[no-untyped-def]
    velocity = moments.decay * moments.velocity[column, row] + slope
    moments.velocity[column, row] = velocity
    return velocity


@implements(descend, Adam)
def _(moments, row, column, slope):  # type: ignore[no-untyped-def]
    rest, of_squares = 1 - moments.decay, 1 - moments.decay_of_squares
    first = moments.decay * moments.first[column, row] + rest * slope
    second = moments.decay_of_squares * moments.second[column, row] + of_squares * slope * slope
    moments.first[column, row], moments.second[column, row] = first, second
    return (first / moments.left[0]) / (np.sqrt(second / moments.left[1]) + moments.epsilon)


@implements(toll, Plain)
def _(moments):  # type: ignore[no-untyped-def]
    return 0, 0


@implements(toll, Momentum)
def _(moments):  # type: ignore[no-untyped-def]
    return 2, 1


@implements(toll, Adam)
def _(moments):  # type: ignore[no-untyped-def]
    """Count two multiply-adds for m, three for v, and three for a root, a sum and a quotient."""
    return 4, 8
