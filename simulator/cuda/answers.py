"""Answers of a network on a card: many stretches of images at once, a block for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.cuda.batch import brought, launch, on_card, receive, room, shown_to
from cbramsim.simulator.cuda.loops import OPERATIONS, respond
from cbramsim.simulator.cuda.memory import stacked
from cbramsim.simulator.energy.ledger import Account
from cbramsim.simulator.learning.labelling import IMAGES_PER_BATCH, Job, starts_of
from cbramsim.simulator.learning.layer import Layer
from cbramsim.simulator.learning.loop import Streams

TOGETHER, EACH = 64, 2
"""Batches of images answered at once: with a block for each of them, or for each image."""


def respond_to(
    layers: Sequence[Layer], inputs: Callable[[int, int], NDArray[np.uint8]], job: Job
) -> Iterator[NDArray[np.float32]]:
    """Yield the mean firing probabilities of the only layer, as `labelling.respond_to` does."""
    (layer,) = layers
    circuits = on_card(stacked([brought(layer.circuit_at_work(job.phase))]))
    windows = layer.config.encoding.windows_at_work
    at_once = IMAGES_PER_BATCH * (TOGETHER if job.by_position else EACH)
    most = min(TOGETHER if job.by_position else at_once, job.images)
    space = room(most, layer.crossbar.shape)
    for first in range(0, job.images, at_once):
        end = min(first + at_once, job.images)
        images = inputs(first, end)
        batches = [
            np.arange(start, min(start + IMAGES_PER_BATCH, end)) - first
            for start in range(first, end, IMAGES_PER_BATCH)
        ]
        starts = np.concatenate([
            starts_of(
                layer.config.seed, images[batch], job.phase,
                first + int(batch[0]) if job.by_position else None,
            )
            for batch in batches
        ])  # fmt: skip
        parts = batches if job.by_position else list(np.arange(len(images))[:, None])
        answers = np.empty((len(images), layer.config.neurons), np.float32)
        shown, _ = shown_to([0] * len(parts), parts)
        booked = Account(*(np.zeros((len(parts), OPERATIONS), kind) for kind in (np.int64, float)))
        its, theirs = on_card(answers), on_card(booked)
        launch(
            respond, len(parts), layer.crossbar.shape,
            (on_card(images), on_card(shown), its, windows, circuits, on_card(streams(starts)),
             theirs, space),
        )  # fmt: skip
        receive(answers, its)
        for mine, other in zip(booked, theirs, strict=True):
            receive(mine, other)
        layer.add_work(job.phase, Account(booked.counts.sum(axis=0), booked.joules.sum(axis=0)))
        for batch in batches:
            yield answers[batch]


def streams(starts: NDArray[np.uint64]) -> Streams:
    """Return the streams that begin at `starts`, uint64[n, 2, 4]; no words are taken of others."""
    spikes, reads = np.ascontiguousarray(starts.transpose(1, 0, 2))
    return Streams(spikes, reads, competition=np.ones_like(reads), pulses=np.ones_like(reads))
