"""The package as one folder, for the reference: in a checkout its three houses stand beside it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mkdocs.plugins import event_priority

ROOT = Path(__file__).parents[2]
HOUSES = ("devices", "simulator", "experiments")
_package = TemporaryDirectory(prefix="cbramsim-")


@event_priority(100)  # before the plugin reads it
def on_config(config: Any) -> None:
    """Tell the reference where the package is."""
    folder = Path(_package.name) / "cbramsim"
    if not folder.exists():
        folder.mkdir()
        for part in (ROOT / "cbramsim").iterdir():
            (folder / part.name).symlink_to(part)
        for house in HOUSES:
            (folder / house).symlink_to(ROOT / house)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [_package.name]
