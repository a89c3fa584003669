"""Querlioz et al., IEEE Trans. Nanotechnology 12, 288 (2013): immunity to device variations.

Values from a later review, which cites it (Nature Communications 2024, Table 5): 93.5 % with 300
neurons. From the abstract: a relative spread of more than 50 % is tolerated on all parameters of
the devices, and homeostasis adjusts thresholds. From Guo et al. 2019: learning steps 0.01 and
0.005. From `querlioz2011`: spikes, leak, refractory time and the threshold at which neurons begin.
What 50 neurons differ by is more than a point; 300 neurons are near enough within 2 points. That a
spread is tolerated is taken to mean that it costs at most 3 points.

Not stated there: all else; the paper itself has not been read. Assumed: images for 0.35 s; three
passes; steps fall by exp(-3 x) and exp(-3 (1 - x)); others rest for 10 ms as one fires. Chosen on
held-back training images: inputs count within 50 ms; and homeostasis, which aims at five spikes an
image in all, with a gain of 0.1.

Deviations: the neuron that fires most names the image, and 10,000 training images name neurons.
With spreads, steps and bounds differ from cell to cell (log-normal), and steps from cycle to cycle
as much again.
"""

from __future__ import annotations

from typing import Any

from cbramsim.experiments.reproduce.memristors import learned, memristor
from cbramsim.experiments.reproduce.published import Published
from cbramsim.experiments.study.jobs import Job
from cbramsim.simulator.timed import (
    Adaptation,
    Coding,
    Inhibition,
    Membrane,
    TimedConfig,
    TimedStdp,
)

PAPER = "Querlioz et al. 2013: immunity to device variations, 300 neurons"
NEURONS, PASSES, PER_IMAGE = 300, 3, 5.0
ROWS = (
    Published("300", "300 neurons", 0.935, "Nature Communications 2024, Table 5", 0.02,
              settings={"spread": 0.0}),
    Published("300,spread=25", "25 % spread of all parameters (tolerated)", 0.935, "abstract", 0.05,
              evidence="derived", settings={"spread": 0.25}),
    Published("300,spread=50", "50 % spread of all parameters (tolerated)", 0.935, "abstract", 0.05,
              evidence="derived", settings={"spread": 0.5},
              note="nearly all that it costs is of the bounds: see the steps alone"),
    Published("300,steps=50", "50 % spread of the steps alone", 0.935, "abstract",
              evidence="derived", settings={"spread": 0.5, "bounds": 0.0}),
)  # fmt: skip


def job(row: Published, seed: int, quick: bool) -> Job:
    """Return what is done for a row."""
    passes, images = (1, 500) if quick else (PASSES, 60_000)
    settings = dict(row.settings) | {"seed": seed, "passes": passes, "images": images}
    return Job(row.name, seed, f"{__name__}:learn", settings)


def learn(
    spread: float, seed: int, passes: int, images: int, bounds: float | None = None
) -> dict[str, Any]:
    """Learn MNIST; return the accuracy on the test images.

    All has the same `spread`, unless it is another one for the `bounds`.
    """
    cell = memristor(0.01, 0.005, 3.0, 3.0)
    if spread:
        cell |= dict.fromkeys(("pulses_up_d2d", "pulses_down_d2d", "step_c2c_of_step"), spread)
        cell |= dict.fromkeys(("g_min_d2d", "g_max_d2d"), spread if bounds is None else bounds)
    return learned(recipe(NEURONS, cell, seed), passes, images, ("most", "majority", "profile"))


def recipe(neurons: int, cell: dict[str, Any], seed: int, gain: float = 0.1) -> TimedConfig:
    """Return a network with homeostasis in the memory cells of `cell`."""
    seconds = 0.35
    return TimedConfig(
        neurons=neurons, cell=cell, dt=5e-4, presentation=seconds, initial=0.5, initial_spread=0.2,
        coding=Coding(
            kind="jittered", rate_max=1 / 0.045, rate_min=1 / 12, darkest=0.33, jitter=0.1,
            period_min=0.011,
        ),
        membrane=Membrane(tau=0.1, threshold=50.0, refractory=0.01),
        inhibition=Inhibition(kind="reset", time=0.01),
        adaptation=Adaptation(
            kind="target", target=PER_IMAGE / (neurons * seconds), rate=gain
        ),
        stdp=TimedStdp(kind="window", window=0.05), vote="most", seed=seed,
    )  # fmt: skip
