"""Pulse trains without the reading before their first pulse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cbramsim.devices.fitting.fit import fit
from cbramsim.devices.fitting.measurement import Measurement
from tests.tables import DOWN, HEADER, PAIR, UP, read


def test_a_train_numbered_from_1_loses_a_step_and_says_so(tmp_path: Path) -> None:
    """A gap of a step between two trains is then no relaxation."""
    lost = "the reading before pulse 1 is missing: one step of each train is lost"
    lines = [
        f"0,0,{pulse},{way},{g}"
        for way, readings in PAIR
        for pulse, g in enumerate(readings)
        if pulse
    ]
    data = read(tmp_path, "\n".join([HEADER, *lines]))
    assert data.warnings == (lost,)
    assert [train.pulses for train in data.trains] == [len(UP) - 2, len(DOWN) - 2]
    warnings = fit(data, repetitions=0).warnings
    assert lost in warnings
    assert not any("relaxes" in warning for warning in warnings)
    trains = tuple(replace(train, late=False) for train in data.trains)
    assert "relaxes" in " ".join(fit(Measurement("x", trains), repetitions=0).warnings)


def test_only_trains_numbered_from_1_lose_a_step(tmp_path: Path) -> None:
    readings = [*((g, "set") for g in UP[1:]), *((g, "reset") for g in DOWN[1:])]
    lines = [f"0,0,{number},{way},{g}" for number, (g, way) in enumerate(readings, 1)]
    data = read(tmp_path, "\n".join([HEADER, *lines]))
    assert [train.pulses for train in data.trains] == [len(UP) - 2, len(DOWN) - 1]
    assert data.warnings == (
        "the reading before pulse 1 is missing: one step of each set train is lost",
    )
