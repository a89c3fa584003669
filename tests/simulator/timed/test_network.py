"""A whole network against a plain one with the same random words; naming, seeds, and refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import next_word, uniform_of
from cbramsim.experiments.reproduce.memristors import memristor
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.labelling import Labels
from cbramsim.simulator.timed import (
    Adaptation,
    Coding,
    Inhibition,
    Membrane,
    TimedConfig,
    TimedNetwork,
    TimedStdp,
)

RNG = np.random.default_rng(8)
PATTERNS = np.repeat(np.eye(3, dtype=np.uint8), 10, axis=1) * 255
"""Three classes of ten pixels each."""


@njit
def uniform(words: NDArray) -> float:
    return uniform_of(next_word(words))


def examples(n: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return noisy patterns, of which some pixels are off and some others grey, and classes."""
    classes = RNG.integers(0, 3, n)
    images = np.where(RNG.random((n, 30)) < 0.8, PATTERNS[classes], RNG.integers(0, 90, (n, 30)))
    return images.astype(np.uint8), classes


def small(**changes: Any) -> TimedConfig:
    config: dict[str, Any] = {
        "neurons": 6, "cell": memristor(0.05, 0.02, 3.0, 1.0), "dt": 1e-3, "presentation": 0.1,
        "coding": Coding(rate_max=100.0), "membrane": Membrane(threshold=8.0, refractory=5e-3),
        "inhibition": Inhibition(kind="reset", time=2e-3), "stdp": TimedStdp(window=0.02),
        "seed": 3,
    }  # fmt: skip
    return TimedConfig(**(config | changes))


def plain(network: TimedNetwork, images: NDArray[np.uint8]) -> dict[str, Any]:
    """Let a copy of a network learn, in Python, from the same words; see the equations there."""
    config, device = network.config, network.device
    g = network.crossbar.conductance.astype(np.float64)  # type: ignore[union-attr]
    words = network._streams("learning").spikes
    limits, log = np.full(config.neurons, config.membrane.threshold), []
    read_joules, pulse_joules, drives, reads = 0.0, 0.0, 0, 0
    steps = round(config.presentation / config.dt)
    for image in images:
        rate = config.coding.rate_max * image / 255 * config.dt
        due: dict[int, list[int]] = {}

        def draw(row: int, step: int, chance: float, due: dict[int, list[int]] = due) -> None:
            trials = int(math.log(1 - uniform(words)) / math.log1p(-chance))
            due.setdefault(step + trials, []).append(row)

        for row in np.flatnonzero(image):
            draw(row, 0, rate[row])
        u, ready = np.zeros(config.neurons), np.zeros(config.neurons, int)
        last, counts = np.full(image.size, -(10**9)), np.zeros(config.neurons, int)
        for step in range(steps):
            u *= math.exp(-config.dt / config.membrane.tau)
            rows = due.get(step, [])[::-1]  # the last entered comes first
            for row in rows:
                last[row] = step
                draw(row, step + 1, rate[row])
            if not rows:
                continue
            drives, reads = drives + len(rows), reads + 1
            read_joules += device.v_read**2 * device.t_read * g[rows].sum()
            u = np.where(step >= ready, u + g[rows].sum(axis=0) / device.g_max, 0)
            able = np.where((u >= limits) & (step >= ready), u - limits, -1)
            if able.max() < 0:
                continue
            winner = int(able.argmax())
            u[:] = 0
            ready = np.maximum(ready, step + round(config.inhibition.time / config.dt))
            ready[winner] = step + round(config.membrane.refractory / config.dt)
            counts[winner] += 1
            x = (g[:, winner] - device.g_min) / device.g_range
            recent = last >= step - round(config.stdp.window / config.dt)
            up, down = device.relative_step_up(x), -device.relative_step_down(x)
            after = g[:, winner] + device.g_range * np.where(recent, up, down)
            after = np.clip(after, device.g_min, device.g_max)
            v2t = np.where(
                recent, device.v_set**2 * device.t_set, device.v_reset**2 * device.t_reset
            )
            pulse_joules += (v2t * (g[:, winner] + after) / 2).sum()
            g[:, winner] = after
        log.append(counts)
        rise = config.adaptation.rate * (counts - config.adaptation.target * config.presentation)
        limits = np.maximum(limits + rise, 0.1 * config.membrane.threshold)
    return {
        "counts": np.array(log), "g": g, "limits": limits, "drives": drives, "reads": reads,
        "read_joules": read_joules, "pulse_joules": pulse_joules,
    }  # fmt: skip


@pytest.mark.parametrize("adaptation", [{}, {"kind": "target", "target": 10.0, "rate": 0.3}])
def test_a_network_does_what_a_plain_one_does(adaptation: dict[str, Any]) -> None:
    """Spike by spike, cell by cell, and joule by joule."""
    images, _ = examples(40)
    network = TimedNetwork(small(adaptation=Adaptation(**adaptation)))
    network._begin(30)
    expected = plain(network, images)
    counts = network.partial_fit(images)
    np.testing.assert_array_equal(counts, expected["counts"])
    assert counts.sum() > 100
    np.testing.assert_allclose(
        network.crossbar.conductance, expected["g"], rtol=2e-4  # type: ignore[union-attr]
    )  # fmt: skip
    np.testing.assert_allclose(network.thresholds, expected["limits"], rtol=1e-5)
    account = network.ledger.account("train")
    assert account.counts[Operation.WORD_LINE_DRIVE] == expected["drives"]
    assert account.counts[Operation.CELL_READ] == 6 * expected["drives"]
    assert account.counts[Operation.NEURON_UPDATE] == 6 * expected["reads"]
    assert account.counts[Operation.OUTPUT_SPIKE] == counts.sum()
    assert account.counts[Operation.PROGRAM_LINE] == 30 * counts.sum()
    assert account.joules[Operation.CELL_READ] == pytest.approx(expected["read_joules"], rel=1e-4)
    pulses = account.joules[Operation.LTP_PULSE] + account.joules[Operation.LTD_PULSE]
    assert pulses == pytest.approx(expected["pulse_joules"], rel=1e-4)
    assert account.counts[Operation.REFERENCE_READ] == 0
    periphery = network.periphery
    assert account.joules[Operation.OUTPUT_SPIKE] == periphery.e_spike * counts.sum()


