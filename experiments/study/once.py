"""Values that are measured once for a study, and kept in its folder: times, above all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cbramsim.experiments import run_folder
from cbramsim.experiments.results import saved_in


def once(path: Path, measure: Callable[[], dict[str, Any]], *, again: bool = False) -> Any:
    """Return the contents of a JSON file, or the result of `measure`, which is then saved there.

    If `again`, it is measured anew even if the file exists.
    """
    if path.is_file() and not again:
        with saved_in(path):
            return json.loads(path.read_text())
    found = measure()
    run_folder.write_json(path, found)
    return found
