r"""Bill of an array that learns: its energy ledger, by the constants on which it depends.

The energy of every event of the ledger is proportional to powers of a few parameters: the current
of a read with
:math:`V_{read}^2 t_{read} G`, a set pulse with :math:`V_{set}^2 t_{set} G`, a line with
:math:`C V^2`, circuits with their energy per event. None of these changes the learning: the pulses
of each cell depend on relative conductances alone. So the bill for other values is exactly that of
the same run, with four reservations:

* `g_max` represents the whole window: `g_min` (and `g_quantum`, `g_flicker`) scale with it.
* Pulses of either polarity (pruning, manual) are booked together: their energy scales with the
  geometric mean of the set and the reset parameters, exact where both change alike.
* With `v_sinh` the powers of the write voltages are those at the stated values (first order).
* Pruning by write cost selects by the ratio of the write energies, which must not change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.devices.device import Device
from cbramsim.simulator.array.binary.crossbar import BinaryCrossbar
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.array.saving import physical
from cbramsim.simulator.array.writing import SENSED_BITS
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.circuits.prices import ADC_PRICES, conversion_price
from cbramsim.simulator.comparison.constants import of_parameter, of_price
from cbramsim.simulator.energy.bill import Bill, Constant, total
from cbramsim.simulator.energy.ledger import Account, Operation
from cbramsim.simulator.learning.network import SpikingNetwork

INCLUDED: Mapping[str, tuple[str, ...]] = {
    "array read": (
        "current through the cells of active word lines, and through their reference cells",
        "current through each cell that is sensed before its pulse",
        "charging of word lines for reads and for sensing",
    ),
    "array write": (
        "current (or gate charge) of every pulse, of learning, pruning and programming",
        "charging of both lines for every pulse",
    ),
    "converters": ("analog-to-digital conversions, where there are any", "digital additions"),
    "periphery": ("word-line drivers, for reads and sensing", "decisions of sense amplifiers"),
    "neurons": ("each neuron's part in each competition", "output spikes"),
}
"""Costs that each component includes."""
NOT_INCLUDED = (
    "drivers of write pulses and their charge pumps",
    "forming of the cells and writing of the initial weights",
    "the controller: pulse tables, random numbers, counters, and its memory",
    "input: encoding of images to spikes, and their transport to the array",
    "clock distribution, leakage and all other static power",
    "homeostasis: updates of the neurons' biases",
    "read-out of results to a host",
)
"""Costs for which no source gives a price: in no component, and not zero."""

READS = (Operation.CELL_READ, Operation.REFERENCE_READ)
SET_PULSES = (Operation.LTP_PULSE, Operation.BIT_SET)
RESET_PULSES = (Operation.LTD_PULSE, Operation.BIT_RESET)
EITHER_PULSES = (
    Operation.PRUNE_SET_PULSE, Operation.PROGRAM_PULSE, Operation.RENEWAL_PULSE
)  # fmt: skip
SPLIT = frozenset(Operation) - {
    Operation.HALF_SELECT, Operation.READ_WIRE, Operation.PROGRAM_WIRE
}  # fmt: skip
"""Operations whose energy scales with powers of parameters that do not affect learning."""


def network_bill(network: SpikingNetwork, phase: str) -> Bill:
    """Return the bill of one phase of a network's ledger, see `array_bill`.

    Raises
    ------
    ParameterError
        If the ledger has no such phase, or as for `array_bill`.
    """
    phases = network.ledger.phases
    if phase not in phases:
        raise ParameterError(
            f"network_bill: phase must be one of {', '.join(phases)} (got {phase!r})"
            f"{nearest(phase, phases)}"
        )
    bills = []
    for layer in network.layers:
        readout, conversion = layer.config.readout, None
        if readout.adc_bits:
            conversion = adc_constant(readout.adc_bits, readout.adc_source)
        bills.append(array_bill(layer.crossbar, layer.ledger.account(phase), conversion))
    return total(bills)


def array_bill(
    crossbar: Crossbar | PlaneArray, account: Account, conversion: Constant | None = None
) -> Bill:
    """Return the bill of the bookings of an array; its total is that of the account.

    Parameters
    ----------
    crossbar
        The array, for its device, its circuits and its lines. Where single bits are verified,
        driving their word line counts as current of the cells.
    account
        Counts and joules of one phase of its ledger.
    conversion
        Price of an analog-to-digital conversion, J, where there are any; that of an array of
        binary cells is known.

    Raises
    ------
    ParameterError
        If energy of half-selected cells or of resistive lines is booked: it is not proportional to
        powers of parameters, and lines with resistance affect the learning.
    """
    for operation in Operation:
        if account.joules[operation] and operation not in SPLIT:
            raise ParameterError(
                f"array_bill: needs transistors as access, and no wires, for an energy that its "
                f"constants scale (got {account.joules[operation]:.3g} J of {operation.label})"
            )
    cells: Crossbar = physical(crossbar)
    bits, decisions = 1, SENSED_BITS
    if isinstance(crossbar, BinaryCrossbar):
        bits = decisions = crossbar.binary.bits
        resolution = crossbar.binary.adc_resolution(crossbar.shape[0])
        conversion = adc_constant(resolution, crossbar.binary.adc_source)
    bill = Bill()
    _charge_reads(bill, cells, account)
    senses = int(account.counts[Operation.SENSE_READ]) // bits
    _charge_sensing(bill, cells, account, senses, crossbar.program_costs().sense, decisions)
    _charge_pulses(bill, cells, account)
    _charge_circuits(bill, cells.periphery, account, conversion)
    return bill


def adc_constant(bits: int, source: str) -> Constant:
    """Return the price of a conversion, J, between the best and the median of a survey."""
    constant = of_price(f"adc-{bits}-bits-{source}", conversion_price(bits, source))
    best, median = (ADC_PRICES[f"survey-{kind}"].at(bits).value for kind in ("best", "median"))
    return constant.replace(
        low=min(best, constant.value),
        high=max(median, constant.value),
        source=f"{constant.source}; range: best to median of the Murmann ADC survey",
    )


def what_is_included() -> str:
    """Return the costs that each component includes, and those not included, as a Markdown list."""
    lines = [f"* **{component}**: {'; '.join(parts)}." for component, parts in INCLUDED.items()]
    return "\n".join([*lines, f"* Not priced: {'; '.join(NOT_INCLUDED)}.", ""])


Powers = dict[Constant, float]


def _charge_reads(bill: Bill, cells: Crossbar, account: Account) -> None:
    device, periphery = cells.device, cells.periphery
    for operation in READS:
        _charge(bill, "array read", account.joules[operation], _read_powers(device))
    line = device.c_cell * cells.shape[1] * device.v_read**2
    drivers = account.counts[Operation.WORD_LINE_DRIVE] * (cells.word_line_energy - line)
    lines = account.joules[Operation.WORD_LINE_DRIVE] - drivers
    _charge(bill, "periphery", drivers, {of_parameter(periphery, "e_word_line"): 1})
    _charge(bill, "array read", lines, _line_powers(device, {"v_read": 2}))


def _charge_sensing(
    bill: Bill, cells: Crossbar, account: Account, senses: int, each: float, decisions: int
) -> None:
    """Charge `senses` that cost `each` beside the cells' current: line, driver, and decisions."""
    periphery = cells.periphery
    amplifiers, driver = decisions * periphery.e_sense, periphery.e_word_line
    current = account.joules[Operation.SENSE_READ] - senses * each
    _charge(bill, "array read", current, _read_powers(cells.device))
    line = senses * (each - amplifiers - driver)
    _charge(bill, "array read", line, _line_powers(cells.device, {"v_read": 2}))
    _charge(bill, "periphery", senses * driver, {of_parameter(periphery, "e_word_line"): 1})
    _charge(bill, "periphery", senses * amplifiers, {of_parameter(periphery, "e_sense"): 1})


