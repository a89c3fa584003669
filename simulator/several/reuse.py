r"""Reuse of a trained array, which goes on learning, in the same cells, from other images.

Its energy is compared with that of a cold start on the same images, at the same accuracy: the
joules up to it are interpolated on the learning curve. The energy of the first training is shared
among its n uses,

.. math:: E(n) = E_{pretrain} / n + E_{adapt} + \text{inferences} \times E_{inference},

so that reuse pays beyond :math:`n^* = E_{pretrain} / (E_{cold} - E_{adapt})` uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.arguments import flag, function, instance, number, whole
from cbramsim.core.errors import ParameterError, shown
from cbramsim.core.validation import Parameters
from cbramsim.simulator.images.datasets import checked_labels
from cbramsim.simulator.images.grey_levels import checked_images
from cbramsim.simulator.learning.network import MOST_EPOCHS, SpikingNetwork, Step

Joules = Annotated[float, Field(ge=0, le=1e30), "J"]


class Labelled(NamedTuple):
    """Some images and their classes."""

    images: NDArray[np.uint8]
    """uint8[images, height, width] or uint8[images, pixels]."""
    labels: NDArray[np.integer]
    """int[images]."""


class Point(NamedTuple):
    """One point of a learning curve."""

    images: int
    """Images presented so far."""
    joules: float
    """Energy of learning so far, pruning included, J."""
    naming_joules: float
    """Energy of naming the neurons at this point, which counts if learning ends here, J."""
    accuracy: float
    """Fraction of the held-out images that are classified correctly."""


def warm_start(
    source: SpikingNetwork | str | Path, X: ArrayLike, *, release: bool = True
) -> SpikingNetwork:
    """Return a copy of a trained network that is ready to learn from other images.

    It costs nothing: the array exists, and its first training is accounted for separately. The
    array stays wired to the pixels that were chosen on the first data set.

    Parameters
    ----------
    source
        The trained network, which is not changed, or its file.
    X
        The new images, of the same size.
    release
        Whether soft-pruned cells learn again, see `SpikingNetwork.begin_again`.
    """
    instance("warm_start.source:", source, SpikingNetwork, str, Path)
    flag("warm_start.release:", release)
    network = source.copy() if isinstance(source, SpikingNetwork) else SpikingNetwork.load(source)
    return network.begin_again(X, release=release)


def learning_curve(
    network: SpikingNetwork,
    X: ArrayLike,
    named: Labelled,
    judged: Labelled,
    at: Iterable[int],
    *,
    epochs: int = 1,
    callback: Callable[[Step], None] | None = None,
) -> list[Point]:
    """Let a network learn, and measure it in between, without changing it by that.

    Each time a copy is named and judged: learning, ledger and random streams are the same as
    without.

    Parameters
    ----------
    network
        Network that learns, from the start or from its present state.
    X
        The training images.
    named
        Training images and labels that name the neurons.
    judged
        Further training images and labels, held out of `X`, on which the accuracy is found.
    at
        Numbers of images, counted from now, at which to measure; each is measured after the step
        (of 200 images) that completes it.
    epochs
        Passes over `X`.
    callback
        Called after each step of learning.
    """
    instance("learning_curve.network:", network, SpikingNetwork)
    whole("learning_curve.epochs:", epochs, 1, MOST_EPOCHS)
    function("learning_curve.callback:", callback)
    for name, part in (("named", named), ("judged", judged)):
        if not isinstance(part, tuple) or len(part) != 2:
            raise ParameterError(
                f"learning_curve.{name}: must be Labelled, images and labels (got {shown(part)})"
            )
    named, judged = Labelled(*named), Labelled(*judged)
    inputs = network.prepare(X)
    first = network.images_seen
    in_all = epochs * len(inputs)
    try:
        left = sorted({whole("", n, 0, in_all) for n in at})
    except (TypeError, ParameterError):
        left = []
    if not left:
        raise ParameterError(
            f"learning_curve.at: must be numbers of images >= 0 and <= {in_all} (got {shown(at)})"
        )
    before = network.ledger.total("train")
    points: list[Point] = []

    def look() -> None:
        seen = network.images_seen - first
        if left and left[0] <= seen:
            del left[: sum(n <= seen for n in left)]
            joules = network.ledger.total("train") - before
            points.append(_look_at(network.copy(), seen, joules, named, judged))

    def after(step: Step) -> None:
        look()
        if callback:
            callback(step)

    look()
    network.resume(inputs, epochs=network.passes + epochs, callback=after)
    return points


def _look_at(
    twin: SpikingNetwork, seen: int, joules: float, named: Labelled, judged: Labelled
) -> Point:
    before = twin.ledger.total("label")
    accuracy = accuracy_on(twin.label(*named), judged)
    return Point(seen, joules, twin.ledger.total("label") - before, accuracy)


def accuracy_on(network: SpikingNetwork, judged: Labelled) -> float:
    """Return the fraction of images that are classified correctly, as `cbram train` judges.

    Spikes are drawn by position, so that it differs a little from `SpikingNetwork.score`.
    """
    labels = checked_labels(judged.labels, len(checked_images(judged.images)))
    return float((network.recognise(judged.images, by="position").profile == labels).mean())


def joules_to(curve: Sequence[Point], accuracy: float) -> float | None:
    """Return the energy at which a curve first reaches an accuracy, J; None if it never does.

    Between two points it is interpolated along a straight line. A curve that begins at the
    accuracy, or above it, needs no energy.
    """
    return _first(curve, accuracy, [point.joules for point in curve])


def images_to(curve: Sequence[Point], accuracy: float) -> float | None:
    """Return the number of images after which an accuracy is first reached, as `joules_to`."""
    return _first(curve, accuracy, [point.images for point in curve])


def _first(curve: Sequence[Point], accuracy: float, of: Sequence[float]) -> float | None:
    for n, point in enumerate(curve):
        if point.accuracy >= accuracy:
            if n == 0:
                return float(of[0])
            below = curve[n - 1].accuracy
            share = (accuracy - below) / (point.accuracy - below)
            return of[n - 1] + share * (of[n] - of[n - 1])
    return None


class Reuse(Parameters):
    """Energies of a trained array that is reused, and of training one anew each time."""

    pretrain: Joules
    """Energy of the first training, J."""
    adapt: Joules
    """Energy of adapting to a new task, up to some accuracy, J."""
    cold: Joules
    """Energy of learning the new task from the beginning, up to the same accuracy, J."""
    inference: Joules = 0.0
    """Energy of recognising one image, J."""

    @property
    def break_even(self) -> float:
        """Uses beyond which reuse costs less: n*; infinite if adapting saves nothing."""
        saved = self.cold - self.adapt
        return self.pretrain / saved if saved > 0 else math.inf

    def per_use(self, uses: int, inferences: float = 0.0) -> float:
        """Return the energy of one of `uses` of the same first training, J."""
        whole("Reuse.uses:", uses, 1)
        number("Reuse.inferences:", inferences, 0)
        return self.pretrain / uses + self.adapt + inferences * self.inference

    def per_cold_use(self, inferences: float = 0.0) -> float:
        """Return the energy of one use without a first training, J."""
        return self.cold + inferences * self.inference
