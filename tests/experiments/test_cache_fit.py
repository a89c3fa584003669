from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cbramsim.core.errors import CbramError, ParameterError
from cbramsim.experiments import cache_fit
from cbramsim.experiments.cache_fit import (
    advice,
    caches,
    claims,
    costs,
    counters,
    knees,
    model,
    step,
)
from cbramsim.experiments.cache_fit import measure as measuring
from cbramsim.experiments.cache_fit.measure import Effort, Point
from cbramsim.experiments.cli import main
from cbramsim.simulator.comparison.bottom_up import train_bill
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.comparison.layers import Layers

OWN = Layers(widths=(64, 300, 300, 10))
CACHES = "L1=32KiB x2, L2=512KiB x2, L3=8MiB x1"
NAMES = ["L1", "L2", "L3", "DRAM"]


# Caches of this machine


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.fixture
def sys_tree(tmp_path: Path) -> Path:
    """Four processors: two share an L2, all share an L3."""
    for cpu in range(4):
        pair = "0-1" if cpu < 2 else "2,3"
        for index, (level, kind, size, shared) in enumerate([
            (1, "Data", "48K", cpu), (1, "Instruction", "64K", cpu),
            (2, "Unified", "2048K", pair), (3, "Unified", "1G", "0-3"),
        ]):  # fmt: skip
            folder = tmp_path / f"cpu{cpu}" / "cache" / f"index{index}"
            write(folder / "level", level)
            write(folder / "type", kind)
            write(folder / "size", size)
            write(folder / "shared_cpu_list", shared)
    return tmp_path


def test_caches_are_counted_by_who_shares_them(sys_tree: Path) -> None:
    assert caches.from_sys(sys_tree, frozenset(range(4))) == (
        ("L1", 48 * 2**10, 4), ("L2", 2**21, 2), ("L3", 2**30, 1),
    )  # fmt: skip


def test_only_processors_of_this_process_count(sys_tree: Path) -> None:
    assert [cache.units for cache in caches.from_sys(sys_tree, frozenset({0, 1}))] == [2, 1, 1]
    assert [cache.units for cache in caches.from_sys(sys_tree, frozenset({1, 2}))] == [2, 2, 1]


def test_entries_that_the_system_leaves_out_are_left_out(sys_tree: Path) -> None:
    for cpu in range(4):
        (sys_tree / f"cpu{cpu}" / "cache" / "index3" / "size").unlink()
    assert [cache.name for cache in caches.from_sys(sys_tree, frozenset(range(4)))] == ["L1", "L2"]


def test_a_system_that_says_nothing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CbramError, match=r"does not say; use --caches, such as"):
        caches.from_sys(tmp_path, frozenset({0}))
    with pytest.raises(CbramError, match=r"sysctl does not say; use --caches"):
        caches.from_sysctl({"hw.physicalcpu": 4})


def test_caches_of_macos() -> None:
    found = caches.from_sysctl({
        "hw.physicalcpu": 8, "hw.l1dcachesize": 2**16, "hw.l2cachesize": 2**22,
        "hw.perflevel0.physicalcpu": 4, "hw.perflevel0.l1dcachesize": 2**17,
        "hw.perflevel0.l2cachesize": 12 * 2**20, "hw.perflevel0.cpusperl2": 4,
    })  # fmt: skip
    assert found == (("L1", 2**17, 4), ("L2", 12 * 2**20, 1))


