"""`Published`: a number that a paper reports, and its tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple


class Published(NamedTuple):
    """A number that a paper reports."""

    name: str
    """Short name, for files."""
    what: str
    """Description, for people."""
    value: float
    """Value, in `unit`."""
    source: str
    """Place of the value in the source."""
    tolerance: float | None = None
    """Largest distance of our value from it, in its unit; None: the two are only compared."""
    unit: Literal["fraction", "J", "s"] = "fraction"
    """Unit of the value."""
    at_least: bool = False
    """Whether a larger value is as good."""
    at_most: bool = False
    """Whether a smaller value is as good."""
    about: bool = False
    """Whether the paper says `about`."""
    evidence: str = "published"
    """Grade of evidence of the number."""
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
        """Number as text, for people."""
        about = "~" * self.about
        if self.unit == "fraction":
            return f"{about}{100 * self.value:.4g} %"
        return f"{about}{self.value:.3g} {self.unit}"

    def within(self, found: float) -> bool:
        """Return whether our value is near enough."""
        low, high = self.range or (-float("inf"), float("inf"))
        return low <= found <= high

    def verdict(self, found: float) -> str:
        """Return a verdict on our value."""
        if self.tolerance is None:
            return "-"
        return "held" if self.within(found) else "missed"
