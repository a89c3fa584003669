"""The examples, compiled and as plain Python, which must come to the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import cbramsim as cb
from cbramsim.core.errors import DataError, ParameterError
from cbramsim.core.verbs import draw_spikes, implements, learn
from cbramsim.simulator.array.own import Own
from cbramsim.simulator.learning.encoding import Poisson

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
SOON_COMPILED = ("own_law", "own_rule")
"""Those whose loops are compiled in every test; of the others, by `pytest -m frozen`."""


FEWER = {
    r"\b150\b": "60", r"(images|labels)\[(:?)100(:?)\]": r"\1[\g<2>40\3]",
    r"reshape\(100\b": "reshape(40",
}  # fmt: skip
"""Images that an example learns and is scored on: enough to see that it runs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


def shortened(path: Path, folder: Path) -> Path:
    """Return an example with fewer images, in another folder."""
    code = path.read_text()
    for pattern, few in FEWER.items():
        code = re.sub(pattern, few, code)
    (folder / path.name).write_text(code)
    return folder / path.name


def output(path: Path, **settings: str) -> str:
    command = [sys.executable, "-W", "ignore", path]
    done = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def in_plain_python(path: Path) -> str:
    return output(path, NUMBA_DISABLE_JIT="1")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_without_compilation(path: Path, folder: Path) -> None:
    assert sum(bool(line.strip()) for line in path.read_text().splitlines()) < 40
    assert in_plain_python(shortened(path, folder))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.frozen] * (path.stem not in SOON_COMPILED))
        for path in EXAMPLES
    ],
    ids=lambda path: path.stem,
)
def test_compiled_loops_come_to_the_same(path: Path, folder: Path) -> None:
    script = shortened(path, folder)
    assert output(script) == in_plain_python(script)


def test_the_loops_are_the_same_in_plain_python(tmp_path: Path) -> None:
    """Who fired, conductances and joules, but for the order in which they are rounded."""
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, cbramsim as cb\n"
        "network = cb.SpikingNetwork(neurons=10, inputs=40, pruning={'mature_spikes': 4})\n"
        "images = cb.load_dataset('mnist').train_images[:60]\n"
        "network.fit(images, epochs=1)\n"
        "print(network.spike_counts.tolist(), network.crossbar.pulse_counts.sum())\n"
        "print(f'{network.crossbar.conductance.sum():.5e} {network.ledger.total():.6e}')\n"
    )
    assert output(script) == output(script, NUMBA_DISABLE_JIT="1")


# ---- what is refused ---------------------------------------------------------------------------

SMALL = {"neurons": 4, "inputs": 20, "pruning": {"kind": "none"}}
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 6, 6), np.uint8)


class Least:
    def __init__(self, chosen: object = None) -> None:
        self.chosen = chosen

    def choose(self, neuron: object, quota: object) -> object:
        return self.chosen


class Numbered(NamedTuple):
    number: float


implements(draw_spikes, Numbered)(draw_spikes.table[Poisson])


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (Own(rule="ideal"), r"Own\.rule: must be an instance of a NamedTuple class"),
        (Own(encoder=Poisson), r"Own\.encoder: must be an instance of a NamedTuple class"),
        (Own(rule=Poisson()), r"the verb learn is implemented \(got Poisson\)"),
        (Own(neurons=lambda network: Poisson()), r"the verb excite is implemented"),
        (Own(law=Poisson()), r"Own\.law: .* the verb mean_step is implemented"),
    ],
)
def test_what_is_no_part_is_refused_by_name(own: Own, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        cb.SpikingNetwork(own=own, **SMALL).prepare(IMAGES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"own": Own(rule=3)}, r"Own\.rule: must be an instance of a NamedTuple class"),
        ({"own": Own(criterion=3)}, r"Own\.criterion: must have the method `choose`"),
        ({"own": Own(criterion=Least())}, r"Own\.criterion: needs pruning\.kind soft or hard"),
        ({"own": Own(law=lambda _: None), "rule": "ideal"}, r"Own\.law: needs rule device"),
        ({"own": Own(law=lambda _: None), "storage": "binary"}, r"Own\.law: needs storage analog"),
    ],
)
def test_what_could_not_act_is_refused_at_once(changes: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        cb.SpikingNetwork(**SMALL | changes)


def test_an_array_takes_a_law_only() -> None:
    with pytest.raises(ParameterError, match=r"Crossbar\.own: takes a law only \(got encoder too"):
        cb.Crossbar("ideal", (2, 2), own=Own(encoder=Poisson()))


@pytest.mark.parametrize("chosen", [None, [1, 2], np.zeros(3, bool), np.zeros(20), "ab"])
def test_what_a_criterion_returns_is_looked_at(chosen: object) -> None:
    own = Own(criterion=Least(chosen))
    pruning = {"kind": "soft", "maturity": "trained", "stages": 1}
    network = cb.SpikingNetwork(**SMALL | {"own": own, "pruning": pruning})
    with pytest.raises(
        ParameterError, match=r"Least\.choose: must return bool\[20\], one for each"
    ):
        network.fit(IMAGES, epochs=1)


class Rest(NamedTuple):
    pass


@implements(learn, Rest)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    pass


def test_a_rule_without_numbers_is_a_rule() -> None:
    network = cb.SpikingNetwork(own=Own(rule=Rest()), **SMALL)
    network.prepare(IMAGES)
    assert isinstance(network.layers[0].rule, Rest)


def test_own_must_be_own() -> None:
    with pytest.raises(ParameterError, match=r"SpikingNetwork\.own: must be"):
        cb.SpikingNetwork(own={"rule": 1}, **SMALL)  # type: ignore[arg-type]


def test_a_network_is_loaded_with_the_parts_that_it_was_made_with(tmp_path: Path) -> None:
    network = cb.SpikingNetwork(own=Own(encoder=Poisson()), **SMALL)
    network.fit(IMAGES, epochs=1).save(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"own: .* made with, encoder Poisson\(\) \(got none\)"):
        cb.SpikingNetwork.load(tmp_path / "a.npz")
    again = cb.SpikingNetwork.load(tmp_path / "a.npz", own=Own(encoder=Poisson()))
    np.testing.assert_array_equal(again.crossbar.conductance, network.crossbar.conductance)
    network.copy().resume(network.prepare(IMAGES), epochs=2)
    first = cb.SpikingNetwork(own=Own(encoder=Numbered(1.5)), **SMALL)
    first.prepare(IMAGES)
    first.save(tmp_path / "b.npz")
    with pytest.raises(
        DataError, match=r"Numbered\(number=1\.5\) \(got encoder Numbered\(number=2\.5\)"
    ):
        cb.SpikingNetwork.load(tmp_path / "b.npz", own=Own(encoder=Numbered(2.5)))
