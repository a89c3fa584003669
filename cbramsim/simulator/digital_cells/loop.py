"""The hot loops over presentations, with weights in bit slices: as `cbramsim.simulator.loop`."""

from __future__ import annotations

import numpy as np

from cbramsim.kernels import compiled_loop, inlined, kernel
from cbramsim.rng import fill_with_words, next_word
from cbramsim.simulator.digital_cells.slices import read_slices, sense_codes, write_code
from cbramsim.simulator.encoding import draw_spikes
from cbramsim.simulator.energy import Operation
from cbramsim.simulator.loop import (
    CELL_READ,
    NEURON_UPDATE,
    OUTPUT_SPIKE,
    REFERENCE_READ,
    WORD_LINE_DRIVE,
    begin,
)
from cbramsim.simulator.neurons import block_sums, draw_winner, exponentials, to_potentials
from cbramsim.simulator.stdp import choose_pulses, open_conductance
from cbramsim.simulator.writing import SENSE_READ

ADC_CONVERSION = int(Operation.ADC_CONVERSION)
SHIFT_ADD = int(Operation.SHIFT_ADD)
BIT_SENSE = int(Operation.BIT_SENSE)
BIT_SET = int(Operation.BIT_SET)
BIT_RESET = int(Operation.BIT_RESET)


@compiled_loop
def train(  # type: ignore[no-untyped-def]
    images, order, winners, homeostasis, spike_counts,
    logic, array, slices, pulse, costs, wanted, neurons, streams, work, account,
):  # fmt: skip
    """Learn from ``images[order]``: as `cbramsim.simulator.loop.train`, with digital weights.

    Parameters
    ----------
    images, order, winners, homeostasis, spike_counts
        As there.
    logic
        Logic conductances, float32[inputs, neurons], S.
    array, slices, pulse, costs
        `ArrayState` of the cells, `Slices`, `PulseConstants`, `ProgramCosts`.
    wanted
        `wanted_codes`.
    neurons, streams, work, account
        As there.
    """
    lines = np.empty(array.g.shape[1], np.float32)
    codes = np.empty(array.g.shape[0], np.int32)
    for n in range(order.size):
        pixels = images[order[n]]
        for window in range(winners.shape[1]):
            total = present(
                pixels, logic, array, slices, pulse, neurons, streams, work, lines, account
            )
            winner = draw_winner(work.currents, work.sums, total, next_word(streams.competition))
            winners[n, window] = winner
            spike_counts[winner] += 1
            neurons.bias[winner] -= homeostasis
            learn(
                logic, array, slices, pulse, costs, wanted, winner, work, codes, streams.pulses,
                account,
            )  # fmt: skip


@compiled_loop
def respond(  # type: ignore[no-untyped-def]
    images, responses, windows, logic, array, slices, pulse, neurons, starts, streams, work,
    account,
):  # fmt: skip
    """Write each neuron's mean firing probability: as `cbramsim.simulator.loop.respond`."""
    lines = np.empty(array.g.shape[1], np.float32)
    for n in range(images.shape[0]):
        begin(streams, starts, n)
        responses[n, :] = 0
        for _ in range(windows):
            total = present(
                images[n], logic, array, slices, pulse, neurons, streams, work, lines, account
            )
            share = np.float32(1) / (total * np.float32(windows))
            for k in range(work.currents.size):
                responses[n, k] += work.currents[k] * share


@kernel
def present(pixels, logic, array, slices, pulse, neurons, streams, work, lines, account):  # type: ignore[no-untyped-def]
    """Present one window; return the sum of the responses.

    As `cbramsim.simulator.loop.present`; `lines` is scratch, float32[bit lines].
    """
    n_active = draw_spikes(
        pixels, work.words, work.random_bytes, work.spiked, work.rows, streams.spikes
    )
    read_slices(logic, array, slices, pulse, work, n_active, lines, streams.reads)
    offset = np.float32(n_active * neurons.g_mid)
    largest = to_potentials(work.currents, offset, neurons.gain, neurons.bias)
    exponentials(work.currents, largest, work.exponent_bits, work.power_of_two)
    _book_presentation(array, slices, pulse, work.currents.size, work.rows, n_active, account)
    return block_sums(work.currents, work.sums)


@kernel
def learn(logic, array, slices, pulse, costs, wanted, column, work, codes, stream, account):  # type: ignore[no-untyped-def]
    """Carry out the rule on one column: sense its codes, round the change, rewrite what differs."""
    columns = logic.shape[1]
    inhibited = array.inhibited[column]
    conductance, cells = 0.0, 0
    for plane in range(slices.bits):
        cells, part = open_conductance(array.g_columns[plane * columns + column], inhibited)
        conductance += part
    account.counts[SENSE_READ] += cells * slices.bits
    account.joules[SENSE_READ] += pulse.v2t_read * conductance + cells * costs.sense
    sense_codes(array, slices, pulse, column, columns, stream, codes)
    work.states[:] = codes
    fill_with_words(stream, work.pulse_words)
    chosen = choose_pulses(
        wanted, work.states, work.spiked, inhibited, work.random_shorts, work.chosen, work.pulses
    )
    for j in range(chosen):
        row = work.chosen[j]
        write_code(
            logic, array, slices, pulse, costs, column, row, codes[row],
            codes[row] + work.pulses[j], BIT_SET, BIT_RESET, account,
        )  # fmt: skip


@inlined
def _book_presentation(array, slices, pulse, columns, rows, n_active, account):  # type: ignore[no-untyped-def]
    conductance = 0.0
    for r in range(n_active):
        conductance += array.row_sum[rows[r]]
    cells = n_active * array.g.shape[1]
    account.counts[WORD_LINE_DRIVE] += n_active
    account.counts[CELL_READ] += cells
    account.joules[CELL_READ] += pulse.v2t_read * conductance
    account.counts[REFERENCE_READ] += n_active
    account.joules[REFERENCE_READ] += pulse.v2t_read * n_active * slices.g_mid
    if slices.sensed:
        account.counts[BIT_SENSE] += cells
        account.counts[SHIFT_ADD] += n_active * columns
    else:
        account.counts[ADC_CONVERSION] += array.g.shape[1]
        account.counts[SHIFT_ADD] += (slices.bits - 1) * columns
    account.counts[NEURON_UPDATE] += columns
    account.counts[OUTPUT_SPIKE] += 1
