"""Spike rates of the inputs of a layer, used by pruning, converters and solvers of lines."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.memory import check_memory
from cbramsim.core.rng import generator
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.lines.saturating import PATTERNS, drawn_patterns

MOST_IMAGES = 10_000
"""Most images from which joint spike probabilities are found."""


class Inputs:
    """Spike rates of the inputs of a layer.

    Attributes
    ----------
    activity
        float64[inputs], the probability of a spike of each in a window.
    together
        float64[inputs, inputs], the probability that two spike in one window, and on the diagonal
        that one does; None where lines are ideal.
    patterns
        bool[patterns, inputs], which of them spike in some windows; None where lines are ideal.
    most_active
        The most inputs of a tile that spike in a window of any image, on average; None without
        converters.
    windows
        The windows that have been counted, where spikes are counted.
    """

    def __init__(
        self,
        activity: NDArray[np.float64],
        together: NDArray[np.float64] | None,
        most_active: float | None,
        windows: int = 0,
        patterns: NDArray[np.bool_] | None = None,
    ) -> None:
        self.activity, self.patterns = activity, patterns
        self.together: Any = together
        self.most_active, self.windows = most_active, windows

    @classmethod
    def of_images(cls, images: NDArray[np.uint8], config: NetworkConfig) -> Self:
        """Return the rates of images: uint8[images, inputs], densities."""
        inputs = cls(images.mean(axis=0, dtype=np.float64) / 256, None, None)
        if config.wires:
            inputs.together = _active_together(images, inputs.activity)
            inputs.patterns = drawn_patterns(images, config.seed)
        if config.readout.adc_bits:
            starts, _ = config.tiles.parts((images.shape[1], config.neurons))
            sums = (images[:, a:b].sum(axis=1, dtype=np.int64) for a, b in pairwise(starts))
            inputs.most_active = max(float(part.max()) / 256 for part in sums)
        return inputs

    @classmethod
    def of_neurons(cls, neurons: int, config: NetworkConfig) -> Self:
        """Return the rates expected of the neurons of the previous layer: all fire alike.

        An input is active in a window if its neuron has fired in this one or an earlier one of the
        same image. Once spikes are counted, this weighs no more than one image.
        """
        windows = config.encoding.windows
        so_far = 1 - (1 - 1 / neurons) ** np.arange(1, windows + 1)
        activity = np.full(neurons, so_far.mean())
        together = patterns = None
        if config.wires:
            together = np.outer(activity, activity)
            np.fill_diagonal(together, activity)
            rng = generator(config.seed, "wires patterns")
            patterns = rng.random((PATTERNS, neurons)) < activity
        most_active = float(min(windows, neurons)) if config.readout.adc_bits else None
        return cls(activity, together, most_active, windows, patterns)

    @property
    def contrast(self) -> float:
        """Contrast of rows whose inputs spike independently, see `encoding.contrast`."""
        return float(np.sum(self.activity * (1 - self.activity)))

    def observe(self, images: NDArray[np.uint8], config: NetworkConfig) -> None:
        """Record the next images, and forget the earlier ones."""
        new = self.of_images(images, config)
        self.activity, self.together, self.patterns = new.activity, new.together, new.patterns

    def count(self, winners: NDArray[np.int32]) -> None:
        """Count spikes of the previous layer: int32[images, windows], the neuron that fired."""
        images, windows = winners.shape
        fired = np.zeros((images, windows, self.activity.size), np.float32)
        fired[np.arange(images)[:, None], np.arange(windows), winners] = 1
        active = np.maximum.accumulate(fired, axis=1).reshape(-1, self.activity.size)
        share = len(active) / (self.windows + len(active))
        self.activity += share * (active.mean(axis=0, dtype=np.float64) - self.activity)
        if self.together is not None:
            self.together += share * (active.T @ active / len(active) - self.together)
            some = np.linspace(0, len(active) - 1, PATTERNS).astype(np.int64)
            self.patterns = active[some] > 0
        self.windows += len(active)

    def to_arrays(self) -> dict[str, Any]:
        """Return the rates, by name."""
        named = {"activity": self.activity, "together": self.together}
        named |= {"most_active": self.most_active, "windows_counted": self.windows or None}  # type: ignore[dict-item]
        return {name: value for name, value in named.items() if value is not None}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Return the rates that `to_arrays` saved."""
        together = arrays["together"].copy() if "together" in arrays else None
        most_active = float(arrays["most_active"]) if "most_active" in arrays else None
        windows = int(arrays.get("windows_counted", 0))
        patterns = arrays["wires_patterns"].copy() if "wires_patterns" in arrays else None
        return cls(arrays["activity"].copy(), together, most_active, windows, patterns)


def _active_together(
    inputs: NDArray[np.uint8], activity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability that two inputs spike in one window, float64[inputs, inputs].

    Given the image they are independent, so that it is the mean product of their pixel densities;
    on the diagonal, the probability that one does.
    """
    pairs = inputs.shape[1] ** 2
    check_memory("NetworkConfig.inputs", 20 * pairs, f"the products of {pairs:,} pairs, for wires,")
    some = inputs[:: max(1, len(inputs) // MOST_IMAGES)].astype(np.float32) / 256
    together = (some.T @ some / len(some)).astype(np.float64)
    np.fill_diagonal(together, activity)
    return together
