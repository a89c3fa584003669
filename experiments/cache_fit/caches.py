"""Data caches and memory of this machine, as stated by its system or by the user.

Linux: `/sys/devices/system/cpu/cpu*/cache/index*`; macOS: `sysctl hw`. Only processors on which
this process may run are counted: a cache that two of its processors share is one unit.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cbramsim.core.errors import CbramError, ParameterError, shown
from cbramsim.simulator.comparison.hierarchy import BINARY, Hierarchy, Level, in_binary

SYS = Path("/sys/devices/system/cpu")
MEMORY = "DRAM"
"""Name of the last level."""
EXAMPLE = 'such as "L1=48KiB x2, L2=2MiB x2, L3=32MiB x1"'
LARGEST = 2**50
"""Most bytes of a cache; more are taken for a mistake."""
_ENTRY = re.compile(
    r"L([1-9])\s*=\s*([0-9]{1,16}(?:\.[0-9]{0,16})?)\s*([KMGT]?i?B)\s*(?:x\s*([0-9]{1,6}))?"
)


class Cache(NamedTuple):
    """One level of data caches."""

    name: str
    """Name: `L1`, `L2` and so on."""
    capacity: int
    """Size of each, bytes."""
    units: int
    """Number of such caches."""

    def __str__(self) -> str:
        """Write it as `parse` reads it."""
        return f"{self.name}={in_binary(self.capacity).replace(' ', '')} x{self.units}"


def this_machine(given: str | None = None) -> Hierarchy:
    """Return the hierarchy of this machine, without energies; its caches as `given`, if they are.

    Raises
    ------
    ParameterError
        If `given` is not a list of caches, or caches shrink from level to level.
    CbramError
        If the system does not state its caches.
    """
    if given is not None:
        caches, source = parse(given), "caches set by the user"
    elif sys.platform == "darwin":
        caches, source = from_sysctl(_sysctl()), "as sysctl states it"
    else:
        caches, source = from_sys(), f"as {SYS} states it"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    levels = (*caches, Cache(MEMORY, memory, 1))
    return Hierarchy(
        name="this machine", summary=source,
        levels=tuple(Level(name=c.name, capacity=c.capacity, units=c.units) for c in levels),
    )  # fmt: skip


def parse(text: str) -> tuple[Cache, ...]:
    """Read caches from a text such as "L1=48KiB x2, L2=2MiB x2, L3=32MiB x1".

    Raises
    ------
    ParameterError
        If it is not of this form, or caches shrink from level to level.
    """
    found = []
    for part in text.split(","):
        match = _ENTRY.fullmatch(part.strip())
        if match is None or match[3] not in BINARY:
            raise ParameterError(
                f"caches: must be LEVEL=SIZE xUNITS with sizes, which must be > 0, in "
                f"{', '.join(BINARY)}, {EXAMPLE} (got {shown(part.strip())})"
            )
        capacity = round(float(match[2]) * BINARY[match[3]])
        found.append(Cache(f"L{match[1]}", capacity, int(match[4] or 1)))
    return checked(tuple(found), text)


def checked(caches: tuple[Cache, ...], text: str) -> tuple[Cache, ...]:
    """Return `caches` if each level is larger than the one before, and none is empty."""
    if not caches or not all(1 <= one.capacity <= LARGEST and one.units for one in caches):
        raise ParameterError(
            f"caches: units must be > 0, and sizes > 0 and <= {in_binary(LARGEST)}, {EXAMPLE} "
            f"(got {shown(text)})"
        )
    for inner, outer in pairwise(caches):
        if outer.name <= inner.name:
            raise ParameterError(
                f"caches: must be in the order of their levels, each once (got {outer.name} after "
                f"{inner.name})"
            )
        if outer.capacity <= inner.capacity:
            raise ParameterError(
                f"caches: each level must be larger than the one before (got {inner}, {outer})"
            )
    return caches


def from_sys(
    root: Path = SYS, processors: frozenset[int] | None = None
) -> tuple[Cache, ...]:  # fmt: skip
    """Return the data caches that `processors` use, by default those this process may run on.

    Raises
    ------
    CbramError
        If the folder does not state them.
    """
    if processors is None:
        processors = frozenset(os.sched_getaffinity(0))
    shared: dict[int, dict[frozenset[int], int]] = {}
    for processor in sorted(processors):
        for index in sorted((root / f"cpu{processor}" / "cache").glob("index*")):
            with suppress(OSError, ValueError):  # an entry that the system leaves out
                if (index / "type").read_text().strip() != "Instruction":
                    level = int((index / "level").read_text())
                    sharing = _processors((index / "shared_cpu_list").read_text()) & processors
                    size = _size((index / "size").read_text())
                    shared.setdefault(level, {})[sharing] = size
    # Cores of unlike caches: the smallest is what every core is sure to have.
    caches = tuple(
        Cache(f"L{level}", min(sizes.values()), len(sizes))
        for level, sizes in sorted(shared.items())
    )
    if not caches:
        raise CbramError(f"caches: {root} does not say; use --caches, {EXAMPLE}")
    return checked(caches, str(root))


def from_sysctl(values: dict[str, int]) -> tuple[Cache, ...]:
    """Return the data caches by the `hw` table of macOS, where L1 and L2 have `perflevel0` too.

    Raises
    ------
    CbramError
        If the table does not state them.
    """
    cores = values.get("hw.perflevel0.physicalcpu") or values.get("hw.physicalcpu") or 1
    sharing = {"L1": 1, "L2": values.get("hw.perflevel0.cpusperl2", 1), "L3": cores}
    found = []
    for name, keys in (
        ("L1", ("hw.perflevel0.l1dcachesize", "hw.l1dcachesize")),
        ("L2", ("hw.perflevel0.l2cachesize", "hw.l2cachesize")),
        ("L3", ("hw.l3cachesize",)),
    ):
        size = next((values[key] for key in keys if values.get(key)), 0)
        if size:
            found.append(Cache(name, size, max(1, -(-cores // max(1, sharing[name])))))
    if not found:
        raise CbramError(f"caches: sysctl does not say; use --caches, {EXAMPLE}")
    return checked(tuple(found), "sysctl hw")


def _size(text: str) -> int:
    """Read a size of /sys, such as 512K, in bytes."""
    number, letter = re.fullmatch(r"([0-9]+)([KMG]?)", text.strip() or "-").groups()  # type: ignore[union-attr]
    return int(number) * BINARY[f"{letter}iB" if letter else "B"]


def _processors(text: str) -> frozenset[int]:
    """Read a list of processors such as 0-3,8."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _sysctl() -> dict[str, int]:
    done = subprocess.run(["sysctl", "hw"], capture_output=True, text=True, check=False)
    pairs = (line.partition(":")[::2] for line in done.stdout.splitlines())
    return {key.strip(): int(value) for key, value in pairs if value.strip().isdigit()}
