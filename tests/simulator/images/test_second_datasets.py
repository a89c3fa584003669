from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from cbramsim.core.errors import DataError
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.images.second_datasets import second_dataset, slanted


def test_moving_nothing_leaves_images_alone(mnist: Dataset) -> None:
    images = mnist.train_images[:50]
    np.testing.assert_array_equal(slanted(images, degrees=0, shear=0), images)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, -1)])
def test_right_angles_turn_to_the_left_exactly(mnist: Dataset, degrees: float, turns: int) -> None:
    images = mnist.train_images[:50]
    moved = slanted(images, degrees=degrees, shear=0)
    np.testing.assert_array_equal(moved, np.rot90(images, turns, axes=(1, 2)))


def test_a_shear_shifts_what_is_higher_up_to_the_right() -> None:
    """One pixel, 4 rows above the middle row of 15, moves by 4 x 0.5 columns."""
    image = np.zeros((1, 15, 15), np.uint8)
    image[0, 3, 7] = 200
    moved = slanted(image, degrees=0, shear=0.5)
    assert moved[0, 3, 9] == 200
    assert moved.sum() == 200


def test_slanting_agrees_with_a_filter_of_scipy(mnist: Dataset) -> None:
    """Its `affine_transform` takes (row, column) of a target to those of its source."""
    image = mnist.train_images[7].astype(np.float64)
    c, s = np.cos(np.radians(-25)), np.sin(np.radians(-25))
    forward = np.array([[c, -s], [s, c]]) @ [[1, 0.3], [0, 1]]  # of (x, y), y up
    to_xy = np.array([[0, 1], [-1, 0]])  # of (row, column)
    back = to_xy.T @ np.linalg.inv(forward) @ to_xy
    middle = np.array([13.5, 13.5])
    wanted = ndimage.affine_transform(
        image, back, middle - back @ middle, order=1, mode="grid-constant"
    )
    assert np.abs(slanted(image[None].astype(np.uint8))[0] - wanted).max() <= 0.501


def test_the_two_tasks_have_no_image_in_common(mnist: Dataset) -> None:
    data = Dataset(*(part[:2001] for part in mnist))
    pair = second_dataset("slanted", data)
    assert (len(pair.first.train_images), len(pair.second.train_images)) == (1000, 1001)
    np.testing.assert_array_equal(pair.second.train_labels, data.train_labels[1000:])
    np.testing.assert_array_equal(pair.first.train_images, data.train_images[:1000])
    np.testing.assert_array_equal(pair.second.train_images, slanted(data.train_images[1000:]))
    np.testing.assert_array_equal(pair.second.test_images, slanted(data.test_images[1000:]))
    pair = second_dataset("other-digits", data)
    assert set(pair.first.train_labels) == set(range(5))
    assert set(pair.second.test_labels) == set(range(5, 10))
    assert sum(len(part.train_images) for part in pair) == 2001


def test_a_folder_may_hold_the_second_task(mnist: Dataset) -> None:
    here = Path(__file__).parents[3] / "cbramsim" / "data" / "mnist"
    pair = second_dataset(here, mnist)
    np.testing.assert_array_equal(pair.second.test_images, mnist.test_images)
    small = Dataset(*(p[:, 2:] if p.ndim == 3 else p for p in mnist))
    with pytest.raises(DataError, match="must be of the size of the first data set"):
        second_dataset(here, small)
    with pytest.raises(DataError, match="must be mnist, a folder"):
        second_dataset("slantd", mnist)


def test_images_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="slanted: images must be uint8"):
        slanted(np.zeros((3, 784), np.uint8))
