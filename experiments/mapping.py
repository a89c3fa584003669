"""`cbram map`: a trained network in arrays: accuracy by cause, joules, latency."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import numpy as np

from cbramsim.core.errors import ParameterError
from cbramsim.core.units import in_prefixed
from cbramsim.experiments.results import in_percent
from cbramsim.experiments.study import jobs
from cbramsim.experiments.study.cases import seeds_of
from cbramsim.experiments.study.claims import Claim, mean_claim
from cbramsim.experiments.study.findings import Findings, evidence_of
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.jobs import Job
from cbramsim.experiments.study.runner import HERE, Where
from cbramsim.experiments.study.table import markdown, mean_and_spread
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.mapping import (
    MappedNetwork,
    MappingConfig,
    TrainedNetwork,
    loss_by_cause,
)
from cbramsim.simulator.mapping.trained import name_of, shipped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUICK = 200
"""Number of test images of a quick look."""
WITHIN = 0.005
"""Loss of accuracy that counts as small."""
ROLE = "map"
WORDS = {
    "software": "as trained", "inputs": "rounded inputs", "cells": "cells as written",
    "noise of reads": "noise of reads", "lines": "resistance of lines",
    "converters": "converters", "time": "time",
}  # fmt: skip
"""Description of each cause, for people."""


class Question(NamedTuple):
    """Network that is mapped, and the images it is shown."""

    model: str = "mnist-lenet"
    """Network: an ONNX or NIR file, or one that comes with the package."""
    dataset: str = "mnist"
    """Data set, as for `load_dataset`."""
    mean: float = 0.0
    """Mean that is subtracted from images of 0 to 1 before the network sees them."""
    deviation: float = 1.0
    """Number by which the rest is divided."""
    days: float = 0.0
    """Time for which the arrays wait after they have been written."""
    steps: int = 100
    """Steps of 1 ms for which a spiking network, of a NIR file, is shown an image."""

    def network(self) -> TrainedNetwork:
        """Return the network, as it has been trained."""
        if self.model.endswith(".nir"):
            return TrainedNetwork.from_nir(self.model, self.steps)
        return TrainedNetwork.of(self.model)


def run(
    question: Question,
    config: MappingConfig,
    out: Path = Path("runs/map"),
    *,
    seeds: int = 3,
    quick: bool = False,
    at: Where = HERE,
) -> Findings:
    """Map a network with some seeds; return the findings, and write them into a folder.

    Parameters
    ----------
    question
        The network and its images: ranges are found on training images, accuracy is that of the
        test images.
    config
        Configuration of the mapping; the seed is that of the run.
    out
        The folder; another run of the same goes on where it stopped.
    seeds
        Number of seeds.
    quick
        Only 200 test images.
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If the network or the data set cannot be read, or they do not fit each other.
    """
    if config.seed:
        raise ParameterError(f"map.seed: is that of each run, see --seeds (got {config.seed})")
    network, data = question.network(), load_dataset(question.dataset, quiet=True)
    network.forward(seen_by(question, data.test_images[:1]))  # refused here, not in every job
    content = {"images": crc32(np.ascontiguousarray(data.train_images).tobytes())}
    if question.model not in shipped():
        path = Path(question.model).resolve()
        question = question._replace(model=str(path))
        content["model"] = crc32(path.read_bytes())
    planned = [
        Job(ROLE, seed, f"{__name__}:measure", {
            "question": question._asdict(), "seed": seed, "quick": quick,
            "config": config.model_dump(mode="json"), "content": content,
        })
        for seed in seeds_of("map", seeds)
    ]  # fmt: skip
    with study_folder(out, "map", at):
        done = jobs.carry_out(planned, out, at)
        runs = done.records.get(ROLE, [])
        findings = Findings(
            out, report(runs), {"claims": claims(runs, quick), "quick": quick},
            {"runs.csv": [_flat(one) for one in runs]}, done.failures,
            title=f"{network!r} in arrays of {config.technology().name}",
            closing=f"written to {out}", base=config.model_dump(mode="json"),
            evidence=evidence_of(config.technology()),
        )  # fmt: skip
        findings.write({"causes.png": draw(runs)} if runs else {})
    return findings


def measure(
    question: dict[str, Any], config: dict[str, Any], seed: int, quick: bool,
    content: dict[str, int],
) -> dict[str, Any]:  # fmt: skip
    """Map a network with one seed; return accuracy by cause, joules and latency.

    `content` are checksums of the files, so that results of other files are not reused.
    """
    asked = Question(**question)
    wanted = MappingConfig(**config).replace(seed=seed)
    data = load_dataset(asked.dataset, quiet=True)
    images, labels = data.test_images, np.asarray(data.test_labels)
    if quick:
        images, labels = images[:QUICK], labels[:QUICK]
    calibration = seen_by(asked, data.train_images[:: max(1, len(data.train_images) // 1000)])
    images, seconds = seen_by(asked, images), 86400 * asked.days
    network = asked.network()
    causes = loss_by_cause(network, calibration, images, labels, wanted, seconds=seconds)
    mapped = MappedNetwork(network, calibration, wanted)
    off = [np.square(each.written - each.weights).ravel() for each in mapped.arrays]
    write_error = float(np.sqrt(np.mean(np.concatenate(off))))
    mapped.wait(seconds)
    few = images[:QUICK]
    mapped.forward(few[:1])  # compiles
    for arrays in mapped.arrays:
        arrays.ledger.clear("test")
    seconds_of = [_seconds(forward, few) for forward in (mapped.forward, mapped.network.forward)]
    account = mapped.ledger.account("test")
    return {
        "causes": [cause._asdict() for cause in causes],
        "missed": sum(each.missed for each in mapped.arrays),
        "weights": sum(each.weights.size for each in mapped.arrays),
        "cells": mapped.cells,
        "write_error": write_error,
        "write_joules": mapped.ledger.total("program"),
        "compensation_joules": mapped.ledger.total("compensation"),
        "image_joules": float(account.joules.sum()) / len(few),
        "operations": {
            operation.label: float(account.joules[operation]) / len(few)
            for operation in Operation
            if account.joules[operation]
        },
        "latency": mapped.latency,
        "seconds_an_image": seconds_of[0] / len(few),
        "times_software": seconds_of[0] / seconds_of[1],
        "layers": [
            {"layer": name_of(layer), "joules": each.ledger.total("test") / len(few),
             "seconds": seconds_}
            for layer, each, seconds_ in zip(
                mapped.network.weighted, mapped.arrays, mapped.latencies, strict=True
            )
        ],
    }  # fmt: skip


def _seconds(forward: Callable[[Any], Any], images: Any) -> float:
    """Return the seconds of this process that a network takes for images."""
    begun = time.process_time()
    forward(images)
    return time.process_time() - begun


def seen_by(question: Question, images: np.ndarray) -> np.ndarray:
    """Return images in the form of the training; uint8 if they are not normalised."""
    if (question.mean, question.deviation) == (0.0, 1.0):
        return images
    grey = images / 255 if images.dtype == np.uint8 else images
    return ((grey - question.mean) / question.deviation).astype(np.float32)


# ---- what was found ----------------------------------------------------------------------------


def by_cause(runs: list[dict[str, Any]], key: str) -> dict[str, np.ndarray]:
    """Return a number of each cause, float64[seeds] by name."""
    names = [cause["name"] for cause in runs[0]["causes"]]
    return {
        name: np.array([run["causes"][n][key] for run in runs], float)
        for n, name in enumerate(names)
    }


def report(runs: list[dict[str, Any]]) -> str:
    """Return the findings for people, in Markdown."""
    if not runs:
        return ""
    accuracy, alone = by_cause(runs, "accuracy"), by_cause(runs, "alone")
    befores = [0.0, *(each.mean() for each in accuracy.values())][:-1]
    rows = [
        [
            WORDS[name], in_percent(float(each.mean()), mean_and_spread(each)[1]),
            "" if n == 0 else f"{100 * (each.mean() - before):+.2f} points",
            "" if n < 2 else f"{0 - 100 * alone[name].mean():+.2f} points",
        ]
        for n, ((name, each), before) in enumerate(zip(accuracy.items(), befores, strict=True))
    ]  # fmt: skip
    first = runs[0]
    layers = [
        [layer["layer"],
         in_prefixed(float(np.mean([run["layers"][n]["joules"] for run in runs])), "J"),
         in_prefixed(layer["seconds"], "s")]
        for n, layer in enumerate(first["layers"])
    ]  # fmt: skip
    missed = np.mean([run["missed"] for run in runs]) / first["weights"]
    total = [
        f"{first['cells']:,} cells; {missed:.2%} of the weights given up in writing, all of them "
        f"{_mean(runs, 'write_error'):.2%} of the largest off (rms)",
        f"writing {in_prefixed(_mean(runs, 'write_joules'), 'J')}, compensation "
        f"{in_prefixed(_mean(runs, 'compensation_joules'), 'J')}; an image "
        f"{in_prefixed(_mean(runs, 'image_joules'), 'J')}, "
        f"{in_prefixed(first['latency'], 's')} layer after layer",
        f"simulated at {in_prefixed(_mean(runs, 'seconds_an_image'), 's')} an image, "
        f"{_mean(runs, 'times_software'):.3g} times as long as in software",
    ]
    return "\n\n".join([
        markdown(("with", "accuracy", "to the line above", "alone"), rows),
        markdown(("layer", "an image", "takes"), layers),
        "\n".join(f"* {line}" for line in total),
    ])  # fmt: skip


def _mean(runs: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([run[key] for run in runs]))


def claims(runs: list[dict[str, Any]], quick: bool) -> list[Claim]:
    """Return the claims of the study."""
    if not runs:
        return []
    lost = np.array(
        [run["causes"][0]["accuracy"] - run["causes"][-1]["accuracy"] for run in runs], float
    )
    found = [
        mean_claim(
            "lost_in_the_array", lost, unit="fraction",
            definition="accuracy in software less that of the arrays, test images",
            target=None if quick else WITHIN,
            held=None if quick else bool(lost.mean() <= WITHIN),
        ),
        mean_claim(
            "joules_of_an_image", np.array([run["image_joules"] for run in runs]), unit="J",
            definition="energy of all arrays, converters and additions for one image",
        ),
        mean_claim(
            "joules_of_writing", np.array([run["write_joules"] for run in runs]), unit="J",
            definition="energy of writing all weights with verification",
        ),
    ]  # fmt: skip
    return [each for each in found if each is not None]


def _flat(run: dict[str, Any]) -> dict[str, Any]:
    """Return a run as a row of a table."""
    row = {key: value for key, value in run.items() if not isinstance(value, list | dict)}
    for cause in run["causes"]:
        row[f"accuracy with {cause['name']}"] = cause["accuracy"]
        row[f"lost by {cause['name']} alone"] = cause["alone"]
    return row | {f"J an image, {name}": value for name, value in run["operations"].items()}


def draw(runs: list[dict[str, Any]]) -> Figure:
    """Draw accuracy by cause, and the energy of an image by part."""
    from cbramsim.core.plotting import COLUMN_WIDTH, axes_grid

    figure, (left, right) = axes_grid(1, 2, 2.2 * COLUMN_WIDTH, 2.6)
    _draw_causes(left, by_cause(runs, "accuracy"))
    _draw_joules(right, runs)
    return figure


def _draw_causes(ax: Axes, accuracy: dict[str, np.ndarray]) -> None:
    from cbramsim.core.plotting import BLUE, GREY, ORANGE, tidy

    names = list(accuracy)
    means = [100 * float(accuracy[name].mean()) for name in names]
    for y, name in enumerate(names):
        before = means[max(y - 1, 0)]
        colour = GREY if y == 0 else ORANGE if means[y] < before else BLUE
        ax.plot([before, means[y]], [y, y], color=colour, lw=5, solid_capstyle="butt")
        ax.plot(100 * accuracy[name], np.full(len(accuracy[name]), y), "o", ms=3, color="black")
        change = "" if y == 0 else f" ({means[y] - before:+.2f})"
        ax.annotate(
            f"{means[y]:.2f} %{change}", (max(before, means[y], 100 * accuracy[name].max()), y),
            (6, 0), textcoords="offset points", va="center", fontsize="x-small",
        )  # fmt: skip
    ax.set_yticks(range(len(names)), [WORDS[name] for name in names])
    ax.invert_yaxis()
    low, high = min(map(min, accuracy.values())), max(map(max, accuracy.values()))
    span = max(100 * (high - low), 0.2)
    ax.set_xlim(100 * low - 0.1 * span, 100 * high + 0.9 * span)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}" if value <= 100 else "")
    ax.set_xlabel("test images recognised, %")
    tidy(ax)


def _draw_joules(ax: Axes, runs: list[dict[str, Any]]) -> None:
    from cbramsim.core.plotting import BLUE, tidy

    names = sorted(runs[0]["operations"], key=lambda name: -runs[0]["operations"][name])
    joules = [float(np.mean([run["operations"].get(name, 0.0) for run in runs])) for name in names]
    total = sum(joules)
    ax.barh(range(len(names)), joules, color=BLUE)
    for y, each in enumerate(joules):
        ax.annotate(
            f"{in_prefixed(each, 'J')}, {each / total:.0%}", (each, y), (3, 0),
            textcoords="offset points", va="center", fontsize="x-small",
        )  # fmt: skip
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.6 * max(joules))
    ax.xaxis.set_major_formatter(lambda value, _: in_prefixed(value, "J") if value else "0")
    ax.xaxis.set_major_locator(_few())
    ax.set_xlabel(f"energy of an image, {in_prefixed(total, 'J')} in all")
    tidy(ax)


def _few() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=4)
