from __future__ import annotations

import numpy as np
import pytest

from cbramsim.simulator.datasets import Dataset, load_dataset


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return load_dataset("mnist")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(12345)
