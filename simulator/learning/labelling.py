"""Names of neurons, from their responses to labelled images, and votes of named neurons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import stream, streams_by_content
from cbramsim.simulator.energy.ledger import Account
from cbramsim.simulator.learning.layer import Layer

Vote = Literal["profile", "majority"]

IMAGES_PER_BATCH = 500
"""Images that one worker takes at a time."""


class Recognition(NamedTuple):
    """The classes of some images, by two votes over the same responses."""

    profile: NDArray[np.int64]
    """Class-profile vote: largest sum over neurons of response x log P(class | neuron)."""
    majority: NDArray[np.int64]
    """Majority vote: each neuron stands for one class."""


class Labels(NamedTuple):
    """Names of neurons, from their responses to labelled images."""

    class_counts: NDArray[np.float64]
    """Mean responses to the labelled images, by class, float64[neurons, classes]."""
    used: int
    """Number of labels used."""

    @classmethod
    def of(cls, answers: Iterable[NDArray[np.float32]], labels: NDArray[np.int64]) -> Self:
        """Return the names that result from the responses to labelled images, batch by batch."""
        counts: Any = 0
        classes, start = int(labels.max()) + 1, 0
        for answer in answers:
            part = labels[start : start + len(answer)]
            of_class = np.zeros((answer.shape[1], classes))
            for c in np.unique(part):
                of_class[:, c] = answer[part == c].sum(axis=0, dtype=np.float64)
            counts = counts + of_class
            start += len(answer)
        return cls(counts / np.maximum(np.bincount(labels), 1), len(labels))

    @property
    def profiles(self) -> NDArray[np.float64]:
        """P(class | neuron fired), float64[neurons, classes], smoothed by 0.1 %."""
        counts = self.class_counts + 1e-3 * self.class_counts.mean()
        shares = counts / counts.sum(axis=1, keepdims=True)
        return 0.999 * shares + 0.001 / counts.shape[1]

    def recognise(self, answers: Iterable[NDArray[np.float32]], precision: Any) -> Recognition:
        """Return the classes of images by their responses, batch by batch.

        In single precision, sums depend on the number of images.
        """
        log_profile = np.log(self.profiles).astype(precision)
        counts = self.class_counts
        votes = np.eye(counts.shape[1], dtype=precision)[counts.argmax(axis=1)]
        profile, majority = [], []
        for answer in answers:
            profile.append((answer @ log_profile).argmax(axis=1))
            majority.append((answer @ votes).argmax(axis=1))
        return Recognition(np.concatenate(profile), np.concatenate(majority))


class Job(NamedTuple):
    """Images to respond to."""

    images: int
    """Number of images."""
    phase: str
    """Phase of the ledgers in which events are booked."""
    by_position: bool
    """Whether random numbers depend on an image's position, rather than its content."""
    threads: int
    """Number of batches that are read at once; the result does not depend on it."""


def respond_to(
    layers: Sequence[Layer], inputs: Callable[[int, int], NDArray[np.uint8]], job: Job
) -> Iterator[NDArray[np.float32]]:
    """Yield the last layer's mean firing probabilities, float32[n, neurons], batch by batch.

    Parameters
    ----------
    layers
        Each gets the spikes of the one before; each books in its ledger.
    inputs
        Returns the densities of images from one number to another, uint8[n, inputs].
    job
        The images, and the way of responding.
    """
    cells = [layer.at_rest() for layer in layers]

    def one(start: int) -> tuple[NDArray[np.float32], list[Account]]:
        images = inputs(start, start + IMAGES_PER_BATCH)
        spikes: NDArray[Any] = images
        accounts = []
        for layer, state in zip(layers, cells, strict=True):
            starts = starts_of(
                layer.config.seed, images, job.phase, start if job.by_position else None
            )
            answer = layer.respond if layer is layers[-1] else layer.relay
            spikes, account = answer(state, spikes, starts, job.phase)
            accounts.append(account)
        return spikes, accounts

    starts = range(0, job.images, IMAGES_PER_BATCH)
    workers = min(job.threads, len(starts))
    with ThreadPoolExecutor(workers) as pool:
        for group in range(0, len(starts), 4 * workers):
            for answers, accounts in pool.map(one, starts[group : group + 4 * workers]):
                for layer, account in zip(layers, accounts, strict=True):
                    layer.ledger.add_account(job.phase, account)
                yield answers


def starts_of(
    seed: int, images: NDArray[np.uint8], phase: str, position: int | None
) -> NDArray[np.uint64]:
    """Return the initial states of random streams, uint64[n, 2, 4]: by content or position of
    images.

    Parameters
    ----------
    seed
        Of the layer.
    images
        uint8[images, inputs] of the network.
    phase
        Purpose of the streams.
    position
        Number of the first image, if streams depend on position.
    """
    if position is None:
        return streams_by_content(seed, phase, images)
    names = (f"{phase} spikes", f"{phase} reads")
    return np.array([[stream(seed, name, position) for name in names]])
