"""Which runs answer the question, and how each policy is set up.

How early a policy may prune was chosen on a validation split of the training set, as in
`sweeps/maturity.toml`: weights that are held at common constants, in two stages, gain by waiting
until `LATE`, at which all such policies are compared; weights that are frozen where they are may be
taken much earlier.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from cbramsim.experiments.study.cases import PlannedRun, configured
from cbramsim.experiments.study.names import safe_names
from cbramsim.simulator.images.datasets import load_dataset

LATE, EARLY = 0.83, 0.27
"""When neurons are mature, as a share of the output spikes that each fires in training."""
MATURITIES = (0.14, 0.27, 0.5, 0.83)
"""Shares at which both kinds are run for the trade-off of accuracy and energy."""
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Fractions of the curves, beside 0."""
MAIN_FRACTION = 0.75
"""The reference's fraction for soft pruning, on every curve, and what all else is run at."""
HARD_FRACTION = 0.4
"""The reference's fraction for conventional pruning, on every curve."""
SHORTER = (1, 2)
"""Epochs of runs that save energy by stopping early: the control of the trade-off."""


SAVERS = ("soft-freeze", "soft-mean-2", "soft-floor")
"""Policies whose savings are taken apart."""


class Policy(NamedTuple):
    """One way to prune."""

    name: str
    """As in folders and tables."""
    label: str
    """As in figures."""
    mode: str
    """`soft`, `hard` (while learning) or `hard-after` (the finished network)."""
    value: str
    """What pruned weights are held at, or `removed`."""
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
"""The curves of the question, under both rules."""
MORE_POLICIES = (
    _soft("mean", "soft: mean, in two stages", stages=2),
    _hard("hard-salient", "hard: least salient, while learning", "saliency"),
)
"""Further curves, on the device only."""
ALL_POLICIES = {policy.name: policy for policy in (*POLICIES, *MORE_POLICIES)}


class Plan(NamedTuple):
    """What to run."""

    base: dict[str, Any]
    """What all runs share."""
    seeds: tuple[int, ...]
    """One run of each kind for each."""
    fractions: tuple[float, ...]
    """Of the curves."""
    rules: tuple[str, ...]
    """`device`, `ideal`."""
    spikes: float
    """Output spikes that a neuron fires in training, on average."""
    epochs: int
    """Passes over the training images."""


def make_plan(
    base: dict[str, Any],
    seeds: tuple[int, ...],
    fractions: tuple[float, ...],
    rules: tuple[str, ...],
) -> Plan:
    """Return the plan for a base configuration; a key or value of it may be refused."""
    config = configured(base, {})
    images = config.train_images or len(load_dataset(config.dataset).train_images)
    learned = config.epochs * (images - config.validation_images)
    spikes = learned * config.encoding.windows / config.neurons
    return Plan(base, seeds, fractions, rules, spikes, config.epochs)


def runs(plan: Plan) -> list[PlannedRun]:
    """Return every run of the study, each once: what the device does first, the curves of the ideal
    rule last."""
    found: dict[str, PlannedRun] = {}
    for run in _all_runs(plan):
        found.setdefault(f"{run.name}: {run.config.model_dump_json()}", run)
    identities = list(found)
    names = safe_names([run.name for run in found.values()], identities.__getitem__)
    return [run._replace(name=name) for run, name in zip(found.values(), names, strict=True)]


def _all_runs(plan: Plan) -> Iterable[PlannedRun]:
    if "device" in plan.rules:
        yield from _decomposition(plan)
        yield from _curves(plan, "device", (*POLICIES, *MORE_POLICIES))
        yield from _trade_off(plan)
        yield from _passive(plan)
    if "ideal" in plan.rules:
        yield from _curves(plan, "ideal", POLICIES)


def _curves(plan: Plan, rule: str, policies: tuple[Policy, ...]) -> Iterable[PlannedRun]:
    """Accuracy and energy over the pruned fraction."""
    for seed in plan.seeds:
        yield unpruned(plan, rule, seed)
        for policy in policies:
            for fraction in sorted({*plan.fractions, HARD_FRACTION, MAIN_FRACTION}):
                yield pruned(plan, rule, seed, policy, fraction)


