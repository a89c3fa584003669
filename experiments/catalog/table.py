"""Cell technologies in numbers: side by side, and one in full."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from cbramsim.core.units import in_prefixed
from cbramsim.devices.device import Device
from cbramsim.devices.export.plain import CELSIUS, drift_per_decade, parameters
from cbramsim.devices.pulse_law import NEARLY
from cbramsim.experiments.tables import aligned

WIDTH = 118
"""Columns into which sources are wrapped."""

HEADERS = (
    ("", "device"),
    ("", "sourced"),
    ("conductance", "g_min – g_max"),
    ("on/", "off"),
    ("", "states"),
    ("pulses", "up/down"),
    ("set", "pulse"),
    ("reset", "pulse"),
    ("energy at", "mid: set"),
    ("", "reset"),
    ("", "read"),
    ("NL label", "up  down"),
    ("spread, %", "c2c/G/ΔG"),
)
FOOTNOTE = """\
sourced: parameters that a source states, or that follow from such (published or derived), of all
that are given; the others are assumed. All of them, with their sources: cbram devices NAME
pulses: from one end of the window to the other. energy at mid: per pulse at mid-window.
NL label: above 0, the curve from g_min to g_max lies above the straight line; ±9 is a jump.
spread: c2c, noise of one pulse (of the window); G and ΔG, bounds and steps from cell to cell.
"""


# ---- side by side ------------------------------------------------------------------------------


def side_by_side(devices: Sequence[Device]) -> str:
    """Return one line per technology, the best documented first, under a header of two lines."""
    heads = ["\n".join(pair) for pair in HEADERS]
    best_first = sorted(devices, key=lambda device: (-device.sourced_share, device.name))
    return f"{aligned(heads, map(_row, best_first), justify='right')}\n\n{FOOTNOTE.rstrip()}"


def _row(device: Device) -> tuple[str, ...]:
    energy = device.energies(device.g_mid)
    up, down = (_count(device.pulses_end_to_end(way)) for way in ("up", "down"))
    of_window = max(device.g_min_d2d_of_window, device.g_max_d2d_of_window)
    spreads = (
        device.step_c2c,
        max(device.g_min_d2d, device.g_max_d2d, of_window),
        math.hypot(device.pulses_d2d, max(device.pulses_up_d2d, device.pulses_down_d2d)),
    )
    return (
        device.name,
        f"{device.sourced_share:.0%}",
        f"{in_prefixed(device.g_min, 'S')} – {in_prefixed(device.g_max, 'S')}",
        _ratio(device),
        str(device.state_count or "analog"),
        f"{up}/{down}",
        f"{device.v_set:.3g} V {in_prefixed(device.t_set, 's')}",
        f"{device.v_reset:.3g} V {in_prefixed(device.t_reset, 's')}",
        *(in_prefixed(energy[pulse], "J") for pulse in ("set", "reset", "read")),
        _nonlinearity(device),
        "/".join(f"{100 * spread:.2g}" for spread in spreads),
    )


def _nonlinearity(device: Device) -> str:
    if device.law == "power":
        return f"power {device.exponent_up:.3g}, {device.exponent_down:.3g}"
    if device.law != "exponential":
        return device.law.replace("exponential", "exp.")
    labels = device.nonlinearity_up, device.nonlinearity_down
    return "{:+.3g} {:+.3g}".format(*labels) if any(labels) else "linear"


# ---- one in full -------------------------------------------------------------------------------


def in_full(device: Device) -> str:
    """Return every stated parameter, with its source, and derived figures."""
    lines = [f"{device.name}: {device.summary}", ""]
    for key, entry in parameters(device).items():
        head = f"{key:<20} {_shown(entry):>12}  {entry['evidence']:<10} "
        wrapped = textwrap.wrap(
            entry["source"], WIDTH, initial_indent=head, subsequent_indent=" " * len(head)
        )
        lines += wrapped or [head.rstrip()]
    few, all_ = len(device.assumed_parameters()), len(device.stated_parameters())
    lines += ["", f"{few} of {all_} stated parameters are assumed.", "", *_derived_lines(device)]
    return "\n".join(lines)


def _derived_lines(device: Device) -> list[str]:
    ends = "" if device.law in ("exponential", "constant") else f" (to {NEARLY:.0%} of the window)"
    up, down = (_count(device.pulses_end_to_end(way)) for way in ("up", "down"))
    lines = [
        f"{'on/off ratio':<20} {_ratio(device)}",
        f"{'end to end':<20} {up} set pulses, {down} reset pulses{ends}",
    ]
    if device.state_count:
        lines.append(f"{'states':<20} {device.state_count}")
    lines.append(f"{'energy at':<20} {'g_min':>10} {'mid-window':>10} {'g_max':>10}")
    marks = [device.energies(g) for g in (device.g_min, device.g_mid, device.g_max)]
    for pulse in ("set", "reset", "read"):
        shown = " ".join(f"{in_prefixed(mark[pulse], 'J'):>10}" for mark in marks)
        lines.append(f"{'  a ' + pulse + (' pulse' if pulse != 'read' else ''):<20} {shown}")
    if device.retention_time:
        times = (f"{in_prefixed(device.retention_time_at(t), 's')} at {t:g} °C" for t in CELSIUS)
        lines.append(f"{'retention':<20} {', '.join(times)}")
    if device.drifts:
        lines.append(f"{'drift':<20} {drift_per_decade(device):.3g} % per decade of time")
    if device.endurance:
        lines.append(f"{'endurance':<20} {_count(device.endurance)} pulses")
    return lines


def _shown(entry: dict[str, Any]) -> str:
    value = entry["value"]
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"{len(value)} points"
    return in_prefixed(value, entry["unit"]) if entry["unit"] else f"{value:,.6g}"


def _ratio(device: Device) -> str:
    return f"{device.on_off_ratio:.3g}".replace("inf", "∞")


def _count(pulses: float) -> str:
    """Write a number of pulses; infinitely many are written as such."""
    if math.isinf(pulses):
        return "∞"
    return f"{pulses:,.0f}" if pulses < 1e6 else f"{pulses:.3g}"
