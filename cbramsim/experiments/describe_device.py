"""`cbram device`: a cell technology with the source of every parameter."""

from __future__ import annotations

from cbramsim.devices.device import Device
from cbramsim.units import in_prefixed


def run(name: str) -> str:
    """Return the parameters of a device as a table, or the catalogue if `name` is empty."""
    if not name:
        return "\n".join(f"{key:<20} {Device.load(key).summary}" for key in Device.catalog())
    device = Device.load(name)
    lines = [f"{device.name}: {device.summary}", ""]
    for key in device.physical_parameters():
        value, unit = getattr(device, key), device.unit(key)
        shown = in_prefixed(value, unit) if unit else f"{value:g}"
        origin = device.evidence(key)
        lines.append(f"{key:<12} {shown:>12}  {origin.evidence:<10} {origin.source}")
    lines += [
        "",
        f"on/off ratio {device.g_max / device.g_min:.3g}; from end to end "
        f"{device.pulses_up:.3g} set pulses, {device.pulses_down:.3g} reset pulses",
    ]
    return "\n".join(lines)
