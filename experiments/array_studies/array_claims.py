"""Claims of the study of the array: computed from its runs, held or missed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from cbramsim.experiments.array_studies.array_plan import (
    ANALOG,
    SMALL_TILES,
    Scope,
    binary_case,
    converter_case,
    layouts,
)
from cbramsim.experiments.study.claims import Claim, claim, mean_claim
from cbramsim.experiments.study.table import Cases, mean_and_spread
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.circuits.prices import ADC_PRICES, conversion_price

RATIO = 4.0
"""Largest ratio of the time of a noisy product with conversion to that of NumPy's plain one."""
AS_GOOD = 0.005
"""Loss of accuracy that counts as none."""


def claims(
    cases: Cases,
    config: TrainConfig,
    scope: Scope,
    speed: dict[str, dict[str, float]],
    programming: dict[str, Any],
) -> list[Claim]:
    """Return every claim of the study for which there are runs."""
    layout = layouts(config)[SMALL_TILES]
    needed = _bits_needed(cases, layout, scope)
    two = binary_case(2)
    made = [
        _product_ratio(speed),
        needed,
        _adc_share(cases, layout, needed, config),
        _accuracy(cases, two),
        _loss(cases, two),
        _analog_over_binary(cases, two, config),
        _yield(programming),
    ]
    return [one for one in made if one]


def _product_ratio(speed: dict[str, dict[str, float]]) -> Claim:
    ratios = {
        f"{kind}, batch {batch}": figures[f"{kind}_ratio"]
        for batch, figures in speed.items()
        for kind in ("absolute", "relative", "absolute_nonideal", "relative_nonideal")
    }
    ideal = {name: ratio for name, ratio in ratios.items() if "nonideal" not in name}
    worst = max(ideal, key=lambda name: ideal[name])
    moments = [
        (abs(f[f"{kind}_error_mean"]), abs(f[f"{kind}_error_deviation"] - 1),
         abs(f[f"{kind}_error_kurtosis"]))
        for f in speed.values() for kind in ("absolute", "relative")
    ]  # fmt: skip
    mean, deviation, kurtosis = np.max(moments, axis=0).tolist()
    return claim(
        "noisy_adc_product_ratio",
        ideal[worst],
        unit="ratio",
        target=RATIO,
        held=ideal[worst] <= RATIO,
        evidence="measured",
        definition=(
            "time of a product of 397 x 500 with the read noise of every cell and 8-bit "
            "conversion, over that of NumPy's float32 product alone, one thread, in turns, the "
            "fastest of each; the worst of noise of constant and of relative size, of all batches"
        ),
        worst=worst,
        ratios=ratios,
        error={"mean": mean, "deviation": deviation, "kurtosis": kurtosis},
        error_definition=(
            "largest departure of the noise from the sum over cells, a normal number: its mean in "
            "standard deviations, its deviation as a part, its excess kurtosis; sampled, so that "
            "0.005, 0.003 and 0.02 are chance at a batch of 100"
        ),
    )


def _bits_needed(cases: Cases, layout: str, scope: Scope) -> Claim | None:
    """Return the fewest bits that lose no accuracy."""
    losses: dict[int, tuple[float, float | None]] = {}
    for bits in scope.adc_bits:
        pairs = cases.paired(ANALOG, converter_case(layout, bits), "accuracy")
        mean, spread = mean_and_spread(pairs[:, 0] - pairs[:, 1])
        if mean is not None:
            losses[bits] = mean, spread
    good = [bits for bits, (mean, _) in losses.items() if mean <= AS_GOOD]
    if not good:
        return None
    return claim(
        "adc_bits_needed",
        min(good),
        unit="bit",
        definition=(
            "fewest bits of a converter with which accuracy is within 0.5 points of that without "
            f"converters, mean of the differences seed by seed; tiles of {SMALL_TILES}"
        ),
        losses=losses,
        lowest_tried=min(losses),
    )


def _adc_share(
    cases: Cases, layout: str, needed: Claim | None, config: TrainConfig
) -> Claim | None:
    if needed is None:
        return None
    bits, used = needed["value"], config.readout.adc_source
    case = converter_case(layout, bits)
    adc, total = (cases.values(case, f"train_{key}joules") for key in ("ADC_", ""))
    shares = adc / total
    others = {
        source: float((adc * factor / (total + adc * (factor - 1))).mean())
        for source, factor in _factors(bits, used)
    }
    return mean_claim(
        "adc_energy_share",
        shares,
        interval=(min(others.values()), max(others.values())),
        unit="fraction",
        evidence=f"{conversion_price(bits, used).evidence} price of a conversion",
        definition=(
            f"part of the training energy that converters of {bits} bits take, tiles of "
            f"{SMALL_TILES}; interval: over all sources of converter prices"
        ),
        source=used,
        by_source=others,
    )


def _accuracy(cases: Cases, case: str) -> Claim | None:
    return mean_claim(
        "binary_2bit_accuracy",
        cases.values(case, "accuracy"),
        unit="fraction",
        definition="accuracy with weights in 2 binary cells each, mean over seeds",
    )


def _loss(cases: Cases, case: str) -> Claim | None:
    pairs = cases.paired(ANALOG, case, "accuracy")
    return mean_claim(
        "binary_2bit_loss",
        pairs[:, 0] - pairs[:, 1],
        unit="fraction",
        definition="accuracy with analog cells, less that with 2 binary cells, seed by seed",
    )


def _analog_over_binary(cases: Cases, case: str, config: TrainConfig) -> Claim | None:
    pairs = cases.paired(ANALOG, case, "train_joules")
    if not len(pairs):
        return None
    bits = config.binary.adc_resolution(config.planned_inputs)
    adc = cases.paired(ANALOG, case, "train_ADC_joules")[:, 1]
    by_source = {
        source: float((pairs[:, 0] / (pairs[:, 1] + adc * (factor - 1))).mean())
        for source, factor in _factors(bits, config.binary.adc_source)
    }
    sensed = cases.paired(ANALOG, binary_case(2, "sensed"), "train_joules")
    return mean_claim(
        "analog_over_binary_energy",
        pairs[:, 0] / pairs[:, 1],
        interval=(min(by_source.values()), max(by_source.values())),
        unit="ratio",
        definition=(
            "training energy with analog cells and no converter, over that with 2 binary cells "
            f"and converters of {bits} bits, which round nothing, seed by seed; interval: over all "
            "sources of converter prices"
        ),
        by_source=by_source,
        over_sensed=float((sensed[:, 0] / sensed[:, 1]).mean()) if len(sensed) else None,
    )


def _yield(programming: dict[str, Any]) -> Claim:
    return claim(
        "write_verify_yield",
        programming["yield"],
        unit="fraction",
        definition=(
            "part of the cells that write-verify takes to a random target, with the default "
            "tolerance and number of pulses"
        ),
        mean_pulses=programming["mean_pulses"],
    )


def _factors(bits: int, used: str) -> Iterable[tuple[str, float]]:
    """Return each source of converter prices, and its price over that of the one in use."""
    price = conversion_price(bits, used).value
    return [(source, table.at(bits).value / price) for source, table in ADC_PRICES.items()]
