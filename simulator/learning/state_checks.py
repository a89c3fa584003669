"""Requirements on the saved state of a network: one entry for each array, and their agreement.

A state file may come from anywhere. `check_state` refuses, by name, arrays that no network can have
reached, so that no wrong state is used for learning, recognition or results.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import nearest
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import CELL_SIZE, G_HIGH, G_LOW
from cbramsim.devices.retention import COLDEST, HOTTEST
from cbramsim.simulator.array.own import PREFIX
from cbramsim.simulator.array.wired_reads import LONGEST as LONGEST_INTERVAL
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.grey_levels import FULL_SCALE
from cbramsim.simulator.images.picture_files import MOST_CLASSES
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.state_file import Entry, check_entries
from cbramsim.simulator.lines.saturating import PATTERNS

LEARNING = "learning_"
"""Prefix of the names of arrays that finishing has changed: as they were before, to go on
learning."""
EXTRA = "extra_"
"""Prefix of the names of arrays of others that are kept with a state."""

LARGE = 1e9
"""Largest number without a unit; larger ones are taken for a mistake."""
MOST = 10**12
"""Most images, spikes or passes; more are taken for a mistake."""
LONGEST = 1e18
"""Longest time, s; a longer one is taken for a mistake."""
MOST_RELAXED = 1e150
"""Most time constants; more are taken for a mistake. The square still is a finite number."""
MOST_JOULES = 1e30
"""Most energy, J; more is taken for a mistake."""
DEVIATIONS = 10.0
"""Most standard deviations of a cell from its device; more are taken for a mistake."""
ROUNDING = 1e-5
"""Relative rounding of single precision, and of sums that are updated pulse by pulse."""
SHARE = 1e-2
"""Rounding of the sum of the neurons' shares in single precision."""
FORGOTTEN = 50.0
"""Time constants after which a cell may have relaxed to nothing in single precision."""

Arrays = Mapping[str, NDArray[Any]]
Rule = tuple[str, Any]
"""A requirement, and whether it is met: one boolean or an array of them."""
LATER = re.compile(r"layer\d+_")
"""Prefix of the names of the arrays of later layers."""


def check_state(arrays: Arrays, config: NetworkConfig, devices: Sequence[Device]) -> None:
    """Refuse the arrays of a state if one is not valid, or if two contradict each other.

    Parameters
    ----------
    arrays
        All arrays of the state.
    config
        The network's.
    devices
        The technology of the cells of each layer.

    Raises
    ------
    ValueError
        Naming the array, its requirement, and its value.
    """
    ours = {name: array for name, array in arrays.items() if not name.startswith(EXTRA)}
    configs = config.of_layers()
    table = network_entries(ours, configs[-1])
    common = {name: array for name, array in ours.items() if name in table}
    _check(common, table, _of_network(common))
    rows = common["pixels"].size
    for n, (layer, device) in enumerate(zip(configs, devices, strict=True)):
        part = {name: a for name, a in of_layer(ours, n).items() if n or name not in common}
        try:
            _check_layer(part, layer, device, common, rows)
        except ValueError as error:
            raise ValueError(f"layer{n + 1}_{error}" if n else str(error)) from None
        rows = layer.neurons
    for name in ours:
        if LATER.match(name) and int(name[5 : name.index("_")]) not in range(2, len(configs) + 1):
            raise ValueError(f"{name:.60}: unknown entry: there are {len(configs)} layers")


def _check_layer(
    part: Arrays, config: NetworkConfig, device: Device, common: Arrays, rows: int
) -> None:
    """Refuse the arrays of a layer with `rows` inputs, as finished and as saved to go on
    learning."""
    now = {name: a for name, a in part.items() if not name.startswith((LEARNING, PREFIX))}
    learning = learning_part(part)
    for whole in (now, now | learning) if learning else (now,):
        table = layer_entries(whole, config, device, rows)
        if "grey_levels" in common:  # since 0.6.0
            table["competition_scale"] = Entry((), np.float64, 1 / LARGE, LARGE)
        _check(whole, table, _of_layer(whole, config, device, common))


