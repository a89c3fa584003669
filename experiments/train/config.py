"""`TrainConfig`: a training run, its network and its data, in the form of config.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from cbramsim.devices.retention import COLDEST, HOTTEST
from cbramsim.simulator.array.lifetime import LONGEST_WAIT
from cbramsim.simulator.learning.config import NetworkConfig

Count = Annotated[int | None, Field(ge=1)]


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError(f"must be a name or a path (got {text!r})")
    return text


class TrainConfig(NetworkConfig):
    """A training run: a network and its data."""

    dataset: Annotated[str, AfterValidator(_path)] = "mnist"
    """Data set: `mnist` (bundled), a folder of IDX files or the beginning of their names, a folder
    of pictures (`train/CLASS/*.png`, `test/CLASS/*.png`), or a `.npz` file."""
    train_images: Count = None
    """Training images to use, the first of the file; all by default."""
    test_images: Count = None
    """Test images to score, the first of the file; all by default."""
    label_images: Count = None
    """Training images whose labels name the neurons, the first used; all by default."""
    validation_images: Annotated[int, Field(ge=0)] = 0
    """Number of training images to hold back, the last of those used, for scoring instead of the
    test set, if above 0. For tuning."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 3
    """Passes over the training images."""
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 0.0
    """Seconds between training and scoring, in which cells drift and relax."""
    wait_celsius: Annotated[float, Field(gt=COLDEST, le=HOTTEST)] = 25.0
    """Temperature of that time, °C."""

    @property
    def scored_on(self) -> str:
        """Images on which a run is scored, and the phase of the ledger: test or validation."""
        return "validation" if self.validation_images else "test"

    def resolved_paths(self) -> TrainConfig:
        """Return the configuration with absolute paths, so that it has the same meaning
        everywhere."""
        dataset = self.dataset
        return self.replace(
            dataset=dataset if dataset == "mnist" else os.path.realpath(dataset),
            device=_absolute(self.device),
            periphery=_absolute(self.periphery),
        )

    def network(self) -> NetworkConfig:
        """Return the part that defines the network."""
        return NetworkConfig(**{name: getattr(self, name) for name in NetworkConfig.model_fields})


def _absolute(name_or_path: str) -> str:
    """Return the absolute path of a TOML file, or the name of a preset as it is."""
    is_file = name_or_path.endswith(".toml")
    return str(Path(name_or_path).resolve()) if is_file else name_or_path
