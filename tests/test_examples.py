"""The examples, compiled and as plain Python, which must come to the same."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import cbramsim as cb
from cbramsim.core.errors import DataError, ParameterError
from cbramsim.core.verbs import draw_spikes, implements, learn
from cbramsim.simulator.array.own import Own
from cbramsim.simulator.learning.encoding import Poisson
from examples.gallery import HERE, PICTURES, index, measurement, run, scripts

OWN = [path for path in scripts() if "_own_" in path.stem]
OTHERS = [path for path in scripts() if path not in OWN]
SOON_COMPILED = ("20_own_law", "21_own_rule")
"""Those whose loops are compiled in every test; of the others, by `pytest -m frozen`."""
FEWER = {
    r"(train|test)_(images|labels)\[:\d{3}\]": r"\1_\2[:40]",
    r"(train|test)_(images|labels)\[:\d{4,}\]": r"\1_\2[:130]",
    r"train_(images|labels)\[-\d+:\]": r"train_\1[-40:]",
    r"in \(0, 0.02, 0.2\)": "in (0.2,)",
    r"repetitions=\d+": "repetitions=19",
}
"""What an example learns, is scored on or draws anew: enough to see that it runs."""
MOST_BYTES = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


def shortened(path: Path) -> str:
    """Return the code of an example with fewer images."""
    code = path.read_text()
    for pattern, few in FEWER.items():
        code = re.sub(pattern, few, code)
    return code


def check_picture(path: Path) -> None:
    """Check that a picture shows something."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(10**7) or ()) > 20


def output(path: Path, folder: Path, **settings: str) -> str:
    """Return what a script prints, with few images, while it draws into a folder."""
    script = folder / path.name
    script.write_text(shortened(path) if path in OWN else path.read_text())
    done = run(script, folder, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def in_plain_python(path: Path, folder: Path) -> str:
    return output(path, folder, NUMBA_DISABLE_JIT="1")


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.stem)
def test_an_example_is_short_says_what_it_shows_and_has_its_picture(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) < 40
    first, blank, *_ = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()
    assert first.endswith(".")
    assert not blank
    name = path.with_suffix(".png").name
    assert lines[-1] == f'figure.savefig(Path(*sys.argv[1:2], "{name}"))'
    assert 0 < (PICTURES / name).stat().st_size < MOST_BYTES
    check_picture(PICTURES / name)


def test_no_picture_is_left_of_an_example_that_is_gone() -> None:
    names = [path.with_suffix(".png").name for path in scripts()]
    assert sorted(path.name for path in PICTURES.iterdir()) == names


def test_what_the_gallery_writes_is_up_to_date() -> None:
    assert (HERE / "measured.csv").read_text() == measurement()
    assert (HERE / "README.md").read_text() == index()


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_an_example_draws(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: what one has compiled or read, the next need not."""
    monkeypatch.setattr(sys, "argv", [str(path), str(tmp_path)])
    code = compile(shortened(path), path, "exec")
    with matplotlib.rc_context(fname=HERE / "matplotlibrc"):
        plt.switch_backend("agg")
        try:
            exec(code, {"__name__": "__main__", "__file__": str(path)})
        finally:
            plt.close("all")
    (picture,) = tmp_path.iterdir()
    assert picture.name == path.with_suffix(".png").name
    check_picture(picture)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_a_part_of_ones_own_runs_without_compilation(path: Path, folder: Path) -> None:
    assert in_plain_python(path, folder)
    check_picture(folder / path.with_suffix(".png").name)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.frozen] * (path.stem not in SOON_COMPILED))
        for path in OWN
    ],
    ids=lambda path: path.stem,
)
def test_compiled_loops_come_to_the_same(path: Path, folder: Path) -> None:
    assert output(path, folder) == in_plain_python(path, folder)


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
    assert output(script, tmp_path) == output(script, tmp_path, NUMBA_DISABLE_JIT="1")


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
