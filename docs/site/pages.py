"""Pages that are made while the site is built: of keys, studies, scripts, and how to extend it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

STUDIES = {
    "pruning": ("pruning.md", "pruning_accuracy.png"),
    "neurons": ("neurons.md", "neurons.png"),
    "compare-devices": ("devices.md#what-they-learn", "devices.png"),
    "attribute": ("devices.md", "attribution.png"),
    "robustness": ("devices.md", "robustness.png"),
    "array": ("array.md", "converters.png"),
    "wires": ("wires.md", "approximations.png"),
    "ladder": ("ladder.md", "ladder.png"),
    "cache-fit": ("cache_fit.md", "cache_fit.png"),
    "map": ("mapping.md", "mapping.png"),
    "reproduce": ("replications.md", ""),
    "benchmark": ("benchmark.md", ""),
}
"""Command -> its page, and a figure that it draws. Of others, those that their name says."""
NO_STUDIES = ("devices", "fit")
"""Commands with a page that find out nothing by themselves."""
BOOSTS = {"concepts": 4, "how_to": 4, "index.md": 4, "reference": 0.5}
"""By how much the search prefers pages."""
PICTURE = re.compile(r"^!\[[^\]]*\]\((\w+\.png)\)$", re.M)
CONFIGURATIONS = {
    "Training": (
        "experiments.train.config", "TrainConfig",
        "`cbram train`, `cbram sweep`, `config.toml`, `Study`",
    ),
    "Cells": ("devices.device", "Device", "device files, and `--set cell.KEY=VALUE`"),
    "Mapping": ("simulator.mapping.config", "MappingConfig", "`cbram map`, `map_network`"),
    "Timed networks": ("simulator.timed.config", "TimedConfig", "`TimedNetwork`"),
    "Perceptrons": ("simulator.supervised.config", "PerceptronConfig", "`CrossbarPerceptron`"),
}  # fmt: skip
"""Heading -> module, class, and where its keys are given."""


def on_config(config: Any) -> None:
    """Put pages that the navigation does not name under the results."""
    named = set(names(config.nav))
    (results,) = (part["Results"] for part in config.nav if "Results" in part)
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.name not in named:
            results.append(path.name)


def names(nav: Any) -> Iterator[str]:
    """Yield the pages of a navigation."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from names(part)


def on_files(files: Files, config: Any) -> Files:
    """Add what is made here, and the notebooks and scripts that pages link to."""
    pages = {
        "reference/keys.md": keys(),
        "results.md": results(),
        "gallery.md": gallery(),
        "contributing.md": (ROOT / "CONTRIBUTING.md").read_text(),
    }
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    for pattern in ("notebooks/*.ipynb", "examples/*.py", "examples/*.csv"):
        for path in sorted(ROOT.glob(pattern)):
            uri = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill in what a page leaves to be made: the parts of one's own, names, versions of figures."""
    for mark, make in {
        "<!-- examples/*own_*.py -->": own_parts, "<!-- names by page -->": names_by_page,
    }.items():  # fmt: skip
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    if (place := page.file.src_uri.partition("/")[0]) in BOOSTS:
        page.meta.setdefault("search", {"boost": BOOSTS[place]})
    folder = (ROOT / "docs" / page.file.src_uri).parent
    return PICTURE.sub(lambda found: found[0] + made_by(folder / found[1]), markdown)


def made_by(picture: Path) -> str:
    """Return by which version a picture was made, if that is noted in it."""
    from PIL import Image

    if not picture.is_file():
        return ""
    with Image.open(picture) as image:
        version = image.info.get("Software", "")
    if not version.startswith("cbramsim"):
        return ""
    return f"\n\n*Made by the code above, with {version}: `python docs/figures.py {picture.stem}`.*"


def names_by_page() -> str:
    """Return the rows of a table: each page of the reference, and the names that it documents."""
    rows = []
    for path in sorted((ROOT / "docs" / "reference").glob("*.md")):
        title, _, text = path.read_text().partition("\n")
        names, _, _ = text.partition("## Equations and sources")
        links = [
            f"[`{full.rpartition('.')[2]}`]({path.name}#{full})"
            for full in re.findall(r"^::: (\S+)", names, re.M)
        ]
        if links and path.stem != "verbs":
            rows.append(f"| [{title.removeprefix('# ')}]({path.name}) | {', '.join(links)} |")
    return "\n".join(rows)


