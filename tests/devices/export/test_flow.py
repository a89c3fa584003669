"""Flows: over one pulse they are the mean step of the law, from any state."""

from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.devices.export.flow import ACCURACY, Flow, after_a_pulse, flow_of
from cbramsim.devices.pulse_law import AFFINE
from tests.devices.export.bench import PLAIN

X = np.linspace(0, 1, 3001)
BUMPY = np.exp(-2 * np.linspace(0, 1, 17)) * np.random.default_rng(1).uniform(0.9, 1.1, 17)


def power(exponent: float, pulses: float) -> Device:
    return PLAIN.replace(
        law="power", exponent_up=exponent, exponent_down=exponent, pulses_up=pulses,
        pulses_down=pulses,
    )  # fmt: skip


def table(up: tuple[float, ...], down: tuple[float, ...], pulses: float) -> Device:
    return PLAIN.replace(
        law="table", shape_up=up, shape_down=down, pulses_up=pulses, pulses_down=pulses
    )


def off(device: Device) -> tuple[float, float]:
    """Return the largest errors of a set and of a reset pulse, parts of the largest step."""
    up, down = flow_of(device, "up"), flow_of(device, "down")
    steps = device.relative_step_up(X), device.relative_step_down(1 - X)
    deeper = Flow(1 - down.x[::-1], down.rate[::-1])
    errors = (
        after_a_pulse(flow, X) - np.minimum(X + step, 1)
        for flow, step in zip((up, deeper), steps, strict=True)
    )
    return tuple(  # type: ignore[return-value]
        float(np.abs(error).max() / step.max()) for error, step in zip(errors, steps, strict=True)
    )


@pytest.mark.parametrize("name", sorted(Device.catalog()))
def test_affine_steps_have_exact_flows(name: str) -> None:
    """But for soft bounds, where the flow ends a little before the bound that it never reaches."""
    device = Device.load(name)
    if device.law not in AFFINE:
        assert max(off(device)) < ACCURACY
        return
    assert len(flow_of(device, "up").x) == len(flow_of(device, "down").x) == 2
    soft = min(device.slope_up, device.slope_down) == -1
    assert max(off(device)) < (2e-7 if soft else 1e-11)


@pytest.mark.parametrize(
    "device",
    [
        power(0.3, 5), power(0.5, 64), power(2, 5), power(2, 64), power(2, 5000),
        table((1, 0.6, 0.5, 0.2, 0.1), (1, 0.4, 0.3, 0.3, 0.2, 0), 10),
        table((1, 0.6, 0.5, 0.2, 0.1), (1, 0.4, 0.3, 0.3, 0.2, 0), 300),
        table(tuple(BUMPY), (0.2, 1, 0.2), 40),
        PLAIN.replace(pulses_up=1.0, nonlinearity_up=9.0, pulses_down=1.0),
    ],
)  # fmt: skip
def test_other_steps_have_tabulated_flows(device: Device) -> None:
    assert max(off(device)) < ACCURACY


def test_a_flow_against_its_closed_form() -> None:
    """For small steps f = S (1 - S' / 2), and the equation of Julia holds for all."""
    flow = flow_of(power(2, 50), "up")
    x, phi = X[:-300], X[:-300] + (1 - X[:-300]) ** 2 / 50
    rate = np.interp(x, *flow)
    pulled = rate * (1 - 2 * (1 - x) / 50)
    np.testing.assert_allclose(np.interp(phi, *flow), pulled, atol=2e-5)
    np.testing.assert_allclose(rate, (1 - x) ** 2 / 50 * (1 + (1 - x) / 50), atol=2e-5)


def test_pulses_that_overtake_each_other_are_refused() -> None:
    with pytest.raises(ParameterError, match="a reset pulse of the law table takes lower states"):
        flow_of(table((1, 1), (1, 0, 1), 1.5), "down")
    with pytest.raises(ParameterError, match="the reset steps of the law table change too sharply"):
        flow_of(table((1, 1), (1, 0, 1), 3), "down")
