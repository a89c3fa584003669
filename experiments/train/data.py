"""`Data`: the images of a training run, split according to its configuration."""

from __future__ import annotations

import numpy as np

from cbramsim.core.errors import ParameterError
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.images.datasets import Dataset, load_dataset


class Data:
    """Images of a run, split according to its configuration."""

    def __init__(
        self, config: TrainConfig, loaded: Dataset | None = None, *, quiet: bool = False
    ) -> None:
        data = loaded or load_dataset(config.dataset, quiet=quiet)
        used = _limited("train_images", config.train_images, len(data.train_images))
        held_back = config.validation_images
        if held_back >= used:
            raise ParameterError(
                f"TrainConfig.validation_images: must be a whole number >= 0 and < {used}, the "
                f"training images used (got {held_back})"
            )
        learned = used - held_back
        self.image_shape = data.train_images.shape[1:]
        self.train_count = learned
        self.train_images = data.train_images[:learned]
        self.train_labels = data.train_labels[:learned]
        self.label_count = _limited("label_images", config.label_images, learned)
        if held_back:
            self.score_images = data.train_images[learned:used]
            self.score_labels = data.train_labels[learned:used]
        else:
            tested = _limited("test_images", config.test_images, len(data.test_images))
            self.score_images = data.test_images[:tested]
            self.score_labels = data.test_labels[:tested]
        self.classes = _classes(data)
        self.class_names = data.classes

    def drop_training_images(self) -> None:
        """Free the memory of the training images once they are learned and labelled."""
        self.train_images = self.train_images[:0].copy()

    def resolve(self, config: TrainConfig) -> TrainConfig:
        """Return `config` with the numbers of images filled in."""
        tested = {} if config.validation_images else {"test_images": len(self.score_images)}
        pixels = int(np.prod(self.image_shape))
        return config.resolved_paths().replace(
            inputs=config.inputs and min(config.inputs, pixels),
            train_images=self.train_count + config.validation_images,
            label_images=self.label_count,
            **tested,
        )


def _limited(name: str, wanted: int | None, available: int) -> int:
    if wanted is not None and wanted > available:
        raise ParameterError(
            f"TrainConfig.{name}: must be a whole number >= 1 and <= {available}, the images there "
            f"are (got {wanted})"
        )
    return available if wanted is None else wanted


def _classes(data: Dataset) -> int:
    return int(max(data.train_labels.max(), data.test_labels.max())) + 1
