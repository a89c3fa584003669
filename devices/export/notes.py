"""Common parts of the exports of a cell: what is exported, and the notes in its header."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from cbramsim.core.errors import ParameterError
from cbramsim.devices.technology import Technology

MARGIN = 0.05
"""Part of the amplitude that a pulse may lack and still have full effect; lacking twice that,
none."""
TAPER = 1e-3
"""Part of the window before a bound over which the rate goes to 0: a jump stalls solvers."""
WIDTH = 98
"""Columns of a header."""

_AROUND = ("t_read", "c_cell")
"""Parameters of the circuit around a cell."""
_CELL = (
    "g_min", "g_max", "law", "pulses_up", "nonlinearity_up", "slope_up", "exponent_up",
    "factor_up", "rate_up", "shape_up", "pulses_down", "nonlinearity_down", "slope_down",
    "exponent_down", "factor_down", "rate_down", "shape_down",
    "v_set", "t_set", "v_reset", "t_reset", "v_read", "v_sinh",
)  # fmt: skip
"""Parameters of the cell that are exported."""

MEANING = f"""\
Two terminals, te (top electrode) and be. The state x is the position in the window of \
conductance: g = g_min + x (g_max - g_min). V(te,be) >= {1 - MARGIN:g} v_set raises x, for as long \
as it lasts, and V(te,be) <= -{1 - MARGIN:g} v_reset lowers it: one pulse of the device, t_set or \
t_reset wide, by the mean step of its law at that state; two half pulses make one pulse. The rate \
does not depend on the voltage beyond that, falls to 0 at {1 - 2 * MARGIN:g} of the amplitude, and \
within {TAPER:g} of the window before the bound; reads do not move the state (a threshold model: \
assumed). Edges of pulses should be short beside their width."""


def check_exportable(device: Technology, form: str) -> None:
    """Refuse a cell that a circuit with two terminals and a threshold cannot represent.

    Raises
    ------
    ParameterError
        With the parameter that rules it out.
    """
    if device.c_gate:
        raise ParameterError(
            f"{form}: c_gate must be 0 (got {device.c_gate:g} F): a cell whose pulses charge a "
            "gate has a third terminal"
        )
    still = (1 - 2 * MARGIN) * device.v_set
    if device.v_read > still:
        raise ParameterError(
            f"{form}: v_read must be at most {still:g} V, {1 - 2 * MARGIN:g} v_set, so that a read "
            f"does not move the state (got {device.v_read:g} V)"
        )


def identifier(device: Technology) -> str:
    """Return a name for a device that circuit simulators accept, and that is no keyword."""
    return f"cell_{re.sub(r'[^A-Za-z0-9]+', '_', device.name).strip('_').lower()}".rstrip("_")


def header(device: Technology, mark: str, *how: str) -> str:
    """Return comment lines: the contents and limits of the model, and the source of each number.

    Parameters
    ----------
    device
        The cell.
    mark
        Beginning of a comment line.
    how
        Paragraphs on the use of the model.
    """
    stated = [key for key in device.stated_parameters() if key != "law"]
    left_out = [key for key in stated if key not in (*_CELL, *_AROUND)]
    around = [key for key in stated if key in _AROUND]
    few, many = len(device.assumed_parameters()), len(device.stated_parameters())
    paragraphs = [
        f"{device.name}: {device.summary}",
        MEANING,
        *how,
        "The mean of the nominal cell. Noise, spreads, faults, finite states, ageing and wear are "
        f"not in it; stated of this device and left out: {', '.join(left_out) or 'none'}. "
        f"To be added around the cell: {', '.join(around) or 'none'}.",
        f"Law of the pulses: {device.law}. Parameters, with their evidence ({few} of the {many} "
        "that are stated are assumed):",
    ]
    lines = [line for text in paragraphs for line in (*textwrap.wrap(_plain(text), WIDTH), "")]
    for key in stated:
        if key in _CELL:
            lines += _parameter(device, key)
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in lines)


def values(device: Technology) -> dict[str, float]:
    """Return the numbers that both circuits use, SI."""
    named = ("g_min", "g_max", "v_set", "t_set", "v_reset", "t_reset")
    curve = ("v_read", "v_sinh") if device.v_sinh else ()
    return {key: float(getattr(device, key)) for key in (*named, *curve)}


def _parameter(device: Technology, key: str) -> Iterator[str]:
    value: Any = getattr(device, key)
    origin = device.evidence(key)
    number = f"{len(value)} points" if isinstance(value, tuple) else f"{value:.6g}"
    head = f"  {key} = {number} {device.unit(key)}".rstrip()
    text = _plain(f"{origin.evidence}: {origin.source}")
    yield from textwrap.wrap(text, WIDTH, initial_indent=f"{head}, ", subsequent_indent=" " * 6)


def _plain(text: str) -> str:
    """Return a text in ASCII on one line: not all simulators read more."""
    return " ".join(text.replace("µ", "u").encode("ascii", "replace").decode().split())
