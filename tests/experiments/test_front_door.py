"""How the command is called, and how a shell completes it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

import cbramsim
from cbramsim.experiments.cli import COMMANDS, main
from tests.test_imports import ROOT

HEAVY = {"numpy", "numba", "scipy", "pandas", "matplotlib", "pydantic", "rich"}


def python(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], env={**os.environ, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_package_is_the_command() -> None:
    done = python("-m", "cbramsim", "--version")
    assert done.stdout == f"cbram, version {cbramsim.__version__}\n"
    assert python("-m", "cbramsim", "tr").stderr.startswith("Usage: cbram ")


def test_both_names_start_the_same_command() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == dict.fromkeys(["cbram", "cbramsim"], "cbramsim.experiments.cli:main")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("name", ["cbram", "cbramsim"])
def test_what_completes_is_printed_with_the_line_to_write(shell: str, name: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell], prog_name=name)
    assert result.exit_code == 0
    *script, last = result.stdout.splitlines()
    assert f"_{name.upper()}_COMPLETE={shell}_complete" in "\n".join(script)
    assert last.startswith("# One line in ~/.")
    assert f"{name} completion {shell}" in last


def test_the_shell_in_use_is_the_one_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/bash")
    said = [CliRunner().invoke(main, ["completion", *args]).stdout for args in ([], ["bash"])]
    assert said[0] == said[1] != ""
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    result = CliRunner().invoke(main, ["completion"])
    assert result.exit_code == 2
    assert "must be one of bash, zsh, fish (got tcsh)" in result.output


def completed(words: str) -> tuple[list[str], set[str]]:
    """Return what bash is told after `words`, and the modules that were imported for it."""
    code = (
        "import sys\nfrom cbramsim.experiments.cli import main\n"
        "try:\n    main(prog_name='cbram')\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    count = len(words.split()) - (not words.endswith(" "))
    done = python(
        "-c", code, COMP_WORDS=words, COMP_CWORD=str(count), _CBRAM_COMPLETE="bash_complete"
    )
    return [line.partition(",")[2] for line in done.stdout.split()], set(done.stderr.split())


def test_completion_knows_commands_flags_and_choices_and_imports_nothing_heavy() -> None:
    commands, imported = completed("cbram ")
    assert commands == [name for group in COMMANDS.values() for name in group]
    assert not HEAVY & imported
    flags, imported = completed("cbram train --p")
    assert flags == ["--pruning", "--prune-fraction"]
    assert not HEAVY & imported
    choices, imported = completed("cbram train --neurons 5 --engine ")
    assert choices == ["auto", "cpu", "cuda"]
    assert not HEAVY & imported