def _trade_off(plan: Plan) -> Iterable[PlannedRun]:
    """Accuracy against energy: earlier pruning, and shorter training, without pruning and with."""
    frozen = ALL_POLICIES["soft-freeze"]
    for seed in plan.seeds:
        for epochs in (n for n in SHORTER if n < plan.epochs):
            yield unpruned(plan, "device", seed, epochs=epochs)
            for share in MATURITIES[1:]:
                later = frozen._replace(maturity=share)
                yield pruned(plan, "device", seed, later, MAIN_FRACTION, epochs=epochs)
        for share in MATURITIES:
            for name in ("soft-freeze", "soft-mean", "soft-mean-2"):
                policy = ALL_POLICIES[name]._replace(maturity=share)
                yield pruned(plan, "device", seed, policy, MAIN_FRACTION)


def _decomposition(plan: Plan) -> Iterable[PlannedRun]:
    """The steps of the algorithm that are not on a curve of the device."""
    for seed in plan.seeds:
        yield unpruned(plan, "ideal", seed, update="dense")
        yield unpruned(plan, "ideal", seed)


def _passive(plan: Plan) -> Iterable[PlannedRun]:
    """What half-selected cells would cost in an array without transistors."""
    for seed in plan.seeds:
        yield unpruned(plan, "device", seed, access="passive")
        for name in SAVERS:
            policy = ALL_POLICIES[name]
            yield pruned(plan, "device", seed, policy, MAIN_FRACTION, access="passive")


def unpruned(plan: Plan, rule: str, seed: int, **changes: Any) -> PlannedRun:
    """Return a run without pruning, with `changes` to the configuration."""
    settings = {"mode": "none", "value": "", "policy": "unpruned", "target_fraction": 0.0}
    return _planned(plan, rule, seed, settings, {"pruning.kind": "none"}, changes)


def pruned(
    plan: Plan, rule: str, seed: int, policy: Policy, fraction: float, **changes: Any
) -> PlannedRun:
    """Return a run with pruning of `fraction` by `policy`, with `changes` to the configuration."""
    settings = {
        "mode": policy.mode, "value": policy.value, "policy": policy.name,
        "target_fraction": fraction,
    }  # fmt: skip
    if policy.mode != "hard-after":
        settings["maturity"] = policy.maturity
    spikes = plan.spikes * changes.get("epochs", plan.epochs) / plan.epochs
    keys = policy.settings | {
        "pruning.fraction": fraction,
        "pruning.mature_spikes": max(1, round(policy.maturity * spikes)),
    }
    return _planned(plan, rule, seed, settings, keys, changes)


def _planned(
    plan: Plan,
    rule: str,
    seed: int,
    settings: dict[str, Any],
    keys: dict[str, Any],
    changes: dict[str, Any],
) -> PlannedRun:
    parts = [f"{rule},{settings['policy']}"]
    if settings["mode"] != "none":
        parts.append(f"fraction={settings['target_fraction']:g}")
    if "maturity" in settings:
        parts.append(f"maturity={settings['maturity']:g}")
    parts += [f"{key}={value}" for key, value in changes.items()]
    name = ",".join([*parts, f"seed={seed}"])
    config = configured(plan.base, {**keys, **changes, "rule": rule, "seed": seed})
    facts = {**settings, "rule": rule, "seed": seed, "epochs": config.epochs}
    facts |= {"update": config.update, "access": config.access}
    return PlannedRun(name, facts, config, keep_state=not changes and _is_shown(facts))


def _is_shown(facts: dict[str, Any]) -> bool:
    """Return whether the weights of a run are drawn."""
    fraction = HARD_FRACTION if facts["mode"].startswith("hard") else MAIN_FRACTION
    return bool(
        facts["rule"] == "device"
        and facts["seed"] == 0
        and facts["target_fraction"] in (0, fraction)
        and facts.get("maturity") in (None, ALL_POLICIES.get(facts["policy"], _NONE).maturity)
    )


_NONE = Policy("", "", "none", "", {})
