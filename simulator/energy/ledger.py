"""Energy ledger: the count and the energy of each operation in each phase."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.arguments import instance, number, whole
from cbramsim.core.errors import DataError
from cbramsim.core.units import in_prefixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


MOST_EVENTS = 2**62
"""Most events of one kind that can be counted."""


class Operation(IntEnum):
    """Kinds of events that cost energy, in the order of a presentation."""

    WORD_LINE_DRIVE = 0
    """Driving and charging an active word line for a read: driver + n_columns C V_read²."""
    CELL_READ = 1
    """Current through one cell of an active word line: V_read² G t_read."""
    REFERENCE_READ = 2
    """Current through the reference cell of an active word line: V_read² G_mid t_read."""
    NEURON_UPDATE = 3
    """Use of the bit-line current of one output neuron in the competition."""
    OUTPUT_SPIKE = 4
    """Spike of the winner."""
    SENSE_READ = 5
    """Sensing one cell to decide on its pulse: word line + V_read² G t_read + sense amplifier."""
    LTP_PULSE = 6
    """Set pulse of potentiation, or of the falling side of a pair: V_set² G t_set."""
    LTD_PULSE = 7
    """Reset pulse of depression, or of the falling side of a pair: V_reset² G t_reset."""
    PRUNE_SET_PULSE = 8
    """Pulse of either polarity that takes a pruned cell to its value."""
    PROGRAM_PULSE = 9
    """Pulse given by the user through `Crossbar.program`."""
    PROGRAM_LINE = 10
    """Charging both lines for one pulse of any kind: (n_rows + n_columns) C V²."""
    HALF_SELECT = 11
    """Current through one cell of a passive array that shares a line with a cell that is pulsed,
    (V/2)² G t, or, in the V/3 scheme, is anywhere else, (V/3)² G t; or that shares a word line
    with one that is sensed, V_read² G t_read."""
    READ_WIRE = 12
    """Resistance of the lines on the way of one cell's read current: power of the sources less that
    of the cells, from the solved voltages."""
    PROGRAM_WIRE = 13
    """Resistance of the lines on the way of one pulse or of one sensed cell: (G V)² R t."""
    ADC_CONVERSION = 14
    """One analog-to-digital conversion of the current of one bit line."""
    SHIFT_ADD = 15
    """One digital addition: of a tile, of a shifted bit slice, or of a code that was sensed."""
    BIT_SENSE = 16
    """One decision of a sense amplifier on a stored bit; the current is a cell read."""
    BIT_SET = 17
    """Pulse that writes a binary 1: V_set² G t_set."""
    BIT_RESET = 18
    """Pulse that writes a binary 0: V_reset² G t_reset."""
    RENEWAL_PULSE = 19
    """Pulse of either polarity that writes a weight in several cells anew."""
    BIT_LINE_DRIVE = 20
    """Driving and charging a bit line for a read of the transposed array, as a word line."""
    TRANSPOSED_READ = 21
    """Current through one weight, the voltage on its bit line, its signal on the word line:
    V² G t_read, with V the read voltage times the signal on the line over the largest one."""
    MEMORY_BYTE = 22
    """One byte into or out of a digital memory beside the array, of an optimizer."""
    MULTIPLY_ADD = 23
    """One multiplication and addition in float32 beside the array, of an optimizer."""

    @property
    def label(self) -> str:
        """Name in reports, such as "cell read"."""
        words = self.name.lower().replace("_", " ")
        return words.replace("ltp", "LTP").replace("ltd", "LTD").replace("adc", "ADC")


class Account(NamedTuple):
    """Sums of one phase, as two arrays to which compiled loops add."""

    counts: NDArray[np.int64]
    """Number of events, by `Operation`."""
    joules: NDArray[np.float64]
    """Energy, by `Operation`, J."""


class EnergyLedger:
    """Counts and joules by phase and operation.

    A phase ("train", "label", "test", ...) is opened by its first use. Loops add to the arrays of
    `account(phase)`; everything else goes through `add`. Nothing is ever rounded or estimated: an
    event whose energy depends on the state of a cell is booked with that state.
    """

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    @property
    def phases(self) -> list[str]:
        """Phases opened so far, in order."""
        return list(self._accounts)

    def account(self, phase: str) -> Account:
        """Return the arrays of `phase`, opening it if it is new."""
        if phase not in self._accounts:
            instance("EnergyLedger: phase", phase, str)
            size = len(Operation)
            self._accounts[phase] = Account(np.zeros(size, np.int64), np.zeros(size))
        return self._accounts[phase]

    def accounts(self) -> list[tuple[str, Account]]:
        """Return all phases with their accounts."""
        return list(self._accounts.items())

    def add(self, phase: str, operation: Operation, count: int, joules: float) -> None:
        """Book `count` events that cost `joules` in all."""
        instance("EnergyLedger.add: operation", operation, Operation)
        account = self.account(phase)
        whole("EnergyLedger.add: count", count, 0, MOST_EVENTS - int(account.counts[operation]))
        number("EnergyLedger.add: joules", joules)
        account.counts[operation] += count
        account.joules[operation] += joules

    def add_account(self, phase: str, other: Account) -> None:
        """Book another account, for example that of a parallel worker."""
        account = self.account(phase)
        account.counts[:] += other.counts
        account.joules[:] += other.joules

    @classmethod
    def sum(cls, ledgers: Iterable[EnergyLedger]) -> EnergyLedger:
        """Return the sum of several ledgers, phase by phase."""
        total = cls()
        for ledger in ledgers:
            for phase, account in ledger.accounts():
                total.add_account(phase, account)
        return total

    def clear(self, phase: str) -> None:
        """Delete all bookings of `phase`."""
        instance("EnergyLedger.clear: phase", phase, str)
        self._accounts.pop(phase, None)

    def count(self, phase: str, operation: Operation) -> int:
        """Return the number of times that `operation` happened in `phase`."""
        instance("EnergyLedger.count: operation", operation, Operation)
        account = self._accounts.get(phase)
        return int(account.counts[operation]) if account else 0

    def total(self, phase: str | None = None) -> float:
        """Return the joules of one phase, or of all."""
        accounts = (a for name, a in self._accounts.items() if phase in (None, name))
        return float(sum(account.joules.sum() for account in accounts))

    def to_dict(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return phase -> operation -> {count, joules}, for JSON."""
        return {
            phase: {
                operation.name.lower(): {
                    "count": int(account.counts[operation]),
                    "joules": float(account.joules[operation]),
                }
                for operation in Operation
                if account.counts[operation]
            }
            for phase, account in self._accounts.items()
        }

    def totals(self) -> dict[str, float]:
        """Return phase -> joules."""
        return {phase: self.total(phase) for phase in self.phases}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the ledger as arrays that can be saved; `from_arrays` reads them back."""
        accounts = self._accounts.values()
        return {
            "ledger_phases": np.array(self.phases, dtype=np.str_),
            "ledger_counts": np.array([a.counts for a in accounts], np.int64),
            "ledger_joules": np.array([a.joules for a in accounts], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> EnergyLedger:
        """Restore a ledger from `to_arrays`.

        Raises
        ------
        DataError
            If one of its arrays is missing.
        """
        for name in ("ledger_phases", "ledger_counts", "ledger_joules"):
            if name not in arrays:
                raise DataError(f"EnergyLedger.from_arrays: {name} is missing")
        ledger = cls()
        for phase, counts, joules in zip(
            arrays["ledger_phases"], arrays["ledger_counts"], arrays["ledger_joules"], strict=True
        ):
            # A file from before an operation was known says nothing of it: it never happened.
            account = ledger.account(str(phase))
            account.counts[: len(counts)] += counts
            account.joules[: len(joules)] += joules
        return ledger

    def __str__(self) -> str:
        """Return the ledger as a table, one line per phase and operation that happened."""
        lines = [f"{'phase':<8} {'operation':<18} {'count':>15} {'energy':>10} {'share':>7}"]
        for phase, account in self._accounts.items():
            total = account.joules.sum()
            for operation in Operation:
                if not account.counts[operation]:
                    continue
                joules = account.joules[operation]
                lines.append(
                    f"{phase:<8} {operation.label:<18} {account.counts[operation]:>15,} "
                    f"{in_prefixed(joules, 'J'):>10} {joules / total if total else 0:>7.1%}"
                )
            lines.append(f"{phase:<8} {'total':<18} {'':>15} {in_prefixed(total, 'J'):>10}")
        return "\n".join(lines)

    def rows(self) -> list[tuple[str, str, int, float]]:
        """Return phase, operation, count and joules of all that happened, in order."""
        return [
            (phase, operation.label, int(account.counts[operation]), float(joules))
            for phase, account in self._accounts.items()
            for operation, joules in zip(Operation, account.joules, strict=True)
            if joules or account.counts[operation]
        ]

    def to_frame(self) -> DataFrame:
        """Return the ledger as a tidy table, a row for each phase and operation that happened.

        Returns
        -------
        pandas.DataFrame
            Columns `phase`, `operation`, `count`, `joules` and `joules_per_event`, J; NaN where
            energy was booked without an event.
        """
        from pandas import DataFrame

        frame = DataFrame(self.rows(), columns=["phase", "operation", "count", "joules"])
        events = frame["count"].where(frame["count"] > 0)
        return frame.assign(joules_per_event=frame["joules"] / events)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw a bar of joules per operation, in parts by phase; a new figure by default."""
        from cbramsim.simulator.drawing import plots  # matplotlib

        used = [o for o in Operation if any(a.joules[o] for a in self._accounts.values())]
        joules = np.array([account.joules[used] for account in self._accounts.values()])
        return plots.energy_bars(
            ax, self.phases, [o.label for o in used], joules.reshape(len(self.phases), len(used))
        )

    def _repr_html_(self) -> str:
        """Return the table of `str` as a card, for notebooks."""
        from cbramsim.simulator.drawing.cards import ledger_card

        return ledger_card(self.rows())
