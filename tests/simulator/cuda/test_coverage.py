"""What a graphics card does not do is said before it is tried."""

from __future__ import annotations

from typing import Any

import pytest

from cbramsim.devices.device import Device
from cbramsim.simulator.array.own import Own
from cbramsim.simulator.cuda.coverage import why_not
from cbramsim.simulator.cuda.sizes import SHARED, most_neurons, shared_bytes
from cbramsim.simulator.learning.config import NetworkConfig


def reason(**changes: Any) -> str:
    config = NetworkConfig().replace(**changes)
    return why_not(config, config.technology())


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"rule": "ideal"}, {"programming": {"method": "verify"}}, {"access": "passive"},
        {"pruning": {"kind": "hard"}}, {"device": "gst-pcm"}, {"neurons": 4000},
        {"compensation": "column"},
    ],
)  # fmt: skip
def test_what_a_card_does(changes: dict[str, Any]) -> None:
    assert reason(**changes) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"later_layers": [{"neurons": 10}]}, "layers must be 1 on a graphics card (got 2)"),
        ({"synapse": {"cells": 2}}, "synapse.cells must be 1 on a graphics card (got 2)"),
        ({"storage": "binary"}, "storage must be analog on a graphics card (got binary)"),
        ({"wires": True}, "wires must be False on a graphics card (got True)"),
        ({"readout": {"adc_bits": 8}}, "readout.adc_bits must be 0 on a graphics card (got 8)"),
        ({"update": "dense"}, "update must be winner on a graphics card (got dense)"),
        ({"reward": {"classes": 10}}, "reward.classes must be 0 on a graphics card (got 10)"),
        ({"access": "passive", "cell": {"v_switch": 0.1}}, "(v_switch)"),
        ({"neurons": 6000, "inputs": 784}, "neurons must be at most "),
    ],
)
def test_what_it_does_not_do_is_named_with_its_value(changes: dict[str, Any], said: str) -> None:
    assert said in reason(**changes)


def test_parts_of_ones_own_are_refused_but_for_a_criterion() -> None:
    config, device = NetworkConfig(), Device.load("ideal")
    assert why_not(config, device, Own(criterion=object())) == ""
    assert "one's own" in why_not(config, device, Own(law=object()))


@pytest.mark.parametrize("inputs", [1, 60, 397, 784, 5000])
def test_the_limit_is_that_of_the_memory(inputs: int) -> None:
    most = most_neurons(inputs)
    assert shared_bytes(inputs, most) <= SHARED < shared_bytes(inputs, most + 1)
    assert reason(neurons=most, inputs=inputs) == ""
    assert f"at most {most} with {inputs} inputs" in reason(neurons=most + 1, inputs=inputs)
    assert f"(got {most + 1})" in reason(neurons=most + 1, inputs=inputs)


def test_no_neuron_fits_beside_too_many_inputs() -> None:
    assert most_neurons(20_000) == 0
    config, device = NetworkConfig(neurons=1), Device.load("ideal")
    assert "at most 0 with 20000 inputs" in why_not(config, device, inputs=20_000)