def _charge_pulses(bill: Bill, cells: Crossbar, account: Account) -> None:
    device, costs = cells.device, cells.program_costs()
    set_powers, reset_powers = _pulse_powers(device, "set"), _pulse_powers(device, "reset")
    for operations, powers in (
        (SET_PULSES, set_powers),
        (RESET_PULSES, reset_powers),
        (EITHER_PULSES, _mean_powers(set_powers, reset_powers)),
    ):
        _charge(bill, "array write", _sum(account.joules, operations), powers)
    of_sets = _sum(account.counts, SET_PULSES) * costs.line_set
    of_resets = _sum(account.counts, RESET_PULSES) * costs.line_reset
    of_either = account.joules[Operation.PROGRAM_LINE] - of_sets - of_resets
    if not _sum(account.counts, EITHER_PULSES):  # what is left is rounding
        of_sets, of_either = of_sets + of_either, 0.0
    for joules, voltages in (
        (of_sets, {"v_set": 2.0}),
        (of_resets, {"v_reset": 2.0}),
        (of_either, {"v_set": 1.0, "v_reset": 1.0}),
    ):
        _charge(bill, "array write", joules, _line_powers(device, voltages))


def _charge_circuits(
    bill: Bill, periphery: Periphery, account: Account, conversion: Constant | None
) -> None:
    for component, operation, key in (
        ("neurons", Operation.NEURON_UPDATE, "e_neuron"),
        ("neurons", Operation.OUTPUT_SPIKE, "e_spike"),
        ("converters", Operation.SHIFT_ADD, "e_add"),
        ("periphery", Operation.BIT_SENSE, "e_sense"),
    ):
        _charge(bill, component, account.joules[operation], {of_parameter(periphery, key): 1})
    conversions = account.joules[Operation.ADC_CONVERSION]
    if conversions:
        if conversion is None:
            raise ParameterError("array_bill: conversion is required, the price of an ADC's work")
        _charge(bill, "converters", conversions, {conversion: 1})


