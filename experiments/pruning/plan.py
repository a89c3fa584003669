"""Runs that answer the question, and the settings of each policy.

The earliest time of pruning of a policy was chosen on a validation split of the training set, as in
`sweeps/maturity.toml`: weights that are held at common constants, in two stages, gain by waiting
until `LATE`, at which all such policies are compared; weights that are frozen where they are may be
taken much earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from cbramsim.experiments.study.cases import Case, PlannedRun, configured, planned
from cbramsim.simulator.images.datasets import load_dataset

LATE, EARLY = 0.83, 0.27
"""Maturity of neurons, as a share of the output spikes that each fires in training."""
MATURITIES = (0.14, 0.27, 0.5, 0.83)
"""Shares at which both kinds are run for the trade-off of accuracy and energy."""
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Fractions of the curves, beside 0."""
MAIN_FRACTION = 0.75
"""The reference's fraction for soft pruning, on every curve, and for all other runs."""
HARD_FRACTION = 0.4
"""The reference's fraction for conventional pruning, on every curve."""
SHORTER = (1, 2)
"""Epochs of runs that save energy by stopping early: the control of the trade-off."""


SAVERS = ("soft-freeze", "soft-mean-2", "soft-floor")
"""Policies whose savings are analysed."""


class Policy(NamedTuple):
    """One way to prune."""

    name: str
    """Name in folders and tables."""
    label: str
    """Label in figures."""
    mode: str
    """Mode: `soft`, `hard` (while learning) or `hard-after` (the finished network)."""
    value: str
    """Value at which pruned weights are held, or `removed`."""
    settings: dict[str, Any]
    """Keys of the configuration."""
    maturity: float = LATE
    """Share of the expected spikes after which neurons are mature."""


def _soft(
    value: str, label: str, selection: str = "saliency", maturity: float = LATE, stages: int = 1
) -> Policy:
    settings = {
        "pruning.kind": "soft", "pruning.value": value, "pruning.selection": selection,
        "pruning.stages": stages,
    }  # fmt: skip
    name = f"soft-{value}" if stages == 1 else f"soft-{value}-{stages}"
    return Policy(name, label, "soft", value, settings, maturity)


def _hard(name: str, label: str, selection: str, maturity: str = "spikes") -> Policy:
    settings = {
        "pruning.kind": "hard", "pruning.selection": selection, "pruning.maturity": maturity,
        "pruning.stages": 1,
    }  # fmt: skip
    mode = "hard-after" if maturity == "trained" else "hard"
    return Policy(name, label, mode, "removed", settings)


POLICIES = (
    _soft("floor", "soft: floor"),
    _soft("mean", "soft: neuron's mean"),
    _soft("constant", "soft: one constant"),
    _soft("freeze", "soft: frozen", "write-cost", EARLY),
    _hard("hard", "hard: lowest, while learning", "quantile"),
    _hard("hard-after", "hard: magnitude, after training", "magnitude", "trained"),
)
"""Policies of the main curves, under both rules."""
MORE_POLICIES = (
    _soft("mean", "soft: mean, in two stages", stages=2),
    _hard("hard-salient", "hard: least salient, while learning", "saliency"),
)
"""Policies of further curves, on the device only."""
ALL_POLICIES = {policy.name: policy for policy in (*POLICIES, *MORE_POLICIES)}


def runs(
    base: dict[str, Any], seeds: Iterable[int], fractions: Iterable[float], rules: Sequence[str]
) -> list[PlannedRun]:
    """Return every run of the study, each once: what the device does first, the curves of the ideal
    rule last.

    Raises
    ------
    ParameterError
        If a key or a value of `base` is wrong.
    """
    cases = _Cases(base, fractions)
    device = {case.name: case for case in (cases.of_device() if "device" in rules else ())}
    ideal = {case.name: case for case in (cases.of_ideal() if "ideal" in rules else ())}
    later = [case for name, case in ideal.items() if name not in device]
    shown = {case.name for case in device.values() if _is_shown(case)}

    def keeps(case: str, seed: int) -> bool:
        return case in shown and seed == 0

    return [
        run for part in (device.values(), later) for run in planned(base, part, seeds, keeps)
    ]  # fmt: skip


