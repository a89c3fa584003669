"""The table of `cbram compare`."""

from __future__ import annotations

from cbramsim.experiments import compare

SUMMARY = {
    "seeds": [0],
    "accuracy": (0.9, None),
    "accuracy_majority": (0.9, None),
    "pruned_fraction": (0.5, None),
    "train_joules": (1e-3, None),
    "write_pulses": (1e6, None),
}


def test_the_table_of_a_law_is_told_by_its_size_and_ends() -> None:
    settings = {"device.shape_up": [1.0, *[0.5] * 31, 0.3], "classes": [0, 1, 2], "neurons": 7}
    *_, row = compare.table([{"settings": settings} | SUMMARY]).splitlines()
    cells = [cell.strip() for cell in row.strip("| ").split("|")]
    assert cells[:3] == ["33 points, 1 to 0.3", "[0, 1, 2]", "7"]
