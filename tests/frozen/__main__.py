"""Writes down what the cbramsim that is imported computes: `python -m tests.frozen FOLDER`.

`digests.json` has what each set of options comes to, `states/` what some have learned after the
first of two passes. Those beside this file were written by version 0.5.0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.frozen.cases import CASES, arithmetic, begun, learned, resumed

KEPT = ("soft", "drift", "passive, disturb", "wires, tiles", "1 bit")
"""Cases whose state half-way is kept: version 0.5.0 wrote it, later ones go on from it."""


def write(folder: Path) -> None:
    (folder / "states").mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"arithmetic": arithmetic()}
    for name, options in CASES.items():
        network, inputs = begun(options)
        if name in KEPT:
            network.resume(inputs, epochs=1)
            path = folder / "states" / f"{name}.npz"
            network.save(path)
            found[f"{name}, resumed"] = learned(*resumed(path))
            network, inputs = begun(options)
        found[name] = learned(network, inputs)
        print(name, found[name]["winners"], found[name]["pruned"], flush=True)
    (folder / "digests.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
