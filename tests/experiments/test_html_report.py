"""The report as one HTML file: whole, harmless, the same every time, and alive in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cbramsim.core.errors import CbramError, DataError
from cbramsim.experiments.study import html
from cbramsim.experiments.study.claims import claim
from cbramsim.experiments.study.html import CITATION, Page, to_html, write_html
from cbramsim.experiments.study.html_values import column, number, quantity, without_none

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>document.title = 'run'</script>\"'&amp;<img src=x onerror=alert(1)>\0\u202e"
VOID = {"meta", "img", "input", "wbr", "br"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Elements(HTMLParser):
    """All elements of a page, whose nesting is checked on the way."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), (tag, names)
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)

    def attributes(self, *names: str) -> Iterator[tuple[str, str]]:
        for tag, attributes in self.found:
            yield from ((tag, value or "") for key, value in attributes.items() if key in names)


def figure(kind: str) -> Figure:
    drawn = Figure(figsize=(3.5, 2.6))
    ax = drawn.add_subplot()
    if kind == "curve":
        ax.plot(np.arange(200), np.sin(np.arange(200) / 20), "o-", label=HOSTILE[:20])
        ax.legend()
    elif kind == "map":
        drawn.colorbar(ax.imshow(np.arange(400).reshape(20, 20)))
    elif kind == "bars":
        ax.bar([1, 2, 3], [3, 1, 2], hatch="//")
        ax.set_xlabel(r"$\Delta G$ (µS)")
    else:
        ax.scatter(*np.random.default_rng(0).random((2, 20_000)), s=2)
    return drawn


def page(tmp_path: Path, **changes: Any) -> Page:
    hostile_svg = tmp_path / "drawing.svg"
    hostile_svg.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="alert(1)"><script>'
        'alert(2)</script><image href="http://example.org/x.png"/><rect id="a"/></svg>'
    )
    picture = tmp_path / "picture.png"
    figure("map").savefig(picture, dpi=200)
    content: dict[str, Any] = {
        "title": f"Soft & hard {HOSTILE}",
        "summary": HOSTILE,
        "claims": [
            claim(
                "soft_75", 0.9312, spread=0.0021, unit="fraction of the test images", target=0.93,
                held=np.True_, definition=HOSTILE, reference="93 %", note=HOSTILE,
                runs=3, trade_off=[{"epochs": 1, "saving": 2.5}], **{"x<y": {"a": [1, HOSTILE]}},
            ),
            claim("energy", 1.2e-3, unit="J", target=[1e-3, 2e-3], held=False, definition=""),
            claim("not_run", None, unit="ratio", definition="", interval=(1.5, 2.5)),
        ],
        "table": pd.DataFrame(
            {
                "case": [HOSTILE, "b10", "b9", "a"] * 5,
                "accuracy": [0.95, 0.91, None, 0.93] * 5,
                "train_joules": [2e-3, 1.0e-9, 1.2e-3, 0.0] * 5,
                "policy": ["soft", None, "hard", np.nan] * 5,
                HOSTILE: range(20),
            }
        ),
        "figures": {
            "One curve": figure("curve"), "The same curve": figure("curve"),
            "A map": figure("map"), "Bars": figure("bars"), HOSTILE: figure("cloud"),
            "A file": hostile_svg, "A picture": picture,
        },
        "configuration": {"name": HOSTILE, "inner": {"rate": np.float32(0.5), "none": None}},
        "evidence": [
            {"name": "g_max", "value": 2.3e-5, "unit": "S", "evidence": "published", "source": "x"},
            {"name": HOSTILE, "value": HOSTILE, "evidence": HOSTILE, "source": HOSTILE},
        ],
        "cite": [*CITATION, f"{HOSTILE} https://example.org/a?b=\"onclick=alert(1)&c."],
        "versions": {"python": "3.11", HOSTILE: HOSTILE},
    }  # fmt: skip
    return Page(**content | changes)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return to_html(page(tmp_path_factory.mktemp("page")))


