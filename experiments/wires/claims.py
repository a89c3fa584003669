"""Claims of `cbram wires`: measured in its own run, held or missed."""

from __future__ import annotations

from typing import Any, NamedTuple

from cbramsim.experiments.study.claims import Claim, claim
from cbramsim.experiments.wires.timings import Timing


class Target(NamedTuple):
    """Target of a claim."""

    unit: str
    bound: float
    """Value to reach, or not to exceed."""
    stretch: float
    """Stretch target."""
    more_is_better: bool
    definition: str
    error: str = "largest relative error of a bit-line current, against a direct solution"
    """Meaning of the error beside it."""


TARGETS = {
    "solve_128_speedup_vs_badcrossbar": Target(
        "ratio", 150, 500, True,
        "time of badcrossbar over that of `solve`, 128x128 cells of 1 to 100 µS, 2 Ohm, one read",
    ),
    "solve_397x500_seconds": Target(
        "s", 0.05, 0.005, False, "one read of 397x500 cells of subquantum CBRAM, 2 Ohm"
    ),
    "hard_to_easy_ratio": Target(
        "ratio", 5, 2, False,
        "time for 256x256 cells that lose 98 % of the current (36 Ohm) over that at 2 Ohm",
    ),
    "fixed_reads_ratio": Target(
        "ratio", 1.2, 1.05, False,
        "60,000 exact reads of fixed 397x500 cells over the ideal float32 product, after "
        "preparation",
    ),
    "wires_training_ratio": Target(
        "ratio", 5, 2, False,
        "time to learn all images once with lines of 2 Ohm, tiles of at most 128 rows, over that "
        "without lines",
        error="largest error of the mean current of a bit line while learning",
    ),
    "solve_1024_peak_bytes": Target(
        "bytes", 200e6, 100e6, False,
        "most memory allocated while 1024x1024 cells are solved for, conductances and solution "
        "included",
        error="bound on the error of every current, as a part of those through the terminals",
    ),
}  # fmt: skip


def of_timings(timings: dict[str, Timing], *, quick: bool) -> list[Claim]:
    """Return the claims about time and memory; a `quick` look at smaller problems decides none."""
    return [_claim(name, TARGETS[name], timing, quick) for name, timing in timings.items()]


def _claim(name: str, target: Target, timing: Timing, quick: bool) -> Claim:
    value = None if quick else timing.value
    return claim(
        name, timing.value,
        unit=target.unit, target=target.bound, held=_held(value, target.bound, target),
        definition=("a quick look, at a smaller size than: " if quick else "") + target.definition,
        evidence="measured", stretch=target.stretch,
        stretch_held=_held(value, target.stretch, target), error=timing.error,
        error_definition=target.error, facts=timing.facts, note=timing.facts.get("skipped"),
    )  # fmt: skip


def _held(value: float | None, bound: float, target: Target) -> bool | None:
    if value is None:
        return None
    return value >= bound if target.more_is_better else value <= bound


def of_tiles(tiles: list[dict[str, Any]], images: int, epochs: int, scored: str) -> list[Claim]:
    """Return the claims about the size of tiles."""
    return [
        claim(
            f"largest_tile:{tile['device']}:{tile['ohm']:g} Ohm", tile["side"], unit="lines",
            definition=(
                "most lines of a square tile at which lines cost at most one point of "
                f"{scored} accuracy ({images:,} images, {epochs} epochs); of the sizes looked at"
            ),
        )
        for tile in tiles
    ]  # fmt: skip
