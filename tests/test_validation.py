"""Strict types, and ranges that mean something, of everything that is a set of parameters."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from cbramsim import Device, Layers, NetworkConfig, SpikingNetwork
from cbramsim.core.errors import ParameterError
from cbramsim.core.units import to_si
from cbramsim.core.validation import Parameters
from cbramsim.simulator.circuits.rollup import Macro
from cbramsim.simulator.comparison.mlp import MlpConfig

WHOLE, NUMBER = "must be a whole number", "must be a number"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": True}, f"NetworkConfig.seed: {WHOLE} >= 0 and < 9.22337e+18 (got True)"),
        ({"seed": "1"}, "(got '1')"),
        ({"seed": None}, "(got None)"),
        ({"seed": -1}, "(got -1)"),
        ({"seed": 10**5000}, "(got too long to write)"),
        ({"neurons": 10.0}, f"NetworkConfig.neurons: {WHOLE} >= 1 and <= 100000 (got 10.0)"),
        ({"neurons": np.True_}, "(got True)"),
        ({"neurons": np.float64(10)}, "(got 10.0)"),
        ({"wires": "yes"}, "NetworkConfig.wires: must be true or false (got 'yes')"),
        ({"wires": 1}, "must be true or false (got 1)"),
        ({"stdp": {"ltp": True}}, f"NetworkConfig.stdp.ltp: {NUMBER}"),
        ({"stdp": {"ltp": "0.1"}}, f"NetworkConfig.stdp.ltp: {NUMBER}"),
        ({"stdp": {"ltp": 10**400}}, f"NetworkConfig.stdp.ltp: {NUMBER}"),
        ({"stdp": 3}, "NetworkConfig.stdp: must be a table (got 3)"),
        ({"celsius": [25]}, f"NetworkConfig.celsius: {NUMBER}"),
        ({"device": 3}, "NetworkConfig.device: must be a text (got 3)"),
        ({"device": b"pcm"}, "NetworkConfig.device: must be a text"),
        ({"rule": True}, "NetworkConfig.rule: must be one of ideal, device (got True)"),
        ({"readout": {"adc_source": "zzz"}}, "NetworkConfig.readout.adc_source: must be one of"),
        ({"readout": {"adc_source": "isaak"}}, "(did you mean 'isaac'?)"),
        ({"binary": {"adc_source": "zzz"}}, "NetworkConfig.binary.adc_source: must be one of"),
        ({"cell": {"v_set": True}}, f"NetworkConfig.cell.v_set: {NUMBER}"),
        ({"cell": {"v_set": "0.6"}}, f"NetworkConfig.cell.v_set: {NUMBER}"),
        ({"cell": {"vset": 1.0}}, "NetworkConfig.cell.vset: unknown key (did you mean 'v_set'?)"),
        ({"cell": {"name": "x"}}, "NetworkConfig.cell.name: unknown key"),
        ({"cell": {"levels": 2.0}}, f"NetworkConfig.cell.levels: {WHOLE}"),
        ({"cell": {"shape_up": [1, True]}}, "NetworkConfig.cell.shape_up.1: must be"),
        ({"cell": {"retention_time": 1e-300}}, "retention_time: must be 0, or >= 1e-12"),
        ({"cell": 3}, "NetworkConfig.cell: must be a table (got 3)"),
        ({"cell": {"shape_up": 3}}, "NetworkConfig.cell.shape_up: must be a list"),
        ({"encoding": {"window": 1e300}}, "NetworkConfig.encoding.window: must be a number >= 1e-09"),
        ({"encoding": {"window": 1e-300}}, "NetworkConfig.encoding.window"),
        ({"competition": {"homeostasis_halving": 1e-300}}, "competition.homeostasis_halving"),
        ({"wiring": {"r_word": 1e300}}, "NetworkConfig.wiring.r_word: must be a number >= 0 and"),
        ({"readout": {"full_scale": 1e-300}}, "readout.full_scale: must be 0, or >= 1e-18"),
        ({"x" * 100_000: 1}, "unknown key"),
    ],
)  # fmt: skip
def test_what_a_network_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as error:
        NetworkConfig(**changes)
    assert message in str(error.value)
    assert len(str(error.value)) < 600
    with pytest.raises(ParameterError):
        SpikingNetwork(**changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seed": np.int64(3)}, {"seed": 3}),
        ({"neurons": np.uint8(7)}, {"neurons": 7}),
        ({"celsius": 30}, {"celsius": 30.0}),
        ({"celsius": np.float32(30)}, {"celsius": 30.0}),
        ({"celsius": np.int64(30)}, {"celsius": 30.0}),
        ({"wires": np.True_}, {"wires": True}),
        ({"device": Path("mine.toml")}, {"device": "mine.toml"}),
        ({"rule": np.str_("ideal")}, {"rule": "ideal"}),
    ],
)
def test_what_stands_for_the_same_is_taken(changes: dict, expected: dict) -> None:
    config = NetworkConfig(**changes)
    ((key, value),) = expected.items()
    assert getattr(config, key) == value
    assert type(getattr(config, key)) is type(value)
    assert NetworkConfig(**json.loads(config.model_dump_json())) == config


@pytest.mark.parametrize("widths", [[3, 4], (3, 4), np.array([3, 4]), [np.int64(3), 4]])
def test_a_list_stands_for_a_tuple(widths: Any) -> None:
    assert Layers(widths=widths).widths == (3, 4)
    assert MlpConfig(layers=Layers(widths=widths)).layers.depth == 1
    table = Device.load("subquantum-cbram").without_variability()
    table = table.replace(law="table", nonlinearity_up=0.0, nonlinearity_down=0.0, shape_up=widths,
                          shape_down=widths)  # fmt: skip
    assert table.shape_up == (3.0, 4.0)
    assert Device(**json.loads(table.model_dump_json())) == table


@pytest.mark.parametrize("widths", [[3], 3, "34", [3, 4.0], [3, True], [0, 3], [3, 10**400], [[3]]])
def test_widths_that_are_none_are_refused(widths: Any) -> None:
    with pytest.raises(ParameterError, match=r"Layers\.widths: must be two or more whole numbers"):
        Layers(widths=widths)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 0.6", "value = true", "Device.v_set: must be a number"),
        ("value = 0.6", 'value = "0.6"', "Device.v_set: must be a number"),
        ("value = 0.6", "value = 1e300", "Device.v_set: must be a number"),
        ("value = 50", "value = 5e9", "Device.pulses_up: must be a number"),
        ("value = 30", "value = 1e300", "Device.g_max: must be a number"),
        ("value = 1.2", "value = -1", "Device.g_min: must be a number >= 0"),
    ],
)
def test_what_a_device_file_cannot_say(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = device_file()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ParameterError) as error:
        Device.load(path)
    assert message in str(error.value)
    assert str(error.value).startswith("mine.toml: ")


@pytest.mark.parametrize("unit", ["uS", "\u00b5S", "\u03bcS"])
def test_micro_is_written_in_three_ways(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(device_file().replace("uS", unit), encoding="utf-8")
    assert Device.load(path).g_min == pytest.approx(1.2e-6)
    assert to_si(1.0, unit.replace("S", "s"), "s") == 1e-6


def test_whole_numbers_of_a_file_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(device_file() + "[levels]\nvalue = 16\n")
    assert Device.load(path).levels == 16


def device_file() -> str:
    """Return a device with all that has to be given."""
    lines = ['name = "mine"']
    for key, value, unit in (
        ("g_min", 1.2, "uS"), ("g_max", 30, "uS"), ("pulses_up", 50, ""), ("pulses_down", 20, ""),
        ("v_set", 0.6, "V"), ("v_reset", 0.3, "V"), ("v_read", 0.1, "V"), ("t_set", 10, "us"),
        ("t_reset", 10, "us"), ("t_read", 10, "us"),
    ):  # fmt: skip
        lines += [f"[{key}]", f"value = {value}", *([f'unit = "{unit}"'] if unit else [])]
    return "\n".join(lines) + "\n"


FOR_A_CARD = (
    "cbramsim.simulator.cuda.", "cbramsim.experiments.card_benchmark",
    "cbramsim.experiments.train.together",
)  # fmt: skip
"""Modules that need the extra `cuda`; they have no parameters of their own."""


def every_kind() -> Iterator[type[Parameters]]:
    for house in ("core", "devices", "simulator", "experiments"):
        package = importlib.import_module(f"cbramsim.{house}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "__main__" not in module.name and not module.name.startswith(FOR_A_CARD):
                importlib.import_module(module.name)
    found = [Parameters]
    for kind in found:
        found += [one for one in kind.__subclasses__() if one not in found]
    return iter(kind for kind in found if kind.__module__.startswith("cbramsim."))


def test_every_number_has_a_range() -> None:
    """A value may be absurd, but not so large that arithmetic with it is none."""
    without = []
    for kind in every_kind():
        for name, field in kind.model_fields.items():
            if field.annotation not in (int, float, int | None, float | None):
                continue
            if issubclass(kind, BaseModel) and kind.__name__ == "TrainConfig" and "images" in name:
                continue  # as many as there are
            limits = {
                side: getattr(constraint, side)
                for constraint in field.metadata
                for side in ("gt", "ge", "lt", "le")
                if getattr(constraint, side, None) is not None
            }
            if not limits.keys() & {"lt", "le"} or not limits.keys() & {"gt", "ge"}:
                without.append(f"{kind.__name__}.{name}")
            with pytest.raises(ParameterError):
                kind.check_values(
                    {name: 1e300 if field.annotation in (float, float | None) else 2**70}
                )
            with pytest.raises(ParameterError):
                kind.check_values({name: True})
    assert not without


@pytest.mark.parametrize("name", sorted(Device.catalog()))
def test_every_device_of_the_catalog_loads_and_survives_json(name: str) -> None:
    device = Device.load(name)
    assert Device(**json.loads(device.model_dump_json())) == device


@pytest.mark.parametrize("key", ["adc_source", "dac_source"])
def test_a_source_of_prices_is_looked_up_at_once(key: str) -> None:
    reference = {"g_min": 1e-6, "g_max": 1e-5}
    with pytest.raises(ParameterError, match=rf"Macro\.{key}: must be one of isaac, mnsim"):
        Macro(rows=3, columns=3, reference=reference, **{key: "zzz"})