def test_a_page_is_well_formed_and_has_all_sections(text: str) -> None:
    elements = Elements(text)
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    titles = re.findall("<h2>(.*?)</h2>", text)
    assert titles == ["Claims", "Runs", "Figures", "Evidence", "Configuration", "How to cite"]
    words = "".join(elements.texts)
    for said in (
        "3 claims: 1 held, 1 missed, 1 not judged.", "93.12 ± 0.21 %", "of the test images",
        "1.2 mJ", "1 to 2 mJ", "interval: 1.5 to 2.5 ×", "reference: 93 %", "trade_off",
        "accuracy (%)", "train energy", "23 µS", "rate = 0.5",
    ):  # fmt: skip
        assert said in words, said


def test_ids_are_unique_and_all_that_is_referred_to_is_there(text: str) -> None:
    elements = Elements(text)
    ids = [value for _, value in elements.attributes("id")]
    assert len(set(ids)) == len(ids)
    inside = text.replace("&quot;", '"')
    wanted = set(re.findall(r"url\(#([^)]+)\)", inside))
    wanted |= {value[1:] for _, value in elements.attributes("href") if value.startswith("#")}
    wanted |= {value for _, value in elements.attributes("aria-labelledby")}
    assert wanted <= set(ids)
    assert len(wanted) > 10
    drawings = [tag for tag, _ in elements.found if tag == "svg"]
    assert len(drawings) == 4  # of five figures; the cloud is smaller as a picture


def test_nothing_is_fetched(text: str) -> None:
    elements = Elements(text)
    for tag, value in elements.attributes("href", "src", "xlink:href", "action", "data"):
        assert value.startswith(("#", "data:image/")) or (tag == "a" and "://" in value), value
    links = [value for tag, value in elements.attributes("href") if "://" in value]
    assert links == [
        "https://doi.org/10.1038/s41467-018-07682-0",
        "https://example.org/a?b=",
    ]
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in elements.found}
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    assert "default-src 'none'" in text


def test_what_comes_from_data_is_text(text: str) -> None:
    elements = Elements(text)
    assert sum(tag == "script" for tag, _ in elements.found) == 1
    for _, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on")]
    assert HOSTILE[:-2] + "\ufffd\ufffd" in "".join(elements.texts)
    assert "\0" not in text
    assert "\u202e" not in text
    to_html(Page(title="\ud800")).encode()


def test_the_same_page_is_the_same_bytes(text: str, tmp_path: Path) -> None:
    write_html(tmp_path / "report.html", page(tmp_path))
    assert (tmp_path / "report.html").read_bytes() == text.encode()


def test_a_page_is_light_enough_to_mail(text: str, tmp_path: Path) -> None:
    assert len(text.encode()) < 300_000
    rows = [{f"column {k}": 1000 * k + row + 0.12345 for k in range(50)} for row in range(1200)]
    wide = to_html(page(tmp_path, table=rows, figures={}))
    assert len(wide.encode()) < 900_000
    assert "Shown: the first 1,000 of 1,200 rows and the first 40 of 50 columns." in wide


def test_an_empty_page_has_no_empty_sections() -> None:
    text = to_html(Page(title="Nothing", cite=(), table=pd.DataFrame()))
    assert "<h2>" not in text
    Elements(text)


def test_figures_must_be_drawings_or_pictures(tmp_path: Path) -> None:
    for name, content in (("a.png", b"no picture"), ("b.jpg", b""), ("c.svg", None)):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match=name):
            to_html(Page(title="x", figures={"x": path}))
    with pytest.raises(CbramError, match="cannot write"):
        write_html(tmp_path / "missing" / "x.html", Page(title="x"))


@pytest.mark.parametrize(
    ("value", "unit", "spread", "shown"),
    [
        (0.93456, "fraction", None, "93.46 %"),
        (0.93456, "fraction", 0.00321, "93.46 ± 0.32 %"),
        (1.2345e-3, "J", 4.2e-5, "1.234 ± 0.042 mJ"),
        (0.0, "J", None, "0 J"),
        (2.0, "ratio", None, "2 ×"),
        (2345678, "", None, "2,345,678"),
        (7200.0, "s", None, "2 h"),
        ([1e-9, 2e-6], "J", None, "0.001 to 2 µJ"),
        ([1.0, *[0.5] * 31, 0.3], "", None, "33 points, 1 to 0.3"),
        ((1e-6, 3e-6, 2e-6), "S", None, "3 points, 1 to 2 µS"),
        ("at least one", "J", None, "at least one"),
        (None, "J", None, "none"),
        (np.float64("nan"), "J", None, "none"),
        (float("inf"), "", None, "inf"),
        (True, "", None, "yes"),
    ],
)
def test_quantities(value: Any, unit: str, spread: float | None, shown: str) -> None:
    assert quantity(value, unit, spread) == shown