def _charge(bill: Bill, component: str, joules: float, powers: Powers) -> None:
    if joules:
        bill.add_joules(component, joules, powers)


def _sum(by_operation: NDArray, operations: tuple[Operation, ...]) -> float:
    return float(sum(by_operation[operation] for operation in operations))


def _read_powers(device: Device) -> Powers:
    return {
        of_parameter(device, "v_read"): 2,
        of_parameter(device, "t_read"): 1,
        of_parameter(device, "g_max"): 1,
    }


def _line_powers(device: Device, voltages: Mapping[str, float]) -> Powers:
    squares = {of_parameter(device, key): power for key, power in voltages.items()}
    return {of_parameter(device, "c_cell"): 1, **squares}


def _pulse_powers(device: Device, kind: str) -> Powers:
    """Return the powers of set or reset pulses: d ln E / d ln c for each parameter c.

    With a sinh current, E ~ V sinh(V/V0) V_read / sinh(V_read/V0) t G.
    """
    voltage = of_parameter(device, f"v_{kind}")
    if device.c_gate:
        return {of_parameter(device, "c_gate"): 1, voltage: 2}
    powers: Powers = {of_parameter(device, f"t_{kind}"): 1, of_parameter(device, "g_max"): 1}
    if not device.v_sinh:
        return powers | {voltage: 2}
    write, read = (_x_coth_x(v / device.v_sinh) for v in (voltage.value, device.v_read))
    return powers | {
        voltage: 1 + write,
        of_parameter(device, "v_read"): 1 - read,
        of_parameter(device, "v_sinh"): read - write,
    }


def _x_coth_x(x: float) -> float:
    return x / math.tanh(x)


def _mean_powers(first: Powers, second: Powers) -> Powers:
    """Return the powers of the geometric mean of two energies."""
    both = dict.fromkeys([*first, *second])
    return {key: 0.5 * (first.get(key, 0) + second.get(key, 0)) for key in both}
