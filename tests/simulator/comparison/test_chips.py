"""Neuromorphic chips: closed forms against their sources' own numbers."""

from pathlib import Path

import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.simulator.comparison.chips import Chip, ChipEvents, run_bill

PJ = 1e-12
ONE_SECOND = ChipEvents(synaptic=1e9, seconds=1.0)


def watts(chip: Chip, synaptic_per_second: float) -> float:
    return run_bill(chip, ChipEvents(synaptic=synaptic_per_second, seconds=1.0)).joules


def test_truenorth_average_is_its_power_over_its_events() -> None:
    average = Chip.load("truenorth-average")
    rate = 20 * 128 * 1e6
    assert watts(average, rate) == pytest.approx(72e-3, rel=0.1)
    assert average.synaptic.value == pytest.approx(72e-3 / (20 * 128 * 2**20), rel=0.05)


def test_truenorth_affine_form_explains_where_the_average_fails() -> None:
    """-41 % at 11.6 Hz fixes the events per hertz of the sweep; +256 % at 96 Hz then follows."""
    average, affine = Chip.load("truenorth-average"), Chip.load("truenorth-affine")
    per_event = average.synaptic.value, affine.synaptic.value
    rate = 0.59 * 42e-3 / (per_event[0] - 0.59 * per_event[1])
    assert watts(average, rate) / watts(affine, rate) == pytest.approx(0.59)
    rate *= 96 / 11.6
    assert watts(average, rate) / watts(affine, rate) - 1 == pytest.approx(2.56, rel=0.03)
    # the range of the average is what the sweep shows
    assert average.synaptic.low == pytest.approx(26 * PJ / 3.56, rel=0.01)
    assert average.synaptic.high == pytest.approx(26 * PJ / 0.59, rel=0.01)


def test_affine_power_is_static_alone_without_events_and_a_straight_line_with_them() -> None:
    affine = Chip.load("truenorth-affine")
    assert watts(affine, 0) == pytest.approx(42e-3)
    assert watts(affine, 2e9) - watts(affine, 1e9) == pytest.approx(2.3e-3)
    assert run_bill(affine, ONE_SECOND, chips=3).components() == pytest.approx(
        {"synapses": 2.3e-3, "static": 126e-3}
    )


@pytest.mark.parametrize(
    ("rate", "headline"),
    [(75e6 / 2, 12.7), (65536 * 10, 54)],
    ids=["75 MHz, two cycles an event", "64 k synapses at 10 Hz"],
)
def test_odin_gives_both_of_its_headlines(rate: float, headline: float) -> None:
    odin = Chip.load("odin")
    assert watts(odin, rate) / rate == pytest.approx(headline * PJ, rel=0.01)
    by_hand = 27.3e-6 + 1.78e-12 * 2 * rate + 8.43e-12 * rate
    assert watts(odin, rate) == pytest.approx(by_hand)


def test_loihi_prices_each_kind_of_event() -> None:
    loihi = Chip.load("loihi-davies2018")
    events = ChipEvents(synaptic=1000, neuron_updates=100, spikes=10, weight_updates=50)
    bill = run_bill(loihi, events)
    assert bill.components() == pytest.approx(
        {"synapses": 23.6e-9, "neurons": 8.1e-9 + 35 * PJ, "learning": 6e-9}
    )
    assert any("static power" in line for line in bill.unpriced)
    fitted = run_bill(Chip.load("loihi-sana-fe"), events)
    assert fitted.components()["neurons"] == pytest.approx((72.8 * 100 + 180.3 * 10) * PJ)
    assert "learning" not in fitted.components()
    assert "50 weight updates" in fitted.unpriced


@pytest.mark.parametrize("name", Chip.catalog())
def test_every_preset_prices_or_names_all_that_happens(name: str) -> None:
    chip = Chip.load(name)
    kinds = ["neuron_updates", "spikes"] + ["weight_updates"] * chip.on_chip_learning
    bill = run_bill(chip, ChipEvents(synaptic=100, seconds=1e-3, **dict.fromkeys(kinds, 7.0)))
    assert bill.joules > 0
    assert any("host read-out" in line for line in bill.unpriced)
    for kind in kinds:
        priced = any(f"{name}.{kind}" in charge.powers for charge in bill)
        named = f"7 {kind.replace('_', ' ')}" in bill.unpriced
        assert priced + (kind in chip.included) + named == 1
    assert chip.static or "static" in chip.included or "static power" in bill.unpriced
    assert all(constant.name.startswith(name) for constant in bill.constants.values())


def test_learning_without_on_chip_learning_is_refused() -> None:
    for name in ("truenorth-affine", "truenorth-average"):
        with pytest.raises(ParameterError, match=rf"weight_updates: must be 0 for {name}"):
            run_bill(Chip.load(name), ONE_SECOND.replace(weight_updates=1.0))


def test_static_power_needs_time() -> None:
    with pytest.raises(ParameterError, match=r"seconds: must be > 0 for odin.*\(got 0\)"):
        run_bill(Chip.load("odin"), ChipEvents(synaptic=1))
    events = ChipEvents(synaptic=1e6)
    assert events.in_real_time(windows=200, window=0.1).seconds == pytest.approx(20)
    assert events.at_rate(1 / 3.5e-9).seconds == pytest.approx(3.5e-3)
    with pytest.raises(ParameterError, match="synaptic_per_second must be > 0"):
        events.at_rate(0)


@pytest.mark.parametrize(
    ("name", "cores", "chips"),
    [("odin", 4, 4), ("truenorth-affine", 4, 1), ("loihi-davies2018", 2, 1)],
)
def test_a_layer_of_397_by_500_takes_so_many_chips(name: str, cores: int, chips: int) -> None:
    fit = Chip.load(name).fit(397, 500)
    assert (fit.cores, fit.chips) == (cores, chips)
    assert "assumed" in fit.source
    assert Chip.load(name).fit(1, 1)[:3] == (1, 1, 1)


def test_bad_files_are_refused_by_name(tmp_path: Path) -> None:
    text = Chip.catalog()["odin"].read_text(encoding="utf-8")
    for wrong, message in (
        (text.replace('unit = "uW"', 'unit = "uV"'), r"odin2\.static\.unit: must be W"),
        (text.replace("value = 8.43", "value = -8.43"), r"must be a number >= 0 \(got -8"),
        (text.replace("[clock]", "[clok]"), r"clok: unknown key \(did you mean 'clock'"),
        (text.replace("low = 5.62", "lo = 5.62"), r"synaptic\.lo: unknown key"),
    ):
        path = tmp_path / "odin2.toml"
        path.write_text(wrong)
        with pytest.raises(ParameterError, match=message):
            Chip.load(path)
    with pytest.raises(DataError, match="chip file"):
        Chip.load(tmp_path / "none.toml")
    with pytest.raises(ParameterError, match=r"chip: must be one of .*did you mean 'odin'"):
        Chip.load("odn")