def test_caches_are_read_as_they_are_written() -> None:
    found = caches.parse("L1=48KiB x2,L2 = 1.5 MiB x2, L3=32MiB")
    assert found == (("L1", 48 * 2**10, 2), ("L2", 1.5 * 2**20, 2), ("L3", 2**25, 1))
    assert caches.parse(", ".join(map(str, found))) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("L1=48KB", r"must be LEVEL=SIZE xUNITS .* such as .* \(got 'L1=48KB'\)"),
        ("48KiB", r"must be LEVEL=SIZE"),
        ("", r"must be LEVEL=SIZE"),
        ("L1=1.2.3KiB", r"must be > 0"),
        ("L1=0KiB", r"must be > 0"),
        ("L1=1KiB x0", r"must be > 0"),
        ("L1=64KiB, L2=32KiB", r"each level must be larger than the one before \(got L1=64KiB x1"),
        ("L2=1MiB, L1=2MiB", r"in the order of their levels, each once \(got L1 after L2\)"),
        ("L1=1KiB, L1=2KiB", r"each once"),
    ],
)
def test_wrong_caches_are_refused(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        caches.parse(text)


def test_this_machine_ends_in_its_memory() -> None:
    levels = caches.this_machine(CACHES).levels
    assert [level.name for level in levels] == NAMES
    assert [level.units for level in levels] == [2, 2, 1, 1]
    assert levels[-1].capacity > 2**28


# Energy counters


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    for zone, name, span in (
        ("intel-rapl:0", "package-0", 1000), ("intel-rapl:0:0", "core", 1000),
        ("intel-rapl:0:1", "dram", 500), ("intel-rapl:1", "psys", 1000),
    ):  # fmt: skip
        write(tmp_path / zone / "name", name)
        write(tmp_path / zone / "energy_uj", 100)
        write(tmp_path / zone / "max_energy_range_uj", span)
    return tmp_path


def test_nothing_is_counted_twice_and_counters_may_go_round(powercap: Path) -> None:
    found = counters.find(powercap)
    assert [counter.path.parent.name for counter in found.counters] == [
        "intel-rapl:0", "intel-rapl:0:1",
    ]  # fmt: skip
    before = found.read()
    write(powercap / "intel-rapl:0" / "energy_uj", 40)
    write(powercap / "intel-rapl:0:1" / "energy_uj", 130)
    write(powercap / "intel-rapl:0:0" / "energy_uj", 999)
    assert found.joules(before, found.read()) == pytest.approx((940 + 30) * 1e-6)
    assert found.missing == ""


def test_missing_counters_are_said_to_be_missing(tmp_path: Path, powercap: Path) -> None:
    assert "not exposed" in counters.find(tmp_path / "nothing").missing
    for zone in powercap.iterdir():
        (zone / "energy_uj").unlink()
        (zone / "energy_uj").mkdir()  # cannot be read, not even by root
    found = counters.find(powercap)
    assert found.counters == ()
    assert "may not be read" in found.missing


# The step that is timed


def loss(widths: tuple[int, ...], weights: np.ndarray, x: np.ndarray, targets: np.ndarray) -> float:
    """Mean cross-entropy of the network, in double precision and plain NumPy."""
    at = 0
    for m, n in pairwise(widths):
        matrix = weights[at : at + n * (m + 1)].reshape(n, m + 1)
        x, at = x @ matrix[:, :m].T + matrix[:, m], at + matrix.size
        if at < len(weights):
            x = np.maximum(x, 0)
    return float(np.mean(np.log(np.exp(x).sum(1)) - x[np.arange(len(x)), targets]))


@pytest.mark.parametrize("batch", [1, 3])
def test_gradients_are_those_of_finite_differences(batch: int) -> None:
    widths = (7, 6, 5, 4)
    net = step.network(widths, batch, seed=3)
    before = net.weights.astype(float)
    x = net.activations[: batch * 7].reshape(batch, 7).astype(float)
    net.train(1, rate=0.1)
    expected = np.empty_like(before)
    for n in range(len(before)):
        change = np.zeros_like(before)
        change[n] = 1e-6
        up, down = (loss(widths, before + s * change, x, net.targets) for s in (1, -1))
        expected[n] = (up - down) / 2e-6
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(net.gradients, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(net.weights, before - 0.1 * expected, rtol=1e-4, atol=1e-5)


def test_many_steps_learn_the_batch() -> None:
    net = step.network((7, 20, 4), 5, seed=1)
    x = net.activations[:35].reshape(5, 7).astype(float)
    first = loss((7, 20, 4), net.weights.astype(float), x, net.targets)
    net.train(2000, rate=0.1)
    assert loss((7, 20, 4), net.weights.astype(float), x, net.targets) < 0.1 * first


def test_working_sets_of_the_step_are_those_of_the_theory() -> None:
    net = step.network(OWN.widths)
    assert net.weights.nbytes == 4 * OWN.parameters
    assert net.weights.nbytes + net.gradients.nbytes == 8 * OWN.parameters


# Sizes


def test_a_family_keeps_inputs_outputs_and_ratios() -> None:
    own = Layers(widths=(64, 400, 200, 10))
    found = measuring.family(own, Effort(per_octave=1, largest=2**20, seconds=0, fewest=0))
    sizes = [layers.parameters for layers in found]
    assert sizes == sorted(set(sizes))
    assert 256 / 1.3 < sizes[0] < 256 * 1.3
    assert sizes[-1] == pytest.approx(2**20, rel=0.01)
    assert len(found) == 13
    for layers in found[4:]:
        first, one, two, last = layers.widths
        assert (first, last) == (64, 10)
        assert one / two == pytest.approx(2, rel=0.1)


def test_scaled_is_the_nearest_of_the_family() -> None:
    square = Layers(widths=(10, 100, 100, 10))
    for wanted in (200, 5000, 123_456):
        found = advice.scaled(square, wanted)
        width = found.widths[1]
        for other in (width - 1, width + 1):
            near = Layers(widths=(10, other, other, 10)).parameters
            assert abs(np.log(found.parameters / wanted)) <= abs(np.log(near / wanted))


def points(
    cost: Callable[[Layers], float], own: Layers = OWN, joules: Callable[[Layers], float] | None = None
) -> list[Point]:  # fmt: skip
    found = measuring.family(own, Effort(per_octave=2, largest=2**23, seconds=0, fewest=0))
    return [
        Point(layers, cost(layers) * layers.parameters, 1.1 * cost(layers) * layers.parameters,
              1.2 * cost(layers) * layers.parameters, 9,
              joules(layers) * layers.parameters if joules else None)
        for layers in found
    ]  # fmt: skip


def stepped(layers: Layers) -> float:
    """A cost per parameter with a fixed part, that doubles beyond L2 and again beyond L3."""
    beyond = (8 * layers.parameters > 544 * 2**10) + (8 * layers.parameters > 8.5 * 2**20)
    return 1e-9 * 2**beyond + 1e-6 / layers.parameters


# Advice


def test_the_knee_of_a_known_curve_is_recommended() -> None:
    memory = caches.this_machine(CACHES)
    where = advice.placing(memory, 1, 1000, 32)
    found = advice.advise(OWN, memory, where, stepped)
    assert found.none_fits == []
    assert [(one.level, round(one.factor, 2)) for one in found.candidates] == [
        (level, factor) for level in ("L1", "L2", "L3") for factor in (1, 1.41, 2)
    ]
    assert found.best is not None
    assert (found.best.level, found.best.factor, found.best.lives_in) == ("L2", 1.0, "L2")
    wider = Layers(widths=(64, *(width + 1 for width in found.best.layers.widths[1:-1]), 10))
    assert advice.lives_in(where(wider)) == "L3", "one neuron more does not fit"
    for one in found.candidates:
        full = next(o for o in found.candidates if (o.level, o.factor) == (one.level, 1))
        assert one.layers.parameters == pytest.approx(one.factor * full.layers.parameters, rel=0.1)


def test_caches_too_small_for_any_network_are_named() -> None:
    memory = caches.this_machine("L1=0.5KiB, L2=64KiB")
    found = advice.advise(OWN, memory, advice.placing(memory, 1, 10, 32), None)
    assert found.none_fits == ["L1"]
    assert {one.level for one in found.candidates} == {"L2"}
    assert found.best is None


def test_half_the_bits_fit_twice_the_network() -> None:
    memory = caches.this_machine(CACHES)
    sizes = []
    for bits in (32, 16):
        found = advice.advise(OWN, memory, advice.placing(memory, 1, 10, bits), None)
        sizes.append(found.candidates[6].layers.parameters)
    assert sizes[1] / sizes[0] == pytest.approx(2, rel=0.02)


def test_savings_are_parts_of_the_cost_in_per_cent() -> None:
    half, prices = Layers(widths=(1, 3, 10)), {46: 1.0, 106: 2.0}
    cost = costs.Costs(
        "s", "", "", lambda one: prices[one.parameters], lambda _: 0, "", lambda *_: {}
    )
    own = Layers(widths=(1, 8, 10))
    assert claims.saved(own, half, cost) == pytest.approx((50, 100 * (1 - 0.5 * 46 / 106)))
    assert claims.saved(half, own, cost) == pytest.approx((-100, 100 * (1 - 2 * 106 / 46)))


# Model


def loads(memory: Hierarchy, batch: int = 1) -> Callable[[Layers], model.Load]:
    where = advice.placing(memory, batch, 10, 32, alone=True)
    return lambda layers: costs.load(layers, where, NAMES, batch)


def test_non_negative_least_squares_recovers_known_coefficients() -> None:
    known = np.array([1e-6, 2e-9, 5e-11, 2e-11, 0.0, 3e-10])
    asked = [loads(caches.this_machine(CACHES))(point.layers) for point in points(stepped)]
    measured = [
        np.dot([1, load.neurons, load.operations, *load.bytes_beyond], known) / load.parameters
        for load in asked
    ]
    found = model.fit(asked, measured, NAMES)
    np.testing.assert_allclose(found.coefficients, known, rtol=1e-6, atol=1e-16)
    assert found.names == (
        "step", "neuron", "operation", "byte beyond L1", "byte beyond L2", "byte beyond L3",
    )  # fmt: skip
    assert max(found.error, found.worst, found.left_out_error) < 1e-6
    assert found.per_parameter(asked[3]) == pytest.approx(measured[3])


def test_errors_are_stated_and_larger_where_left_out() -> None:
    asked = [loads(caches.this_machine(CACHES))(point.layers) for point in points(stepped)]
    measured = 1e-9 * np.random.default_rng(0).lognormal(0, 0.2, len(asked))
    found = model.fit(asked, list(measured), NAMES)
    ratio = np.array([found.per_parameter(load) for load in asked]) / measured
    assert found.error == pytest.approx(np.abs(ratio - 1).mean())
    assert found.worst == pytest.approx(np.abs(ratio - 1).max())
    assert found.left_out_error > found.error > 0.05
    assert (found.coefficients >= 0).all()


def test_loads_count_the_bytes_beyond_each_level() -> None:
    load = loads(caches.this_machine(CACHES))(OWN)  # l lives in L1, f in L2, b in L3
    forward, activations = 4 * OWN.parameters, 4 * sum(OWN.widths) - 4 * 600
    backward = 8 * OWN.parameters + activations
    assert load.bytes_beyond == (forward + backward, backward, 0)
    assert (load.parameters, load.neurons) == (OWN.parameters, 610)


def test_knees_are_found_where_they_are() -> None:
    sizes = [2**n for n in range(8, 24)]
    inner = [size for size in sizes if size <= 2**16]
    levels = ["L1"] * 4 + ["L2"] * (len(inner) - 4) + ["L3"] * (len(sizes) - len(inner))
    cost = [1 / size + (1e-3 if size <= 2**14 else 4e-3) for size in sizes]
    first, second = knees.find(sizes, cost, levels, ["L1", "L2", "L3"], [1.0] * 16)
    assert first.ratio == pytest.approx(1)
    assert first.parameters is None
    assert second.ratio == pytest.approx(4)
    assert second.parameters == pytest.approx(2**14.5, rel=1e-6), "earlier than the cache is full"
    (missing,) = knees.find(sizes, cost, levels, ["L3", "DRAM"], [1.0] * 16)
    assert missing == ("L3", "DRAM", None, None)
    dip = [1 / size + (1e-3 if size <= 2**16 or size == 2**20 else 2e-3) for size in sizes]
    _, far = knees.find(sizes, dip, levels, ["L1", "L2", "L3"], [1.0] * 16)
    assert far.ratio == pytest.approx(2)
    assert far.parameters is None, "a rise at 20 times the size is not of this cache"


# Costs


def test_costs_are_measured_where_they_can_be() -> None:
    memory = caches.this_machine(CACHES)
    taken, load = points(stepped), loads(memory)
    fitted = model.fit([load(p.layers) for p in taken], [p.per_parameter for p in taken], NAMES)
    here = costs.measured(taken, fitted, load, 32)
    assert here.unit == "s"
    assert here.per_parameter(taken[5].layers) == pytest.approx(stepped(taken[5].layers))
    large = Layers(widths=(64, 5000, 5000, 10))
    assert here.per_parameter(large) == here.line(large) == fitted.per_parameter(load(large))
    narrow = costs.measured(taken, fitted, load, 16)
    assert narrow.per_parameter(OWN) == narrow.line(OWN)
    assert (here.evidence, narrow.evidence) == ("measured", "derived")


def test_joules_count_where_there_are_joules() -> None:
    taken = points(stepped, joules=lambda layers: 30 * stepped(layers))
    unit, values = costs.point_costs(taken)
    assert unit == "J"
    assert values == pytest.approx([30 * stepped(p.layers) for p in taken])


def test_prices_are_those_of_the_bill() -> None:
    memory = Hierarchy.load("server-45nm")
    priced = costs.priced(memory, 4, 1000, 32)
    bill = train_bill(OWN, 4, 1000, memory, 32, costs.mac("fp32"))
    assert priced.per_parameter(OWN) * OWN.parameters / 4 == pytest.approx(bill.joules)
    other = advice.scaled(OWN, OWN.parameters / 4)
    ratio = train_bill(other, 4, 1000, memory, 32, costs.mac("fp32")).joules / bill.joules
    low, high = priced.intervals(OWN, other)["per_datum"]
    assert low < 100 * (1 - ratio) < high
    assert costs.priced(Hierarchy.load("accelerator-7nm"), 1, 10, 16).source.startswith(
        "bottom up: fp16-mac-7nm"
    )


# The whole


def asked(layers: Layers, images: int) -> cache_fit.Question:
    return cache_fit.Question(str(layers), images=images, caches=CACHES)


def cbram(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["cache-fit", *map(str, arguments)])
    return done.exit_code, done.output


def test_the_command_without_measurement(tmp_path: Path) -> None:
    out = tmp_path / "fit"
    arguments = ("--no-measure", "--quick", "--caches", CACHES, "--out", out)
    code, output = cbram(*arguments)
    assert code == 0, output
    assert "Nothing was measured" in output
    assert "no size is recommended" in output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["claims"] == []
    assert [one["lives_in"] for one in summary["working_sets"]] == ["L1", "L3", "L3", "DRAM"]
    assert summary["working_sets"][1]["bytes"] == 4 * 269_322
    assert summary["working_sets"][2]["level_occupied"] == pytest.approx(
        (8 * 269_322 + 4 * 256 + 4 * 10) / 2**23, rel=1e-3
    )
    assert (out / "cache_fit.png").stat().st_size > 1_000
    with (out / "cache_fit.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["b_lives_in"] == "L1"
    assert rows[-1]["b_lives_in"] == "DRAM"

    code, output = cbram(*arguments)
    assert code == 2
    assert "use --force to overwrite" in output
    code, output = cbram(*arguments, "--force", "--json")
    assert code == 0
    assert json.loads(output) == summary


def test_a_hierarchy_with_energies_is_priced(tmp_path: Path) -> None:
    out = tmp_path / "fit"
    code, output = cbram("--hierarchy", "server-45nm", "--out", out, "--layers", "64x300,300x10")
    assert code == 0, output
    each, datum = json.loads((out / "summary.json").read_text())["claims"]
    assert (each["name"], datum["name"]) == ("saving_per_parameter", "saving_per_datum")
    assert each["interval"][0] < each["value"] < each["interval"][1]
    assert "a lower bound" in output


def test_a_hierarchy_needs_no_summary(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[levels]]\nname = "L1"\ncapacity = "48GiB"\n')
    code, output = cbram("--hierarchy", file, "--out", tmp_path / "fit")
    assert code == 0, output
    assert "mine: L1 48 GiB x1\n" in output


def test_a_measurement_is_told_with_model_and_knees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "measure", lambda *_, **__: points(stepped))
    found = cache_fit.run(asked(OWN, 1000), tmp_path / "fit", quiet=True)
    claims = {claim["name"]: claim for claim in found.summary["claims"]}
    assert set(claims) == {
        "saving_per_parameter", "saving_per_datum", "model_error", "model_error_left_out",
        "cost_beyond:L1", "cost_beyond:L2", "cost_beyond:L3",
    }  # fmt: skip
    assert claims["saving_per_parameter"]["other"] == found.summary["best"]["layers"]
    assert 35 < claims["saving_per_parameter"]["value"] < 50
    assert claims["cost_beyond:L2"]["seen"]
    assert not claims["cost_beyond:L1"]["seen"]
    assert 0 < claims["model_error"]["value"] < 15
    assert found.summary["best"]["level"] == "L2"
    assert found.summary["nearest"]["layers"] == found.summary["best"]["layers"]
    assert "no knee to be seen" in found.report()
    assert "halfway at" in found.report()
    assert json.loads((tmp_path / "fit" / "summary.json").read_text())["model"]
    assert (tmp_path / "fit" / "cache_fit.png").stat().st_size > 1_000


def test_the_nearest_cheaper_network_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Layers(widths=(64, 1400, 1400, 10))  # in memory; L3 holds half of it
    monkeypatch.setattr(measuring, "measure", lambda *_, **__: points(stepped, large))
    found = cache_fit.run(asked(large, 9), tmp_path, quiet=True)
    best, nearest = found.summary["best"], found.summary["nearest"]
    assert (best["level"], nearest["level"], nearest["factor"]) == ("L2", "L3", 1)
    assert nearest["saves_per_parameter"] == pytest.approx(50, abs=3)
    assert "Cheaper and nearest in size to yours: 64-" in found.report()


def test_measuring_returns_what_was_timed(powercap: Path) -> None:
    networks = [Layers(widths=(8, 4, 3)), Layers(widths=(8, 40, 3))]
    effort = Effort(per_octave=1, largest=2**10, seconds=0, fewest=2)
    found = measuring.measure(networks, 2, effort, counters.find(powercap))
    assert [point.layers for point in found] == networks
    for point in found:
        assert point.samples == 2 * measuring.SAMPLES_PER_TURN
        assert 0 < point.seconds <= point.median <= point.slow
        assert point.joules == 0, "the counters stand still"
    assert measuring.measure(networks[:1], 1, effort, counters.Counters((), "no"))[0].joules is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layers", "784x256,255x10"), "matrix 2 takes 255 values but matrix 1 gives 256"),
        (("--layers", "784,10"), "must have a hidden layer"),
        (("--batch", "0"), "cache-fit.batch: must be a whole number >= 1 (got 0)"),
        (("--images", "-1"), "cache-fit.images"),
        (("--bits", "7"), "cache-fit.bits: must be one of 32, 16, 8, 4 (got 7)"),
        (("--hierarchy", "server-45mn"), "did you mean 'server-45nm'?"),
        (("--hierarchy", "eagle-cpu", "--caches", CACHES), "cache-fit.caches"),
        (("--caches", "L1=64KiB, L2=32KiB"), "each level must be larger"),
        (("--images", 10**13), "fits in no level"),
    ],
)
def test_bad_input_is_refused_by_name(
    tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    code, output = cbram("--no-measure", "--out", tmp_path / "fit", *arguments)
    assert code == 2
    assert message in output
    assert not (tmp_path / "fit").exists()


def test_help_comes_at_once() -> None:
    code = (
        "import sys\nfrom cbramsim.experiments.cli import main\n"
        "try:\n    main(['cache-fit', '--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
