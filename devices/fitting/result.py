"""`Fit`: the findings in a measurement, with a printed form and a figure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.cards import Table, card
from cbramsim.core.units import in_prefixed
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.curves import WAYS
from cbramsim.devices.fitting.intervals import LEVEL, Interval
from cbramsim.devices.fitting.making import Found
from cbramsim.devices.fitting.steps import Steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Fit(Found):
    """Findings in a measurement, from `fit`."""

    steps: Steps
    """Mean steps and noise state by state, without a law."""
    arrives: NDArray[np.bool_]
    """Whether trains arrive at the low and at the high bound, bool[2]."""
    repetitions: int
    """Repetitions of the bootstrap."""
    warnings: list[str]
    others: dict[str, Fit]
    """Fits of the other voltages and widths in the file, by their conditions."""
    name: str = "fitted"
    """Name of the device."""
    made_by: str = "cbramsim.fit"
    """Note on how the parameters were found, for their sources."""
    device: Device = field(init=False)
    """Fitted device, with sources and grades of evidence."""

    def __post_init__(self) -> None:
        """Make the device."""
        object.__setattr__(self, "device", self.as_device(self.name, self.made_by))

    def named(self, name: str, made_by: str = "cbramsim.fit") -> Self:
        """Return the same fit with a device of another `name`, whose sources name `made_by`."""
        others = {what: fit.named(name, made_by) for what, fit in self.others.items()}
        return replace(self, name=name, made_by=made_by, others=others)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the measured trains with the fit.

        Parameters
        ----------
        ax
            Axes; by default a new figure, which also shows the residuals.
        """
        from cbramsim.devices.fitting import drawing  # matplotlib

        return drawing.fitted_trains(ax, self.curves, self.best.match)

    def __str__(self) -> str:
        """Return laws, parameters with intervals, steps and warnings as text."""
        return _text(self)

    def _repr_html_(self) -> str:
        """Return the printed form as a card, for notebooks."""
        return _html(self)


def _text(found: Fit) -> str:
    """Return laws, parameters with intervals, steps by state and warnings."""
    lines = [f"{found.measurement.name}: {_data(found)}"]
    if found.measurement.understood:
        lines.append(found.measurement.understood)
    lines += ["", f"{'law':<12} {'parameters':>10} {'foretells to':>13} {'mean curve to':>14}"]
    lines += [
        f"{law.law:<12} {law.parameters:>10} {100 * law.error:>11.2f} % "
        f"{100 * law.distance:>12.2f} %"
        for law in found.ranked
    ]
    lines.append("(rms parts of the window: of readings left out, and of the smoothed mean curve)")
    told = f"{100 * LEVEL:g} % interval" if found.repetitions else "no interval"
    lines += ["", f"{found.best.law:<22} {'value':>10}   {told} ({found.repetitions} bootstraps)"]
    lines += [_line(key, interval) for key, interval in found.intervals.items()]
    lines += ["", *_steps(found)]
    for what, other in found.others.items():
        low, high = other.device.g_min, other.device.g_max
        lines.append(
            f"{what}: {in_prefixed(low, 'S')} to {in_prefixed(high, 'S')}, law {other.best.law}, "
            f"{other.device.pulses_end_to_end('up'):.3g} set and "
            f"{other.device.pulses_end_to_end('down'):.3g} reset pulses from end to end"
        )
    assumed = [
        key for key, origin in found.device.provenance.items() if "not measured" in origin.source
    ]
    lines += ["", f"not measured, taken over: {', '.join(assumed)}"]
    return "\n".join(lines + [f"Warning: {warning}" for warning in found.warnings])


def _html(found: Fit) -> str:
    """Return a card."""
    laws = Table(
        ("law", "foretells to", "mean curve to"),
        [
            (law.law, f"{100 * law.error:.2f} %", f"{100 * law.distance:.2f} %")
            for law in found.ranked
        ],
    )
    values = Table(
        (found.best.law, "value", f"{100 * LEVEL:g} % interval"),
        [(key, *_texts(key, interval)) for key, interval in found.intervals.items()],
    )
    facts = {"data": _data(found), "read": found.measurement.understood}
    return card(
        f"Fit of {found.measurement.name}", facts | {"device": found.device.name}, laws, values,
        note=" ".join(found.warnings),
    )  # fmt: skip


def _data(found: Fit) -> str:
    curves = found.curves
    parts = []
    for way, name in enumerate(WAYS):
        mine = curves.index[curves.curve, 1] == way
        if mine.any():
            pulses = curves.index[curves.index[:, 1] == way, 2] - 1
            length = f"{pulses.min()}" if pulses.min() == pulses.max() else (
                f"{pulses.min()} to {pulses.max()}"
            )  # fmt: skip
            parts.append(
                f"{mine.sum()} {name} train{'s' if mine.sum() > 1 else ''} of {length} pulses"
            )
    cells = len(curves.cells)
    return f"{cells} cell{'s' if cells > 1 else ''}, {', '.join(parts)}"


def _steps(found: Fit) -> list[str]:
    """Return steps by state as lines."""
    steps = found.steps
    lines = [
        "from the data, without a law:",
        f"{'state':>10} {'set step':>22} {'its noise':>10} {'reset step':>22} {'its noise':>10}",
    ]
    for i, state in enumerate(steps.state):
        cells = [f"{in_prefixed(float(state), 'S'):>10}"]
        for step, error, noise in (
            (steps.set_step[i], steps.set_error[i], steps.set_noise[i]),
            (steps.reset_step[i], steps.reset_error[i], steps.reset_noise[i]),
        ):
            if np.isfinite(step):
                step_text, error_text = (in_prefixed(float(x), "S", 3) for x in (step, error))
                told = f"{step_text} ± {error_text}"
            else:
                told = "not seen"
            cells.append(f"{told:>22}")
            cells.append(f"{in_prefixed(float(noise), 'S') if np.isfinite(noise) else '':>10}")
        lines.append(" ".join(cells))
    if np.isfinite(steps.read_noise):
        lines.append(f"noise of a reading {in_prefixed(steps.read_noise, 'S')}")
    return lines


def _line(key: str, interval: Interval) -> str:
    value, told = _texts(key, interval)
    return f"{key:<22} {value:>10}   {told}"


def _texts(key: str, interval: Interval) -> tuple[str, str]:
    """Return a value and its interval, with units."""
    unit = Device.unit(key) if key in Device.model_fields else ""
    value, low, high = (
        in_prefixed(number, unit, 4) if unit else f"{number:.4g}"
        for number in (interval.value, interval.low, interval.high)
    )
    return value, f"{low} to {high}" if np.isfinite(interval.low) else ""
