"""`Published`: a number that a paper reports, and how near is near enough."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple


class Published(NamedTuple):
    """A number that a paper reports."""

    name: str
    """Short, for files."""
    what: str
    """For people."""
    value: float
    """The number, in `unit`."""
    source: str
    """Place of the value in the source."""
    tolerance: float | None = None
    """Largest distance of our value from it, in its unit; None: the two are only compared."""
    unit: Literal["fraction", "J", "s"] = "fraction"
    """Its unit."""
    at_least: bool = False
    """Whether more is as good."""
    at_most: bool = False
    """Whether less is as good."""
    about: bool = False
    """Whether the paper says `about`."""
    evidence: str = "published"
    """Grade of the number."""
    note: str = ""
    """Explanation of a difference."""
    settings: Mapping[str, Any] = MappingProxyType({})
    """Settings that the entry needs."""

    @property
    def range(self) -> tuple[float, float] | None:
        """Range of values that are near enough."""
        if self.tolerance is None:
            return None
        low = 0.0 if self.at_most else self.value - self.tolerance
        return low, 1.0 if self.at_least else self.value + self.tolerance

    @property
    def text(self) -> str:
        """The number for people."""
        about = "~" * self.about
        if self.unit == "fraction":
            return f"{about}{100 * self.value:.4g} %"
        return f"{about}{self.value:.3g} {self.unit}"

    def within(self, found: float) -> bool:
        """Return whether what was found is near enough."""
        low, high = self.range or (-float("inf"), float("inf"))
        return low <= found <= high

    def verdict(self, found: float) -> str:
        """Return a word on what was found."""
        if self.tolerance is None:
            return "-"
        return "held" if self.within(found) else "missed"
