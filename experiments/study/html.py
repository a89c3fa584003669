"""Report as one self-contained HTML file, which can be mailed, opened anywhere, and printed.

Its script sorts and filters tables. All data are inserted as text: the browser may run no other
script, and load nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from cbramsim import __version__
from cbramsim.core.files import write_atomically
from cbramsim.experiments.study.html_figures import embedded
from cbramsim.experiments.study.html_values import Column, columns, quantity, without_none, word

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROWS, COLUMNS = 1_000, 40
"""Largest part of a table that is shown."""
GRADES = {
    "measured": "measured for this report",
    "published": "read in a source",
    "derived": "arithmetic on published values",
    "assumed": "no source states it",
}
"""Grade of the evidence of a constant -> its meaning."""
CITATION = (
    f"The cbramsim authors: cbramsim, version {__version__}.",
    "Yuhan Shi, Leon Nguyen, Sangheon Oh, Xin Liu, Foroozan Koushan, John R. Jameson and Duygu "
    "Kuzum: Neuroinspired unsupervised learning and pruning with subquantum CBRAM arrays. Nature "
    "Communications 9, 5312 (2018). https://doi.org/10.1038/s41467-018-07682-0",
)
"""Works to cite by users of a result: cbramsim, and the article on the system that it simulates."""

_CLAIM = (
    "name", "value", "spread", "interval", "unit", "target", "held", "evidence", "definition",
    "reference", "note",
)  # fmt: skip
"""Keys of a claim that are always shown; the others are folded."""
_VERDICTS = {
    True: ("held", "✓", "held"), False: ("missed", "✗", "missed"), None: ("", "·", "not judged"),
}  # fmt: skip
_UNSEEN = re.compile(
    r"[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Characters that are invisible, or that make a text look like another one."""
_ADDRESS = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;)]")


@dataclass(frozen=True, kw_only=True)
class Page:
    """Contents of a report; an empty part has no section."""

    title: str
    summary: str = ""
    """Summary of a sentence or two below the title."""
    claims: Sequence[Mapping[str, Any]] = ()
    """Claims as in summary.json: `cbramsim.experiments.study.claims.claim`."""
    table: pd.DataFrame | Sequence[Mapping[str, Any]] | None = None
    """A tidy table, or its rows: numbers, texts and None."""
    table_title: str = "Runs"
    figures: Mapping[str, Figure | Path] = field(default_factory=dict)
    """Caption -> a figure of matplotlib, or the path of an SVG or PNG file."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """Nested tables."""
    evidence: Sequence[Mapping[str, Any]] = ()
    """Constants: `name`, `value`, `unit`, `evidence` (one of `GRADES`) and `source`."""
    cite: Sequence[str] = CITATION
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package -> version."""


