"""Solve arrays with badcrossbar, and keep what it says in `badcrossbar_solutions.npz`.

Joksas and Mehonic, SoftwareX 12, 100617 (2020). It is not among the dependencies of the tests, for
it asks for a graphics library and for pytest itself. Anew, in an environment of its own:

    python -m venv peer && peer/bin/pip install numpy scipy
    peer/bin/pip install --no-deps badcrossbar==1.1.0 pathvalidate sigfig
    peer/bin/python tests/simulator/wires/make_badcrossbar_solutions.py
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np

SOLUTIONS = Path(__file__).with_name("badcrossbar_solutions.npz")
CASES = {
    # word lines x bit lines, Ohm of a segment of a word line, of a bit line
    "one cell": ((1, 1), 2.0, 3.0),
    "one word line": ((1, 6), 2.0, 3.0),
    "one bit line": ((6, 1), 2.0, 3.0),
    "tall": ((7, 5), 2.0, 3.0),
    "wide": ((3, 11), 0.5, 8.0),
    "square": ((10, 10), 2.0, 2.0),
    "heavy": ((12, 9), 1e3, 4e3),
    "light": ((8, 8), 1e-3, 1e-3),
    "ideal word lines": ((7, 5), 0.0, 5.0),
    "ideal bit lines": ((5, 7), 5.0, 0.0),
    "ideal lines": ((6, 4), 0.0, 0.0),
    "opens": ((7, 5), 2.0, 3.0),
    "opens, ideal word lines": ((6, 5), 0.0, 4.0),
    "opens, ideal bit lines": ((4, 9), 4.0, 0.0),
    "nearly all opens": ((8, 6), 2.0, 2.0),
}


def circuit(number: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the resistances of the cells, Ohm, and the voltages of the word lines, V."""
    shape = CASES[name][0]
    rng = np.random.default_rng(number)
    resistances = 10 ** rng.uniform(3, 6, shape)
    if "opens" in name:  # cells without resistance it does not take
        resistances[rng.random(shape) < (0.8 if "all" in name else 0.2)] = np.inf
    return resistances, rng.uniform(-0.3, 0.5, shape[0])


def main() -> None:
    """Solve all cases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import badcrossbar
    logging.disable(logging.INFO)
    kept = {}
    for number, (name, (_, r_word, r_bit)) in enumerate(CASES.items()):
        resistances, v = circuit(number, name)
        found = badcrossbar.compute(
            v[:, None], resistances, r_i_word_line=r_word, r_i_bit_line=r_bit
        )
        parts = {
            "wires": (r_word, r_bit), "resistances": resistances, "v": v,
            "output": found.currents.output[0], "cells": found.currents.device,
            "word": found.currents.word_line, "bit": found.currents.bit_line,
            "word_voltages": found.voltages.word_line, "bit_voltages": found.voltages.bit_line,
        }  # fmt: skip
        kept |= {f"{name}/{part}": np.asarray(value, float) for part, value in parts.items()}
    np.savez_compressed(SOLUTIONS, allow_pickle=False, **kept)


if __name__ == "__main__":
    main()
