from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

from cbramsim.simulator.datasets import Dataset, load_dataset

settings.register_profile("compiled", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("compiled")


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return load_dataset("mnist")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(12345)
