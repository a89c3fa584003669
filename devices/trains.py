"""Pulse trains of simulated cells, for the figure of a device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator
from cbramsim.core.units import TIMES
from cbramsim.devices.ageing import Ageing
from cbramsim.devices.fitting.synthetic import trains_of
from cbramsim.devices.technology import AGEING, FAULTS, GRANULARITY, NOISE, Technology

LONGEST = 300
"""Most pulses of one direction."""
CYCLES, CELLS = 400, 400
"""Trains of the nominal cell, and cells of the population, from which bands are taken."""

PULSE_NOISE = ("step_c2c", "step_c2c_of_step", "noise_up", "noise_down")
SPREADS_OF_TIME = (
    "drift_spread_by_state", "relaxation_spread", "relaxation_times", "relaxation_states",
    "relaxation_sigmas", "read_1f",
)  # fmt: skip
"""Parameters that make cells differ more and more with time."""
CELSIUS = (25.0, 85.0)
"""Temperatures at which retention is shown, °C."""
LONG = 10 * TIMES["year"]
"""Longest time that is shown, s."""


class PulseTrains(NamedTuple):
    """Conductances before and after each of a train of set pulses, then of reset pulses, S."""

    set_pulses: int
    """Number of set pulses."""
    law: NDArray[np.float64]
    """Conductances of the nominal cell without noise, analog, float64[pulses + 1]."""
    cycles: NDArray[np.float64]
    """Conductances of the nominal cell, cycle by cycle, float64[pulses + 1, cycles]."""
    cells: NDArray[np.float64]
    """Conductances of different cells, analog and without noise, float64[pulses + 1, cells]."""


def pulse_trains(device: Technology) -> PulseTrains:
    """Give trains from end to end of the window to simulated cells, without read noise."""
    up, down = (round(min(device.pulses_end_to_end(way), LONGEST)) for way in ("up", "down"))
    quiet = device.without_variability()
    steady = device.without(*NOISE, *FAULTS, *AGEING, *GRANULARITY)
    law, cycles, cells = (
        _measured(kind, count, (up, down))
        for kind, count in (
            (quiet.without(*GRANULARITY), 1),
            (
                quiet.replace(**{key: getattr(device, key) for key in PULSE_NOISE}),
                CYCLES,
            ),
            (steady, CELLS),
        )
    )
    return PulseTrains(up, law[:, 0], cycles, cells)


def left_over_time(
    device: Technology,
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Return the bounds and the middle of the nominal window after some time.

    Returns
    -------
    (float64[times], {temperature: float64[times, 3]})
        Times since programming, s, and conductances, S; no temperature if cells do not age.
    """
    seconds = np.geomspace(1.0, LONG, 61)
    spreads = [key for key in device.behaviours if key.endswith("_d2d")]
    nominal = device.without(*spreads, *SPREADS_OF_TIME)
    if not nominal.ages:
        return seconds, {}
    start = np.array([device.g_min, device.g_mid, device.g_max], np.float32)

    def left(celsius: float) -> NDArray[np.float64]:
        fresh = [Ageing(nominal, start, generator(0, "ageing")) for _ in seconds]
        kept = [
            cells.wait(start, time, celsius) for cells, time in zip(fresh, seconds, strict=True)
        ]
        return np.array(kept, np.float64)

    if not device.activation_energy:
        return seconds, {"at any temperature": left(25.0)}
    return seconds, {f"{celsius:g} °C": left(celsius) for celsius in CELSIUS}


def _measured(device: Technology, cells: int, pulses: tuple[int, int]) -> NDArray[np.float64]:
    """Return the readings of one cycle of each cell, float64[pulses + 1, cells], S."""
    set_readings, reset_readings = trains_of(device, cells, 1, pulses)
    return np.concatenate([set_readings[:, 0], reset_readings[:, 0, 1:]], axis=1).T