def keys() -> str:
    """Return the page of all keys, with their ranges and defaults."""
    from cbramsim import __version__
    from cbramsim.core.validation import describe
    from cbramsim.experiments.list_keys import fields

    made = f"Made from the code of version {__version__}. `cbram keys` prints those of a training."
    page = f"# Configuration keys\n\n{made}\n"
    for heading, (module, name, where) in CONFIGURATIONS.items():
        page += f"\n## {heading}\n\nKeys of {where}.\n"
        groups: dict[str, list[str]] = {"": []}  # what is in no group comes first
        for key, field in fields(getattr(import_module(f"cbramsim.{module}"), name)).items():
            meaning, _, bounds = describe(field).rpartition(" [")
            row = f"| `{key}` | {cell(meaning)} | {cell(bounds.removesuffix(']'))} |\n"
            groups.setdefault(key.rpartition(".")[0], []).append(row)
        for group, rows in groups.items():
            page += f"\n### {group}\n" if group else ""
            page += "\n| key | meaning | range and default |\n| --- | --- | --- |\n"
            page += "".join(rows)
    return page


def cell(text: str) -> str:
    """Return a text as it may stand in a table."""
    return text.replace("|", r"\|").replace("\n", " ")


def results() -> str:
    """Return the page of all studies: what a command finds out, where, and a figure of it."""
    from cbramsim.experiments.cli import COMMANDS

    page = (
        "# Results\n\nEach study is one command. It writes a table, figures, `summary.json` with "
        "every claim as held or missed, and `report.html`. Its page says with which version the "
        "numbers were measured.\n\n| command | what it finds out | page | a figure of it |\n"
        "| --- | --- | --- | --- |\n"
    )
    for name, purpose in (pair for group in COMMANDS.values() for pair in group.items()):
        stem = name.replace("-", "_")
        target, figure = STUDIES.get(name, (f"{stem}.md", f"{stem}.png"))
        path = ROOT / "docs" / target.partition("#")[0]
        if name in NO_STUDIES or not path.is_file():
            continue
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        picture = (
            f"[![{name}]({figure}){{ width=220 }}]({target})"
            if (ROOT / "docs" / figure).is_file()
            else "-"
        )
        page += f"| `cbram {name}` | {purpose} | [{title}]({target}) | {picture} |\n"
    page += (
        "\nGrids that parameters were chosen by, each run with `cbram sweep FILE`:\n\n"
        "| file | what it asks |\n| --- | --- |\n"
    )
    for path in sorted((ROOT / "sweeps").glob("*.toml")):
        lines = [line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#")]
        page += (
            f"| `sweeps/{path.name}` | {' '.join(lines).partition(' cbram sweep')[0].strip()} |\n"
        )
    return page


def gallery() -> str:
    """Return the page of the numbered examples: what each is for, its picture, its code."""
    page = (
        "# Gallery\n\nShort scripts, each with one idea. `05_fit.py` reads "
        "[measured.csv](examples/measured.csv); all others need no file.\n"
    )
    found = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
    for path in found:
        title, text = titled(path)
        page += f"\n## {title}\n\n{text}\n\n"
        if (ROOT / "docs" / "gallery" / f"{path.stem}.png").is_file():
            page += f"![{title}](gallery/{path.stem}.png)\n\n"
        page += listing(path)
    return page if found else page + "\nThere are none yet.\n"


def own_parts() -> str:
    """Return the scripts that bring a part of their own."""
    parts = []
    for path in sorted((ROOT / "examples").glob("*own_*.py")):
        title, text = titled(path)
        parts.append(f"### {title}\n\n{text}\n\n{listing(path)}")
    return "\n".join(parts)


def titled(path: Path) -> tuple[str, str]:
    """Return what the docstring of a script begins with, up to a colon, and the rest."""
    text = ast.get_docstring(ast.parse(path.read_text())) or path.stem
    first, _, rest = text.partition("\n\n")
    title, _, more = " ".join(first.split()).rstrip(".").partition(": ")
    return title, f"{more[:1].upper()}{more[1:]}{'.' if more else ''}\n\n{rest}"


def listing(path: Path) -> str:
    """Return the code of a script, without its docstring, under its name."""
    code = re.sub(r'^r?""".*?"""\n+', "", path.read_text(), count=1, flags=re.S)
    link = f"{path.parent.name}/{path.name}"
    return f'```{{.python title="{link}"}}\n{code.strip()}\n```\n'
