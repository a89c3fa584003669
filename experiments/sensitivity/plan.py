"""Plan of the study: samples of the assumed cell, and the technologies to compare with.

All learn the same images once, unpruned, and are scored on held-back training images.
"""

from __future__ import annotations

from typing import Any

from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies.changes import cell, is_physics
from cbramsim.experiments.device_studies.comparison import METHODS, REFERENCE, WAYS
from cbramsim.experiments.ladder.plan import PROGRAMMING as NINE
from cbramsim.experiments.sensitivity.indices import Sample
from cbramsim.experiments.sensitivity.ranges import Range
from cbramsim.experiments.study.cases import Case

BASE: dict[str, Any] = {
    "train_images": 40_000, "validation_images": 5_000, "label_images": 5_000, "epochs": 1,
    "pruning": {"kind": "none"},
}  # fmt: skip
"""Keys of the configuration that differ from the default job."""
MEASURED = {
    "pcm-nandakumar": "1 ms windows", "hfo2-gong": "stochastic",
    "cmo-hfox-ibm2024": "single pulse", "ysz-ecram": "stochastic", "li-ecram": "verify",
}  # fmt: skip
"""Technologies of which at least 70 % of the parameters are published or derived, a cell once, and
how each is programmed: what `cbram compare-devices` chooses on held-back training images."""
CLAIM = "nine"
SETS = {CLAIM: NINE, "measured": MEASURED}
"""Technologies that the assumed cell is compared with; the claim is about the median of the first,
the nine of `cbram ladder`, which moves least with the length of the training."""
AS_ASSUMED = "as assumed"
"""The case of the cell as it is."""
WAY = METHODS["stochastic"]
"""Programming of the assumed cell, as `cbram compare-devices` chooses it."""
BEYOND, PLACES = 0.5, 17
"""Distance beyond its range, in parts of it, to which a leading parameter is varied, and number of
values."""


def sample_cases(ranges: list[Range], taken: Sample) -> list[Case]:
    """Return the cell at each point of a sample."""
    return [
        _case(
            f"sample {number:05}",
            {one.parameter: one.at(float(place)) for one, place in zip(ranges, point, strict=True)},
            {"sample": number},
        )
        for number, point in enumerate(taken.points)
    ]


def comparison_cases() -> list[Case]:
    """Return what the cell is compared with."""
    return [
        Case(name, WAYS[way] | {"device": name}, {"device": name, "programming": way})
        for name, way in (NINE | MEASURED).items()
    ]


def assumed_case() -> Case:
    """Return the cell as it is assumed."""
    return _case(AS_ASSUMED, {}, {"device": REFERENCE, "programming": "stochastic"})


def alone_cases(device: Device, one: Range) -> list[Case]:
    """Return a parameter over its range and beyond, and all others as assumed.

    What is not physics (a window inside out, a share below 0) is left out.
    """
    found = []
    for number in range(PLACES):
        place = -BEYOND + (1 + 2 * BEYOND) * number / (PLACES - 1)
        value = one.at(place)
        if is_physics(device, {one.parameter: value}):
            facts = {"parameter": one.parameter, "place": place, "value": value}
            name = f"{one.parameter} at {place:g}"
            found.append(_case(name, {one.parameter: value}, {})._replace(facts=facts))
    return found


def _case(name: str, changes: dict[str, float], facts: dict[str, Any]) -> Case:
    settings = WAY | {"device": REFERENCE} | cell(changes)
    return Case(name, settings, facts | changes)
