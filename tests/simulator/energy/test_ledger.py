from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from cbramsim.core.units import in_prefixed, to_si
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation


def filled() -> EnergyLedger:
    ledger = EnergyLedger()
    rng = np.random.default_rng(0)
    for phase in ("train", "test"):
        for operation in Operation:
            ledger.add(phase, operation, int(rng.integers(1, 99)), float(rng.random() * 1e-9))
    return ledger


def test_the_parts_sum_to_the_total() -> None:
    ledger = filled()
    parts = [entry["joules"] for phase in ledger.to_dict().values() for entry in phase.values()]
    assert sum(parts) == pytest.approx(ledger.total(), rel=1e-12)
    assert sum(ledger.totals().values()) == pytest.approx(ledger.total(), rel=1e-12)


def test_every_operation_is_in_the_dictionary_and_the_table() -> None:
    ledger = filled()
    assert set(ledger.to_dict()["train"]) == {operation.name.lower() for operation in Operation}
    assert json.loads(json.dumps(ledger.to_dict())) == ledger.to_dict()
    for operation in Operation:
        assert operation.label in str(ledger)


def test_saving_and_restoring_is_exact() -> None:
    ledger = filled()
    assert EnergyLedger.from_arrays(ledger.to_arrays()).to_dict() == ledger.to_dict()
    assert EnergyLedger.from_arrays(EnergyLedger().to_arrays()).total() == 0


def test_the_bars_of_the_chart_are_the_joules() -> None:
    ledger = filled()
    ax = Figure().add_subplot()
    ledger.plot(ax)
    widths = sum(bar.get_width() for bar in ax.patches)
    assert "nJ" in ax.get_xlabel()
    assert widths == pytest.approx(ledger.total() * 1e9, rel=1e-9)


@given(value=st.floats(1e-14, 1e7), unit=st.sampled_from(["J", "S", "V"]))
def test_display_and_boundary_units_are_inverse(value: float, unit: str) -> None:
    number, prefixed = in_prefixed(value, unit, digits=12).split(" ")
    assert to_si(float(number), prefixed, unit) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(("unit", "base"), [("V", "S"), ("xS", "S"), ("S", ""), ("", "S")])
def test_a_wrong_unit_is_refused(unit: str, base: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        to_si(1.0, unit, base)