def constants(tables: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of `Page.evidence` from owner -> its parameters as of `to_table`."""
    return [
        {"name": f"{owner}.{name}", **entry}
        for owner, table in tables.items()
        for name, entry in table.items()
        if isinstance(entry, dict)
    ]


def write_html(path: Path, page: Page) -> None:
    """Write a report.

    Raises
    ------
    CbramError
        If the file cannot be written; `path` is then as it was.
    """
    text = to_html(page).encode()
    write_atomically(path, lambda file: file.write(text))


def to_html(page: Page) -> str:
    """Return a report as HTML, always the same for the same page.

    Raises
    ------
    DataError
        If a figure is not an SVG or PNG file.
    """
    sections = {
        "Claims": _claims(page.claims),
        page.table_title: _runs(page.table, page.table_title),
        "Figures": _figures(page.figures),
        "Evidence": _evidence(page.evidence),
        "Configuration": _configuration(page.configuration),
        "How to cite": _cite(page.cite),
    }
    sections = {title: body for title, body in sections.items() if body}
    script = _file("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    nav = "".join(f'<a href="#{_id(title)}">{_text(title)}</a>' for title in sections)
    body = "".join(
        f'<section id="{_id(title)}">\n<h2>{_text(title)}</h2>\n{content}\n</section>\n'
        for title, content in sections.items()
    )
    versions = " · ".join(f"{name} {version}" for name, version in page.versions.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="cbramsim {__version__}">
<title>{_text(page.title)}</title>
<style>
{_file("report.css")}{_right_aligned()}
</style>
</head>
<body>
<header>
<h1>{_text(page.title)}</h1>
{f'<p class="lead">{_text(page.summary)}</p>' if page.summary else ""}
<nav aria-label="Sections">{nav}</nav>
</header>
<main>
{body}</main>
<footer>{_text(versions) or f"cbramsim {__version__}"}</footer>
<script>{script}</script>
</body>
</html>
"""


# ---- sections ----------------------------------------------------------------------------------


def _claims(claims: Sequence[Mapping[str, Any]]) -> str:
    if not claims:
        return ""
    verdicts = [_verdict(claim) for claim in claims]
    counts = {told: verdicts.count(held) for held, (_, _, told) in _VERDICTS.items()}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    heads = _heads(["Verdict", "Claim", "Value", "Target", "Evidence"])
    rows = "".join(map(_claim, claims))
    return (
        f"<p>{len(claims):,} claim{_s(claims)}: {told}.</p>\n"
        f'<table class="claims">{heads}<tbody>\n{rows}</tbody></table>'
    )


def _claim(claim: Mapping[str, Any]) -> str:
    """Return a row of the table of claims."""
    unit, _, whole = str(claim.get("unit") or "").partition(" of ")
    kind, mark, told = _VERDICTS[_verdict(claim)]
    below = [_small(claim.get(key)) for key in ("definition", "note")]
    more = {key: value for key, value in claim.items() if key not in _CLAIM and value is not None}
    folded = f"<details><summary>more</summary>{_facts(more)}</details>" if more else ""
    value = _text(quantity(claim.get("value"), unit, claim.get("spread")))
    value += _small(whole and f"of {whole}")
    if claim.get("interval") is not None:
        value += _small(f"interval: {quantity(claim['interval'], unit)}")
    target = claim.get("target")
    told_target = "" if target is None else _text(quantity(target, unit))
    if claim.get("reference"):
        told_target += _small(f"reference: {claim['reference']}")
    name = _text(str(claim.get("name", ""))).replace("_", "_<wbr>")
    return (
        f'<tr><td class="verdict {kind}"><i aria-hidden="true">{mark}</i>{told}</td>'
        f'<th scope="row">{name}{"".join(below)}{folded}</th>'
        f'<td class="value" data-label="Value">{value}</td>'
        f"{_labelled('Target', told_target)}"
        f"{_labelled('Evidence', _text(claim.get('evidence') or ''))}</tr>\n"
    )


def _verdict(claim: Mapping[str, Any]) -> bool | None:
    held = claim.get("held")
    return None if held is None else bool(held)


def _runs(table: pd.DataFrame | Sequence[Mapping[str, Any]] | None, title: str) -> str:
    if table is None or not len(table):
        return ""
    found = columns(table)
    shown = [one._replace(texts=one.texts[:ROWS]) for one in found[:COLUMNS]]
    left_out = [
        f"the first {most:,} of {count:,} {what}"
        for what, most, count in (("rows", ROWS, len(table)), ("columns", COLUMNS, len(found)))
        if count > most
    ]
    size = f"{len(table):,} row{_s(table)}, {len(found):,} column{_s(found)}."
    note = f" Shown: {' and '.join(left_out)}." if left_out else ""
    return f'<p class="quiet">{size}{note}</p>\n{_sortable(shown, "runs", title)}'


def _figures(figures: Mapping[str, Figure | Path]) -> str:
    if not figures:
        return ""
    parts = []
    for number, (caption, figure) in enumerate(figures.items(), 1):
        name = f"caption-{number}"
        drawn, wide = embedded(figure, number, name)
        begin = '<figure class="wide">' if wide else "<figure>"
        parts.append(
            f'{begin}{drawn}\n<figcaption id="{name}">'
            f"<b>Figure {number}.</b> {_text(caption)}</figcaption></figure>\n"
        )
    return f'<div class="figures">\n{"".join(parts)}</div>'


def _evidence(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    grades = [str(row.get("evidence") or "assumed") for row in rows]
    counts = [(grades.count(grade), grade, told) for grade, told in GRADES.items()]
    told = "; ".join(f"{count:,} {grade} ({told})" for count, grade, told in counts if count)
    texts = {
        "constant": [str(row.get("name", "")) for row in rows],
        "value": [quantity(row.get("value"), str(row.get("unit") or "")) for row in rows],
        "evidence": grades,
        "source": [str(row.get("source") or "") for row in rows],
    }
    shown = [Column(name, False, cells, None) for name, cells in texts.items()]
    table = _sortable(shown, "evidence", "Evidence")
    return f"<p>{len(rows):,} constant{_s(rows)}: {told}.</p>\n{table}"


def _configuration(configuration: Mapping[str, Any]) -> str:
    if not configuration:
        return ""
    text = tomli_w.dumps(without_none(configuration)).strip()
    lines = text.count("\n") + 1
    return (
        f"<details><summary>config.toml, {lines:,} lines</summary>"
        f"<pre>{_text(text)}</pre></details>"
    )


def _cite(sources: Sequence[str]) -> str:
    items = "".join(f"<li>{_with_links(source)}</li>\n" for source in sources)
    return f'<ul class="cite">\n{items}</ul>' if items else ""


# ---- parts -------------------------------------------------------------------------------------


def _sortable(shown: Sequence[Column], kind: str, title: str) -> str:
    """Return a sortable table, in a scrollable frame."""
    cells = [_cells(one, first=not k) for k, one in enumerate(shown)]
    lines = "".join(f"<tr>{''.join(row)}</tr>\n" for row in zip(*cells, strict=True))
    numeric = [f"n{k}" for k, one in enumerate(shown, 1) if one.numeric]
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(title)}">'
        f'<table class="{" ".join(["sortable", kind, *numeric])}">'
        f"{_heads([one.head for one in shown])}<tbody>\n{lines}</tbody></table></div>"
    )


