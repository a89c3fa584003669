"""Burr et al., IEDM 2014, and TED 62, 3498 (2015): 528-250-125-10 in pairs of PCM cells.

Values from the abstracts: two phase-change cells a weight; a perceptron of three layers of weights,
164,885 synapses, learns 5,000 images of MNIST by a backpropagation for crossbars: 82.2 % of the
training images and 82.9 % of others; a symmetric, linear cell that goes both ways, of high dynamic
range, is as accurate as software. From a third party: 528-250-125-10 (22 x 24 pixels).

Not stated there: the conductances of a cell by its pulses, and their noise; learning rates, loss,
how slopes become pulses, when cells are reset, and passes. Only abstracts could be read. That
weights are pairs, one side set to rise and the other to fall, and both written anew now and then,
is recalled.

Deviations: cells are a later generation of the same kind, `pcm-nandakumar` (gradual set in
identical pulses, abrupt reset), assumed to be like those. Pulses are drawn with the right
probability. Images are rows 3 to 24 and columns 2 to 25 of the first 5,000 of the training images,
5 passes. No biases (164,500 weights, not 164,885); logistic units, softmax outputs and
cross-entropy; inputs as voltages. `gain`, rate, initial weights and the interval of renewals were
chosen on 3,000 training images that were held back, with all noise. Beside it: the same, and the
same constants, without the noise of pulses; and `gst-pcm`, whose published steps are even, because
the pulses of its staircase rise, with constants of its own. The control is `ideal` cells, squared
error, less the same network and constants in float64 without bounds (`software.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.experiments.reproduce import software
from cbramsim.experiments.reproduce.published import Published
from cbramsim.experiments.study.jobs import Job
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.supervised import CrossbarPerceptron

PAPER = "Burr et al. 2014: 165,000 synapses in pairs of PCM cells"
LEARNED, PASSES = 5000, 5
HIDDEN = (250, 125)
NEAR = 0.05
"""Points that count as near, as the cells are not those of the paper."""
PAIRS = {"pair": True, "pulses": "set", "renew_every": 1000}
PCM: dict[str, Any] = {
    "device": "pcm-nandakumar", "synapse": PAIRS, "loss": "cross-entropy", "gain": 1.0,
    "rates": (0.004, 0.002, 0.0003), "initial_weight": 0.1,
}  # fmt: skip
GST: dict[str, Any] = PCM | {
    "device": "gst-pcm", "synapse": PAIRS | {"renew_every": 300}, "loss": "squared",
    "rates": (0.05,), "initial_weight": 0.3,
}  # fmt: skip
LINEAR: dict[str, Any] = {
    "device": "ideal", "gain": 2.0, "rates": (0.05,), "initial_weight": 0.3,
}  # fmt: skip
ABSTRACT = "abstract"


def _row(
    name: str, what: str, value: float, near: float | None, kind: str, config: dict[str, Any]
) -> Published:
    settings = {"kind": kind, "config": config}
    return Published(name, what, value, ABSTRACT, near, settings=settings)


QUIET = PCM | {"cell": {"step_c2c": 0.0}}
ROWS = (
    _row("train", "PCM pairs, training images", 0.822, NEAR, "train", PCM),
    _row("test", "PCM pairs, test images", 0.829, NEAR, "test", PCM),
    _row("quiet-test", "no noise of pulses, test images", 0.829, None, "test", QUIET),
    _row("even-test", "even steps (gst-pcm), test images", 0.829, None, "test", GST),
    _row("linear", "linear cells less software", 0.0, 0.015, "less", LINEAR),
)


def job(row: Published, seed: int, quick: bool) -> Job:
    """Return what is done for a row."""
    settings = dict(row.settings) | {"seed": seed}
    settings |= {"images": 300, "passes": 1} if quick else {"images": LEARNED, "passes": PASSES}
    return Job(row.name, seed, f"{__name__}:learn", settings)


def learn(kind: str, config: dict[str, Any], seed: int, images: int, passes: int) -> dict[str, Any]:
    """Learn some images; return the accuracy on them (`train`), on the test images (`test`), or
    on those less that of software (`less`)."""
    data, rng = load_dataset("mnist"), np.random.default_rng(seed)
    learned, labels = cropped(data.train_images[:images]), data.train_labels[:images]
    order = np.concatenate([rng.permutation(images) for _ in range(passes)])
    model = CrossbarPerceptron(hidden=HIDDEN, encoding="amplitude", seed=seed, **config)
    model.partial_fit(learned[order], labels[order], classes=range(10))
    found: dict[str, Any] = {"train_joules": model.ledger.totals()["train"]}
    if kind == "train":
        return found | {"value": model.score(learned, labels)}
    tested = cropped(data.test_images), data.test_labels
    value = model.score(*tested)
    if kind == "test":
        return found | {"value": value}
    gain, rate = config["gain"], config["rates"][0]
    weights = software.trained(
        learned, labels, order, (528, *HIDDEN, 10), gain=gain, rate=rate,
        initial=config["initial_weight"], seed=seed,
    )  # fmt: skip
    in_software = software.score(*tested, weights, gain)
    return found | {"value": value - in_software, "software": in_software}


def cropped(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images without their edges, uint8[n, 22, 24]."""
    return images[:, 3:25, 2:26]
