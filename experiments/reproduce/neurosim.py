"""MLP+NeuroSim V3.0: a 400-100-10 perceptron that learns MNIST on chip, in eight devices.

Values from the user manual (Table 2, text and figures; most are read as "about"): accuracy after
125 epochs of 8,000 images, drawn with replacement; and for energies the totals of its circuits.
From the code, for facts only: images cropped to 20 x 20, black and white at half; no biases;
weights begin at one of seven values; learning rates 0.4 and 0.2; hidden units are logistic, one
bit on the word lines of the next array; 8-bit codes of each bit line and of a reference column,
rounded down; pulses = dw / 2 x levels, rounded; noise of pulses, no spread, no read noise.

Not stated there: how many runs a number stands for, and its spread.

Deviations: the mean of the last ten epochs stands for the end. A pulse is a step, and has its
noise, by itself. The digital weights of 6 bits are 64 even steps without noise. The net input is
the sum of weights times inputs (`gain` 1). Read literally, the code halves it, though a related
version of it does not; that is run beside it as `gain` 0.5. Energies are those of
our own ledger: cells, lines and converters, not the periphery of the manual.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.device import Device
from cbramsim.experiments.reproduce.published import Published
from cbramsim.experiments.study.jobs import Job
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.supervised import CrossbarPerceptron, PerceptronConfig

PAPER = "MLP+NeuroSim V3.0: a perceptron that learns on chip in eight devices"
EPOCHS, PER_EPOCH, LAST = 125, 8000, 10
NEAR = 0.06
"""Points that count as near: precision of the numbers, and spread over seeds."""
EVEN = {"nonlinearity_up": 0.0, "nonlinearity_down": 0.0, "pulses_up": 64, "pulses_down": 64}
PUBLISHED: tuple[tuple[str, str, float, str, dict[str, float]], ...] = (
    ("ag-a-si", "Ag:a-Si", 0.7185, "Table 2", {}),
    ("taox-hfox", "TaOx/HfOx", 0.80, "text", {}),
    ("pcmo", "PCMO", 0.33, "text", {}),
    ("alox-hfo2", "AlOx/HfO2", 0.20, "text", {}),
    ("gst-pcm", "GST PCM", 0.89, "text", {}),
    ("epiram", "EpiRAM", 0.92, "text", {}),
    ("hzo-fefet", "HZO FeFET", 0.88, "text", {}),
    ("epiram", "6-bit SRAM", 0.94, "text", EVEN | {"step_c2c": 0.0}),
)


def _rows() -> tuple[Published, ...]:
    rows = []
    for gain in (1.0, 0.5):
        for device, label, accuracy, where, cell in PUBLISHED:
            name = "sram-6-bit" if cell else device
            settings = {"device": device, "cell": cell, "gain": gain}
            rows.append(
                Published(
                    f"{name},gain={gain:g}", f"{label}, gain {gain:g}", accuracy,
                    f"MLP+NeuroSim V3.0 user manual, {where}", NEAR if gain == 1 else None,
                    about=label != "Ag:a-Si", settings=settings,
                )
            )  # fmt: skip
    return tuple(rows)


ROWS = _rows()


def job(row: Published, seed: int, quick: bool) -> Job:
    """Return what is done for a row."""
    settings = dict(row.settings) | {"seed": seed, "epochs": 2 if quick else EPOCHS}
    return Job(row.name, seed, f"{__name__}:learn", settings)


def learn(
    device: str, cell: dict[str, float], gain: float, seed: int, epochs: int
) -> dict[str, Any]:
    """Learn MNIST; return the mean accuracy of the last epochs, and the energy of the arrays."""
    data = load_dataset("mnist")
    model = CrossbarPerceptron(recipe(device, cell, gain, seed))
    images, test = cropped(data.train_images), cropped(data.test_images)
    rng, found = np.random.default_rng(seed), []
    for epoch in range(epochs):
        drawn = rng.integers(len(images), size=PER_EPOCH)
        model.partial_fit(images[drawn], data.train_labels[drawn], classes=range(10))
        if epoch >= epochs - LAST:
            found.append(model.score(test, data.test_labels))
    account = model.ledger.account("train")
    writing = (Operation.LTP_PULSE, Operation.LTD_PULSE, Operation.PROGRAM_LINE)
    return {
        "value": float(np.mean(found)),
        "last": found[-1],
        "write_joules": float(sum(account.joules[each] for each in writing)),
        "train_joules": float(account.joules.sum()),
        "pulses": int(account.counts[Operation.PROGRAM_LINE]),
    }


def recipe(device: str, cell: dict[str, float], gain: float, seed: int) -> PerceptronConfig:
    """Return the perceptron of the manual in a device of its table.

    Rates are such that dw is 0.4 and 0.2 times the slopes that the manual names, whatever `gain`.
    """
    known = Device.load(device)
    off = known.differing(known.without_variability())
    off.pop("step_c2c", None)
    return PerceptronConfig(
        hidden=(100,), device=device, cell=off | cell, gain=gain, seed=seed,
        rates=(0.4 / gain**2, 0.2 / gain), input_bits=1, hidden_bits=1, codes=255,
        update="rounded", initial_weight=1.0, initial_levels=7,
    )  # fmt: skip


def cropped(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images without their edges, uint8[n, 20, 20]."""
    return images[:, 4:24, 4:24]
