from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

from cbramsim.simulator.datasets import Dataset, load_dataset

settings.register_profile("compiled", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("compiled")


LONGEST = ("test_notebooks", "test_readme", "test_ladder")
"""Files that take minutes, and stay on one core: they begin first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return load_dataset("mnist")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(12345)
