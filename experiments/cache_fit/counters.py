"""Joules from the energy counters of the processor, where Linux exposes them (RAPL).

Every counter runs from 0 to `max_energy_range_uj` and starts again. Without counters there are no
joules: they are never estimated from seconds.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")


class Counter(NamedTuple):
    """One energy counter."""

    path: Path
    """File to read, in microjoules."""
    span: int
    """Microjoules after which the counter starts again."""


class Counters(NamedTuple):
    """Energy counters that this process may read, and whether there are others."""

    counters: tuple[Counter, ...]
    """Counters, one for each package, and one for each memory that is counted separately."""
    missing: str
    """Reason for missing counters, or nothing."""

    def read(self) -> tuple[int, ...]:
        """Return the values of all counters, microjoules."""
        return tuple(int(counter.path.read_text()) for counter in self.counters)

    def joules(self, before: tuple[int, ...], after: tuple[int, ...]) -> float:
        """Return the energy between two readings, J; no counter may have wrapped around twice."""
        spent = (
            (late - early) % counter.span
            for counter, early, late in zip(self.counters, before, after, strict=True)
        )
        return 1e-6 * sum(spent)


def find(root: Path = POWERCAP) -> Counters:
    """Return the counters of packages and memories.

    Cores and graphics are parts of a package, and the platform (`psys`) holds packages: they would
    be counted twice.
    """
    counters, unreadable = [], False
    for zone in sorted(root.glob("intel-rapl:*")):
        with suppress(OSError, ValueError):
            name = (zone / "name").read_text().strip()
            if not (name.startswith("package") or name == "dram"):
                continue
            unreadable = True
            int((zone / "energy_uj").read_text())
            span = int((zone / "max_energy_range_uj").read_text())
            counters.append(Counter(zone / "energy_uj", span))
            unreadable = False
    if counters:
        return Counters(tuple(counters), "")
    reason = "may not be read by this user" if unreadable else "are not exposed by this system"
    return Counters((), f"no energy counters: they {reason}")
