"""Grey levels as people have them become the same pixel densities."""

from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import DataError
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.images.grey_levels import GreyLevels, checked_images
from cbramsim.simulator.learning.encoding import contrast, most_active_pixels
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.neurons import Competition

FORMS = {
    "bytes": (lambda x: x, 0),
    "floats": (lambda x: (x / 255).astype(np.float32), 0),
    "int64": (lambda x: x.astype(np.int64), 0),
    "16 bits": (lambda x: x.astype(np.uint16) * 257, 0),
    "12 bits in 16": (lambda x: x.astype(np.uint16) * 16, 0),
    "inverted": (lambda x: 255 - x, 0),
    "inverted floats": (lambda x: 1 - x / 255, 0),
    "dim": (lambda x: (x // 2).astype(np.uint8), 1),
    "four bits": (lambda x: (x // 16).astype(np.uint8), 16),
    "grey background": (lambda x: (100 + x.astype(int) * 155 // 255).astype(np.uint8), 2),
    "dark on grey": (lambda x: (180 - x.astype(int) * 150 // 255).astype(np.uint8), 2),
}
"""How levels are changed, and by how much densities may then be off."""


@pytest.mark.parametrize("form", FORMS)
def test_densities_do_not_depend_on_the_form(mnist: Dataset, form: str) -> None:
    change, off = FORMS[form]
    images = mnist.train_images[:500].reshape(500, -1)
    changed = checked_images(change(images))
    levels = GreyLevels.of(changed)
    assert np.abs(levels.densities(changed).astype(int) - images).max() <= off


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.float32])
def test_zeros_and_ones_are_background_and_full(mnist: Dataset, dtype: type) -> None:
    images = (mnist.train_images[:500] > 127).reshape(500, -1)
    levels = GreyLevels.of(checked_images(images.astype(dtype)))
    np.testing.assert_array_equal(levels.densities(images.astype(dtype)), 255 * images)


def test_a_noisy_background_is_found(mnist: Dataset, rng: np.random.Generator) -> None:
    images = mnist.train_images[:500].reshape(500, -1)
    noisy = np.clip(60 + 8 * rng.standard_normal(images.shape) + images * 0.7, 0, 255)
    levels = GreyLevels.of(noisy.astype(np.uint8))
    assert levels.background == pytest.approx(60 * 257, abs=3 * 257)
    assert levels.full > levels.background


def test_without_a_background_the_darkest_level_is_taken(rng: np.random.Generator) -> None:
    images = rng.integers(20, 221, (50, 400)).astype(np.uint8)
    assert GreyLevels.of(images) == (20 * 257, 220 * 257)


def test_a_guess_is_said_and_black_and_white_is_none(
    mnist: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    images = mnist.train_images[:100].reshape(100, -1)
    assert GreyLevels.of(images).guess == ""
    assert not caplog.messages
    GreyLevels.of(255 - images)
    assert caplog.messages == [
        "grey levels: 1 of the full scale is taken for the background, 0 for full (dark on light)"
    ]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 4)) - 0.1, "floats 0..1, or bool (got float64 from -0.1 to -0.1)"),
        (np.full((2, 4), 255.0), "got float64 from 255 to 255"),
        (np.full((2, 4), np.nan), "got float64 from nan to nan"),
        (np.full((2, 4), np.inf), "got float64 from inf to inf"),
        (np.full((2, 4), 256), "got int64 from 256 to 256"),
        (np.full((2, 4), -1), "got int64 from -1 to -1"),
        (np.zeros((2, 4), complex), "got complex128"),
        (np.full((2, 4), "1"), "got <U1"),
        (np.full((2, 4), None), "got object"),
        (np.zeros(4, np.uint8), "got (4,)"),
        (np.zeros((2, 2, 2, 3), np.uint8), "got (2, 2, 2, 3)"),
        (np.zeros((0, 4), np.uint8), "got (0, 4)"),
        ([[1, 2], [3]], "images must all be of one size"),
    ],
)
def test_what_has_no_meaning_is_refused(images: object, message: str) -> None:
    with pytest.raises(DataError) as error:
        checked_images(images)  # type: ignore[arg-type]
    assert message in str(error.value)


def test_one_level_in_all_pixels_is_refused() -> None:
    with pytest.raises(DataError, match="must show something"):
        GreyLevels.of(np.full((3, 4), 7, np.uint8))


def test_images_of_another_kind_are_refused() -> None:
    learned = GreyLevels.of(np.eye(8, dtype=np.uint8))
    learned.check(np.eye(8, dtype=np.uint8))
    with pytest.raises(DataError, match=r"0 to 0.00392 of the full scale \(got 12.5% of the"):
        learned.check(255 * np.eye(8, dtype=np.uint8))


def test_the_default_inputs_are_those_of_the_reference(mnist: Dataset) -> None:
    images = mnist.train_images.reshape(60_000, -1)
    pixels = most_active_pixels(images)
    np.testing.assert_array_equal(pixels, most_active_pixels(images, 397))
    share = np.count_nonzero(images, axis=0) / len(images)
    assert (share > 0.05).sum() == 398


def test_rare_pixels_are_taken_where_there_are_no_others() -> None:
    images = np.zeros((100, 9), np.uint8)
    images[3, 4] = images[7, 2] = 1
    np.testing.assert_array_equal(most_active_pixels(images), [2, 4])


def test_contrast_is_half_the_mean_squared_distance(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (30, 7)).astype(np.uint8)
    p = images / 256
    pairs = ((p[:, None] - p) ** 2).sum(axis=2)
    assert contrast(images) == pytest.approx(pairs.mean() / 2, rel=1e-12)


def test_handwritten_digits_need_no_scaling(mnist: Dataset) -> None:
    for count in (100, 1000, 60_000):
        images = mnist.train_images[:count].reshape(count, -1)
        assert Competition.scale(contrast(images)) == 1
    doubled = contrast(images[:1000].repeat(4, axis=1))
    assert doubled == pytest.approx(4 * contrast(images[:1000]), rel=1e-12)
    assert Competition.scale(doubled) == 2**-1.5


def shrunk(images: np.ndarray, factor: int) -> np.ndarray:
    n, height, width = images.shape
    blocks = images.reshape(n, height // factor, factor, width // factor, factor)
    return np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)


LIKE = {
    "7x7": (lambda x: shrunk(x, 4), 0.60),
    "14x14": (lambda x: shrunk(x, 2), 0.78),
    "56x56": (lambda x: x.repeat(2, axis=1).repeat(2, axis=2), 0.78),
    "0/1": (lambda x: (x > 127).astype(np.uint8), 0.78),
    "inverted, grey": (lambda x: (200 - x.astype(int) * 150 // 255).astype(np.uint8), 0.78),
}
"""Images as they may come, and what 100 neurons learn from 6000 of them; 28x28 gives 0.84."""


@pytest.mark.parametrize("kind", LIKE)
def test_defaults_hold_for_other_images(mnist: Dataset, kind: str) -> None:
    change, least = LIKE[kind]
    images = change(mnist.train_images[:8000])
    labels = mnist.train_labels[:8000]
    network = SpikingNetwork(neurons=100, seed=1).fit(images[:6000], epochs=1)
    network.label(images[:6000], labels[:6000])
    assert (network.recognise(images[6000:]).profile == labels[6000:]).mean() > least


def test_a_saved_network_takes_images_as_it_has_learned_them(mnist: Dataset, tmp_path) -> None:
    images = 1 - mnist.train_images[:300] / 255
    network = SpikingNetwork(neurons=8, seed=1).fit(images, epochs=1)
    network.label(images, mnist.train_labels[:300]).save(tmp_path / "state.npz")
    again = SpikingNetwork.load(tmp_path / "state.npz")
    assert again.encoder.levels == network.encoder.levels == (65_535, 0)
    assert again.layers[0].competition_scale == network.layers[0].competition_scale
    np.testing.assert_array_equal(again.predict(images), network.predict(images))


def test_masked_pixels_are_refused() -> None:
    images = np.ma.masked_array(np.zeros((2, 4), np.uint8), [[1, 0, 0, 0]] * 2)
    with pytest.raises(DataError, match="images must have no masked pixels"):
        checked_images(images)
