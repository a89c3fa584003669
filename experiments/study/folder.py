"""Folder of a sweep or study: nothing is written before everything has been checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cbramsim.core.errors import CbramError
from cbramsim.core.files import printable, remove_empty
from cbramsim.experiments.run_folder import MARK, claim, held, is_empty, is_run
from cbramsim.experiments.study.engine import ask
from cbramsim.experiments.study.runner import HERE, Where


@contextmanager
def study_folder(out: Path, command: str, at: Where = HERE) -> Iterator[None]:
    """Hold the folder of a study, once the scheduler has answered.

    A new folder in which nothing was written in the end is removed again. `command` is the name of
    the command, such as ``array``. Raises `CbramError` if the scheduler does not answer, there
    cannot be so many workers, or the folder is not one of this command, is inside that of another
    run or study, is being written by another process, or cannot be written.
    """
    ask(at.scheduler, at.workers)
    fresh, missing = False, list[Path]()
    with suppress(OSError, ValueError):  # what is out of reach is refused below
        _check_around(out)
        fresh = is_empty(out)
        missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    claim(out, command)
    try:
        with held(out):
            yield
    finally:
        if fresh and {path.name for path in out.iterdir()} <= {MARK}:
            (out / MARK).unlink(missing_ok=True)
            remove_empty(missing)


def _check_around(out: Path) -> None:
    """Refuse a folder inside that of a run or of a study."""
    for folder in out.resolve().parents:
        if (folder / MARK).is_file() or is_run(folder):
            raise CbramError(
                f"out: {printable(out)} is inside {printable(folder)}, which holds other results; "
                f"choose another folder"
            )
