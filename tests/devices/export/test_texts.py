"""Cells as modules in Verilog-A, and as plain numbers."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from cbramsim.devices.device import Device
from cbramsim.devices.export.flow import flow_of
from tests.devices.export.bench import CASES, PLAIN

CBRAM = Device.load("subquantum-cbram")

# ---- Verilog-A ---------------------------------------------------------------------------------


def code(device: Device) -> str:
    return re.sub(r"//.*", "", device.to_verilog_a())


@pytest.mark.parametrize("case", CASES)
def test_a_module_is_whole(case: str) -> None:
    text = code(CASES[case])
    for opened, closed in (
        (r"\bmodule\b", r"\bendmodule\b"), (r"\bbegin\b", r"\bend\b"),
        (r"\banalog function\b", r"\bendfunction\b"),
    ):  # fmt: skip
        assert len(re.findall(opened, text)) == len(re.findall(closed, text)) > 0
    plain = re.sub(r"from .*;", "", text)  # half-open ranges
    assert plain.count("(") == plain.count(")")
    known = set(re.findall(r"parameter real (\w+)", text)) | {
        name for names in re.findall(r"^ +real (.*);", text, re.M) for name in names.split(", ")
    }
    assert {"g_min", "g_max", "v_set", "t_set", "v_reset", "t_reset", "g0", "bias"} <= known
    body = text.partition("    analog begin")[2]
    used = set(re.findall(r"\b[a-z]\w*\b", re.sub(r"\b\d\S*", "", body)))
    assert used - known <= {
        "begin", "end", "endmodule", "te", "be", "min", "max", "ddt", "sinh", "set_rate",
        "reset_rate",
    }  # fmt: skip


def test_parameters_have_units_and_ranges() -> None:
    text = CASES["sinh"].to_verilog_a()
    assert '(* units = "V", desc = "amplitude of a set pulse" *)' in text
    assert "    parameter real g_max = 2.32e-05 from (0:inf);" in text
    assert "    parameter real v_sinh = 0.3 from (0:inf);" in text
    assert "v_sinh" not in code(CBRAM)
    assert "This text has not been compiled." in " ".join(text.replace("//", " ").split())


def test_rates_are_those_of_the_flow() -> None:
    """The lines of the functions, read as Python."""
    device = CASES["table"]
    for pulse, way in (("set", "up"), ("reset", "down")):
        flow = flow_of(device, way)  # type: ignore[arg-type]
        lines = re.findall(rf"^ +(?:else )?(?:if \(x < (\S+)\) )?{pulse}_rate = (.*);$",
                           device.to_verilog_a(), re.M)  # fmt: skip
        assert len(lines) == len(flow.x) - 1
        for x in np.linspace(0, 1, 201):
            line = next(value for below, value in lines if not below or x < float(below))
            assert eval(line, {"x": x}) == pytest.approx(np.interp(x, *flow), abs=1e-9)


# ---- plain numbers -----------------------------------------------------------------------------


def test_what_is_stated_is_in_the_numbers() -> None:
    found = json.loads(CBRAM.to_json())
    assert found["name"] == CBRAM.name
    assert set(found["parameters"]) == set(CBRAM.stated_parameters())
    assert found["parameters"]["t_set"] == {
        "value": 1e-6, "unit": "s", "evidence": "assumed", "source": "as v_set",
    }  # fmt: skip


def test_tables_are_the_mean_law() -> None:
    tables = json.loads(CBRAM.to_json())["tables"]
    train = tables["set_train"]
    assert train["pulse"] == list(range(65))
    assert train["conductance"][0] == CBRAM.g_min
    # the pulse curve of the field: A = 64 pulses
    curve = -np.expm1(-np.arange(65) / 64) / -np.expm1(-1) * CBRAM.g_range + CBRAM.g_min
    np.testing.assert_allclose(train["conductance"], curve, rtol=1e-4)
    back = tables["reset_train"]["conductance"]
    assert back[0] == CBRAM.g_max
    assert back[-1] == pytest.approx(CBRAM.g_min, rel=1e-6)
    steps = tables["mean_step"]
    assert steps["set"][0] == pytest.approx(train["conductance"][1] - CBRAM.g_min)
    assert steps["reset"][-1] == pytest.approx(CBRAM.g_max - back[1])
    assert len(steps["conductance"]) == len(steps["set"]) == len(steps["reset"])


def test_trains_that_never_arrive_end() -> None:
    dead = PLAIN.replace(law="table", shape_up=(1.0, 0.0, 0.0), shape_down=(1.0, 1.0))
    assert len(json.loads(dead.to_json())["tables"]["set_train"]["pulse"]) == 1001