def conductances() -> TimedConfig:
    return small(
        membrane=Membrane(kind="conductance", threshold=13e-3, refractory=5e-3, tau=0.1),
        inhibition=Inhibition(kind="conductance", strength=17.0), pause=0.02, anew=False,
        adaptation=Adaptation(kind="increment", increment=5e-5, tau=1e4),
        stdp=TimedStdp(kind="trace", exact=True, eta=0.05, total=6.0), vote="mean",
        fewest_spikes=2, coding=Coding(rate_max=400.0),
    )  # fmt: skip


@pytest.mark.parametrize("config", [small(), conductances()], ids=["current", "conductance"])
def test_patterns_are_learned_without_their_labels(config: TimedConfig) -> None:
    images, classes = examples(300)
    network = TimedNetwork(config).fit(images, classes, epochs=2)
    again = TimedNetwork(config).fit(images, epochs=2)
    np.testing.assert_array_equal(network.weights, again.weights)  # and same seed, same bits
    network.label(images, classes)
    test, truth = examples(200)
    assert network.score(test, truth) > 0.9
    before = network.weights.copy(), network.thresholds
    np.testing.assert_array_equal(network.predict(test), network.predict(test))
    np.testing.assert_array_equal(network.weights, before[0])
    np.testing.assert_array_equal(network.thresholds, before[1])
    other = TimedNetwork(config, seed=9).fit(images, epochs=2)
    assert (other.weights != network.weights).any()
    assert network.ledger.phases == ["train", "label", "test"]


def test_parts_of_the_images_are_as_good_as_all() -> None:
    images, _ = examples(30)
    whole = TimedNetwork(small())
    whole.partial_fit(images)
    parts = TimedNetwork(small())
    parts.partial_fit(images[:11])
    parts.partial_fit(images[11:])
    np.testing.assert_array_equal(whole.weights, parts.weights)
    assert parts.images_seen == 30


def test_a_faint_image_is_presented_harder() -> None:
    faint = np.full((4, 30), 10, np.uint8)
    once = TimedNetwork(small(adaptation=Adaptation()))
    again = TimedNetwork(small(fewest_spikes=1))
    assert not once.partial_fit(faint).any()
    assert (again.partial_fit(faint).sum(axis=1) >= 1).all()


@pytest.mark.parametrize("vote", ["most", "majority", "mean", "profile"])
def test_votes(vote: str) -> None:
    images, classes = examples(60)
    network = TimedNetwork(small(vote=vote)).fit(images)
    network.label(images, classes)
    assert network.predict(np.zeros((1, 30), np.uint8))[0] == -1  # nothing fires
    counts_by_class = np.array([[9.0, 0, 0], [8, 1, 0], [0, 7, 0], [0, 0, 5], [0, 0, 5], [0, 0, 0]])
    network.labels = network.wins = Labels(counts_by_class, 60)
    counts = np.array([[3, 3, 4, 0, 0, 0], [0, 0, 5, 4, 4, 0]], np.int32)
    expected = {"most": [1, 1], "majority": [0, 2], "mean": [1, 1], "profile": [1, 2]}[vote]
    np.testing.assert_array_equal(network.recognise(counts), expected)


def test_neurons_are_named_by_all_they_do_or_by_when_they_are_first() -> None:
    """One that fires a little for all of a class, and most for some of another, is named apart."""
    network = TimedNetwork(small(neurons=2)).fit(examples(3)[0])
    counts = np.array([[2, 9], [2, 9], [2, 9], [5, 4], [0, 9], [0, 9]], np.int32)
    network.respond = lambda images, phase: counts  # type: ignore[method-assign]
    network.label(np.zeros((6, 30), np.uint8), [0, 0, 0, 1, 1, 1])
    assert network.labels is not None
    assert network.wins is not None
    assert network.labels.class_counts[0].argmax() == 0  # 2 a time against 5 / 3
    assert network.wins.class_counts[0].argmax() == 1


def test_what_is_refused() -> None:
    network = TimedNetwork(small())
    for ask, message in (
        (lambda: network.weights, "TimedNetwork.weights: fit comes first"),
        (lambda: network.fit(np.zeros(3, np.uint8)), "images must be"),
        (lambda: network.fit(np.full((2, 3), 2.0)), "uint8, or numbers >= 0 and <= 1"),
        (lambda: network.fit(np.zeros((2, 3), np.uint8), epochs=0), "epochs"),
    ):
        with pytest.raises(ParameterError, match=message):
            ask()
    network.fit(examples(3)[0])
    for ask, message in (
        (lambda: network.respond(np.zeros((2, 3), np.uint8)), "must have 30 inputs"),
        (lambda: network.predict(examples(3)[0]), "label comes first"),
        (lambda: network.label(examples(3)[0], [1, 2]), "one for each image"),
        (lambda: network.label(examples(3)[0], [1, 2, -1]), "labels must be"),
    ):
        with pytest.raises(ParameterError, match=message):
            ask()
