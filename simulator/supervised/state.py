"""Conversion of a perceptron to the arrays of its file, and back.

Learning goes on bit for bit. Answers behind resistive lines are those of an array that is solved
anew, within `array.wired_reads.EXACT` of the earlier ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import DataError, ParameterError, nearest
from cbramsim.devices.device import Device
from cbramsim.devices.retention import COLDEST, HOTTEST
from cbramsim.simulator.array import saving
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import EnergyLedger
from cbramsim.simulator.learning.state_checks import (
    DEVIATIONS,
    LONGEST,
    MOST,
    MOST_JOULES,
    MOST_RELAXED,
    conductance_bounds,
)
from cbramsim.simulator.learning.state_file import Entry, check_entries, parsed
from cbramsim.simulator.supervised.config import PerceptronConfig
from cbramsim.simulator.supervised.optimizers import Collected

WIDEST = 10**6
"""Most inputs; more are taken for a mistake."""


def arrays_of(model: Any) -> dict[str, Any]:
    """Return all that is needed to go on with a `CrossbarPerceptron`, by name."""
    if not model.crossbars:
        raise ParameterError("CrossbarPerceptron.save: fit comes first")
    arrays: dict[str, Any] = {
        "config": model.config.model_dump_json(),
        "device": model.device.model_dump_json(),
        "periphery": model.periphery.model_dump_json(),
        "widths": np.array(model.widths),
        "classes": model.classes_,
        "images_seen": model.images_seen,
        "streams": np.array(model.streams),
    }
    for n in range(len(model.crossbars)):
        arrays |= {f"layer{n + 1}_{name}": value for name, value in _of_layer(model, n).items()}
    return arrays


def _of_layer(model: Any, n: int) -> dict[str, Any]:
    """Return the arrays of one layer, by their own names."""
    return saving.arrays_of(model.crossbars[n]) | model.ledgers[n].to_arrays() | _kept(model, n)


def _kept(model: Any, n: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of a layer, beside its cells, that are restored unchanged."""
    kept = {"pulse_stream": model.crossbars[n].pulse_stream}
    if model.config.wires:
        kept["together"] = model.together[n]
    if isinstance(optimizer := model.memory[n].optimizer, Collected):
        parts = optimizer._asdict() | optimizer.moments._asdict()
        kept |= {f"slopes_{k}": part for k, part in parts.items() if isinstance(part, np.ndarray)}
    return kept


def restored(kind: Any, arrays: dict[str, NDArray[Any]], path: str | Path) -> Any:
    """Return a perceptron of some `kind` from the arrays of `arrays_of`; `path` is for errors.

    Raises
    ------
    DataError
        If something is missing or contradicts itself.
    """
    try:
        arrays = {name: np.asarray(value) for name, value in arrays.items()}
        config = PerceptronConfig(**parsed(arrays, "config"))
        device, periphery = (parsed(arrays, name) for name in ("device", "periphery"))
        model = kind.__new__(kind)
        model.assemble(config, Device(**device), Periphery(**periphery))
        sizes = {
            "widths": Entry((config.layers + 1,), np.int64, 1, WIDEST),
            "images_seen": Entry((), np.int64, 0, MOST),
            "streams": Entry((4, 4), np.uint64),
        }
        check_entries(arrays, sizes)
        widths = tuple(arrays["widths"].tolist())
        if widths[1:-1] != config.hidden:
            raise ValueError(f"widths must be those of hidden, {config.hidden} (got {widths})")
        classes = arrays.get("classes", np.zeros(0))
        if not np.array_equal(np.unique(classes), classes) or classes.shape != widths[-1:]:
            raise ValueError(f"classes must be {widths[-1]} different names, in order")
        model.begin(widths[0], classes.copy())
        model.images_seen = int(arrays["images_seen"])
        for mine, saved in zip(model.streams, arrays["streams"], strict=True):
            mine[:] = saved
        for n in range(config.layers):
            prefix = f"layer{n + 1}_"
            _restore_layer(
                model, n, {k.removeprefix(prefix): a for k, a in arrays.items() if prefix in k}
            )
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"state file {path}: {error!s:.500}") from None
    return model


def _restore_layer(model: Any, n: int, arrays: dict[str, NDArray[Any]]) -> None:
    """Restore the arrays of one layer, by their own names, after a check."""
    crossbar, table = model.crossbars[n], _entries(model, n, arrays)
    for name in arrays:
        if name not in table:
            raise ValueError(f"layer{n + 1}_{name:.60}: unknown entry{nearest(name, table)}")
    try:
        check_entries(arrays, table)
    except ValueError as error:
        raise ValueError(f"layer{n + 1}_{error}") from None
    saving.restore(crossbar, arrays)
    for name, array in _kept(model, n).items():
        array[:] = arrays[name]
    for phase, account in EnergyLedger.from_arrays(arrays).accounts():
        model.ledgers[n].add_account(phase, account)


def _entries(model: Any, n: int, arrays: dict[str, NDArray[Any]]) -> dict[str, Entry]:
    """Return the requirements on the arrays of a layer: like those of a new one, within limits."""
    device = model.device
    _, highest = conductance_bounds(device)
    seen = highest + DEVIATIONS * device.write_c2c * device.g_range
    limits: dict[str, tuple[Any, Any]] = {
        "conductance": (0, highest),
        "seen": (0, seen),
        "wires_seen": (-seen, seen),
        "together": (0, 1),
        "clock": ((0, 0, COLDEST), (LONGEST, LONGEST, HOTTEST)),
        "pulse_stream": (0, np.inf),
    }
    table = {
        name: Entry(np.shape(array), np.asarray(array).dtype, *limits.get(name, (-MOST, MOST)))
        for name, array in _of_layer(model, n).items()
    }
    if "clock_age" in arrays and device.ages:
        shape = model.crossbars[n].state.g_columns.shape
        table |= {
            "clock_age": Entry(shape, np.float64, 0, LONGEST),
            "clock_relaxed": Entry(shape, np.float64, 0, MOST_RELAXED),
            "clock_left": Entry(shape, np.float32, 0, highest),
        }
        if device.relaxes or device.drift_by_state:
            table["clock_programmed"] = Entry(shape, np.float32, 0, highest)
    phases = arrays.get("ledger_phases", np.zeros(0)).shape[:1]
    of_phases = (*phases, None) if any(phases) else (0,)
    return table | {
        "ledger_phases": Entry(phases, np.str_),
        "ledger_counts": Entry(of_phases, np.int64, 0, 2**62),
        "ledger_joules": Entry(of_phases, np.float64, -MOST_JOULES, MOST_JOULES),
    }
