"""Results of a finished run, as numbers: read from its metrics, and averaged over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cbramsim.core.errors import CbramError, DataError
from cbramsim.core.files import printable, read_text
from cbramsim.experiments.run_folder import LARGEST, METRICS

PULSES = ("ltp_pulse", "ltd_pulse", "prune_set_pulse", "bit_set", "bit_reset")
"""Operations that are programming pulses."""
WRITES = (*PULSES, "program_line", "program_wire", "half_select")
"""Operations that belong to the price of programming."""
ARRAY = (*WRITES, "cell_read", "read_wire", "reference_read")
"""Operations whose energy is that of cells and wires, not of the circuits around them."""
READS = (
    "word_line_drive", "cell_read", "read_wire", "reference_read", "adc_conversion", "shift_add",
    "bit_sense",
)  # fmt: skip
"""Operations that belong to the price of a vector-matrix product."""

SHARES = ("accuracy", "accuracy_majority", "pruned_fraction")
"""Quantities that are shares."""

_NOT_METRICS = (
    ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip
"""Errors that reading a file of something else may raise."""


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return the metrics of the finished run in `folder`.

    Raises
    ------
    DataError
        If there is none, or if its results are not numbers.
    """
    try:
        metrics: dict[str, Any] = json.loads(
            read_text(folder / METRICS, LARGEST, f"{METRICS} of a run")
        )
        for name, value in quantities(metrics).items():
            if isinstance(value, bool) or not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number (got {value!r})")
            if name in SHARES and not 0 <= value <= 1:
                raise ValueError(f"{name} must be >= 0 and <= 1 (got {value!r})")
    except _NOT_METRICS as error:
        reason = str(error) if isinstance(error, DataError) else f"{METRICS}: {error!r}"
        raise DataError(f"{printable(folder)}: no finished run ({reason})") from None
    return metrics


@contextmanager
def saved_in(path: Path) -> Iterator[None]:
    """Name the damaged file if the contents read from it are not valid.

    Raises
    ------
    DataError
        Instead of the error that reading the file raises.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, CbramError):
            raise
        reason = getattr(error, "strerror", None) or repr(error)
        raise DataError(f"{path}: is damaged; remove it to measure again ({reason})") from None


def quantities(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the numbers by which runs are compared.

    Joules of a phase are all of it; `write_joules` (and `half_select_joules`, a part of them),
    `read_joules` (and `cell_read_joules`) and `sense_joules` are parts of the training, and so are
    `array_joules`: all but the circuits around the array.
    """
    scored = metrics["scored_on"]
    train = metrics["energy"]["train"]
    joules = {f"{phase}_joules": total for phase, total in metrics["energy_joules"].items()}
    joules["test_joules"] = metrics["energy_joules"][scored]
    return {
        "accuracy": metrics[f"{scored}_accuracy"],
        "accuracy_majority": metrics[f"{scored}_accuracy_majority"],
        "pruned_fraction": metrics["pruned_fraction"],
        **joules,
        "write_pulses": sum(train[name]["count"] for name in PULSES if name in train),
        "write_joules": _joules(train, *WRITES),
        "read_joules": _joules(train, *READS),
        "sense_joules": _joules(train, "sense_read"),
        "array_joules": _joules(train, *ARRAY),
        "half_select_joules": _joules(train, "half_select"),
        "cell_read_joules": _joules(train, "cell_read"),
        "read_wire_joules": _joules(train, "read_wire"),
        "wire_joules": _joules(train, "read_wire", "program_wire"),
        "seen_conductance": metrics["wires"]["seen"],
        "wires_error": metrics["wires"]["error"],
        "test_cell_read_joules": _joules(metrics["energy"][scored], "cell_read"),
        "inference_joules": metrics["energy_joules_per_image"][scored],
        "hottest_cell_pulses": metrics["wear"]["hottest"],
        "serial_write_seconds": metrics["serial_write_seconds"],
        "training_seconds": metrics["training_seconds"],
    }


def _joules(phase: dict[str, dict[str, float]], *operations: str) -> float:
    return sum(phase[name]["joules"] for name in operations if name in phase)


def in_percent(mean: float, spread: float | None) -> str:
    """Return a fraction with its standard deviation, if there is one, as text."""
    return f"{100 * mean:.2f}" + ("" if spread is None else f" ± {100 * spread:.2f}") + " %"
