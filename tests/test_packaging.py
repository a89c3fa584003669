"""What a package tells of itself: whose it is, under which licence, how to cite it."""

from __future__ import annotations

import os
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml

import cbramsim

HERE = Path(__file__).parents[1]
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((HERE / "CITATION.cff").read_text())


def test_one_version_and_one_licence_everywhere() -> None:
    assert PROJECT["version"] == cbramsim.__version__ == CITATION["version"]
    assert PROJECT["license"] == CITATION["license"] == "BSD-3-Clause"
    assert [author["name"] for author in PROJECT["authors"]] == ["The cbramsim authors"]
    assert CITATION["authors"] == PROJECT["authors"]


def test_the_changelog_tells_of_this_version_first() -> None:
    text = (HERE / "CHANGELOG.md").read_text()
    _, *sections = re.split(r"^## ", text, flags=re.M)
    if sections[0].startswith("[Unreleased]"):
        sections = sections[1:]
    heads = [re.match(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)\n", each) for each in sections]
    told = [(head[1], head[2]) for head in heads if head]
    assert len(told) == len(sections), "each has a version and a date"
    assert told[0] == (PROJECT["version"], str(CITATION["date-released"]))
    assert told == sorted(told, key=lambda one: [*map(int, one[0].split("."))], reverse=True)
    assert [date for _, date in told] == sorted((date for _, date in told), reverse=True)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for section in sections:
        assert set(re.findall(r"^### (.*)$", section, re.M)) <= kinds
        assert re.search(r"^- ", section, re.M)


def test_the_files_say_what_the_metadata_say() -> None:
    licence, notice = (HERE / name for name in PROJECT["license-files"])
    assert licence.read_text().startswith(
        "BSD 3-Clause License\n\nCopyright (c) 2026, the cbramsim"
    )
    text = notice.read_text()
    for author in ("Yann LeCun", "Corinna Cortes", "Christopher J.C. Burges"):
        assert author in text
    assert "CC BY-SA 3.0" in text
    assert list((HERE / "cbramsim" / "data" / "mnist").glob("*.gz"))


def test_hooks_download_nothing() -> None:
    repos = yaml.safe_load((HERE / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    for hook in repos[0]["hooks"]:
        assert hook["language"] == "system"
        program = hook["entry"].split()[0]
        script = HERE / program
        assert program == "ruff" or os.access(script, os.X_OK)


def test_citation_has_what_its_format_requires() -> None:
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert CITATION["cff-version"] == "1.2.0"
    (article,) = CITATION["references"]
    assert article["doi"] in (HERE / "README.md").read_text()


def test_the_installed_package_has_licence_and_notice() -> None:
    installed = distribution("cbramsim")
    if installed.metadata["Keywords"] != ",".join(PROJECT["keywords"]):
        pytest.skip("installed from another pyproject.toml; install again to check")
    assert installed.metadata["License-Expression"] == "BSD-3-Clause"
    assert installed.metadata.get_all("License-File") == PROJECT["license-files"]
    assert installed.metadata["Author"] == "The cbramsim authors"
    names = [Path(file).name for file in installed.files or ()]
    assert {"LICENSE", "NOTICE"} <= set(names)
