"""How well defaults suit other images than MNIST's: prints the table of docs/data.md.

100 neurons learn 6,000 training images three times, and are scored on 4,000 other training images:
`python sweeps/other_images.py [FOLDER ...]`, with further data sets such as Fashion-MNIST.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import cbramsim as cb

LEARNED, SCORED, SEEDS = 6_000, 4_000, (0, 1, 2)
Images = NDArray[np.uint8]


def shrunk(images: Images, factor: int) -> Images:
    """Return the mean of each square of `factor` x `factor` pixels."""
    n, height, width = images.shape
    squares = images.reshape(n, height // factor, factor, width // factor, factor)
    return np.rint(squares.mean(axis=(2, 4))).astype(np.uint8)


def grey(images: Images, background: int, ink: int) -> Images:
    """Return images in which 0 becomes `background`, and 255 `ink`."""
    return (background + images.astype(int) * (ink - background) // 255).astype(np.uint8)


KINDS: dict[str, Callable[[Images], NDArray]] = {
    "28 x 28": lambda x: x,
    "56 x 56": lambda x: x.repeat(2, axis=1).repeat(2, axis=2),
    "14 x 14": lambda x: shrunk(x, 2),
    "7 x 7": lambda x: shrunk(x, 4),
    "0 and 1": lambda x: x > 127,
    "4 bits": lambda x: x // 16,
    "floats": lambda x: x / 255,
    "inverted": lambda x: 255 - x,
    "light on grey": lambda x: grey(x, 100, 255),
    "dark on grey": lambda x: grey(x, 180, 30),
}


def row(name: str, images: NDArray, labels: NDArray) -> str:
    """Return the row of the table for one kind of images."""
    found = []
    for seed in SEEDS:
        network = cb.SpikingNetwork(neurons=100, seed=seed).fit(images[:LEARNED])
        network.label(images[:LEARNED], labels[:LEARNED])
        found.append(100 * network.score(images[LEARNED:], labels[LEARNED:]))
    return (
        f"| {name} | {network.crossbar.shape[0]} | {network.competition_scale:.2g} "
        f"| {np.mean(found):.1f} ± {np.std(found, ddof=1):.1f} % |"
    )


def main() -> None:
    """Print the table."""
    print("| images | inputs | scale | held-back images |\n| --- | --- | --- | --- |")
    data = cb.load_dataset("mnist")
    images, labels = data.train_images[: LEARNED + SCORED], data.train_labels[: LEARNED + SCORED]
    for name, change in KINDS.items():
        print(row(name, change(images), labels), flush=True)
    for folder in sys.argv[1:]:
        data = cb.load_dataset(folder)
        part = slice(LEARNED + SCORED)
        print(row(folder, data.train_images[part], data.train_labels[part]), flush=True)


if __name__ == "__main__":
    main()
