"""Binary cells with the options of any array: verification, access, gaps, lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies.overhead import loaded
from cbramsim.simulator.array.binary import DigitalCells, DigitalCrossbar
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from tests.simulator.array.binary_twin import DigitalTwin
from tests.simulator.array.test_binary import network_of, one_update

CBRAM = Device.load("subquantum-cbram")
NOMINAL = CBRAM.without_variability()

# ---- verification ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"device": loaded(CBRAM).replace(read_c2c=0.2, stuck_low=0.05), "digital": {"bits": 3}},
        {"digital": {"bits": 2, "write_pulses": 3}, "cell": {"stuck_high": 0.2}},
    ],
    ids=["misread", "stuck"],
)
def test_verified_bits_and_independent_recount_agree(mnist: Dataset, changes: dict) -> None:
    verify = {"scheme": "verify", "tries": 2}
    network, inputs = network_of(mnist, programming=verify, **changes)
    twin = DigitalTwin(network)
    homeostasis = np.float32(network.config.competition.homeostasis_at(network.images_seen))
    account = network.ledger.account("train")
    counts, joules = account.counts.copy(), account.joules.copy()
    winners = network.learn_from(inputs, np.arange(40))
    expected = [[twin.present(inputs[n], homeostasis) for _ in range(5)] for n in range(40)]
    np.testing.assert_array_equal(winners, expected)
    np.testing.assert_array_equal(
        network.crossbar.state.g.reshape(twin.g.shape), twin.g.astype(np.float32)
    )
    for op in Operation:
        assert account.counts[op] - counts[op] == twin.ledger.count("train", op), op
        assert account.joules[op] - joules[op] == pytest.approx(
            twin.ledger.account("train").joules[op], rel=1e-7
        ), op


@pytest.mark.parametrize("tries", [1, 3])
def test_a_bit_is_written_again_as_often_as_it_is_misread(tries: int) -> None:
    """With noise, by a geometric series; a stuck bit takes all tries."""
    rows, cells = 20_000, DigitalCells(bits=1)
    wanted = np.zeros((2, 256), np.float32)
    wanted[1, 0] = 1.0  # every 0 becomes a 1
    counts: dict[str, Any] = {}
    misread = 0.0
    for name, device in (
        ("noisy", NOMINAL.replace(read_c2c=0.4)), ("stuck", NOMINAL.replace(stuck_low=1.0)),
    ):  # fmt: skip
        crossbar = DigitalCrossbar(device, (rows, 1), cells)
        account = crossbar.cells.ledger.account("train")
        one_update(crossbar, wanted, 255, 0, tries)
        counts[name] = account.counts.copy(), account.joules.copy()
        misread = crossbar.expected_bit_error_rate() if name == "noisy" else misread
    first = rows * 255 / 256  # spiked, and read as 0
    sets, senses = (counts["stuck"][0][op] for op in (Operation.BIT_SET, Operation.SENSE_READ))
    assert sets == pytest.approx((1 + tries) * first, rel=0.01)
    assert senses - rows == sets
    sets, senses = (counts["noisy"][0][op] for op in (Operation.BIT_SET, Operation.SENSE_READ))
    once = first * (1 - misread)
    again = sum(misread**n for n in range(1, tries + 1))
    assert sets == pytest.approx(once * (1 + again), rel=0.01)
    assert senses - rows == pytest.approx(once * (1 + again), rel=0.01)