def _check(arrays: Arrays, table: dict[str, Entry], rules: Iterable[Rule]) -> None:
    for name in arrays:
        if name not in table:
            raise ValueError(f"{name:.60}: unknown entry{nearest(name, table)}")
    check_entries(arrays, table)
    for text, wrong in rules:
        if np.any(wrong):
            at = [int(n) for n in np.unravel_index(int(np.argmax(wrong)), np.shape(wrong))]
            raise ValueError(f"{text}{f' (wrong at {at})' if at else ''}")


def with_prefix(arrays: Mapping[str, Any], n: int) -> dict[str, Any]:
    """Return the arrays of layer n, 0 for the first, by their names in a state."""
    return {f"layer{n + 1}_{name}" if n else name: array for name, array in arrays.items()}


def of_layer(arrays: Arrays, n: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of layer n by their own names; for the first, 0, all but those of later
    layers."""
    if n:
        prefix = f"layer{n + 1}_"
        return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
    return {name: array for name, array in arrays.items() if not LATER.match(name)}


def learning_part(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return the arrays that finishing has changed, as they were before, by the usual names."""
    return {
        name.removeprefix(LEARNING): array
        for name, array in arrays.items()
        if name.startswith(LEARNING)
    }


def network_entries(arrays: Arrays, last: NetworkConfig) -> dict[str, Entry]:
    """Return the requirements on the arrays of the network; `last` is the configuration of its last
    layer."""
    for name in ("pixels", "image_pixels", "class_counts"):
        if name not in arrays:
            raise ValueError(f"{name} is missing")
    Entry((), np.int64, 1, MOST).check("image_pixels", arrays["image_pixels"])
    rows, pixels = arrays["pixels"].size, int(arrays["image_pixels"])
    if not rows:
        raise ValueError("pixels must be one at least (got none)")
    classes = arrays["class_counts"].shape[-1:]
    if classes and classes[0] > MOST_CLASSES:
        raise ValueError(f"class_counts must be of at most {MOST_CLASSES:,} classes")
    named = (last.neurons, *classes) if any(classes) else (0, 0)
    table = {
        "config": Entry((), np.str_),
        "image_pixels": Entry((), np.int64, 1, MOST),
        "pixels": Entry((rows,), np.int64, 0, pixels - 1),
        "progress": Entry((3,), np.int64, 0, MOST),
        "pass_images": Entry((2,), np.int64, 0, (MOST, 2**32 - 1)),
        "labels_used": Entry((), np.int64, 0, MOST),
        "class_counts": Entry(named, np.float64, 0, 1 + ROUNDING),
    }
    if "grey_levels" in arrays:  # since 0.6.0
        table["grey_levels"] = Entry((2,), np.int64, 0, FULL_SCALE)
    return table


def layer_entries(
    arrays: Arrays, config: NetworkConfig, device: Device, rows: int
) -> dict[str, Entry]:
    """Return the requirements on the arrays of a layer with `rows` inputs."""
    for name in ("clock", "ledger_counts"):
        if name not in arrays:
            raise ValueError(f"{name} is missing")
    neurons = config.neurons
    lines = neurons * config.planes
    phases = arrays["ledger_counts"].shape[:1]
    ledger = (*phases, None) if any(phases) else (0,)
    f4, f8, i8 = np.float32, np.float64, np.int64
    _, highest = conductance_bounds(device)
    table = {
        "device": Entry((), np.str_),
        "periphery": Entry((), np.str_),
        "activity": Entry((rows,), f8, 0, 1),
        "conductance": Entry((rows, lines), f4, 0, highest),
        "cells": Entry(
            (lines, rows, CELL_SIZE), f4,
            (0, 0, -1, 0, -highest, -1), (highest, highest, LARGE, highest, 0, LARGE),
        ),
        "wear": Entry((lines, rows), np.uint32),
        "inhibited": Entry((lines, rows), np.bool_),
        "connected": Entry((rows, neurons), np.bool_),
        "row_sum": Entry((rows,), f8, -highest, 2 * highest * lines),
        "bias": Entry((neurons,), f4, -LARGE, LARGE),
        "spike_counts": Entry((neurons,), i8, 0, MOST),
        "streams": Entry((4, 4), np.uint64),
        "pruned": Entry((neurons, rows), np.bool_),
        "stage": Entry((neurons,), i8, 0, config.pruning.stages),
        "seen_weights": Entry((neurons, rows), f4, -LARGE, LARGE),
        "seen_spikes": Entry((neurons,), i8, 0, MOST),
        "missed": Entry((), i8, 0, MOST),
        "clock": Entry((3,), f8, (0, 0, COLDEST), (LONGEST, LONGEST, HOTTEST)),
        "ledger_phases": Entry(phases, np.str_),
        "ledger_counts": Entry(ledger, i8, 0, 2**62),
        "ledger_joules": Entry(ledger, f8, -MOST_JOULES, MOST_JOULES),
    }  # fmt: skip
    if "windows_counted" in arrays:  # of a later layer
        table["windows_counted"] = Entry((), i8, 1, MOST)
    if config.storage == "analog" and config.synapse.several:
        table["updates"] = Entry((neurons,), i8, 0, MOST)
    if config.access == "passive" and device.v_switch > 0:
        table["unresolved"] = Entry((lines, rows), f4, -highest, highest)
    if config.readout.adc_bits:
        table["most_active"] = Entry((), f8, 0, rows)
    if config.wires:
        table |= {
            "together": Entry((rows, rows), f8, 0, 1),
            "wires_seen": Entry((rows, lines), f4, -highest, highest),
            "wires_base": Entry((lines, rows), f4, -LARGE, LARGE),
            "wires_beyond": Entry((rows, lines), f4, -LARGE, LARGE),
            "wires_dissipated": Entry((2, rows), f8, -LARGE, LARGE),
            "wires_progress": Entry((3,), i8, 0, MOST),
            "wires_error": Entry((1,), f8, 0, LARGE),
        }
    if config.wires and device.v_sinh:
        tiles = len(config.tiles.parts((rows, lines))[0]) - 1
        table |= {
            "wires_seen": Entry((rows, lines), f4, -LARGE, LARGE),
            "wires_bends": Entry((tiles, lines), f4, 0, LARGE),
            "wires_patterns": Entry((PATTERNS, rows), np.bool_),
            "wires_scatter": Entry((1,), f8, 0, LARGE),
        }
    if device.ages and (np.any(arrays["clock"][:1]) or "clock_age" in arrays):
        table |= {
            "clock_age": Entry((lines, rows), f8, 0, LONGEST),
            "clock_relaxed": Entry((lines, rows), f8, 0, MOST_RELAXED),
            "clock_left": Entry((lines, rows), f4, 0, highest),
        }
        if device.relaxes or device.drift_by_state:
            table["clock_programmed"] = Entry((lines, rows), f4, 0, highest)
    if device.read_1f and config.rule == "device":
        table["variance"] = Entry((rows, lines), f4, 0, LARGE)
    if "sums" in arrays:
        table |= {
            "sums": Entry((lines,), f8, -1, LARGE),
            "gain": Entry(arrays["gain"].shape[:1] if "gain" in arrays else (), f4, 0, LARGE),
            "sums_measured": Entry((), i8, 0, MOST),
        }
    if device.write_c2c and config.rule == "device":
        most = DEVIATIONS * device.write_c2c * device.g_range
        table["seen"] = Entry((rows, lines), f4, 0, highest + most)
    return table


def conductance_bounds(device: Device) -> tuple[float, float]:
    """Return the conductances between which the windows of all cells lie, S."""
    sigmas = [math.sqrt(math.log1p(d2d**2)) for d2d in (device.g_min_d2d, device.g_max_d2d)]
    nominal = (device.g_min, device.g_max)
    spread = [
        [g * math.exp(sign * DEVIATIONS * sigma - sigma**2 / 2) for sign in (-1, 1)]
        for g, sigma in zip(nominal, sigmas, strict=True)
    ]
    normal = DEVIATIONS * device.g_range
    below = normal * max(device.g_min_d2d_of_window, device.g_max_d2d_of_window)
    lowest = min(low for low, _ in spread) * (0.5 if device.g_quantum else 1)
    lowest = max(lowest - below, 0.0)
    highest = max(high for _, high in spread) + device.g_quantum + below
    if device.retention_time:
        highest = max(highest, device.g_relaxed)
    if device.relaxes:
        states = np.linspace(0, device.g_max, 65)
        furthest = np.max(device.relaxation_sigma(states, LONGEST))
        shift = abs(device.relaxation_shift) * math.log(LONGEST)
        highest += float(DEVIATIONS * furthest + shift)
    return lowest * (1 - ROUNDING), highest * (1 + ROUNDING)


def _of_network(arrays: Arrays) -> Iterator[Rule]:
    yield "pixels must be in ascending order, each once", np.diff(arrays["pixels"]) <= 0
    if "grey_levels" in arrays:
        yield "grey_levels must be two different ones", not np.ptp(arrays["grey_levels"])
    _, position, images = (int(n) for n in arrays["progress"])
    of_pass = int(arrays["pass_images"][0])
    yield (
        f"progress: the position must be < {of_pass:,}, the images of the pass (got {position:,})",
        position >= max(of_pass, 1),
    )
    yield (
        f"progress: images seen must be >= {position:,}, the position (got {images:,})",
        images < position,
    )
    counts = arrays["class_counts"]
    if counts.size:
        # Neurons share the responses to each image: of one network, or of several side by side.
        of_class = counts.sum(axis=0)
        yield (
            "class_counts must add up to 1 for each class, or 0 for one without images; if arrays "
            "were joined, to a whole number",
            np.abs(of_class - np.rint(of_class)) > SHARE,
        )
        yield "class_counts must not be all 0", not np.rint(of_class).any()
        yield "labels_used must be >= 1 where there are class_counts", arrays["labels_used"] < 1


def _of_layer(
    arrays: Arrays, config: NetworkConfig, device: Device, common: Arrays
) -> Iterator[Rule]:
    yield from _of_cells(arrays, config, device)
    yield from _of_pruning(arrays, config)
    spikes, windows = arrays["spike_counts"], config.encoding.windows
    yield "seen_spikes must be at most spike_counts", arrays["seen_spikes"] > spikes
    expected = int(common["progress"][2]) * windows
    yield (
        f"spike_counts must add up to {expected:,}, {windows} for each image seen (got "
        f"{int(spikes.sum()):,})",
        spikes.sum() != expected,
    )
    yield from _of_ledger(arrays, config)


def _of_cells(arrays: Arrays, config: NetworkConfig, device: Device) -> Iterator[Rule]:
    g, connected = arrays["conductance"], arrays["connected"]
    if config.storage == "binary":
        connected = np.tile(connected, (1, config.planes))
    else:
        connected = np.repeat(connected, config.planes, axis=1)
    low, high = arrays["cells"][..., G_LOW].T, arrays["cells"][..., G_HIGH].T
    lowest, _ = conductance_bounds(device)
    works = high > low
    yield "cells must have a highest conductance above the lowest", low > high
    yield (
        f"cells that switch must have a lowest conductance >= {lowest:g} S, by the spread of the "
        "device",
        works & (low < lowest),
    )
    yield "conductance must be 0 where connected is false", ~connected & (g != 0)
    ages = "clock_age" in arrays
    floor = np.where(works, 0, low) if ages else low
    ceiling = np.maximum(high, device.g_relaxed) if ages and device.retention_time else high
    if ages and device.relaxes:
        ceiling = np.maximum(ceiling, conductance_bounds(device)[1])
    yield (
        "conductance must be within the window of its cell",
        connected & ((g > ceiling * (1 + ROUNDING)) | (g < floor * (1 - ROUNDING))),
    )
    if ages:
        relaxed = arrays["clock_relaxed"].T ** device.retention_exponent
        yield (
            "conductance must be above 0 where connected, unless a cell has relaxed",
            connected
            & works
            & (low > 0)
            & (g == 0)
            & ~(relaxed > FORGOTTEN)
            & (not device.relaxes),
        )
        yield (
            "clock_age must be at most the time of the clock",
            arrays["clock_age"] > arrays["clock"][0] * (1 + ROUNDING),
        )
    if "gain" in arrays:
        yield (
            "gain must be none, or one for each bit line",
            len(arrays["gain"]) not in (0, len(g.T)),
        )
    seen = arrays.get("seen", g)
    yield "seen must be 0 where connected is false", ~connected & (seen != 0)
    total = seen.sum(axis=1, dtype=np.float64)
    yield (
        "row_sum must be the sum of each row of conductance",
        np.abs(arrays["row_sum"] - total) > ROUNDING * (total + device.g_max),
    )
    clock = arrays["clock"]
    yield "clock must have no more time pending than has passed", clock[1] > clock[0]
    yield "streams must not be all 0", ~arrays["streams"].any(axis=1)
    if config.wires:
        interval, since, _ = arrays["wires_progress"]
        yield (
            f"wires_progress must be >= 0, an interval >= 1 and <= {LONGEST_INTERVAL}, no less "
            "than the steps since",
            not (1 <= interval <= LONGEST_INTERVAL and since <= interval),
        )


def _of_pruning(arrays: Arrays, config: NetworkConfig) -> Iterator[Rule]:
    pruned, open_ = arrays["pruned"], ~arrays["connected"].T
    inhibited = arrays["inhibited"].reshape(-1, *pruned.shape).all(axis=0)
    yield "inhibited must be true where connected is false", open_ & ~inhibited
    yield "pruned cells must be inhibited", pruned & ~inhibited
    if config.pruning.kind == "hard":
        yield "pruned must be where connected is false: pruning is hard", pruned & ~open_
    if config.pruning.kind == "none":
        yield "pruned must be false: there is no pruning", pruned
    yield (
        "pruned must be false where stage is 0",
        pruned & (arrays["stage"] == 0)[:, None],
    )


def _of_ledger(arrays: Arrays, config: NetworkConfig) -> Iterator[Rule]:
    phases, joules = arrays["ledger_phases"], arrays["ledger_joules"]
    yield "ledger_phases must be different", len(set(phases.tolist())) < len(phases)
    if not len(phases):
        return
    happened = arrays["ledger_counts"] > 0
    least, most = Operation.PROGRAM_LINE + 1, len(Operation)
    same = joules.shape == happened.shape and least <= joules.shape[1] <= most
    yield f"ledger_joules and ledger_counts must be of >= {least}, <= {most} operations", not same
    if same:
        # Energy of lines, and of others on a line, is a difference: it may be 0 but for rounding.
        rounding = ROUNDING * np.abs(joules).sum(axis=1, keepdims=True)
        yield "ledger_joules must be >= 0", joules < -rounding
        yield "ledger_joules must be 0 where ledger_counts is", (joules > rounding) & ~happened
        pulses = int(arrays["ledger_counts"][:, Operation.PROGRAM_LINE].sum())
        worn = int(arrays["wear"].sum(dtype=np.int64))
        yield (
            f"wear must be {pulses:,} pulses at least, those of the ledger (got {worn:,})",
            config.rule == "device" and worn < pulses,
        )
