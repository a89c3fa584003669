"""Layers, operations, working sets and their places: closed forms, grids, refusals by name."""

from itertools import pairwise

import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.simulator.comparison.hierarchy import Hierarchy, bytes_of, in_binary
from cbramsim.simulator.comparison.layers import (
    GRID_DEPTHS,
    GRID_SHAPES,
    GRID_SIZES,
    SHAPES,
    Layers,
    data_outputs,
    shaped,
)
from cbramsim.simulator.comparison.operations import (
    batches,
    operations,
    operations_per_epoch,
)
from cbramsim.simulator.comparison.placement import place
from cbramsim.simulator.comparison.working_sets import WorkingSet, bytes_by_kind, working_sets

TINY = Layers(widths=(3, 4, 2))
L1 = {"name": "L1", "capacity": "32 KiB", "units": 36}


def levels(*entries, **energy):
    return Hierarchy(
        name="x", levels=[dict(zip(("name", "capacity", "units"), e, strict=True)) for e in entries]
    )


def test_parameters_are_weights_and_biases():
    assert (TINY.weights, TINY.parameters, TINY.depth) == (3 * 4 + 4 * 2, 3 * 4 + 4 + 4 * 2 + 2, 2)
    assert Layers().parameters == 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10


def test_widths_and_matrices_say_the_same():
    assert Layers.parse("784,256,10") == Layers.parse("784x256,256x10")
    assert Layers.parse(str(TINY)) == TINY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("784x256,128x10", r"^Layers.widths: matrix 2 takes 128 values but matrix 1 gives 256 \(got 784x256,128x10\)$"),
        ("784x256,10", "must be widths, .* or matrices"),
        ("784,many", "must be widths"),
        ("784,0,10", r"must be two or more whole numbers >= 1 and <= .* \(got \(784, 0, 10\)\)"),
        ("784", "must be two or more"),
        ("", "must be widths"),
    ],
)  # fmt: skip
def test_wrong_widths_are_refused(text, message):
    with pytest.raises(ParameterError, match=message):
        Layers.parse(text)


def test_shapes_have_the_widths_of_the_study():
    assert shaped("rectangle", 4, 10, 3, 10 * 7 + 7 + 2 * (7 * 7 + 7) + 7 * 3 + 3).widths == (
        10, 7, 7, 7, 3,
    )  # fmt: skip
    # s = 20, o = 2: 20, 14, 8, 2; and 20 (2/20)^(k/3) = 20, 9.28, 4.31, 2
    for shape, widths in (
        ("trapezoid", (5, 20, 14, 8, 2)),
        ("exponential", (5, 20, 9, 4, 2)),
        ("wide_first_4x", (5, 20, 5, 5, 2)),
        ("wide_first_16x", (5, 20, 1, 1, 2)),
    ):
        wanted = Layers(widths=widths)
        assert shaped(shape, 4, 5, 2, wanted.parameters).parameters == wanted.parameters
        assert shaped(shape, 4, 5, 2, wanted.parameters) == wanted
        assert shaped(shape + "_residual", 4, 5, 2, wanted.parameters) == wanted


@pytest.mark.parametrize("shape", SHAPES)
def test_all_shapes_are_one_network_at_depth_2(shape):
    assert shaped(shape, 2, 13, 4, 999) == shaped("rectangle", 2, 13, 4, 999)
    assert shaped(shape, 2, 13, 4, 32).widths == (13, 2, 4)


@pytest.mark.parametrize("shape", GRID_SHAPES)
def test_no_other_scale_comes_nearer_to_the_wanted_size(shape):
    for depth in (2, 5, 20):
        for size in GRID_SIZES[7:16:4]:
            found = shaped(shape, depth, 4, 3, size)
            assert abs(found.parameters - size) < size / 2
            step = found.widths[1]
            for nearby in range(max(1, step - 3), step + 4):
                other = _with_scale(shape, depth, 4, 3, nearby)
                assert abs(other - size) >= abs(found.parameters - size)
    assert (len(GRID_SHAPES), len(GRID_DEPTHS), len(GRID_SIZES)) == (8, 14, 20)
    assert (GRID_SIZES[0], GRID_SIZES[-1]) == (32, 16_777_216)


