"""Traffic and its price: a tiny network by hand, a plain loop over products, limits."""

from itertools import pairwise

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison.bottom_up import REUSE, Macs, price, train_bill
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.comparison.layers import Layers
from cbramsim.simulator.comparison.operations import operations
from cbramsim.simulator.comparison.placement import place
from cbramsim.simulator.comparison.traffic import NOTHING, step_counts
from cbramsim.simulator.comparison.working_sets import KINDS, working_sets
from cbramsim.simulator.energy.bill import Constant, Draws

MAC = Constant(name="mac", value=4.6e-12, low=4e-12, high=5e-12, unit="J", evidence="derived", source="x")  # fmt: skip
SERVER = Hierarchy.load("server-45nm")
TINY = Layers(widths=(3, 4, 2))


def test_recognition_by_hand():
    counts = step_counts(TINY, 5, training=False)
    assert (counts.forward, counts.macs) == (5 * (12 + 8), 100)
    # read 3 inputs, write 4, read 4, write 2
    assert counts.accesses == {"weights": 26, "activations": 5 * 10, "gradients": 0, "master": 0, "data": 15}  # fmt: skip
    assert sum(counts.operands.values()) == 2 * counts.macs


def test_learning_by_hand():
    counts = step_counts(TINY, 5)
    assert (counts.forward, counts.backward, counts.update, counts.step) == (100, 40, 100, 26)
    assert counts.accesses == {
        "weights": 26 + 8 + 26,  # forward, back through the second layer, written anew
        "activations": 5 * 10 + 5 * 2 + 5 * (3 + 4) + 5 * 4,  # forward, error, update, slope
        "gradients": 5 * 2 + 5 * (4 + 2) + (5 * 2 + 5 * 4),  # error, update, back
        "master": 26 + 26 + 2 * 26,  # slopes written and read, step
        "data": 15 + 5 * 1,
    }
    assert sum(counts.operands.values()) == 2 * (100 + 40 + 100)
    bare = step_counts(TINY, 5, master=False, states=2)
    assert (bare.accesses["weights"], bare.accesses["master"]) == (26 + 8 + 52, 4 * 26)
    assert bare.accesses["gradients"] == counts.accesses["gradients"] + 2 * 26


def moved(x, kind, book):
    book[kind] += x.size


@pytest.mark.parametrize("widths", [(3, 2), (3, 4, 2), (7, 5, 6, 4)])
def test_a_training_step_in_numpy_moves_what_is_counted(widths):
    """Every read and write of a plain gradient step is put down as it happens."""
    batch, rng = 6, np.random.default_rng(1)
    book = dict.fromkeys(KINDS, 0)
    macs = 0
    W = [rng.normal(size=shape) for shape in pairwise(widths)]
    b = [np.zeros(n) for n in widths[1:]]
    x = [rng.normal(size=(batch, widths[0]))]
    for i, (w, c) in enumerate(zip(W, b, strict=True)):
        moved(x[i], "activations" if i else "data", book)
        moved(w, "weights", book)
        moved(c, "weights", book)
        x.append(np.maximum(x[i] @ w + c, 0))
        macs += batch * w.size
        moved(x[-1], "activations", book)
    targets = rng.normal(size=(batch, widths[-1] if widths[-1] > 2 else 1))
    moved(targets, "data", book)
    moved(x[-1], "activations", book)
    delta = x[-1] - targets
    moved(delta, "gradients", book)
    for i in reversed(range(len(W))):
        moved(x[i], "activations", book)
        moved(delta, "gradients", book)
        dW, db = x[i].T @ delta, delta.sum(axis=0)
        macs += batch * W[i].size
        moved(dW, "gradients", book)
        moved(db, "gradients", book)
        if i:
            moved(delta, "gradients", book)
            moved(W[i], "weights", book)
            moved(x[i], "activations", book)
            delta = (delta @ W[i].T) * (x[i] > 0)
            macs += batch * W[i].size
            moved(delta, "gradients", book)
        for parameter, gradient in ((W[i], dW), (b[i], db)):
            moved(gradient, "gradients", book)
            moved(parameter, "weights", book)
            parameter -= 0.01 * gradient
            moved(parameter, "weights", book)
            macs += parameter.size
    counts = step_counts(Layers(widths=widths), batch, master=False)
    assert counts.accesses == book
    assert counts.macs == macs


def test_counts_add_and_multiply():
    one = step_counts(TINY, 5)
    assert one + one + one == one * 3 == 3 * one
    assert one + NOTHING == one


def test_multiply_adds_agree_with_the_count_of_the_study():
    """The study adds nonlinearities and the reduction of gradients over the batch (facts A.5)."""
    layers = Layers()
    study, ours = operations(layers, 256), step_counts(layers, 256)
    biases = sum(layers.widths[1:])
    assert study.forward == ours.forward + 256 * biases
    reduction = 256 * layers.parameters
    assert study.backward == ours.backward + ours.update + ours.step + 2 * 256 * biases + reduction


def test_price_by_hand():
    counts = step_counts(TINY, 5, training=False)
    placed = place(working_sets(TINY, 5, 100, training=False), SERVER)
    assert {p.level.name for p in placed} == {"L1"}
    bill = price(counts, 32, placed, SERVER, MAC)
    assert bill.components() == pytest.approx(
        {"arithmetic": 100 * 4.6e-12, "L1": (200 * 4 / 8 + (26 + 50 + 15) * 4) * 2.5e-12}
    )


