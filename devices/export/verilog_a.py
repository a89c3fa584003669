"""A cell as a module in Verilog-A: the equations of `spice`, for the compilers of other simulators.

No compiler was available: no text of this module has been compiled. It uses only what compact
models use (internal node, `ddt`, analog functions, no tables, no events, no `idt`), after the
Verilog-AMS Language Reference Manual 2.4, Accellera, 2014.
"""

from __future__ import annotations

from cbramsim.devices.export import notes
from cbramsim.devices.export.flow import Flow, flow_of
from cbramsim.devices.technology import Technology

_USE = """\
Use: an instance of {name} with the parameter g0, the conductance to begin with, S; the internal \
node x is the state, 0 to 1 V. Begin with less than the switching voltage, so that the operating \
point is the initial state. This text has not been compiled."""
_UNITS = {
    "g_min": ("S", "lowest conductance", "[0:inf)"),
    "g_max": ("S", "highest conductance", "(0:inf)"),
    "v_set": ("V", "amplitude of a set pulse", "(0:inf)"),
    "t_set": ("s", "width of a set pulse", "(0:inf)"),
    "v_reset": ("V", "amplitude of a reset pulse", "(0:inf)"),
    "t_reset": ("s", "width of a reset pulse", "(0:inf)"),
    "v_read": ("V", "voltage at which conductance is told", "(0:inf)"),
    "v_sinh": ("V", "scale of the sinh of the current", "(0:inf)"),
}
"""Unit, meaning and range of each parameter."""
_MODULE = """\
`include "constants.vams"
`include "disciplines.vams"

module {name}(te, be);
    inout te, be;
    electrical te, be;
    electrical x;

{parameters}

    real bias, conductance, set_on, reset_on, up, down;

{functions}
    analog begin
        bias = V(te, be);
        conductance = g_min + (g_max - g_min) * min(max(V(x), 0.0), 1.0);
        I(te, be) <+ conductance * {equivalent};

        // part of a set, and of a reset pulse, that the voltage is
        set_on = min(max((bias - {still} * v_set) / ({margin} * v_set), 0.0), 1.0);
        reset_on = min(max((-bias - {still} * v_reset) / ({margin} * v_reset), 0.0), 1.0);
        // windows per second; no further than the bounds
        up = set_on * set_rate(V(x)) / t_set * min(max((1.0 - V(x)) / {taper}, 0.0), 1.0);
        down = reset_on * reset_rate(V(x)) / t_reset * min(max(V(x) / {taper}, 0.0), 1.0);
        // 1 F; the last term sets x in an operating point, and takes 30,000 years to move it
        I(x) <+ ddt(V(x)) - up + down;
        I(x) <+ 1.0e-12 * (V(x) - (g0 - g_min) / (g_max - g_min));
    end
endmodule
"""
_FUNCTION = """\
    // windows per width of a {pulse} pulse, at a state
    analog function real {pulse}_rate;
        input x;
        real x;
        begin
{body}
        end
    endfunction
"""


def to_verilog_a(device: Technology) -> str:
    """Return a Verilog-A module of the mean cell, ``NAME(te, be)``, with the parameter `g0`, S.

    It has not been compiled: see the module.

    Raises
    ------
    ParameterError
        If the cell has a gate, is moved by its read voltage, or has pulses that no state equation
        has.
    """
    notes.check_exportable(device, "to_verilog_a")
    name = notes.identifier(device)
    sinh = "v_read / sinh(v_read / v_sinh) * sinh(bias / v_sinh)"
    parameters = [
        _parameter(key, value, *_UNITS[key]) for key, value in notes.values(device).items()
    ]
    # Last, as its range is that of parameters before it.
    parameters.append(_parameter("g0", device.g_min, "S", "initial conductance", "[g_min:g_max]"))
    module = _MODULE.format(
        name=name,
        parameters="\n".join(parameters),
        functions=f"{_function('set', flow_of(device, 'up'))}\n"
        f"{_function('reset', flow_of(device, 'down'))}",
        equivalent=sinh if device.v_sinh else "bias",
        still=f"{1 - 2 * notes.MARGIN:g}",
        margin=f"{notes.MARGIN:g}",
        taper=_real(notes.TAPER),
    )
    return f"{notes.header(device, '//', _USE.format(name=name))}\n{module}"


def _parameter(key: str, value: float, unit: str, meaning: str, accepted: str) -> str:
    about = f'(* units = "{unit}", desc = "{meaning}" *)'
    return f"    {about}\n    parameter real {key} = {_real(value)} from {accepted};"


def _function(pulse: str, flow: Flow) -> str:
    """Return the function of the rate of a pulse: a line, or one of several."""
    places, rates = flow.x.tolist(), flow.rate.tolist()
    lines = []
    for k in range(len(places) - 1):
        width = places[k + 1] - places[k]
        line = f"{_real(rates[k])} + ({_real((rates[k + 1] - rates[k]) / width)})"
        line += f" * (x - {_real(places[k])})" if k else " * x"
        below = f"if (x < {_real(places[k + 1])}) " if k < len(places) - 2 else ""
        start = "else " if k else ""
        lines.append(f"            {start}{below}{pulse}_rate = {line};")
    return _FUNCTION.format(pulse=pulse, body="\n".join(lines))


def _real(number: float) -> str:
    """Write a real number: with a point, which Verilog-A wants before an exponent of a real."""
    mantissa, mark, exponent = f"{number:.12g}".partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{mark}{exponent}"