class _Cases:
    """Cases that are run with every seed, on a base configuration."""

    def __init__(self, base: dict[str, Any], fractions: Iterable[float]) -> None:
        config = configured(base, {})
        images = config.train_images or len(load_dataset(config.dataset).train_images)
        learned = config.epochs * (images - config.validation_images)
        self.base, self.epochs = base, config.epochs
        self.fractions = sorted({*fractions, HARD_FRACTION, MAIN_FRACTION})
        self.spikes = learned * config.encoding.windows / config.neurons
        """Output spikes that a neuron fires in training, on average."""

    def of_device(self) -> Iterator[Case]:
        """Yield the steps of the algorithm, the curves, the trade-off, and the passive array."""
        yield self.unpruned("ideal", update="dense")
        yield self.unpruned("ideal")
        yield from self.curves("device", (*POLICIES, *MORE_POLICIES))
        yield from self.trade_off()
        yield self.unpruned("device", access="passive")
        for name in SAVERS:
            yield self.pruned("device", ALL_POLICIES[name], MAIN_FRACTION, access="passive")

    def of_ideal(self) -> Iterator[Case]:
        """Yield the curves under the ideal rule."""
        yield from self.curves("ideal", POLICIES)

    def curves(self, rule: str, policies: Iterable[Policy]) -> Iterator[Case]:
        """Yield accuracy and energy over the pruned fraction."""
        yield self.unpruned(rule)
        for policy in policies:
            for fraction in self.fractions:
                yield self.pruned(rule, policy, fraction)

    def trade_off(self) -> Iterator[Case]:
        """Yield earlier pruning, and shorter training, without pruning and with."""
        frozen = ALL_POLICIES["soft-freeze"]
        for epochs in (n for n in SHORTER if n < self.epochs):
            yield self.unpruned("device", epochs=epochs)
            for share in MATURITIES[1:]:
                later = frozen._replace(maturity=share)
                yield self.pruned("device", later, MAIN_FRACTION, epochs=epochs)
        for share in MATURITIES:
            for name in ("soft-freeze", "soft-mean", "soft-mean-2"):
                policy = ALL_POLICIES[name]._replace(maturity=share)
                yield self.pruned("device", policy, MAIN_FRACTION)

    def unpruned(self, rule: str, **changes: Any) -> Case:
        """Return a case without pruning, with `changes` to the configuration."""
        facts = {"mode": "none", "value": "", "policy": "unpruned", "target_fraction": 0.0}
        return self._case(
            f"{rule},unpruned", facts, {"pruning.kind": "none", "rule": rule}, changes
        )

    def pruned(self, rule: str, policy: Policy, fraction: float, **changes: Any) -> Case:
        """Return a case with pruning of `fraction` by `policy`, with `changes`."""
        facts = {
            "mode": policy.mode, "value": policy.value, "policy": policy.name,
            "target_fraction": fraction,
        }  # fmt: skip
        name = f"{rule},{policy.name},fraction={fraction:.16g}"
        if policy.mode != "hard-after":
            facts["maturity"] = policy.maturity
            name += f",maturity={policy.maturity:g}"
        spikes = self.spikes * changes.get("epochs", self.epochs) / self.epochs
        keys = policy.settings | {
            "pruning.fraction": fraction,
            "pruning.mature_spikes": max(1, round(policy.maturity * spikes)),
            "rule": rule,
        }
        return self._case(name, facts, keys, changes)

    def _case(
        self, name: str, facts: dict[str, Any], keys: dict[str, Any], changes: dict[str, Any]
    ) -> Case:
        name = ",".join([name, *(f"{key}={value}" for key, value in changes.items())])
        config = configured(self.base, {**keys, **changes})
        settings = {key: getattr(config, key) for key in ("rule", "epochs", "update", "access")}
        return Case(name, {**keys, **changes}, facts | settings)


def _is_shown(case: Case) -> bool:
    """Return whether the weights of a case are drawn: those of the plain device."""
    facts = case.facts
    fraction = HARD_FRACTION if facts["mode"].startswith("hard") else MAIN_FRACTION
    known = ALL_POLICIES.get(facts["policy"])
    return bool(
        facts["rule"] == "device"
        and not {"update", "access", "epochs"} & case.changes.keys()
        and facts["target_fraction"] in (0, fraction)
        and facts.get("maturity") in (None, known and known.maturity)
    )