def _with_scale(shape, depth, inputs, o, s):
    """Parameters of a shape by a plain loop over its layers."""
    last, widths = depth - 1, [inputs]
    for k in range(depth):
        if shape.startswith("rectangle"):
            widths.append(s if k < last else o)
        elif shape == "trapezoid":
            widths.append(round(s - k * (s - o) / last))
        elif shape == "exponential":
            widths.append(max(o, round(s * (o / s) ** (k / last))))
        else:
            factor = int(shape.removeprefix("wide_first_").removesuffix("x"))
            widths.append(s if k == 0 else o if k == last else max(1, round(s / factor)))
    return sum(a * b + b for a, b in pairwise(widths))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": "rectangel"}, r"shaped.shape: .*\(did you mean 'rectangle'\?\)"),
        ({"depth": 1}, r"shaped.depth: must be a whole number >= 2 and <= 999 \(got 1\)"),
        ({"inputs": 0}, "shaped.inputs"),
        ({"size": 64}, r"shaped.size: .* nearest has 807 parameters \(got 64\)"),
    ],
)
def test_impossible_shapes_are_refused(change, message):
    with pytest.raises(ParameterError, match=message):
        shaped(**({"shape": "rectangle", "depth": 3, "inputs": 784, "outputs": 10, "size": 10**5} | change))  # fmt: skip


def test_targets_per_observation_are_those_of_the_study():
    assert [data_outputs(n) for n in (None, 1, 2, 3, 10)] == [1, 1, 1, 3, 10]


def test_operations_by_hand():
    # B = 5: forward 3*4 + 4 + 4*2 + 2 = 26 each; backward 2*4 + 12, 2*2 + 8 + 8, and P (1 + B)
    assert operations(TINY, 5) == (5 * 26, 5 * (8 + 12 + 4 + 8 + 8) + 26 * 6)
    # 101 observations: 80.8 and 20.2, in batches of 5: 17 and 5
    assert batches(101, 5) == (17, 5)
    assert batches(320, 256) == (1, 1)
    forward, backward = operations(TINY, 5)
    assert operations_per_epoch(TINY, 101, 5) == (22 * forward, 17 * backward)


def test_working_sets_by_hand():
    l, f, b, d = working_sets(TINY, 5, 100)  # noqa: E741
    assert (l.replicated, l.distributed) == (0, 4 * 5 * 7)
    assert (f.replicated, f.distributed) == (4 * 26, 0)
    assert (b.replicated, b.distributed) == (8 * 26, 4 * 5 * 9 - 4 * 5 * 7)
    assert (d.replicated, d.distributed) == (0, 100 * 4 * (3 + 1))  # two classes: one target
    assert [s.stacked_on for s in (l, f, b, d)] == [None, "l", "l", "b"]


def test_fewer_bits_make_smaller_sets_and_a_master_copy_comes_on_top():
    whole, half = working_sets(TINY, 5, 100), working_sets(TINY, 5, 100, bytes_per_value=2)
    assert [s.total for s in half] == [s.total / 2 for s in whole]
    mixed = bytes_by_kind({"weights": 4, "gradients": 4, "activations": 4, "data": 8})
    l, f, b, d = working_sets(TINY, 5, 100, bytes_per_value=mixed)  # noqa: E741
    assert (l.total, f.total, d.total) == (5 * 7 / 2, 26 / 2, 100 * 4)
    assert b.replicated == 26 * (0.5 + 4 + 4)


def test_recognition_has_no_backward_set():
    l, f, d = working_sets(TINY, 5, 100, training=False)  # noqa: E741
    assert (l.name, f.name, d.name, d.stacked_on) == ("l", "f", "d", "f")


