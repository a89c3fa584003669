"""Trials of the fit: `python -m tests.devices.fit_trials laws 20`, `coverage 40`, `gong FILE`.

Prints, for ten laws (five are not on the list of candidates) and several data sets of each, how far
the mean curve that was found is from the true one, and whether a miss was warned of; and, for the
listed laws, how often intervals contain the truth. The laws' data are made by NumPy here, and know
nothing of the fit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from cbramsim.devices.device import Device
from cbramsim.devices.fitting.fit import Fit, fit
from cbramsim.devices.fitting.measurement import Measurement, Train
from cbramsim.devices.fitting.ranking import smoothed
from cbramsim.devices.fitting.reading import read_measurement
from cbramsim.devices.fitting.synthetic import measure

Floats = NDArray[np.float64]
Step = Callable[[Floats], Floats]

CLOSE = 0.03
"""Distance of mean curves, part of the window, that is good enough."""
REASONS = ("noise of pulses adds up", "of the window from the data", "goes back by")
"""Warnings that name why a curve may be farther."""


class Law(NamedTuple):
    """A step as a function of the depth, part of the window, for N pulses from end to end."""

    name: str
    listed: bool
    step: Callable[[float], Step]


def _in_time(curve: Callable[[Floats], Floats]) -> Callable[[float], Step]:
    """Return the step of a curve of the state in time, 0 to 1 for 0 to 1."""

    def of(pulses: float) -> Step:
        n = np.linspace(0, 3, 30_001)
        state = np.maximum.accumulate(curve(n))
        after = np.interp(n + 1 / pulses, n, state)
        return lambda d: np.interp(d, state, after - state, right=0.0)

    return of


LAWS = (
    Law("constant", True, lambda n: lambda d: np.full_like(d, 1 / n)),
    Law("exponential", True, lambda n: lambda d: 2.0 / n * (1 - 0.85 * d)),
    Law("power", True, lambda n: lambda d: 2.5 / n * np.maximum(1 - d, 0) ** 1.8),
    Law("log-time", True, lambda n: lambda d: 5.0 / n * np.exp(-3 * d)),
    Law("sigmoid", True, lambda n: lambda d: 1.5 / n * (0.3 + 3 * d) * np.maximum(1 - d, 0)),
    Law("two slopes", False, lambda n: lambda d: np.where(d < 0.4, 3.0, 0.7) / n),
    Law("Gompertz", False, lambda n: lambda d: 2 / n * (0.05 - d * np.log(np.maximum(d, 1e-3)))),
    Law("delayed", False, _in_time(lambda n: np.clip(1.2 * n**3 / (0.15 + n**3), 0, 1))),
    Law("square root", False, _in_time(lambda n: np.sqrt(np.clip(n, 0, 1)))),
    Law("tanh", False, _in_time(lambda n: np.tanh(2 * n) / np.tanh(2))),
)


class Plan(NamedTuple):
    """How a data set is measured."""

    cells: int
    cycles: int
    pulses: int
    per_train: float
    """Pulses from end to end, as a part of a train."""
    pulse_noise: float
    read_noise: float


def plans(count: int, seed: int) -> list[Plan]:
    """Return a variety of data sets."""
    rng = np.random.default_rng(seed)
    return [
        Plan(
            int(rng.choice([1, 1, 3, 6])), int(rng.choice([1, 3, 8])), int(rng.choice([40, 100, 300])),
            float(rng.uniform(0.6, 1.6)), float(rng.choice([0, 0.002, 0.01, 0.02])),
            float(rng.choice([0.002, 0.01, 0.03])),
        )
        for _ in range(count)
    ]  # fmt: skip


def trains(
    law: Law, plan: Plan, rng: np.random.Generator, repeats: int, own: Floats
) -> tuple[Floats, Floats]:
    """Return set and reset trains, float64[cells, repeats, 1 + pulses], of states 0 to 1.

    `own` are the sizes of the cells' steps, float64[cells]. Every train begins at its end of the
    window.
    """
    step = law.step(plan.per_train * plan.pulses)
    both = []
    for _ in (0, 1):
        depth = np.zeros((plan.cells, repeats))
        seen = [depth]
        for _ in range(plan.pulses):
            moved = depth + own[:, None] * step(depth)
            depth = np.clip(moved + plan.pulse_noise * rng.standard_normal(depth.shape), 0, 1)
            seen.append(depth)
        both.append(np.stack(seen, axis=2))
    return both[0], 1 - both[1]


def measured(law: Law, plan: Plan, seed: int) -> tuple[Measurement, tuple[Floats, Floats]]:
    """Return a measurement, and the true mean trains of its cells, both in S."""
    rng = np.random.default_rng(seed)
    own = rng.lognormal(0, 0.1, plan.cells)
    low, high = 2e-6 * rng.lognormal(0, 0.1, plan.cells), 40e-6 * rng.lognormal(0, 0.05, plan.cells)
    ends = low[:, None, None], (high - low)[:, None, None]
    up, down = (ends[0] + ends[1] * part for part in trains(law, plan, rng, plan.cycles, own))
    truth = [ends[0] + ends[1] * part for part in trains(law, plan, rng, 400, own)]
    found = []
    for way, states in (("set", up), ("reset", down)):
        noisy = states + plan.read_noise * ends[1] * rng.standard_normal(states.shape)
        found += [
            Train(way, noisy[c, k], str(c), str(k))
            for c in range(plan.cells)
            for k in range(plan.cycles)
        ]
    return Measurement("trial", tuple(found)), (truth[0].mean(axis=1), truth[1].mean(axis=1))


def missed(found: Fit, truth: tuple[Floats, Floats]) -> float:
    """Return the rms distance of the mean curves from the true ones, part of the window."""
    squares: list[float] = []
    windows = [np.ptp(np.concatenate([truth[0][c], truth[1][c]])) for c in range(len(truth[0]))]
    for (cell, way, readings), curve in zip(found.curves.index, found.best.match.mean, strict=True):
        own = int(found.curves.cells[cell])
        squares += (((curve[:readings] - truth[way][own]) / windows[own]) ** 2).tolist()
    return float(np.sqrt(np.mean(squares)))


def run_laws(sets: int = 20, seed: int = 0) -> list[tuple[str, int, int, float]]:
    """Print and return, of each law: close ones, silent misses, and the largest miss."""
    rows = []
    print(f"{'law':<12} {'close':>6} {'silent':>7} {'largest miss':>13}   taken")
    for law in LAWS:
        close = silent = 0
        largest, taken = 0.0, []
        for k, plan in enumerate(plans(sets, seed)):
            data, truth = measured(law, plan, seed + 1000 + k)
            found = fit(data, repetitions=0)
            off = missed(found, truth)
            largest = max(largest, off)
            taken.append(found.best.law)
            close += off <= CLOSE
            if off > CLOSE and not any(
                "window" in text or "noise" in text for text in found.warnings
            ):
                silent += 1
            if off > CLOSE:
                print("   ", law.name, plan, f"{off:.3f}", found.best.law, found.warnings)
        rows.append((law.name, close, silent, largest))
        names = {name: taken.count(name) for name in dict.fromkeys(taken)}
        print(
            f"{law.name:<12} {close:>3}/{sets} {silent:>7} {100 * largest:>11.1f} %   {names}",
            flush=True,
        )
    return rows


def run_coverage(sets: int = 40, seed: int = 0) -> dict[str, tuple[int, int]]:
    """Print and return, of each parameter, how many intervals contain the truth, and how many are.

    Cells are those of the simulator: 10 cells, 10 cycles, trains of 120 pulses that saturate.
    """
    shapes = {
        "exponential": {"nonlinearity_up": 2.0, "nonlinearity_down": -1.0},
        "constant": {},
        "power": {"exponent_up": 0.6, "exponent_down": 0.4},
    }
    base = Device.load("subquantum-cbram").without("nonlinearity_up", "nonlinearity_down")
    found: dict[str, list[bool]] = {}
    for law, shape in shapes.items():
        device = base.replace(law=law, read_c2c=0.01, pulses_up=60, pulses_down=50, **shape)
        for k in range(sets):
            data = measure(device, 10, 10, (120, 120), seed=seed + k)
            for key, interval in fit(data, law=law, repetitions=100).intervals.items():
                if key in Device.model_fields:
                    inside = interval.low <= getattr(device, key) <= interval.high
                    found.setdefault(key, []).append(inside)
                    found.setdefault(f"{key} ({law})", []).append(inside)
    for key, inside in sorted(found.items()):
        print(f"{key:<32} {100 * np.mean(inside):5.1f} % of {len(inside)}", flush=True)
    return {key: (sum(inside), len(inside)) for key, inside in found.items()}


def run_gong(path: str) -> None:
    """Print how close fits come to the analog ReRAM of Gong et al. (Nat. Commun. 9, 2102, 2018).

    Distances are rms parts of the measured window, from curves smoothed over a tenth of a train. The
    peer is aihwkit's `ReRamESPresetDevice`, fitted to the same data by its authors: its parameters
    (aihwkit 1.2.0, MIT licence) and its update rule are written out here; scale, offset and the
    starts of both trains are granted to it.
    """
    found = fit(read_measurement(Path(path), window=(2e-6, 20e-6)), repetitions=0)
    window = float(found.best.match.window[0])
    for law in found.ranked:
        print(f"{law.law:<12} {100 * law.distance:.2f} %")
    data = np.stack([smoothed(curve, curve.size) for curve in found.curves.mean]) / window
    start = np.array([1.0, float(data.mean()), -0.8, 0.9])
    near = minimize(lambda x: _preset_misses(x, data), start, method="Nelder-Mead",
                    options={"maxiter": 2000})  # fmt: skip
    print(f"{'aihwkit preset':<12} {100 * near.fun:.2f} %")
    steps = np.diff(found.curves.readings, axis=1).std(axis=1) / window
    device = found.device
    simulated = np.hypot(device.step_c2c, np.sqrt(2) * device.read_c2c)
    print(f"spread of steps: measured {steps.round(4)}, simulated {simulated:.4f} of the window")


def _preset_misses(x: Floats, data: Floats) -> float:
    """Return the rms distance of the preset's mean curve from two curves, float64[2, readings]."""
    scale, offset, *starts = x
    curves = []
    for sign, state, bias, factor in ((1, starts[0], 1.259359, -1.18445),
                                      (-1, starts[1], 0.740641, -0.081404)):  # fmt: skip
        seen = [state]
        for _ in range(data.shape[1] - 1):
            size = 1 - factor * np.exp(sign * 5.0 * (-0.5 * state - 0.5))
            state = min(max(state + sign * 0.00135 * bias * max(size, 0.0), -1.0), 1.0)
            seen.append(state)
        curves.append(0.5 * scale * np.array(seen) + offset)
    return float(np.sqrt(np.mean((np.stack(curves) - data) ** 2)))


if __name__ == "__main__":
    what, argument = sys.argv[1:]
    if what == "gong":
        run_gong(argument)
    else:
        {"laws": run_laws, "coverage": run_coverage}[what](int(argument))
