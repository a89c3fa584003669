"""Format of the text file of a table: encoding, delimiter, decimal sign. Anything ambiguous is an
error, whose message does not name the file.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Callable

PREAMBLE = 30
"""Number of first lines in which the header is sought."""
SAMPLE = 500
"""Number of lines from which delimiter and decimal sign are found."""

NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf)", re.I)
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?")
WHOLE = re.compile(r"[+-]?\d+(?:[eE][+-]?\d+)?|", re.I)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
NAMES = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", " ": "spaces", "": ""}
_KNOWN_BYTES = {
    b"PK\x03\x04": "an Excel workbook, or an archive", b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "compressed", b"\x89HDF": "HDF5", b"MATLAB": "a MATLAB file", b"%PDF": "a PDF",
    b"\x89PNG": "a picture", b"\x93NUMPY": "an array of NumPy",
}  # fmt: skip


def cells_of(row: str, separator: str) -> list[str]:
    """Return the cells of a row without quotes; all of it if there is no separator."""
    return [cell.strip() for cell in row.split(separator)] if separator else [row.strip()]


def is_number(cell: str) -> bool:
    """Return whether a cell is empty, or a number with either decimal sign."""
    return not cell or NUMBER.fullmatch(cell) is not None


def encoding_of(content: bytes, notes: list[str]) -> str:
    """Return the encoding of a file; note anything unusual.

    Raises
    ------
    ValueError
        If it is not a text.
    """
    for start, what in _KNOWN_BYTES.items():
        if content.startswith(start):
            raise ValueError(f"must be a text (got {what}); save it as CSV")
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):  # fmt: skip
        if content.startswith(mark):
            return _decoded(content, notes, encoding, note=encoding != "utf-8-sig")
    even, odd = (content[:100_000][i::2].count(0) for i in (0, 1))
    if even + odd:
        pairs = min(len(content), 100_000) // 2
        for zeros, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
            if zeros > 0.8 * pairs and not others and len(content) % 2 == 0:
                return _decoded(content, notes, encoding, note=True)
        raise ValueError(f"must be a text (byte {content.index(0)} is 0)")
    try:
        return _decoded(content, notes, "utf-8", note=False)
    except ValueError:
        return _decoded(content, notes, "cp1252", note=True)


def _decoded(content: bytes, notes: list[str], encoding: str, note: bool) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"must be a text (byte {error.start} is not)") from None
    if control := re.search(r"[\x00-\x08\x0e-\x19\x1b\x1c-\x1f\x7f]", text):
        raise ValueError(f"must be a text (character {control.start() + 1} is {control[0]!r})")
    if note:
        notes.append(encoding.upper() if encoding.startswith("utf") else encoding)
    return encoding


def separator_of(rows: list[str], said: str) -> str:
    """Return the delimiter of the columns, "" if there is one column; the file may state it.

    Raises
    ------
    ValueError
        If there is more than one way to read it.
    """
    if said:
        return said
    sample = rows[:SAMPLE]
    tail = sample[min(len(sample) // 2, PREAMBLE) :]

    def width(count: Callable[[str], int]) -> int:
        """Return the most common number of columns, if a possible header has as many."""
        found, often = Counter(map(count, tail)).most_common(1)[0]
        heads = [count(row) for row in sample[:PREAMBLE]]
        return found if often > 0.5 * len(tail) and max(heads) >= found else 1

    marks = [mark for mark in "\t;|" if width(_counter(mark)) > 1]
    if len(marks) > 1:
        both = " and ".join(NAMES[mark] for mark in marks)
        raise ValueError(f"must have one delimiter (got {both} in every line)")
    if marks:
        return marks[0]
    if width(_counter(",")) > 1:
        return ","
    if "," in sample[0] and not any("," in row for row in tail):
        return ","
    return " " if width(lambda row: len(row.split())) > 1 and _spaced(sample, tail) else ""


def _spaced(sample: list[str], tail: list[str]) -> bool:
    """Return whether spaces stand between columns: there are numbers in all of them."""
    return all(is_number(cell) or cell.isalpha() for row in tail for cell in row.split()) and len(
        sample[0].split()
    ) >= len(tail[0].split())


def _counter(mark: str) -> Callable[[str], int]:
    def count(row: str) -> int:
        if '"' not in row:
            return row.count(mark) + 1
        return len(next(csv.reader([row], delimiter=mark, skipinitialspace=True)))

    return count


def decimal_of(rows: list[str], separator: str, delimiter: str, notes: list[str]) -> str:
    """Return the decimal sign of the numbers.

    Raises
    ------
    ValueError
        If there are both, or a comma may be either.
    """
    middle = len(rows) // 2
    sample = [cells_of(row, separator) for row in rows[:SAMPLE] + rows[middle : middle + SAMPLE]]
    width = max(map(len, sample))
    votes: dict[str, str] = {}
    points: list[str] = []
    commas: list[str] = []
    for index in range(width):
        cells = [row[index] for row in sample if index < len(row) and row[index]]
        for sign, form in ((".", _POINT), (",", _COMMA)):
            found = [cell for cell in cells if form.fullmatch(cell)]
            whole = sum(WHOLE.fullmatch(cell) is not None for cell in cells)
            if found and len(found) + whole >= 0.9 * len(cells):
                votes.setdefault(sign, found[0])
                commas += found * (sign == ",")
                points += found * (sign == "." and whole > 0)
    if len(votes) > 1:
        raise ValueError(
            f"numbers must have one decimal sign (got '{votes['.']}' and '{votes[',']}')"
        )
    # points between thousands are left out below 1000; decimals of zeros, all of them
    unclear = commas if delimiter != ";" else points
    if unclear and all(map(_THOUSANDS.fullmatch, unclear)):
        raise ValueError(
            f"numbers must tell decimals from thousands (got '{unclear[0]}'); write them without "
            f"marks between thousands"
        )
    if not commas:
        return "."
    if delimiter == ",":
        raise ValueError(
            f"numbers must have decimal points where commas stand between columns "
            f"(got '{commas[0]}')"
        )
    notes.append("decimal commas")
    return ","
