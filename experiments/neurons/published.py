"""Published results: accuracy on MNIST's test set of one layer that learns without labels.

Only networks are included whose neurons learn unsupervised, in one layer of weights, all ten
digits, and whose labels only name neurons.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Grade = Literal["table", "cited", "recalled"]


class Point(NamedTuple):
    """An accuracy that a paper reports."""

    label: str
    """Name and year, as in the figure."""
    neurons: int
    """Number of output neurons."""
    accuracy: float
    """Accuracy, fraction of the test images."""
    how: str
    """Name of the learning method."""
    source: str
    """Place in the source."""
    grade: Grade
    """Grade of evidence: `table`: read in the paper's own abstract, table, or code; `cited`: as
    another paper quotes it; `recalled`: not checked."""
    spread: float | None = None
    """Standard deviation, if reported."""
    about: bool = False
    """Whether the paper says `about`."""

    @property
    def text(self) -> str:
        """Accuracy as text, for people."""
        spread = "" if self.spread is None else f" ± {100 * self.spread:.2g}"
        return f"{'~' * self.about}{100 * self.accuracy:.4g}{spread} %"


DIEHL = ("Front. Comput. Neurosci. 9, 99 (2015)", "LIF neurons, adaptive thresholds, trace STDP")
VDSP = ("voltage-dependent synaptic plasticity, 2022, table", "LIF neurons, voltage-dependent rule")
GUO = ("Guo et al. 2019, table 3", "memristive cells with spread and noise, rectangular window")

PUBLISHED = (
    Point("Querlioz 2011", 50, 0.734, "LIF neurons without homeostasis, memristive cells",
          "simulation file by a co-author for the published network, in N2D2", "table"),
    Point("Guo 2019", 50, 0.75, GUO[1], f"{GUO[0]}, 30 % spread", "table", about=True),
    Point("Boybat in Guo 2019", 50, 0.70, GUO[1], f"{GUO[0]}, 9 cells a weight", "table",
          about=True),
    Point("Querlioz in Guo 2019", 50, 0.80, GUO[1], f"{GUO[0]}, 25 % spread", "table", about=True),
    Point("Diehl & Cook 2015", 100, 0.829, DIEHL[1], DIEHL[0], "table"),
    Point("Diehl & Cook 2015", 400, 0.870, DIEHL[1], DIEHL[0], "table"),
    Point("Diehl & Cook 2015", 1600, 0.919, DIEHL[1], DIEHL[0], "table"),
    Point("Diehl & Cook 2015", 6400, 0.950, DIEHL[1], DIEHL[0], "table"),
    Point("VDSP 2022", 100, 0.8501, VDSP[1], VDSP[0], "table", 0.0076),
    Point("VDSP 2022", 400, 0.8993, VDSP[1], VDSP[0], "table", 0.0041),
    Point("VDSP 2022", 500, 0.9056, VDSP[1], VDSP[0], "table", 0.0027),
    Point("Querlioz 2013", 300, 0.935, "LIF neurons, homeostasis, memristive cells",
          "IEEE Trans. Nanotechnol. 12, 288 (2013), abstract", "table"),
    Point("Shi 2018", 500, 0.94, "stochastic winner-take-all, subquantum CBRAM",
          "Nat. Commun. 9, 5312 (2018)", "table", about=True),
    Point("ASP 2018", 6400, 0.968, "LIF neurons, weights that decay adaptively",
          "Panda et al., IEEE JETCAS 8, 51 (2018)", "recalled"),
)  # fmt: skip
"""All published points."""


def best(neurons: int) -> Point | None:
    """Return the best point of a number of neurons that was read in its source, if there is any."""
    points = [point for point in PUBLISHED if point.neurons == neurons and point.grade == "table"]
    return max(points, key=lambda point: point.accuracy, default=None)
