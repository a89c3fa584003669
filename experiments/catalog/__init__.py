"""`cbram devices`: the cell technologies side by side, or one of them in full, and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import tomli_w

from cbramsim.core.errors import CbramError
from cbramsim.core.files import printable, write_atomically
from cbramsim.devices.device import Device
from cbramsim.devices.export.plain import to_dict
from cbramsim.experiments.catalog.table import in_full, side_by_side
from cbramsim.experiments.targets import Target, check_targets

FORMS = {
    **dict.fromkeys((".cir", ".sp", ".spice"), Device.to_spice),
    ".va": Device.to_verilog_a,
    ".json": Device.to_json,
    ".toml": lambda device: tomli_w.dumps(device.to_table()),
}
"""Contents of a file, by the ending of its name."""


def report(name: str = "", *, as_json: bool = False) -> str:
    """Return the catalog, or all about one device if a `name` is given: a preset or a TOML file.

    As text, or as JSON in SI units.
    """
    if name:
        device = Device.load(name)
        return json.dumps(to_dict(device), indent=2) if as_json else in_full(device)
    devices = [Device.load(preset) for preset in Device.catalog()]
    if as_json:
        return json.dumps([to_dict(device) for device in devices], indent=2)
    return side_by_side(devices)


def figure_of(name: str, file: Path | None = None, *, force: bool = False) -> Path:
    """Return the PNG to draw a device into, by default NAME.png in this folder.

    Raises
    ------
    CbramError
        If there is no such device, or `file` is not a PNG, is there already, or cannot be written.
    """
    Device.load(name)
    file = file or Path(f"{Path(name).stem if name.endswith('.toml') else name}.png")
    check_targets(Target("--figure", file, ".png"), reads={Path(name): "the device"}, force=force)
    return file


def draw(name: str, file: Path | None = None, *, force: bool = False) -> Path:
    """Draw a device; return the PNG that was written: see `figure_of`."""
    file = figure_of(name, file, force=force)
    from cbramsim.experiments.catalog.figure import draw_device

    draw_device(Device.load(name), file)
    return file


def export(name: str, file: Path, *, force: bool = False) -> Path:
    """Write a device for other programs, in the form given by the ending of `file`: `FORMS`.

    Raises
    ------
    CbramError
        If there is no such device or form, the form cannot represent the device, or `file` is there
        already or cannot be written. Nothing is written then.
    """
    device, suffix = Device.load(name), file.suffix.lower()
    if suffix not in FORMS:
        *others, last = FORMS
        raise CbramError(
            f"--export: must be a file whose name ends in {', '.join(others)} or {last} (got "
            f"'{printable(file)}')"
        )
    check_targets(Target("--export", file, suffix), reads={Path(name): "the device"}, force=force)
    text = FORMS[suffix](device)
    if not text.endswith("\n"):
        text += "\n"
    write_atomically(file, lambda out: out.write(text.encode()))
    return file
