"""Tables in text files of common formats, with their encoding, delimiter and decimal sign.

Lines that are empty, or begin with `#`, `%` or `//`, are left out, and so are lines before a header
whose names are known. A header may be in the last comment line, as NumPy writes it.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import DataError, shown
from cbramsim.core.files import printable, read_limited
from cbramsim.devices.fitting.columns import Column, column, known_unit, ramp
from cbramsim.devices.fitting.dialect import (
    NAMES,
    NUMBER,
    PREAMBLE,
    WHOLE,
    cells_of,
    decimal_of,
    encoding_of,
    is_number,
    separator_of,
)

LARGEST = 64_000_000
"""Most bytes of a file: some two million readings."""
MOST_LINES = 4_000_000
MOST_VALUES = 16_000_000
MOST_TRAINS = 100_000
MOST_COLUMNS = 1000
"""Most columns of a file."""
LONGEST_LABEL = 200
"""Most characters of a label, or of the name of a column."""
LONGEST_LINE = 100_000
"""Most characters of a line."""


class Table:
    """Columns of a text file with the numbers of their lines; values are read on demand."""

    path: Path
    content: bytes
    """The bytes of the file."""
    columns: list[Column]
    """Headers of the columns; named by their place where the file has none."""
    headed: bool
    """Whether the file has a header."""
    lines: NDArray[np.int64]
    """The line of each row, int64[rows]."""
    parted: NDArray[np.bool_]
    """Whether a row follows an empty one, bool[rows]; none if all but the first do."""
    short: tuple[int, int]
    """First line with fewer values than columns, and their number; (0, 0) if there is none."""
    delimiter: str
    """Delimiter of the columns, "" if there is one column."""
    decimal: str
    """The decimal sign."""
    form: list[str]
    """Description of the text as it was understood."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = read_limited(path, LARGEST, "a file of pulse trains")
        self.form = []
        try:
            self._read()
        except DataError:
            raise
        except ValueError as error:
            raise self.refusal(str(error)) from None

    def _read(self) -> None:
        empty: set[int] = set()
        rows, numbers, comments = self._rows(encoding_of(self.content, self.form), empty)
        said = re.fullmatch(r'"?sep=([\t;|,])"?', rows[0].strip(" "), re.I) if rows else None
        if said:  # a line for Excel
            rows, numbers = rows[1:], numbers[1:]
        if not rows:
            raise self.refusal("must be a header and lines of readings (got no readings)")
        self._separator = self.delimiter = separator_of(rows, said[1] if said else "")
        if self.delimiter:
            self.form.append(NAMES[self.delimiter])
        if self._separator == " " or any('"' in row for row in rows):
            rows = self._unquoted(rows, numbers)
            self._separator = "\t"
        rows, numbers = self._headed(rows, numbers, comments)
        if not rows:
            raise self.refusal("must be a header and lines of readings (got no readings)")
        self._check_size(rows, numbers)
        self.lines = np.array(numbers, np.int64)
        self.parted = np.fromiter((number in empty for number in numbers), bool, len(numbers))
        self.parted &= not self.parted[1:].all()
        self.decimal = decimal_of(rows, self._separator, self.delimiter, self.form)
        self._body = "\n".join(rows).encode()

    @property
    def name(self) -> str:
        """The path, for a message."""
        return printable(self.path)

    def refusal(self, why: str, line: int = 0) -> DataError:
        """Return the error of the file, or of one of its lines."""
        return DataError(f"{self.name}{f', line {line}' if line else ''}: {why}")

    def error(self, row: int, index: int, expected: str) -> DataError:
        """Return the error of one value; `row` counts from 0, and so does `index` of a column."""
        codes, labels = self.texts(index)
        return self.refusal(
            f"{self.columns[index].title} must be {expected} (got {shown(labels[codes[row]])})",
            int(self.lines[row]),
        )

    def numbers(self, indices: list[int]) -> NDArray[np.float64]:
        """Return columns of numbers, float64[rows, columns], NaN where a value is missing.

        Raises
        ------
        DataError
            If a value is not a finite number; names line and column.
        """
        try:
            values = self._parsed(indices, np.float64).to_numpy(np.float64)
        except ValueError:
            for index in indices:
                self._check_numbers(index)
            raise self.refusal("cannot be read as a table of numbers") from None
        if np.isinf(values).any():
            row, place = (int(found[0]) for found in np.nonzero(np.isinf(values)))
            raise self.error(row, indices[place], "a finite number")
        return np.asarray(values)

    def texts(self, index: int) -> tuple[NDArray[np.intp], list[str]]:
        """Return a column as texts: the index of the text of each row, and the texts."""
        from pandas import factorize

        values = self._parsed([index], str, na_filter=False)[index]
        codes, texts = factorize(values.to_numpy(object))
        places: dict[str, int] = {}
        same = [places.setdefault(str(text).strip(), len(places)) for text in texts]
        return np.array(same, np.intp)[codes], list(places)

    def _parsed(self, indices: list[int], kind: Any, **options: Any) -> Any:
        from pandas import read_csv

        places = sorted(indices)
        frame = read_csv(
            io.BytesIO(self._body), sep=self._separator or "\x1f", header=None, index_col=False,
            names=list(range(len(self.columns))), usecols=places, dtype=kind,
            quoting=csv.QUOTE_NONE, skipinitialspace=True, skip_blank_lines=False,
            decimal=self.decimal, **options,
        )  # fmt: skip
        return frame[indices]

    def _check_numbers(self, index: int) -> None:
        codes, labels = self.texts(index)
        missing = {"", "nan", "na", "n/a", "null", "none", "#n/a"}
        form = re.compile(NUMBER.pattern.replace("[.,]", re.escape(self.decimal)), re.I)
        wrong = [
            i
            for i, label in enumerate(labels)
            if label.casefold() not in missing and not form.fullmatch(label)
        ]
        if wrong:
            sign = " with a decimal comma" if self.decimal == "," else ""
            raise self.error(int(np.argmax(np.isin(codes, wrong))), index, f"a number{sign}")

    def _rows(self, encoding: str, parted: set[int]) -> tuple[list[str], list[int], list[str]]:
        """Return the lines with contents, their numbers, and the comments before them.

        Lines that follow an empty one are recorded in `parted`.
        """
        rows: list[str] = []
        numbers: list[int] = []
        comments: list[str] = []
        left_out, empty = 0, False
        text = io.TextIOWrapper(io.BytesIO(self.content), encoding=encoding, newline=None)
        for number, line in enumerate(text, 1):
            if len(line) > LONGEST_LINE:
                raise self.refusal(f"must have at most {LONGEST_LINE} characters", number)
            bare = line.strip(' \t;,|"\n\f\v\ufeff\x1a\x00')
            if not bare:
                empty = True
                continue
            if bare.startswith(("#", "%", "//")) and not re.match(r"#\s*[,;\t|]", bare):
                left_out += 1
                if not rows:
                    comments.append(bare.lstrip("#%/ "))
                continue
            if empty:
                parted.add(number)
                empty = False
            if len(rows) == MOST_LINES:
                raise self.refusal(f"must have at most {MOST_LINES} lines")
            rows.append(line.rstrip("\n\r \x1a").lstrip("\ufeff ").replace("\u2212", "-"))
            numbers.append(number)
        if left_out:
            self.form.append(f"{left_out} comment line{'s' * (left_out > 1)} left out")
        return rows, numbers, comments

    def _unquoted(self, rows: list[str], numbers: list[int]) -> list[str]:
        """Return rows whose values are separated by tabs, without quotes."""
        separator = self._separator
        if separator == " ":
            return ["\t".join(row.split()) for row in rows]
        plain = []
        for row, number in zip(rows, numbers, strict=True):
            if '"' in row:
                if row.count('"') % 2:
                    raise self.refusal("must have a closing quote for each", number)
                cells = next(
                    csv.reader([row], delimiter=separator or "\x1f", skipinitialspace=True)
                )
                if any("\t" in cell for cell in cells):
                    raise self.refusal("must have no tabs within quotes", number)
                plain.append("\t".join(cells))
            else:
                plain.append(row.replace(separator, "\t") if separator else row)
        return plain

    def _headed(
        self, rows: list[str], numbers: list[int], comments: list[str]
    ) -> tuple[list[str], list[int]]:
        """Find the header; return the rows below it."""
        cells = [cells_of(row, self._separator) for row in rows[:PREAMBLE]]
        first, header = _header_row(cells), []
        if first < 0:
            header = self._commented_header(comments, len(cells[0]))
        if first < 0 and not header and not all(map(is_number, cells[0])):
            first = 0
        below = first + 1
        self.headed = first >= 0 or bool(header)
        if first >= 0:
            header = cells[first]
        if first > 0:
            self.form.append(f"{first} line{'s' * (first > 1)} above the header left out")
        if not self.headed:
            header = [f"column {i + 1}" for i in range(max(map(len, cells)))]
            self.form.append("no header")
        while len(header) > 1 and not header[-1]:
            header = header[:-1]
        self._check_header(header)
        self.columns = [column(cell) for cell in header]
        if self.headed and below < len(cells) and _is_units(cells[below]):
            units = [cell.strip().strip("()[]") for cell in cells[below]]
            units += [""] * (len(header) - len(units))
            self.columns = [
                Column(each.text, each.name, each.unit or unit or None)
                for each, unit in zip(self.columns, units, strict=False)
            ]
            below += 1
        return rows[below:], numbers[below:]

    def _commented_header(self, comments: list[str], width: int) -> list[str]:
        """Return the header in the last comment, if there is one."""
        if not comments:
            return []
        cells = cells_of(comments[-1].replace('"', ""), self.delimiter)
        known = sum(bool(column(cell).role) for cell in cells)
        return cells if len(cells) == width and known >= min(2, width) else []

    def _check_header(self, header: list[str]) -> None:
        if len(header) > MOST_COLUMNS:
            raise self.refusal(f"must have at most {MOST_COLUMNS} columns (got {len(header)})")
        for cell in header:
            if len(cell) > LONGEST_LABEL:
                raise self.refusal(
                    f"the name of a column must have at most {LONGEST_LABEL} characters "
                    f"(got {len(cell)})"
                )

    def _check_size(self, rows: list[str], numbers: list[int]) -> None:
        """Cut empty values beyond the last column, refuse others; fill up short rows."""
        width, separator = len(self.columns), self._separator
        self.short = (0, 0)
        if width * len(rows) > MOST_VALUES:
            raise self.refusal(f"must have at most {MOST_VALUES} values")
        for i, row in enumerate(rows):
            count = row.count(separator) + 1 if separator else 1
            while count > width and row.endswith(separator):
                row, count = row[:-1].rstrip(" "), count - 1
                rows[i] = row
            if count > width:
                hint = "; decimal commas and commas between columns cannot be told apart"
                comma = separator == "," and (count > width + 1 or _whole(row))
                raise self.refusal(
                    f"must have {width} values (got {count}){hint * comma}", numbers[i]
                )
            if count < width:
                self.short = self.short if self.short[0] else (numbers[i], count)
                rows[i] = row + separator * (width - count)


def _whole(row: str) -> bool:
    return all(WHOLE.fullmatch(cell.strip()) for cell in row.split(",")[-2:])


def _is_units(cells: list[str]) -> bool:
    """Return whether a row below the header names units and nothing else."""
    given = [cell.strip("()[] ") for cell in cells if cell and cell != "-"]
    return bool(given) and not any(map(is_number, given)) and all(map(known_unit, given))


def _is_ramp(header: Column) -> bool:
    found = ramp(header)
    return found is not None and found.way != 0


def _header_row(cells: list[list[str]]) -> int:
    """Return the index of a header row with two known names, -1 if there is none."""
    for i, row in enumerate(cells[:-1]):
        columns = [column(cell) for cell in row]
        known = sum(bool(each.role) or _is_ramp(each) for each in columns)
        if known > 1 and len(row) >= len(cells[i + 1]) - 1:
            return i
    return -1
