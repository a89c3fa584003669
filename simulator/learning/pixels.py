"""`Pixels`: the pixels of an image that an array reads, and the meaning of their levels."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.errors import DataError
from cbramsim.simulator.images.grey_levels import GreyLevels, checked_images
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.encoding import most_active_pixels


class Pixels(NamedTuple):
    """The pixels that the first array reads."""

    chosen: NDArray[np.int64]
    """Indices of the chosen pixels, in ascending order, int64[inputs]."""
    of: int
    """Number of pixels of an image."""
    levels: GreyLevels
    """Levels of background and full."""

    @classmethod
    def learned_from(cls, X: ArrayLike, config: NetworkConfig) -> tuple[Self, NDArray[np.uint8]]:
        """Return the pixels chosen from training images, and their densities, uint8[images,
        inputs]."""
        images = checked_images(X)
        learned = config.encoding.levels == "learned"
        levels = GreyLevels.of(images) if learned else GreyLevels()
        densities = levels.densities(images)
        chosen = most_active_pixels(densities, config.inputs)
        return cls(chosen, images.shape[1], levels), np.take(densities, chosen, axis=1)

    def densities(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Return the densities of the chosen pixels of images, uint8[images, inputs].

        Raises
        ------
        DataError
            If the images are not grey levels, or not of the size and kind of those learned from.
        """
        images = checked_images(X)
        if images.shape[1] != self.of:
            raise DataError(
                f"images must have {self.of} pixels, as those this network has learned "
                f"(got {images.shape[1]})"
            )
        self.levels.check(images)
        return self.levels.densities(np.take(images, self.chosen, axis=1))

    def to_arrays(self) -> dict[str, Any]:
        """Return all fields by name, for `from_arrays`."""
        return {
            "pixels": self.chosen,
            "image_pixels": self.of,
            "grey_levels": np.array(self.levels),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Return the pixels that `to_arrays` saved."""
        levels = GreyLevels()
        if "grey_levels" in arrays:  # 0.5.0 took all levels as they were
            levels = GreyLevels(*(int(level) for level in arrays["grey_levels"]))
        return cls(arrays["pixels"].astype(np.int64), int(arrays["image_pixels"]), levels)