def test_a_set_lives_in_the_first_level_that_takes_its_share():
    two = levels(("L1", "100 B", 4), ("L2", "1000 B", 2), ("DRAM", "1 MiB", 1))

    def placed(*sets):
        return [(p.level.name, p.occupied) for p in place(sets, two)]

    assert placed(WorkingSet("l", 0, 400, None)) == [("L1", 100)]
    assert placed(WorkingSet("l", 0, 404, None)) == [("L2", 100 + 202)]
    # what does not fit fills the level: 60 remain of L1, the next set has L2 for itself
    assert placed(WorkingSet("l", 0, 160, None), WorkingSet("f", 61, 0, "l")) == [
        ("L1", 40), ("L2", 161),
    ]  # fmt: skip
    assert placed(WorkingSet("l", 0, 160, None), WorkingSet("f", 60, 0, "l"))[1] == ("L1", 100)
    assert placed(WorkingSet("f", 1000, 0, None)) == [("L2", 1100)]
    assert placed(WorkingSet("f", 1000.5, 0, None)) == [("DRAM", 1100 + 1000.5)]
    assert placed(WorkingSet("f", 1000, 0, None), WorkingSet("d", 0, 10, "f"))[1] == ("DRAM", 1110)
    with pytest.raises(ParameterError, match=r"working set d \(2 MiB\) fits in no level of x"):
        placed(WorkingSet("d", 0, 2 * 2**20, None))


def test_networks_of_the_study_leave_l1_and_l3_where_the_measured_energy_rises():
    """CPU energy doubles from 2^13 to 2^17 and takes off from 2^21 on (facts A.6, A.8)."""
    cpu = Hierarchy.load("eagle-cpu")

    def home(exponent):
        sets = working_sets(shaped("rectangle", 4, 20, 1, 2**exponent), 256, 10_000)
        return {p.working_set.name: p.level.name for p in place(sets, cpu)}

    assert [home(e)["f"] for e in (10, 15, 20, 23)] == ["L1", "L2", "L3", "DRAM"]
    assert [home(e)["b"] for e in (10, 16, 21, 22)] == ["L1", "L2", "L3", "DRAM"]


def test_fewer_bits_and_larger_caches_never_move_a_set_outwards():
    small = levels(("a", "4 KiB", 2), ("b", "64 KiB", 2), ("c", "1 GiB", 1))
    large = levels(("a", "8 KiB", 2), ("b", "64 KiB", 2), ("c", "1 GiB", 1))
    names = ["a", "b", "c"]
    for size in (200, 1000, 5000, 20_000):
        net = shaped("trapezoid", 4, 12, 3, size)
        homes = [
            [names.index(p.level.name) for p in place(working_sets(net, 8, 500, bytes_per_value=w), h)]
            for w, h in ((4, small), (2, small), (4, large))
        ]  # fmt: skip
        assert all(a >= b for a, b in zip(homes[0], homes[1], strict=True))
        assert all(a >= b for a, b in zip(homes[0], homes[2], strict=True))


def test_presets_are_whole():
    assert list(Hierarchy.catalog()) == ["accelerator-7nm", "eagle-cpu", "eagle-gpu", "server-45nm"]
    cpu, gpu = Hierarchy.load("eagle-cpu"), Hierarchy.load("eagle-gpu")
    assert [(x.capacity, x.units) for x in cpu.levels] == [
        (32 * 1024, 36), (2**20, 36), (24.75 * 2**20, 2), (96 * 2**30, 1),
    ]  # fmt: skip
    assert [(x.capacity, x.units) for x in gpu.levels] == [
        (112 * 1024, 168), (6 * 2**20, 2), (16 * 2**30, 2),
    ]  # fmt: skip
    assert all(level.energy_per_byte is None for level in (*cpu.levels, *gpu.levels))
    for name in ("server-45nm", "accelerator-7nm"):
        energies = [level.energy_per_byte for level in Hierarchy.load(name).levels]
        assert all(a.value < b.value for a, b in pairwise(energies))
        assert all(e.unit == "J" and e.source for e in energies)
    l1 = Hierarchy.load("server-45nm").innermost.energy_per_byte
    assert l1.value * 8 == pytest.approx(20e-12)
    assert l1.name == "server-45nm-L1-byte"


