"""Files that a command is to write, checked before the work, not after it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cbramsim.core.errors import CbramError
from cbramsim.core.files import check_writable, printable


class Target(NamedTuple):
    """A file to write."""

    flag: str
    """Flag by which the user names it."""
    path: Path
    suffix: str
    """Required ending of the name."""


def check_targets(*targets: Target, force: bool, reads: Mapping[Path, str]) -> None:
    """Check that all files can be written, without writing them.

    Existing files may be overwritten with `force`; `reads` are files that the command reads, with
    descriptions, which none of them may be. Raises `CbramError`, which names the file that cannot
    be written, and the reason.
    """
    taken = {os.path.realpath(path): f"is {what}" for path, what in reads.items()}
    for flag, path, suffix in targets:
        try:
            if why := taken.get(os.path.realpath(path)):
                raise CbramError(f"{flag}: {printable(path)} {why}")
            taken[os.path.realpath(path)] = f"is the file of {flag} as well"
            if path.suffix.lower() != suffix:
                raise CbramError(
                    f"{flag}: must be a {suffix} file, whose name must end in {suffix} (got "
                    f"'{printable(path)}')"
                )
            if not path.absolute().parent.is_dir():
                raise CbramError(f"{flag}: cannot write {printable(path)}: no such folder")
            if os.path.lexists(path) and not force:
                raise CbramError(f"{flag}: {printable(path)} exists; use --force to overwrite it")
        except (OSError, ValueError) as error:
            if isinstance(error, CbramError):
                raise
            reason = getattr(error, "strerror", None) or error
            raise CbramError(f"{flag}: cannot write {printable(path)}: {reason}") from None
        check_writable(path)
