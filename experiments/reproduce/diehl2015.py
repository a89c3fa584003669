"""Diehl & Cook, Frontiers in Computational Neuroscience 9, 99 (2015): digits without labels.

Values from the paper, as later ones cite it: 82.9 % with 100 neurons, one pass; 87.0 % with 400,
three passes. From the code that its first author published, for facts only: rates of a quarter of
the grey level in Hz, for 350 ms, with 150 ms of rest; steps of 0.5 ms; a membrane of 100 ms, 13 mV
from rest to threshold, 5 ms refractory time; conductances that close with 1 ms and 2 ms, and pull
towards 0 mV and -100 mV, from -65 mV; inhibition of all others by 17; thresholds that rise by 0.05
mV and decay with 1e7 ms; weights from 0 to 1 that are brought to a sum of 78; a learning rate of
0.01, traces of 20 ms, an exponent of 0.2; images for which fewer than five spikes come are
presented again at higher rates; the class whose neurons fire most often on average is the answer.

Not stated there: the spread; which of the four learning rules these two numbers belong to. What
networks differ by from seed to seed is about a point, and which rule it was may cost two: 3 points
are near enough.

Deviations: one pass with 400 neurons, not three. The rule is that by the trace of the input and a
power of the weight, with x_tar 0.1, chosen on held-back training images and set beside 0.4 (the
code names 0.4, but learns by another rule). A neuron that fires opens the inhibitory conductance of
the others itself, a step later. Inputs have no delays. A controller sets cells exactly; weights are
1e-4 to 1 of the highest conductance. Thresholds decay image by image. Neurons are named by 10,000
training images, with thresholds at rest.
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

PAPER = "Diehl & Cook 2015: unsupervised learning of digits"
WHERE = "as cited in later papers"
NEAR = 0.03
TARGET = 0.1
"""x_tar, chosen on held-back training images."""
ROWS = (
    Published("100", "100 neurons, 1 pass", 0.829, WHERE, NEAR,
              settings={"neurons": 100, "passes": 1}),
    Published("400", "400 neurons, 1 of 3 passes", 0.870, WHERE, NEAR,
              settings={"neurons": 400, "passes": 1},
              note="the published rule is not stated; x_tar 0.1 and 0.4 lie on both sides"),
    Published("100,x_tar=0.4", "100 neurons, x_tar 0.4", 0.829, WHERE,
              settings={"neurons": 100, "passes": 1, "target": 0.4}),
    Published("400,x_tar=0.4", "400 neurons, 1 of 3 passes, x_tar 0.4", 0.870, WHERE,
              settings={"neurons": 400, "passes": 1, "target": 0.4}),
)  # fmt: skip


def job(row: Published, seed: int, quick: bool) -> Job:
    """Return what is done for a row."""
    settings = dict(row.settings) | {"seed": seed, "images": 300 if quick else 60_000}
    if quick:
        settings["passes"] = 1
    return Job(row.name, seed, f"{__name__}:learn", settings)


def learn(
    neurons: int, passes: int, seed: int, images: int, target: float = TARGET
) -> dict[str, Any]:
    """Learn MNIST; return the accuracy on the test images."""
    return learned(
        recipe(neurons, seed, target), passes, images, ("mean", "most", "majority", "profile")
    )


def recipe(neurons: int, seed: int, target: float = TARGET) -> TimedConfig:
    """Return the network of the paper."""
    return TimedConfig(
        neurons=neurons, cell=memristor(0.01, 0.01, 0.0, 0.0), dt=5e-4, presentation=0.35,
        pause=0.15, anew=False, fewest_spikes=5, initial=0.1, initial_form="uniform",
        coding=Coding(kind="poisson", rate_max=63.75),
        membrane=Membrane(kind="conductance", tau=0.1, threshold=13e-3, refractory=5e-3),
        inhibition=Inhibition(kind="conductance", strength=17.0),
        adaptation=Adaptation(kind="increment", increment=5e-5, tau=1e4),
        stdp=TimedStdp(
            kind="trace", tau=0.02, eta=0.01, target=target, exponent=0.2, total=78.0, exact=True
        ),
        vote="mean", seed=seed,
    )  # fmt: skip
