"""Duration of learning of networks of different sizes: as in the default job, and by their size.

Of N neurons each fires N times less often than a single one, but its learning takes the same number
of spikes: some 120 output spikes until depression has taken the initial weights to the floor (0.56
of a weight, 0.0046 a spike); some 60 units of potential until its bias compensates the amount of
ink of its digit (biases end with a standard deviation of 60); and a few times the 60 spikes that
the rule remembers. In the default job a neuron of 500 fires 1,800 times, one of 6,400 fires 140
times, and homeostasis, from 2 a spike on, moves its bias by 100 in all, no more than the necessary
differences of biases: two fifths of 6,400 neurons never fire.

So all sizes learn longer: 30 passes of one window an image, 1.8 million windows to the default
job's 0.9 million. One window instead of five lets a neuron learn from five times as many different
images in as many spikes; images are recognised in five as before. Homeostasis falls over the same
number of halvings in the longer job, and above 800 neurons it is stronger in proportion to their
number. All numbers were chosen on 10,000 held-back training images, see docs/neurons.md.
"""

from __future__ import annotations

from typing import Any

DEFAULT, BY_SIZE = "default", "by size"
"""Names of the two schedules."""
EPOCHS = 30
"""Passes over the training images, of one window each."""
WINDOWS = 5
"""Windows in which an image is recognised: as many as in the default job."""
HALVING = 50_000 / 3
"""Images after which homeostasis has halved, for each epoch of the job: as in the default job."""
HOMEOSTASIS, ENOUGH_TO = 2.0, 800
"""Fall of the bias per output spike, and the number of neurons up to which it is enough."""


def case_name(schedule: str, neurons: int) -> str:
    """Return the name of a case."""
    return f"{schedule},neurons={neurons}"


def settings(schedule: str, neurons: int) -> dict[str, Any]:
    """Return the dotted keys of the configuration for a number of neurons."""
    if schedule == DEFAULT:
        return {"neurons": neurons}
    return {
        "neurons": neurons,
        "epochs": EPOCHS,
        "encoding.windows": 1,
        "encoding.recognition_windows": WINDOWS,
        "competition.homeostasis": HOMEOSTASIS * max(1.0, neurons / ENOUGH_TO),
        "competition.homeostasis_halving": EPOCHS * HALVING,
    }