def test_each_kind_is_paid_where_its_working_set_lives():
    layers, images = Layers(widths=(50, 100, 100, 10)), 10**6
    placed = place(working_sets(layers, 4, images), SERVER)
    homes = {p.working_set.name: p.level.name for p in placed}
    assert homes == {"l": "L1", "f": "L2", "b": "L2", "d": "DRAM"}
    counts = step_counts(layers, 4, master=False)
    parts = price(counts, 32, placed, SERVER, MAC).components()
    pj = {level.name: level.energy_per_byte.value for level in SERVER.levels}
    assert parts["DRAM"] == pytest.approx(counts.accesses["data"] * 4 * pj["DRAM"])
    inner = counts.accesses["weights"] + counts.accesses["gradients"]
    inner += counts.accesses["activations"]  # kept for the backward pass
    assert parts["L2"] == pytest.approx(inner * 4 * pj["L2"])
    assert parts["L1"] == pytest.approx(sum(counts.operands.values()) * 4 / 8 * pj["L1"])


def test_fewer_bits_cost_less_than_in_proportion_once_the_network_fits_a_smaller_cache():
    layers = Layers(widths=(100, 100, 100, 10))
    full = train_bill(layers, 1, 1000, SERVER, 32, MAC)
    slim = train_bill(layers, 1, 1000, SERVER, 4, MAC)
    assert "L2" in full.components()
    moved_full = full.joules - full.of("arithmetic").joules
    moved_slim = slim.joules - slim.of("arithmetic").joules
    assert slim.of("arithmetic").joules == full.of("arithmetic").joules
    assert moved_slim < moved_full / 8 / 2


def test_a_datum_in_a_larger_batch_shares_the_reading_of_weights():
    layers = Layers()
    joules = [train_bill(layers, n, 60_000, SERVER, 32, MAC).joules for n in (1, 8, 64)]
    assert joules[0] > 2 * joules[1] > 2 * joules[2]
    least = step_counts(layers, 1, training=True)
    assert joules[2] > (least.macs - least.step) * MAC.value


def test_reuse_and_prices_move_the_bill():
    layers, draws = Layers(), Draws(50)
    bill = train_bill(layers, 16, 60_000, SERVER, 32, MAC)
    sample = bill.of("L1").sample(draws)
    ratio = draws.factor(SERVER.innermost.energy_per_byte) / draws.factor(REUSE)
    assert sample == pytest.approx(bill.of("L1").joules * ratio)
    once = REUSE.replace(value=1.0)
    bare = train_bill(layers, 16, 60_000, SERVER, 32, MAC, reuse=once)
    assert bare.of("L1").joules == pytest.approx(8 * bill.of("L1").joules)
    assert bill.charges[0].evidence == "derived"
    assert bill.of("L1").evidence == "assumed"


def test_a_master_copy_and_momentum_cost_more():
    layers, bits = (
        Layers(),
        {"weights": 8, "activations": 8, "gradients": 8, "master": 8, "data": 8},
    )
    plain = train_bill(layers, 64, 60_000, SERVER, bits, MAC).joules
    mixed = train_bill(layers, 64, 60_000, SERVER, bits | {"master": 32}, MAC).joules
    momentum = train_bill(layers, 64, 60_000, SERVER, bits | {"master": 32}, MAC, states=1).joules
    assert plain < mixed < momentum


def test_unpriced_levels_are_refused_by_name():
    with pytest.raises(ParameterError, match=r"^Level.energy_per_byte: is required .* eagle-cpu, but L1 has none$"):  # fmt: skip
        train_bill(TINY, 4, 100, Hierarchy.load("eagle-cpu"), 32, MAC)
    with pytest.raises(ParameterError, match=r"step_counts.batch: must be >= 1 \(got 0\)"):
        step_counts(TINY, 0)


def test_each_product_has_its_own_price():
    counts, free = step_counts(TINY, 5), MAC.replace(name="free", value=0.0, low=0.0)
    macs = Macs(free, free, MAC, MAC)
    sets = place(working_sets(TINY, 5, 100), SERVER)
    arithmetic = price(counts, 32, sets, SERVER, macs).components()["arithmetic"]
    assert arithmetic == pytest.approx((counts.update + counts.step) * MAC.value)


def test_a_step_reads_its_images_from_the_data_set_once():
    layers, batch = Layers(widths=(50, 100, 10)), 4
    placed = place(working_sets(layers, batch, 10**6), SERVER)
    bill = price(step_counts(layers, batch, master=False), 32, placed, SERVER, MAC)
    a_byte = SERVER.levels[-1].energy_per_byte.value
    assert bill.components()["DRAM"] == pytest.approx(batch * (50 + 10) * 4 * a_byte)


def test_pixels_are_moved_as_they_are_stored_and_multiplied_as_activations_are():
    layers, batch = Layers(widths=(50, 100, 10)), 4
    bits = {"data": 8}  # all others have 32
    placed = place(working_sets(layers, batch, 10**7), SERVER)
    counts = step_counts(layers, batch, master=False)
    wide, stored = (price(counts, given, placed, SERVER, MAC) for given in (32, bits))
    assert wide.components()["DRAM"] == pytest.approx(4 * stored.components()["DRAM"])
    assert wide.components()["L1"] == pytest.approx(stored.components()["L1"])
