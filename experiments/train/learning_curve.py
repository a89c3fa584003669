"""Accuracy while learning, from the training stream alone.

Each block of images is classified with the names that the neurons earned on the blocks before it
(test, then name: prequential evaluation), from the same spikes as the learning. It needs no extra
presentation, and the test set is not used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.learning.network import SpikingNetwork, Step
from cbramsim.simulator.learning.state_file import Entry

BLOCK = 2_000
"""Images per point of the curve."""
MEMORY = 0.8
"""Weight of the earlier blocks in a neuron's name, per block."""


class LearningCurve:
    """Learning curve, with one point per block of images."""

    COLUMNS = ("images", "accuracy", "pruned_fraction", "joules")

    def __init__(self, labels: NDArray[np.uint8], neurons: int) -> None:
        self.labels = labels.astype(np.int64)
        self.points: list[tuple[float, ...]] = []
        self._votes = np.zeros((neurons, int(self.labels.max()) + 1))
        self._fresh = np.zeros_like(self._votes)
        self._correct = self._seen = 0

    def add(self, step: Step, network: SpikingNetwork) -> None:
        """Add one step of training."""
        labels = self.labels[step.images]
        names = np.eye(self._votes.shape[1])[self._votes.argmax(axis=1)]
        self._correct += int((names[step.winners].sum(axis=1).argmax(axis=1) == labels).sum())
        self._seen += len(labels)
        classes = self._votes.shape[1]
        pairs = (step.winners * classes + labels[:, None]).ravel()
        self._fresh += np.bincount(pairs, minlength=self._fresh.size).reshape(-1, classes)
        if self._seen >= BLOCK or network.position == 0:
            if self._votes.any():  # in the first block no neuron has a name yet
                self._add_point(network)
            self._votes = MEMORY * self._votes + self._fresh
            self._fresh[:] = 0
            self._correct = self._seen = 0

    def _add_point(self, network: SpikingNetwork) -> None:
        accuracy = self._correct / self._seen
        joules = network.ledger.total("train")
        self.points.append((network.images_seen, accuracy, network.pruner.fraction, joules))

    def to_dict(self) -> dict[str, list[float]]:
        """Return the curve by column."""
        columns = np.array(self.points).reshape(-1, len(self.COLUMNS)).T.tolist()
        return dict(zip(self.COLUMNS, columns, strict=True))

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return all arrays needed to continue the curve."""
        return {
            "curve_points": np.array(self.points).reshape(-1, len(self.COLUMNS)),
            "curve_votes": self._votes,
            "curve_fresh": self._fresh,
            "curve_counters": np.array([self._correct, self._seen], float),
        }

    def entries(self, images: int) -> dict[str, Entry]:
        """Return the requirements on the saved arrays of a curve after a number of images."""
        most = (images, 1, 1, np.inf)
        return {
            "curve_points": Entry((None, len(self.COLUMNS)), float, 0, most),
            "curve_votes": Entry(self._votes.shape, float, 0),
            "curve_fresh": Entry(self._fresh.shape, float, 0),
            "curve_counters": Entry((2,), float, 0, images),
        }

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        """Restore the arrays of `to_arrays`."""
        self.points = [tuple(point) for point in arrays["curve_points"].tolist()]
        self._votes, self._fresh = arrays["curve_votes"], arrays["curve_fresh"]
        self._correct, self._seen = (int(n) for n in arrays["curve_counters"])
        if self._correct > self._seen:
            raise ValueError(
                f"curve_counters must be at most {self._seen}, the images of the block, of which "
                f"are classified correctly (got {self._correct})"
            )
