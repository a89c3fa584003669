"""Verbs: the generic kernels of a presentation, and their implementation for a type.

A piece of physics is a `NamedTuple` of plain numbers and arrays. The type of the first argument of
a verb selects its implementation: by the compiler in compiled loops (`numba.extending.overload`),
by a table in plain Python. An option that is off is a type whose verbs do nothing, and costs
nothing.

    class Additive(NamedTuple):
        step: float

    @implements(mean_step, Additive)
    def _(law, cells, column, row, way, g):
        return law.step if way == SET else -law.step

Conductances are in siemens, energies in joules, `way` is `SET` or `RESET`. `array` is an
`ArrayState`, or `BinarySlices` or `Synapses` where stated; `work` the `Scratch` of a presentation;
`word` 64 random bits, and `stream` the state of a random stream; `account` the `Account` in which
events are booked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from numba.extending import overload

from cbramsim.core.kernels import PART

Kernel = Callable[..., Any]


def verb(stub: Kernel) -> Any:
    """Return a generic kernel, which dispatches on the type of its first argument."""
    table: dict[type, Kernel] = {}

    @wraps(stub)
    def call(first: Any, *rest: Any) -> Any:
        try:
            kernel = table[type(first)]
        except KeyError:
            name = type(first).__name__
            raise TypeError(f"{stub.__name__}: not implemented for {name}") from None
        return kernel(first, *rest)

    call.table = table  # type: ignore[attr-defined]

    @overload(call, strict=False, jit_options=PART)  # type: ignore[arg-type]
    def choose(*args: Any) -> Kernel | None:
        return table.get(getattr(args[0], "instance_class", type(None)))

    return call


def implements(which: Any, kind: type) -> Callable[[Kernel], Kernel]:
    """Implement a verb for a first argument of type `kind`, a NamedTuple class.

    Parameters
    ----------
    which
        The verb.
    kind
        The class.
    """

    def add(function: Kernel) -> Kernel:
        which.table[kind] = function
        return function

    return add


# mypy: disable-error-code="no-untyped-def,empty-body"

# ---- one cell: its law, its grid of states, its noise ------------------------------------------


@verb
def mean_step(law, cells, column, row, way, g):
    """Signed mean step of a pulse on a cell at `g`, S, before noise and bounds.

    `cells` is float32[columns, rows, 6], each cell's own window and steps.
    """


@verb
def pulse_noise(scatter, cells, column, row, way, g):
    """Standard deviation of the step of a pulse on a cell at `g`, S; `cells` as in `mean_step`."""


@verb
def mean_train(law, cells, column, row, way, g, pulses):
    """Mean conductance of a cell at `g`, S, after `pulses`, which need not be a whole number."""


@verb
def nearby_state(grid, g, low, high, uniform):
    """One of the states next to `g`, S, so that the mean over `uniform` in [0, 1) is `g`."""


@verb
def nearby_state_drawn(grid, g, low, high, stream):
    """Conductance of a cell that has drifted to `g`, S: one of its states, within its window."""


@verb
def sense(noise, g, word, row, normals):
    """Conductance of a cell at `g` as sensed, S; one word serves all rows of a column."""


@verb
def add_read_noise(noise, array, rows, n_active, currents, work, stream):
    """Add the noise of the first `n_active` of `rows` to summed conductances, S."""


@verb
def follow_state(noise, column, row, g):
    """Record that reads see a cell at `g`, S, from now on."""


# ---- what a write leaves -----------------------------------------------------------------------


@verb
def store(written, array, column, row, before, after):
    """Change the state of one cell from `before` to `after`, S, wherever it is kept.

    `see_again` then updates the column as reads see it.
    """


@verb
def blur(written, array, column, row, stream):
    """Add the error of a write to the conductance of a cell that reads see."""


@verb
def seen_of(written, array, column, row):
    """Return the conductance of one cell as reads see it, S."""


@verb
def see_column(written, array, column, seen):
    """Write the conductances of a column as reads see them into `seen`, float32[rows], S."""


# ---- an array: its lines, its access devices, its disconnected cells ---------------------------


@verb
def sum_seen(lines, array, rows, n_active, currents, work):
    """Write the sum of the first `n_active` of `rows`, as reads see them, into `currents`, S.

    May use ``work.bit_lines``.
    """


@verb
def seen(lines, array, row, column):
    """Return the conductance of one cell as reads see it, S."""


@verb
def see_again(lines, array, column):
    """Update a column as reads see it after a change of its cells."""


@verb
def see_weights_again(lines, slices, column):
    """Update a column of weights as reads see it, where this takes more than its cells."""


@verb
def book_cells_read(lines, array, rows, n_active, account):
    """Book the currents of the first `n_active` of `rows` through cells, and through lines."""


@verb
def book_column_sensed(lines, array, column, cells, account):
    """Book the loss in lines while the open `cells` of a column are sensed one by one."""


@verb
def book_cell_sensed(lines, array, column, row, g, account):
    """Book the loss in lines while one cell at `g` is sensed."""


@verb
def lost_in_lines(lines, i2t, squares, column, row):
    """Energy dissipated in lines on the way to a cell, J: V² t times the sum of G² times R."""


@verb
def book_lines(lines, pulses, joules, account):
    """Book the energy of `pulses` that lines have dissipated."""


@verb
def book_all_lines(lines, array, spiked, part, account):
    """Book `part` of the loss in lines of one pulse on every cell: a set pulse where `spiked`."""


@verb
def sum_of_others(access, array, column):
    """Summed conductance of the cells that a pulse in a column half-selects, S, by their lines."""


@verb
def book_others(access, array, row, g, column_sum, is_set, pulses, account):
    """Book the energy that `pulses` on a cell at `g` drive through other cells at a part of V."""


@verb
def book_all_others(access, array, rule, spiked, part, account):
    """Book `part` of the energy of one pulse on every open cell in others, without a count.

    A set pulse where `spiked`; ``rule.held_cells`` and ``rule.held_sum`` describe the cells that
    are not open.
    """


@verb
def seen_by(access, array):
    """Number of other cells that see a part of the voltage of a pulse."""


@verb
def book_sneak(access, array, row, cells, g, account):
    """Book the energy of sensing some `cells`, `g` in all, in others of their word line."""


@verb
def book_column_sneak(access, array, column, account):
    """Book the energy that sensing the open cells of a column one by one drives through others."""


@verb
def push_others(access, array, column, row, is_set, pulses):
    """Record that other cells see, in part, `pulses` of one polarity on a cell."""


@verb
def settle_cell(access, array, column, row, stream):
    """Move a half-selected cell by the pulses it has seen; return its change, S."""


@verb
def settle_column(access, array, column, stream):
    """Move the half-selected cells of a column by the pulses they have seen."""


@verb
def settle_weights(access, slices, column, stream):
    """Move the half-selected cells of a column of weights by the pulses they have seen."""


@verb
def compensate(gain, array, currents, work):
    """Multiply summed conductances, S, to compensate drift; comes after `add_reference`."""


@verb
def missing(gaps, row, column):
    """Return whether a cell, or a weight, is disconnected."""


@verb
def add_reference(gaps, rows, n_active, currents, work):
    """Add the spared conductance of disconnected cells to summed conductances, S."""


@verb
def add_normals(gaps, sigma, n_active, currents, work, numbers):
    """Add noise to summed conductances: each connected cell has the deviation `sigma`, S.

    `numbers` are standard normal, float32[>= columns]; comes after `add_reference`.
    """


@verb
def leave_out(gaps, g, currents, work):
    """Take `g` of each disconnected cell out of summed conductances, S, after `add_reference`."""


# ---- a layer: encoder, storage and read-out, neurons, rule -------------------------------------


@verb
def draw_spikes(encoder, pixels, work, stream):
    """Write the inputs that fire in one window into `work`; return how many."""


@verb
def read(array, readout, n_active, work, stream, account):
    """Write summed conductances of the active rows into ``work.currents``; return the reference's.

    `array` is an `ArrayState`, `BinarySlices` or `Synapses`; the read is booked.
    """


@verb
def convert(readout, array, n_active, work, stream, account):
    """Carry out `read` for an array whose currents go through a read-out."""


@verb
def sum_cells(array, rows, n_active, currents, work, stream):
    """Write the noisy sum of a read of the first `n_active` of `rows` into `currents`, S.

    It includes the spared conductance of gaps; `array` is an `ArrayState` or `Synapses`.
    """


@verb
def excite(neurons, reference, work):
    """Turn ``work.currents`` into responses, not negative; return their sum."""


@verb
def fire(neurons, total, work, word):
    """Return the neuron that fires, and apply homeostasis to it."""


@verb
def sense_column(array, table, column, work, stream, account):
    """Sense a column: write the row of the `table` for each cell into ``work.states``.

    The states are 0 to 255 of an `ArrayState` and of `Synapses`, codes of `BinarySlices`; the
    sensed conductance of a cell, or of a weight, goes into ``work.seen``, S.
    """


@verb
def give_pulses(array, column, rows, pulses, n, booked_as, stream, account):
    """Give the first `n` of `rows` in one column their `pulses`, and book each.

    Set pulses are positive, reset pulses negative; `BinarySlices`, last sensed by `sense_column`,
    change their codes by so much.
    """


# ---- weights in several cells ------------------------------------------------------------------


@verb
def place(writing, weight):
    """Weight, -1 to 1, of one cell by itself in a `weight` written anew, seen from its side."""


@verb
def take_turns(writing, synapses, column, rows, pulses, n):
    """Sort the first `n` of `rows` and their `pulses` into ``synapses.orders``, in turn.

    Arguments as for `give_pulses`.
    """


@verb
def bring_to(writing, synapses, line, row, target, booked_as, stream, account):
    """Program and verify one cell of a weight, `target` in S; return whether it got there."""


@verb
def renew(renewal, synapses, column, stream, account):
    """Write the weights of a column that need it anew, if it is time; booked."""


@verb
def carry_out(rule, table, array, column, work, stream, account):
    """Give one column the pulses of a `table`, with verification if the rule has it."""


@verb
def correct(array, column, n, tries, work, stream, account):
    """Sense the first `n` of ``work.chosen``, just given ``work.pulses``, and correct them.

    Each is corrected until it reads as it should, at most `tries` times; `BinarySlices` check the
    bits that were written.
    """


@verb
def learn(rule, array, winner, total, work, streams, account):
    """Let an array learn from one window: winner, responses and spikes are in `work`."""


# ---- pruning -----------------------------------------------------------------------------------


@verb
def hold(value, weights, group, held):
    """Write the weights at which a `group`, bool[inputs], is held into `held`, float64."""


# ---- a perceptron: its loss, how changes become pulses, its transposed reads -------------------


@verb
def error_of(loss, outputs, delta, label):
    """Turn z of the last stage into `outputs`, write the slopes by z into `delta`; return the loss.

    All float64[classes]; a `label` of -1 is none.
    """


@verb
def sum_inputs(encoding, stage, streams):
    """Add the weighted sum of the inputs of a `Stage`, z, to its outputs; booked."""


@verb
def ask(rule, wanted, stream):
    """Return the whole number of pulses given where `wanted`, >= 0, are requested."""


@verb
def use_slopes(optimizer, stage, streams):
    """Let a `Stage` learn from the slopes of one image: by pulses, or by keeping them; booked."""


@verb
def begin_descent(moments):
    """Record that all weights move once more."""


@verb
def descend(moments, row, column, slope):
    """Return the direction in which a weight moves, and update the memory of its slopes."""


@verb
def toll(moments):
    """Return the memory accesses and multiply-adds for each weight that moves."""


@verb
def fewest_asked(rule):
    """Return the smallest number of requested pulses for which any is given."""


@verb
def signed_sum(array, row, column):
    """Return the contribution of the cells of a weight, as reads see them, to a signed sum, S."""


@verb
def plain_sum(array, row, column):
    """Return the summed conductance of the cells of a weight, as reads see them, S."""
