"""One cell technology on one page: pulse curves, steps, energies, and states after random use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from cbramsim.core.plotting import BLUE, COLUMN_WIDTH, GREY, ORANGE, axes_grid, save
from cbramsim.core.units import display_unit, in_prefixed
from cbramsim.devices.device import Device
from cbramsim.devices.trains import LONGEST
from cbramsim.simulator.array.crossbar import Crossbar

RANDOM_CELLS, RANDOM_TRAINS = 20_000, 10
"""Cells that are programmed at random, and trains that each gets."""
BINS = 80


def draw_device(device: Device, out: Path) -> None:
    """Draw four panels of a device as PNG."""
    figure, axes = axes_grid(2, 2, 2 * COLUMN_WIDTH, 5.2)
    for ax, (title, panel) in zip(axes, PANELS.items(), strict=True):
        panel(ax, device)
        ax.set_title(title, loc="left", fontsize="small", weight="bold")
        ax.tick_params(labelsize="small")
        ax.xaxis.label.set_size("small")
        ax.yaxis.label.set_size("small")
        ax.legend(facecolor="white", edgecolor="none", framealpha=0.8, fontsize="x-small")
    figure.suptitle(device.name, fontsize="medium", weight="bold")
    save(figure, out)


# ---- panels ------------------------------------------------------------------------------------


def _curves(ax: Axes, device: Device) -> None:
    """Draw conductance over a set train and a reset train: the law, and the departure of cells from
    it."""
    device.plot(ax)


def _steps(ax: Axes, device: Device) -> None:
    """Draw the mean step of a pulse against the conductance."""
    scale, unit = display_unit(device.g_max, "S")
    g = np.linspace(device.g_min, device.g_max, 400)
    up, down = device.step_up(g), device.step_down(g)
    x = (g - device.g_min) / device.g_range
    noises = [device.g_range * device.relative_noise(way, x) for way in ("up", "down")]
    largest = max(up.max(), down.max(), *(noise.max() for noise in noises))
    step_scale, step_unit = display_unit(largest, "S")
    ax.plot(g * scale, up * step_scale, color=BLUE, label="set")
    ax.plot(g * scale, down * step_scale, color=ORANGE, ls="--", label="reset")
    if np.allclose(*noises):
        noises.pop()
    for noise, colour in zip(noises, (BLUE, ORANGE) if len(noises) > 1 else (GREY,), strict=True):
        if noise.any():
            label = "noise of one pulse, s.d." if colour != ORANGE else None
            ax.plot(g * scale, noise * step_scale, color=colour, lw=1, ls=":", label=label)
    ax.set_ylim(0, 1.05 * largest * step_scale)
    if count := device.state_count:
        apart = in_prefixed(device.g_quantum or device.g_range / (count - 1), "S")
        jumps = "between levels" if device.level_radix else f"by {apart}"
        ax.plot([], [], " ", label=f"means of jumps {jumps}")
    ax.set_xlabel(f"conductance ({unit})")
    ax.set_ylabel(f"size of a step ({step_unit})")


def _energy(ax: Axes, device: Device) -> None:
    """Draw the energy of a pulse against the conductance."""
    scale, unit = display_unit(device.g_max, "S")
    g = np.linspace(device.g_min, device.g_max, 400)
    styles = {"set": (BLUE, "-"), "reset": (ORANGE, "--"), "read": ("black", ":")}
    for pulse, joules in device.energies(g).items():
        colour, line = styles[pulse]
        ax.plot(g * scale, joules, color=colour, ls=line, label=pulse)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(EngFormatter(unit="J"))
    ax.set_xlabel(f"conductance ({unit})")
    ax.set_ylabel("energy (logarithmic)")


def _states(ax: Axes, device: Device) -> None:
    """Draw the conductances of an array, with all its spreads and faults, after random trains."""
    scale, unit = display_unit(device.g_max, "S")
    conductance = _randomly_programmed(device) * scale
    ax.hist(conductance, _bins(device, conductance, scale), color=BLUE)
    for bound, label in ((device.g_min, "nominal window"), (device.g_max, None)):
        ax.axvline(bound * scale, color="black", lw=0.8, ls="--", label=label)
    ax.set_xlabel(f"conductance ({unit})")
    ax.set_ylabel(f"cells of {RANDOM_CELLS:,}")


PANELS = {
    "a  pulse trains": _curves,
    "b  step of a pulse": _steps,
    "c  energy of a pulse": _energy,
    "d  states after random trains": _states,
}


# ---- what is simulated -------------------------------------------------------------------------


def _randomly_programmed(device: Device) -> NDArray[np.float64]:
    """Return the conductances of cells after trains of random length and polarity, S."""
    crossbar = Crossbar(device, (RANDOM_CELLS, 1))
    longest_up, longest_down = (
        round(min(device.pulses_end_to_end(way), LONGEST)) for way in ("up", "down")
    )
    rng = np.random.default_rng(0)
    for _ in range(RANDOM_TRAINS):
        up = rng.integers(1, longest_up, RANDOM_CELLS, endpoint=True)
        down = rng.integers(1, longest_down, RANDOM_CELLS, endpoint=True)
        pulses = np.where(rng.random(RANDOM_CELLS) < 0.5, up, -down)
        crossbar.program(0, np.arange(RANDOM_CELLS), pulses)
    return crossbar.conductance[:, 0].astype(np.float64)


# ---- how it is drawn ---------------------------------------------------------------------------


def _bins(device: Device, conductance: NDArray[np.float64], scale: float) -> Any:
    """Return bins; around the states of an atomic constriction, which all cells share."""
    if not device.g_quantum:
        return BINS
    steps = np.arange(np.round(conductance.max() / (device.g_quantum * scale)) + 2)
    centres = steps[:, None] + np.array([-0.3, 0.3])
    return centres.ravel() * device.g_quantum * scale