def test_numbers() -> None:
    assert [number(x) for x in (0.00012345, 0.012345, 12.3456, 12345.6, 1.5e9 + 0.5, -3)] == [
        "0.0001234", "0.01235", "12.35", "12,346", "1.5e+09", "-3",
    ]  # fmt: skip


def test_columns_have_one_unit_unless_that_hides_digits() -> None:
    near = column("train_joules", [1.5e-3, 2e-3, None])
    assert near.head == "train energy (mJ)"
    assert near.texts == ["1.5", "2.0", ""]
    far = column("train_joules", [1.5e-3, 2e-9, None])
    assert (far.head, far.texts) == ("train energy", ["1.5 mJ", "2 nJ", ""])
    assert far.keys is not None
    assert far.keys[:2] == [1.5e-3, 2e-9]
    assert column("seed", [1.0, 2.0, float("nan")]).texts == ["1", "2", ""]
    assert column("accuracy", [0.5, 0.25]) == ("accuracy (%)", True, ["50", "25"], None)
    assert not column("x", [1, "one"]).numeric
    assert column("x", [pd.NA, pd.NaT, True]).texts == ["", "", "yes"]


def test_configurations_are_made_of_what_toml_has() -> None:
    nested = {"a": np.int64(1), "b": None, 3: (1, None, Path("x")), "c": {"d": np.arange(2)}}
    assert without_none(nested) == {"a": 1, "3": [1, "x"], "c": {"d": [0, 1]}}


def test_what_to_cite_is_what_the_citation_file_says() -> None:
    said = (ROOT / "CITATION.cff").read_text()
    for line in ("doi: 10.1038/s41467-018-07682-0", "family-names: Kuzum", 'start: "5312"'):
        assert line in said
        assert line.split(": ")[1].strip('"') in CITATION[1]
    version = re.search(r"^version: (.*)$", said, re.M)
    assert version
    assert version[1] in CITATION[0]


def test_style_and_script_are_installed() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = set(data["package-data"]["cbramsim.experiments.study"])
    folder = Path(html.__file__).parent
    assert {p.name for p in folder.iterdir() if p.suffix in (".css", ".js")} == found


CLICKS = """
const told = [];
addEventListener("error", (event) => told.push(event.message));
const names = () => [...document.querySelectorAll(".runs tbody tr")]
  .filter((row) => !row.hidden).slice(0, 4).map((row) => row.cells[4].textContent);
const head = (k) => document.querySelectorAll(".runs thead th")[k];
for (const k of [1, 1, 1, 2, 0]) {
  head(k).querySelector("button").click();
  told.push(`${k} ${head(k).getAttribute("aria-sort")}: ${names()}`);
}
const box = document.querySelector("input[type=search]");
box.value = "HARD b9";
box.dispatchEvent(new Event("input"));
told.push(box.closest("p").querySelector("output").textContent);
dispatchEvent(new Event("beforeprint"));
told.push(`${document.querySelectorAll("details:not([open])").length} folded`);
told.push(document.title.slice(0, 11));
document.body.append(Object.assign(document.createElement("pre"), {
  id: "told", textContent: told.join("\\n") }));
"""


def test_tables_sort_and_filter_in_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser on the path: {', '.join(BROWSERS)}")
    own = html._file
    monkeypatch.setattr(
        html, "_file", lambda name: own(name) + (CLICKS if name == "report.js" else "")
    )
    path = tmp_path / "report.html"
    write_html(path, page(tmp_path))
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr
    found = re.search('<pre id="told">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr
    assert found[1].splitlines() == [
        "1 ascending: 1,5,9,13",  # 91 %
        "1 descending: 0,4,8,12",  # 95 %
        "1 none: 0,1,2,3",
        "2 ascending: 3,7,11,15",  # 0 J
        "0 ascending: 0,4,8,12",  # the hostile name, then a
        "5 of 20 rows",
        "0 folded",
        "Soft &amp; hard",
    ]
