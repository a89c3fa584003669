"""The loops of a perceptron in arrays: forward, backward, and pulses.

One image at a time; its slopes are used in `optimizers`. Nothing in the loops allocates,
and every event is booked in the same pass.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_loop, part
from cbramsim.core.rng import next_word, normal_of
from cbramsim.core.verbs import (
    ask,
    error_of,
    fewest_asked,
    give_pulses,
    implements,
    missing,
    plain_sum,
    read,
    seen,
    signed_sum,
    sum_inputs,
    use_slopes,
)
from cbramsim.simulator.array.cells import REFERENCE_READ, WORD_LINE_DRIVE, ArrayState
from cbramsim.simulator.array.ideal_lines import CELL_READ
from cbramsim.simulator.array.synapse.synapses import Synapses, line_of
from cbramsim.simulator.energy.ledger import Account, Operation
from cbramsim.simulator.learning.loop import NEURON_UPDATE, Scratch

SHIFT_ADD = int(Operation.SHIFT_ADD)
BIT_LINE_DRIVE = int(Operation.BIT_LINE_DRIVE)
TRANSPOSED_READ = int(Operation.TRANSPOSED_READ)


class Stage(NamedTuple):
    """One layer of a perceptron, for compiled loops."""

    array: Any
    """Array of its weights: `ArrayState` or `Synapses`."""
    readout: Any
    """Circuit between bit lines and sums: `Direct`, `Converted` or `SeparateCodes`."""
    encoding: Any
    """Encoding of inputs on the word lines: `Bits` or `Amplitude`."""
    update: Any
    """Rounding of changes to pulses: see `updates`."""
    optimizer: Any
    """Optimizer of slopes before that: see `optimizers`."""
    work: Scratch
    """Memory of one read and one update."""
    per_siemens: float
    """Contribution of a siemens of a signed sum to z: 2 gamma over the window, 1/S."""
    step: float
    """Change of a weight per delta and input, eta gamma."""
    levels: NDArray[np.float64]
    """Pulses that span the window down and up, float64[2]."""
    bits: int
    """Bits of an input."""
    values: NDArray[np.float64]
    """Remembered inputs, 0 to 1, float64[rows]."""
    codes: NDArray[np.uint8]
    """Codes of the inputs on the word lines, uint8[rows]."""
    outputs: NDArray[np.float64]
    """Outputs, first z, then a, float64[columns]."""
    delta: NDArray[np.float64]
    """Slopes of the loss by z, float64[columns]."""
    sigma: float
    """Standard deviation of the noise of one weight in a read, S."""
    planes: int
    """Cells of a weight."""
    references: int
    """Reference cells on a word line."""
    normals: NDArray[np.float32]
    """Standard-normal numbers to draw from."""
    account: Account
    """Account in which events are booked."""


class Bits(NamedTuple):
    """Inputs are put on the word lines bit by bit, the lowest first; sums are shifted and added."""


class Amplitude(NamedTuple):
    """Inputs are voltages in parts of that of a read."""


class SquaredError(NamedTuple):
    """Logistic outputs; the loss is the sum of (a - t)²."""


class CrossEntropy(NamedTuple):
    """Softmax outputs; the loss is -log of that of the true class."""


@part
def logistic(z):  # type: ignore[no-untyped-def]
    """Return 1 / (1 + exp(-z))."""
    return 1 / (1 + math.exp(-z))


@implements(error_of, SquaredError)
def _(loss, outputs, delta, label):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(outputs.size):
        a = logistic(outputs[k])
        missing = (1.0 if k == label else 0.0) - a
        outputs[k] = a
        delta[k] = -2 * a * (1 - a) * missing
        total += missing * missing
    return total


@implements(error_of, CrossEntropy)
def _(loss, outputs, delta, label):  # type: ignore[no-untyped-def]
    top = outputs[0]
    for k in range(outputs.size):
        top = max(top, outputs[k])
    total = 0.0
    for k in range(outputs.size):
        outputs[k] = math.exp(outputs[k] - top)
        total += outputs[k]
    for k in range(outputs.size):
        outputs[k] /= total
        delta[k] = outputs[k] - (1.0 if k == label else 0.0)
    return -math.log(max(outputs[label], 1e-300)) if label >= 0 else 0.0


@implements(signed_sum, ArrayState)
def _(array, row, column):  # type: ignore[no-untyped-def]
    if missing(array.gaps, row, column):
        return 0.0
    return np.float64(seen(array.lines, array, row, column)) - array.pulse.g_mid


@implements(plain_sum, ArrayState)
def _(array, row, column):  # type: ignore[no-untyped-def]
    return np.float64(seen(array.lines, array, row, column))


@implements(signed_sum, Synapses)
def _(array, row, column):  # type: ignore[no-untyped-def]
    total = 0.0
    for plane in range(array.parts.size):
        line = line_of(array, plane, column)
        total += array.parts[plane] * signed_sum(array.cells, row, line)
    return total


@implements(plain_sum, Synapses)
def _(array, row, column):  # type: ignore[no-untyped-def]
    total = 0.0
    for plane in range(array.parts.size):
        total += plain_sum(array.cells, row, line_of(array, plane, column))
    return total


@implements(sum_inputs, Bits)
def _(encoding, stage, streams):  # type: ignore[no-untyped-def]
    """Read once for each bit that any input has."""
    work, outputs, account = stage.work, stage.outputs, stage.account
    top = (1 << stage.bits) - 1
    for bit in range(stage.bits):
        n_active = 0
        for row in range(stage.codes.size):
            work.rows[n_active] = row
            n_active += (stage.codes[row] >> bit) & 1
        if n_active == 0:
            continue
        reference = read(stage.array, stage.readout, n_active, work, streams.reads, account)
        scale = stage.per_siemens * (1 << bit) / top
        for k in range(outputs.size):
            outputs[k] += scale * (np.float64(work.currents[k]) - np.float64(reference))
    account.counts[SHIFT_ADD] += (stage.bits - 1) * outputs.size


@implements(sum_inputs, Amplitude)
def _(encoding, stage, streams):  # type: ignore[no-untyped-def]
    array, outputs, account = stage.array, stage.outputs, stage.account
    squares, joules, active = 0.0, 0.0, 0
    for row in range(stage.values.size):
        value = stage.values[row]
        if not value > 0:
            continue
        active += 1
        squares += value * value
        for k in range(outputs.size):
            outputs[k] += value * signed_sum(array, row, k)
            joules += value * value * plain_sum(array, row, k)
    sigma = stage.sigma * math.sqrt(squares)
    for k in range(outputs.size):
        if sigma > 0:
            outputs[k] += sigma * normal_of(next_word(streams.reads), stage.normals)
        outputs[k] *= stage.per_siemens
    account.counts[WORD_LINE_DRIVE] += active
    account.counts[CELL_READ] += active * outputs.size * stage.planes
    account.joules[CELL_READ] += array.pulse.v2t_read * joules
    account.counts[REFERENCE_READ] += active * stage.references
    account.joules[REFERENCE_READ] += (
        array.pulse.v2t_read * array.pulse.g_mid * squares * stage.references
    )


@part
def forward(stage, streams):  # type: ignore[no-untyped-def]
    """Write z into ``stage.outputs``."""
    for k in range(stage.outputs.size):
        stage.outputs[k] = 0.0
    sum_inputs(stage.encoding, stage, streams)
    stage.account.counts[NEURON_UPDATE] += stage.outputs.size


@part
def hand_on(stage, following):  # type: ignore[no-untyped-def]
    """Turn z of a hidden stage into logistic units, the inputs of the `following` one."""
    top = np.float64((1 << following.bits) - 1)
    for k in range(stage.outputs.size):
        a = logistic(stage.outputs[k])
        stage.outputs[k] = a
        following.values[k] = a
        following.codes[k] = np.uint8(math.floor(a * top + 0.5))


@part
def backward(stage, before, streams):  # type: ignore[no-untyped-def]
    """Write the delta of the stage `before` one: its units are this one's inputs.

    The sizes of delta are put on the bit lines as voltages, the largest as that of a read. It is
    assumed that cells are ohmic, and that currents of the word lines have the noise of as many new
    cells, and are known exactly, less a reference and with their signs, without further costs.
    """
    array, delta, account, joules = stage.array, stage.delta, stage.account, 0.0
    largest, squares = 0.0, 0.0
    for k in range(delta.size):
        largest = max(largest, abs(delta[k]))
        squares += delta[k] * delta[k]
    per_largest = 1 / largest if largest > 0 else 0.0
    sigma = stage.sigma * math.sqrt(squares)
    for row in range(before.outputs.size):
        total = 0.0
        for k in range(delta.size):
            total += signed_sum(array, row, k) * delta[k]
            joules += plain_sum(array, row, k) * (delta[k] * per_largest) ** 2
        if sigma > 0:
            total += sigma * normal_of(next_word(streams.reads), stage.normals)
        a = before.outputs[row]
        before.delta[row] = a * (1 - a) * stage.per_siemens * total
    account.counts[BIT_LINE_DRIVE] += delta.size * stage.planes
    account.counts[TRANSPOSED_READ] += before.outputs.size * delta.size * stage.planes
    account.joules[TRANSPOSED_READ] += array.pulse.v2t_read * joules


@part
def change_weights(stage, streams):  # type: ignore[no-untyped-def]
    """Give each weight the pulses for its change, at most those of its window."""
    array, work, account = stage.array, stage.work, stage.account
    rows = work.rows
    active = 0
    for row in range(stage.values.size):
        rows[active] = row
        active += stage.values[row] > 0
    fewest, most = fewest_asked(stage.update), max(stage.levels[0], stage.levels[1])
    for k in range(stage.delta.size):
        change = -stage.step * stage.delta[k]
        way = np.int32(1) if change > 0 else np.int32(-1)
        wanted = 0.5 * abs(change) * (stage.levels[1] if change > 0 else stage.levels[0])
        if not wanted > 0 or wanted < fewest:
            continue
        n = 0
        for j in range(active):
            row = rows[j]
            asked = min(wanted * stage.values[row], most)
            pulses = np.int32(ask(stage.update, asked, streams.pulses))
            work.chosen[n], work.pulses[n] = row, way * pulses
            n += pulses > 0 and not array.inhibited[k, row]
        if n > 0:
            give_pulses(
                array, k, work.chosen, work.pulses, n, array.booked_as, streams.pulses, account
            )


@part
def present(image, stages, streams):  # type: ignore[no-untyped-def]
    """Carry one image forward, up to z of the last stage."""
    first, last = stages[0], len(stages) - 1
    per_top = 1 / np.float64((1 << first.bits) - 1)
    for row in range(image.size):
        first.codes[row], first.values[row] = image[row], image[row] * per_top
    for s in range(last + 1):
        forward(stages[s], streams)
        if s < last:
            hand_on(stages[s], stages[s + 1])


@part
def find_slopes(image, label, stages, loss, streams):  # type: ignore[no-untyped-def]
    """Carry one image forward and its errors back; return its loss."""
    last = len(stages) - 1
    present(image, stages, streams)
    found = error_of(loss, stages[last].outputs, stages[last].delta, label)
    for s in range(last, 0, -1):
        backward(stages[s], stages[s - 1], streams)
    return found


@lean_loop
def slopes(image, label, stages, loss, streams):  # type: ignore[no-untyped-def]
    """Leave the slopes of the loss of one image in the deltas of the stages; return the loss.

    Parameters as for `learn_images`.
    """
    return find_slopes(image, label, stages, loss, streams)


@lean_loop
def learn_images(images, labels, order, stages, loss, streams):  # type: ignore[no-untyped-def]
    """Learn from ``images[order]``, one after the other; return the sum of their losses before.

    Parameters
    ----------
    images
        uint8[images, inputs], codes of the inputs.
    labels
        int64[images].
    order
        int64[n], indices of the images to present.
    stages, loss
        Tuple of `Stage`, and `SquaredError` or `CrossEntropy`.
    streams
        `Streams`.
    """
    total = 0.0
    for n in range(order.size):
        total += find_slopes(images[order[n]], labels[order[n]], stages, loss, streams)
        for s in range(len(stages)):
            use_slopes(stages[s].optimizer, stages[s], streams)
    return total


@lean_loop
def answer(images, outputs, stages, loss, streams):  # type: ignore[no-untyped-def]
    """Write the outputs of the last stage for each image into `outputs`, float64[images, classes].

    Other parameters as for `learn_images`.
    """
    for n in range(images.shape[0]):
        present(images[n], stages, streams)
        end = stages[len(stages) - 1]
        error_of(loss, end.outputs, end.delta, -1)
        for k in range(end.outputs.size):
            outputs[n, k] = end.outputs[k]
