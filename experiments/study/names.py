"""Names of folders and files made from values of the user, which may be any text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256

from cbramsim.core.errors import ParameterError

LONGEST = 120
"""Most characters of a name: with additions, some file systems allow no more than 143."""
HASH = 8
"""Characters that distinguish names that would be the same."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that Windows takes for a device, whatever follows the point."""


def safe_name(text: str) -> str:
    """Return a text as a name that every system accepts: visible, in ASCII, without separators."""
    name = re.sub(r"[^A-Za-z0-9_.+=,-]+", "_", text)
    name = re.sub(r"\.$", "_", name)
    if not name or name[0] in ".-" or _RESERVED.match(name):
        name = f"_{name}"
    return name if len(name) <= LONGEST else _told_apart(name, text)


def safe_names(texts: Sequence[str], identity: Callable[[int], str] | None = None) -> list[str]:
    """Return a name for each text, all of them different, also where case does not matter.

    `identity` returns a text that distinguishes the one at a place from others with the same name,
    by default the text itself. Raises `ParameterError` if an identity occurs twice.
    """
    names = [safe_name(text) for text in texts]
    shared = Counter(name.casefold() for name in names)
    seen = set()
    for place, name in enumerate(names):
        if shared[name.casefold()] > 1:
            told = identity(place) if identity else texts[place]
            if told in seen:
                raise ParameterError(f"the run '{name}' is there twice")
            seen.add(told)
            names[place] = _told_apart(name, told)
    return names


def _told_apart(name: str, identity: str) -> str:
    mark = sha256(identity.encode(errors="surrogatepass")).hexdigest()[:HASH]
    return f"{name[: LONGEST - HASH - 1]}-{mark}"
