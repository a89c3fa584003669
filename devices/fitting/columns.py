"""Names of columns and their units, as people write them in files of measured pulse trains."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from cbramsim.core.units import to_si

ALIASES = {
    "cycle": ("cycle", "cycles", "cycle number", "cycle no", "cycle index", "cycle id", "cycle #",
              "loop", "repetition", "iteration"),
    "cell": ("cell", "cell id", "cell number", "cell no", "cell index", "cell name", "device",
             "device id", "device number", "device no", "device index", "device name", "dut"),
    "pulse": ("pulse", "pulses", "pulse number", "pulse no", "pulse index", "pulse count",
              "pulse id", "pulse #", "number of pulses", "number", "no", "n", "#", "index"),
    "polarity": ("polarity", "pulse polarity", "pulse type", "direction", "operation", "op",
                 "sign"),
    "conductance": ("conductance", "g", "cond", "conductance mean", "mean conductance", "g mean"),
    "resistance": ("resistance", "r", "res", "mean resistance"),
    "current": ("current", "i", "read current", "current read", "i read", "iread", "mean current"),
    "relative": ("normalised conductance", "normalized conductance", "conductance norm", "g norm",
                 "relative conductance", "weight", "normalised weight", "normalized weight"),
    "read voltage": ("read voltage", "voltage read", "v read", "vread", "read v", "read bias"),
    "voltage": ("voltage", "v", "pulse voltage", "voltage pulse", "v pulse", "vpulse", "amplitude",
                "pulse amplitude", "pulse height", "programming voltage", "write voltage"),
    "width": ("width", "pulse width", "width pulse", "duration", "pulse duration", "t pulse",
              "pulse length", "pw"),
    "time": ("time", "t", "elapsed time", "timestamp", "time stamp", "elapsed"),
    "unit": ("unit", "units", "unit of conductance", "conductance unit"),
}  # fmt: skip
"""Names of each kind of column, without regard to case, spaces and underscores."""
WEAK = frozenset({"number", "no", "n", "#", "index", "direction", "operation", "op", "sign"})
"""Names that are ignored where another column has a clearer one."""
READINGS = {"conductance": "S", "resistance": "Ohm", "current": "A", "relative": ""}
"""Columns of readings, in order of preference, and their units."""
UNITS = READINGS | {"read voltage": "V", "voltage": "V", "width": "s", "time": "s"}
ARBITRARY = frozenset(
    {"a.u.", "a.u", "au", "arb. u.", "arb.u.", "arb", "arb.", "arb. units", "arb units",
     "arbitrary", "arbitrary units", "norm", "norm.", "normalised", "normalized", "rel.", "-", "%"}
)  # fmt: skip
"""Names of arbitrary units."""
SET = frozenset(
    {"set", "ltp", "potentiation", "potentiating", "potentiate", "pot", "up", "p", "+", "positive",
     "pos", "+1", "1"}
)  # fmt: skip
RESET = frozenset(
    {"reset", "ltd", "depression", "depressing", "depress", "dep", "down", "d", "-", "negative",
     "neg", "-1"}
)  # fmt: skip
ALLOWED_POLARITIES = "set or reset, LTP or LTD, up or down, +1 or -1"
_WORDS = {"seconds": "s", "second": "s", "sec": "s", "volts": "V", "volt": "V", "amperes": "A",
          "ampere": "A", "amps": "A", "amp": "A", "siemens": "S", "mho": "S"}  # fmt: skip
_ROLES = {alias: role for role, aliases in ALIASES.items() for alias in aliases}


@dataclass(frozen=True)
class Column:
    """The header of a column."""

    text: str
    """Text in the file."""
    name: str
    """Without its unit: lower case, words with single spaces."""
    unit: str | None
    """Its unit as it stands in the file; None if there is none."""

    @property
    def title(self) -> str:
        """Name in the file, without its unit."""
        if not self.unit or self.unit not in self.text:
            return self.text
        return self.text[: self.text.rindex(self.unit)].rstrip(" _/,([{")

    @property
    def role(self) -> str:
        """Role of the column: a key of `ALIASES`; "" if it has none of them."""
        return _ROLES.get(self.name, "")


def column(text: str) -> Column:
    """Return the name and unit in the header of a column: `G (uS)`, `width [ns]`, `G / uS`,
    `time_s`."""
    text = " ".join(readable(unicodedata.normalize("NFKC", text)).split())
    match = re.fullmatch(r"([^(\[{]*)[(\[{]([^()\[\]{}]*)[)\]}]", text)
    if match and (plain(match[1]) in _ROLES or known_unit(match[2].strip())):
        return Column(text, plain(match[1]), match[2].strip())
    match = re.fullmatch(r"(.*?)(\s*/\s*|[\s_,]+)([^\s_,/]+)", text)
    if match and plain(text) not in _ROLES:
        name, base = plain(match[1]), _base(match[3])
        same = UNITS.get(_ROLES.get(name, ""), "?") == base
        ramp = len(match[3]) > 1 and base in ("S", "Ohm", "A") and _is_directed(name)
        if same or ramp or (match[2].strip() and base and name):
            return Column(text, name, match[3])
    return Column(text, plain(text), None)


def readable(text: str) -> str:
    """Return a text with spaces in place of characters that cannot be printed."""
    return "".join(c if c.isprintable() else " " for c in text)


def plain(text: str) -> str:
    """Return a name in lower case, its words with single spaces."""
    return _spaced(text).casefold()


def _spaced(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).replace("#", " # ")
    return " ".join(re.sub(r"[_\s.:]+|(?<=\w)-(?=\w)", " ", text).split())


def factor(unit: str, base: str) -> float:
    """Return the SI value of a unit with or without a prefix.

    Raises
    ------
    ValueError
        If it is not `base` with a prefix.
    """
    unit = unicodedata.normalize("NFKC", unit).strip().replace(" ", "")
    unit = _WORDS.get(unit.lower(), unit)
    if base == "S":
        unit = re.sub(r"(?:A/V|mhos?|\u2127)$", "S", unit)
    if base == "Ohm":
        unit = re.sub(r"(?i:ohms?)$|\u03a9$", "Ohm", unit)
        if unit in ("GOhm", "TOhm"):
            return 1e9 if unit == "GOhm" else 1e12
    return to_si(1.0, unit, base)


def known_unit(unit: str) -> bool:
    """Return whether a text is a unit of something, or an arbitrary one."""
    return bool(_base(unit)) or is_arbitrary(unit)


def is_arbitrary(unit: str) -> bool:
    """Return whether a unit is arbitrary."""
    return unit.strip().casefold() in ARBITRARY


def _base(unit: str) -> str:
    """Return the unit without its prefix, "" if it is not known."""
    for base in ("S", "Ohm", "A", "V", "s"):
        try:
            factor(unit, base)
        except ValueError:
            continue
        return base
    return ""


def kind_of(column: Column) -> str:
    """Return the kind of reading of a ramp, by its unit, else by its name."""
    base = _base(column.unit) if column.unit else ""
    named = [_ROLES.get(word, "") for word in (column.name, *_words(column.name))]
    return {"S": "conductance", "Ohm": "resistance", "A": "current"}.get(
        base, next((role for role in named if role in READINGS), "conductance")
    )


def polarity(text: str) -> int | None:
    """Return +1 for set, -1 for reset, 0 for no pulse, None if it is not a polarity."""
    word = text.strip().casefold()
    if word in ("", "0", "none", "nan", "initial", "init"):
        return 0
    if word in SET or word in RESET:
        return 1 if word in SET else -1
    try:
        number = float(word.replace(",", "."))
    except ValueError:
        return None
    return int(number) if number in (1, -1, 0) else None


# ---- one column a ramp -------------------------------------------------------------------------


@dataclass(frozen=True)
class Ramp:
    """Contents of the header of a column that is a ramp."""

    way: int
    """+1 for set, -1 for reset, 0 if it does not say."""
    cell: str
    """Label of the cell, "" if there is none."""
    cycle: str
    """Label of the cycle, "" if there is none."""


_DIRECTIONS = (SET | RESET) - {"+", "-", "+1", "-1", "1", "p", "d"}
_OF_A_RAMP = frozenset(
    {"ramp", "train", "curve", "trace", "sweep", "run", "pulse", "pulses", "mean", "avg", "of",
     "series", "branch", *ALIASES["conductance"], *ALIASES["resistance"], *ALIASES["current"]}
)  # fmt: skip
_NO_RAMP = frozenset(
    {"std", "sd", "error", "err", "sigma", "deviation", "dev", "fit", "model", "min", "max",
     "voltage", "time", "width", "temperature", "ratio", "number", "index", "energy", "date",
     "count"}
)  # fmt: skip
_CELL = frozenset(ALIASES["cell"])
_CYCLE = frozenset({*ALIASES["cycle"], "rep", "c"})
_PARTED = _DIRECTIONS | _OF_A_RAMP | _CELL | _CYCLE | {"p", "d"}


def ramp(column: Column) -> Ramp | None:
    """Return the contents of the header of a ramp: `set 1`, `LTP`, `cell3 LTD (uS)`; None if it is
    not one.

    A word before a number tells whether it counts cells; else it counts cycles.
    """
    labels = _words(_spaced(column.title))
    words = [label.casefold() for label in labels]
    way = 0
    cell = cycle = ""
    rest: list[str] = []
    about, said = "", False
    for i, word in enumerate(words):
        numbered = "".join(words[i + 1 : i + 2]).isdigit()
        single = word in ("p", "d", "+", "-") and (len(words) == 1 or numbered)
        if word in _DIRECTIONS or single:
            turn = 1 if word in SET else -1
            if way:
                return None
            way, about = turn, ""
        elif word.isdigit() and rest and not way and not about:
            rest.append(word)
        elif word.isdigit() and about in ("cell", "cycle", ""):
            if about == "cell":
                cell = word
            else:
                cycle, said = word, about == "cycle"
            about = ""
        elif word in _CELL or word in _CYCLE:
            about = "cell" if word in _CELL else "cycle"
        elif word in _NO_RAMP:
            return None
        elif about == "cell":
            cell, about = labels[i], ""
        elif word not in _OF_A_RAMP:
            rest.append(labels[i])
    if not words or (rest and (cell or not way)):
        return None
    # the number of a column is no cycle, if set and reset are numbered together
    return Ramp(way, cell or " ".join(rest), cycle if way or said else "")


def strange_unit(column: Column) -> str:
    """Return the text in brackets in the header of a ramp, "" if it can only be a number."""
    match = re.search(r"[(\[{]\s*(.*?)\s*[)\]}]\s*$", column.text)
    if column.unit or not match or match[1].isdigit():
        return ""
    words = _words(plain(match[1]))
    return "" if set(words) & (_CELL | _CYCLE | _DIRECTIONS) else match[1]


def _words(name: str) -> list[str]:
    """Return the words of a name, a number apart where it follows a word that is known: set1."""
    found: list[str] = []
    for token in re.findall(r"[^\s()+#-]+|[+#-]", name):
        parts = re.fullmatch(r"(\d*)([^\W\d]+)(\d*)", token)
        if parts and parts[2].casefold() in _PARTED:
            found += [part for part in parts.groups() if part]
        else:
            found.append(token)
    return found


def _is_directed(name: str) -> bool:
    return any(word in _DIRECTIONS for word in _words(name))