def _cells(one: Column, *, first: bool) -> list[str]:
    """Return the cells of a column; those of the first one name their rows."""
    begin, end = ('<th scope="row"', "</th>") if first else ("<td", "</td>")
    texts = [_text(text) for text in one.texts]
    if one.head == "evidence":
        texts = [f'<span class="grade {t}">{t}</span>' if t in GRADES else t for t in texts]
    if one.keys is None:
        return [f"{begin}>{text}{end}" for text in texts]
    return [
        f'{begin} data-v="{key:.6g}">{text}{end}' if text else f"{begin}>{end}"
        for text, key in zip(texts, one.keys, strict=False)
    ]


def _facts(facts: Mapping[str, Any]) -> str:
    """Return names and values, which may be lists and tables, as HTML."""
    items = (f"<dt>{_text(name)}</dt><dd>{_fact(value)}</dd>" for name, value in facts.items())
    return f"<dl>{''.join(items)}</dl>"


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return _facts(value)
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, Mapping) for item in value):
            shown = columns(value)
            rows = zip(*(_cells(one, first=False) for one in shown), strict=True)
            lines = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
            return f"<table>{_heads([one.head for one in shown])}<tbody>{lines}</tbody></table>"
        return ", ".join(map(_fact, value))
    return _text(word(value))


def _heads(names: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _labelled(name: str, content: str) -> str:
    """Return a cell with a label for screens on which it stands below the others."""
    return f'<td data-label="{name}">{content}</td>' if content else "<td></td>"


def _small(text: Any) -> str:
    return f"<small>{_text(text)}</small>" if text else ""


def _with_links(text: str) -> str:
    """Return a text with the web addresses in it as links."""
    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        address = _text(found[0])
        parts += [_text(text[end : found.start()]), f'<a href="{address}">{address}</a>']
        end = found.end()
    return "".join([*parts, _text(text[end:])])


def _text(text: Any) -> str:
    """Return a text as HTML, with a mark in place of invisible characters."""
    return escape(_UNSEEN.sub("\ufffd", str(text)))


def _id(title: str) -> str:
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-") or "table"


def _s(things: Sequence[Any]) -> str:
    return "" if len(things) == 1 else "s"


def _right_aligned() -> str:
    """Return the style rule that aligns numbers to the right, by the classes of their table."""
    numeric = ",".join(f".n{k} tr>:nth-child({k})" for k in range(1, COLUMNS + 1))
    buttons = ",".join(f".n{k} th:nth-child({k}) button" for k in range(1, COLUMNS + 1))
    return f"{numeric}{{text-align:right}}\n{buttons}{{justify-content:end}}"


@cache
def _file(name: str) -> str:
    return (files("cbramsim.experiments.study") / name).read_text("utf-8")
