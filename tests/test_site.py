"""The documentation site is whole: it builds without a warning and needs no network."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

import cbramsim
from cbramsim.experiments.cli import COMMANDS
from cbramsim.experiments.list_keys import fields
from cbramsim.experiments.train.config import TrainConfig

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FETCHED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}
"""Elements of which a browser fetches what they name, without being asked."""
NOT_FETCHED = {"canonical", "next", "prev", "alternate"}


class Site(NamedTuple):
    folder: Path
    said: str
    pages: dict[str, Page]


class Page(HTMLParser):
    """What a page links to, what it fetches, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.links, self.fetched, self.anchors = (
            text,
            list[str](),
            list[str](),
            set[str](),
        )
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given["id"]} if "id" in given else set()
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in FETCHED and FETCHED[tag] in given and given.get("rel") not in NOT_FETCHED:
            self.fetched.append(given[FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    for module in ("mkdocs", "material", "mkdocstrings_handlers.python", "latex2mathml"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    settings = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pages = {
        path.relative_to(folder).as_posix(): Page(path.read_text())
        for path in sorted(folder.rglob("*.html"))
    }
    return Site(folder, done.stdout + done.stderr, pages)


def targets(site: Site) -> Iterator[tuple[str, str, Path, str]]:
    """Yield what pages name within the site: page, as it is written, file, anchor."""
    for name, page in site.pages.items():
        for written in page.links + page.fetched:
            parts = urlsplit(written)
            if parts.scheme or parts.netloc or name == "404.html":
                continue
            path = site.folder / name
            if parts.path:
                path = (path.parent / unquote(parts.path)).resolve()
            yield name, written, path, unquote(parts.fragment)


def test_nothing_is_warned_of_and_every_page_is_in_the_navigation(site: Site) -> None:
    assert "WARNING" not in site.said
    assert "not included in the" not in site.said
    written = {
        path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")
    }
    assert written <= site.pages.keys()


def test_all_that_pages_name_is_there(site: Site) -> None:
    root = site.folder.resolve()
    missing = []
    for page, written, path, anchor in targets(site):
        if path.is_dir():
            path /= "index.html"
        name = path.resolve().relative_to(root).as_posix()
        if not path.is_file() or (
            anchor and name in site.pages and anchor not in site.pages[name].anchors
        ):
            missing.append((page, written))
    assert not missing


def test_nothing_is_fetched_from_a_network(site: Site) -> None:
    for name, page in site.pages.items():
        assert not [url for url in page.fetched if re.match(r"\w+:|//", url)], name
        assert 'class="mermaid"' not in page.text, "the theme fetches what draws these"
    for path in site.folder.rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(?:\w+:)?//", path.read_text()), path
    for path in (DOCS / "site").glob("*.js"):
        assert "http" not in path.read_text()


def test_every_public_name_is_in_the_reference(site: Site) -> None:
    documented = {
        anchor
        for name, page in site.pages.items()
        if name.startswith("reference/")
        for anchor in page.anchors
    }
    for name, module in cbramsim._HOME.items():
        assert f"{module}.{name}" in documented, name
    overview = site.pages["reference/index.html"].text
    assert all(f">{name}</code>" in overview for name in cbramsim._HOME)


def test_every_key_and_every_study_is_listed(site: Site) -> None:
    page = site.pages["reference/keys.html"].text
    assert all(f"<code>{key}</code>" in page for key in fields(TrainConfig))
    studies = site.pages["results.html"].text
    shown = {name for group in COMMANDS.values() for name in group if f"cbram {name}<" in studies}
    assert shown >= {"pruning", "neurons", "compare-devices", "array", "wires", "ladder", "map"}


def test_equations_are_drawn_by_the_browser_alone(site: Site) -> None:
    assert sum(page.text.count("<math") for page in site.pages.values()) > 150
    for name, page in site.pages.items():
        assert 'class="arithmatex"' not in page.text, name
        assert not re.search(r":\w+:<code>|:math:|\.\. math::", page.text), name


def test_every_numbered_example_is_in_the_gallery(site: Site) -> None:
    page = site.pages["gallery.html"].text
    for path in (ROOT / "examples").glob("[0-9][0-9]_*.py"):
        assert path.name in page
    own = site.pages["how_to/my_law.html"].text
    for path in (ROOT / "examples").glob("*own_*.py"):
        assert path.name in own


MADE = runpy.run_path(str(DOCS / "figures.py"))
FILES = MADE["made_here"]()


def test_every_concept_has_a_figure() -> None:
    pages = {path.stem for path in (DOCS / "concepts").glob("*.md")} - {"index"}
    assert {path.stem for path in FILES if path.parent.name == "concepts"} == pages


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_figure_was_made_by_the_code_on_its_page(path: Path) -> None:
    if path.suffix == ".png":
        with Image.open(path) as picture:
            assert picture.info["Source"] == MADE["fingerprint"](FILES[path]), "run docs/figures.py"
        assert path.stat().st_size < 100_000
    else:
        assert path.read_text().startswith("# Simulated")
