r"""A cell as a subcircuit for ngspice.

.. math:: C \frac{dx}{dt} = f_{up}(x) \frac{\theta(V / v_{set})}{t_{set}}
          - f_{down}(x) \frac{\theta(-V / v_{reset})}{t_{reset}}, \qquad I = g(x)\, V
          \text{ or, with } v_{sinh}, \; g(x) v_{read} \frac{\sinh(V / v_{sinh})}
          {\sinh(v_{read} / v_{sinh})},

with C = 1 F, so that x is a voltage of 0 to 1 V, f of `flow` and the threshold θ of `notes`. A
resistor of 1 TΩ to a source holds x at its initial value in an operating point; in a transient
it takes 30,000 years to move it.
"""

from __future__ import annotations

import math

from cbramsim.devices.export import notes
from cbramsim.devices.export.flow import Flow, flow_of
from cbramsim.devices.technology import Technology

_USE = """\
Use: .include this file, then "X1 te be {name} g0=..." with the conductance to begin with, S; the \
state is v(x1.x). Begin with less than the switching voltage, so that the operating point is the \
initial state. Steps of a 50th of a pulse keep a state right to 5e-4 of the window."""
_DERIVED = (
    # ngspice puts the text of an expression into that of a source, without brackets around it:
    # in sources there are names only.
    ".param g_range={g_max-g_min}",
    ".param x0={(g0-g_min)/g_range}",
    *(
        f".param {pulse}_still={{{1 - 2 * notes.MARGIN:g}*v_{pulse}}} "
        f"{pulse}_margin={{{notes.MARGIN:g}*v_{pulse}}}"
        for pulse in ("set", "reset")
    ),
)
_POINTS_PER_LINE = 4


def to_spice(device: Technology) -> str:
    """Return a behavioural subcircuit of the mean cell, ``.subckt NAME te be params: g0=...``.

    Raises
    ------
    ParameterError
        If the cell has a gate, is moved by its read voltage, or has pulses that no state equation
        has.
    """
    notes.check_exportable(device, "to_spice")
    up, down = flow_of(device, "up"), flow_of(device, "down")
    name = notes.identifier(device)
    lines = [
        notes.header(device, "*", _USE.format(name=name)).rstrip("\n"),
        f".subckt {name} te be params: g0={device.g_min!r}",
        *(f".param {key}={value!r}" for key, value in notes.values(device).items()),
        *_DERIVED,
        f"Bcell te be I=({{g_min}}+{{g_range}}*min(max(V(x),0),1))*{_equivalent(device)}",
        "Cx x 0 1 IC={x0}",
        "Rx x start 1e12",
        "Vstart start 0 {x0}",
        "Bset 0 x I=min(max((V(te,be)-{set_still})/{set_margin},0),1)/{t_set}",
        f"+ *min(max((1-V(x))/{notes.TAPER:g},0),1)",
        *_rate(up),
        "Breset x 0 I=min(max((V(be,te)-{reset_still})/{reset_margin},0),1)/{t_reset}",
        f"+ *min(max(V(x)/{notes.TAPER:g},0),1)",
        *_rate(down),
        f".ends {name}",
    ]
    return "\n".join(lines) + "\n"


def _equivalent(device: Technology) -> str:
    """Return the voltage at which an ohmic cell would draw the same current."""
    if not device.v_sinh:
        return "V(te,be)"
    scale = device.v_read / math.sinh(device.v_read / device.v_sinh)
    return f"{scale!r}*sinh(V(te,be)/{{v_sinh}})"


def _rate(flow: Flow) -> list[str]:
    """Return the last factor of a current, on lines that continue it."""
    if len(flow.x) == 2:
        first, last = map(float, flow.rate)
        return [f"+ *({first!r}+({last - first!r})*V(x))"]
    points = [f"{x:.9g},{rate:.9g}" for x, rate in zip(*flow, strict=True)]
    rows = [
        ", ".join(points[k : k + _POINTS_PER_LINE]) for k in range(0, len(points), _POINTS_PER_LINE)
    ]
    return ["+ *pwl(V(x),", *(f"+ {row}," for row in rows[:-1]), f"+ {rows[-1]})"]