def test_capacities_are_read_and_written():
    assert bytes_of("24.75 MiB") == bytes_of("24.75MiB") == 24.75 * 2**20
    assert bytes_of(" 512  B ") == 512
    for text in ("32", "KiB", "32 iKB", "32 kB", "1.2.3 B", ""):
        with pytest.raises(ValueError, match="must be a number and one of B, KiB"):
            bytes_of(text)
    assert [in_binary(x) for x in (512, 32 * 1024, 24.75 * 2**20)] == ["512 B", "32 KiB", "24.75 MiB"]  # fmt: skip


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], r"^Hierarchy.levels: must be one or more tables"),
        ([L1, {"name": "L2", "capacity": "16 KiB", "units": 36}],
         r"^Hierarchy.levels: L2 \(16 KiB x 36\) is smaller than L1 \(32 KiB x 36\)$"),
        ([L1, L1], r"Hierarchy.levels: names must differ \(got L1 twice\)"),
        ([L1 | {"units": 0}], r"L1: Level.units: must be a whole number >= 1 and <= 1e\+09 \(got 0\)"),
        ([L1 | {"capacity": "32 kB"}], "Level.capacity: must be a number and one of B, KiB"),
        ([L1 | {"capacity": 0}], r"Level.capacity: must be a number >= 1 and <= .* \(got 0\)"),
        ([L1 | {"speed": 0}], "Level.speed: unknown key"),
        ([L1 | {"energy_per_byte": {"value": -1, "unit": "pJ/B"}}],
         r"L1: energy_per_byte.value: must be a number >= 0 \(got -1\)"),
        ([L1 | {"energy_per_byte": {"value": 1, "unit": "pJ"}}], "energy_per_byte.unit: must be J/B"),
        ([L1 | {"energy_per_byte": {"valve": 1}}], r"energy_per_byte.valve.*did you mean 'value'"),
        ([L1 | {"energy_per_byte": {"value": 1, "low": 2, "unit": "pJ/B"}}], "low <= value"),
    ],
)  # fmt: skip
def test_impossible_hierarchies_are_refused_by_name(entries, message):
    with pytest.raises(ParameterError, match=message):
        Hierarchy(name="x", levels=entries)


def test_files_that_cannot_be_used_are_named(tmp_path):
    broken, wrong = tmp_path / "broken.toml", tmp_path / "wrong.toml"
    broken.write_text("[[levels]\n")
    wrong.write_text('[[levels]]\nname = "L1"\ncapacity = "1 KiB"\nunits = 0\n')
    with pytest.raises(DataError, match=r"broken\.toml"):
        Hierarchy.load(broken)
    with pytest.raises(DataError, match=r"absent\.toml: No such file"):
        Hierarchy.load(tmp_path / "absent.toml")
    with pytest.raises(ParameterError, match=r"^wrong\.toml: Hierarchy.levels: L1: Level.units"):
        Hierarchy.load(wrong)
    with pytest.raises(ParameterError, match=r"hierarchy: .*did you mean 'eagle-cpu'"):
        Hierarchy.load("eagle-cpv")


def test_wrong_numbers_of_observations_and_bits_are_refused():
    with pytest.raises(ParameterError, match=r"working_sets.batch: .*got 0"):
        working_sets(TINY, 0, 1)
    with pytest.raises(ParameterError, match=r"bits.weigths: .*did you mean 'weights'"):
        bytes_by_kind({"weigths": 4})
    with pytest.raises(ParameterError, match=r"bits.data: must be a number > 0 \(got 0\)"):
        bytes_by_kind({"data": 0})
