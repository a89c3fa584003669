r"""Leaky integrate-and-fire neurons, their inhibition, and their adaptive thresholds.

*Integrating* neurons take spikes as steps of their potential u, in largest weights, and leak
exactly: :math:`u \leftarrow u\, e^{-\Delta t / \tau}`. They therefore fire only when inputs spike.

*Conducting* neurons have conductances, in units of the leak's (Diehl & Cook 2015):

.. math:: \tau \dot u = -u + g_e (E_e - u) + g_i (E_i - u), \qquad
          \dot g_e = -g_e / \tau_e, \quad \dot g_i = -g_i / \tau_i,

with u in V above rest; u is integrated by Euler's method with the step dt, the conductances
exactly.

A neuron that fires is held at rest for its refractory time.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_kernel, lean_vector_kernel
from cbramsim.core.timed_verbs import (
    adapt,
    discharge,
    inhibit,
    pass_time,
    relax,
    rest,
    sleeps,
    take,
)
from cbramsim.core.verbs import implements
from cbramsim.simulator.timed.config import Adaptation, Inhibition, TimedConfig

LOWEST = 0.1
"""Smallest threshold under homeostasis, as a part of its first value (assumed)."""


class Integrating(NamedTuple):
    """Neurons whose potentials jump with each spike."""

    u: NDArray[np.float32]
    """Potentials above rest, float32[neurons]."""
    limits: NDArray[np.float32]
    """Thresholds, float32[neurons]."""
    ready: NDArray[np.int64]
    """First step in which each integrates again, int64[neurons]."""
    at: NDArray[np.int64]
    """Step up to which potentials have leaked, int64[1]."""
    leak: float
    """Leak: dt over the time constant."""
    refractory: int
    """Refractory time, steps."""
    inhibition: Any
    """Inhibition: `Uninhibited`, `ResetOthers` or `DropOthers`."""
    adaptation: Any
    """Adaptation: `Steady`, `Increment` or `Target`."""


class Conducting(NamedTuple):
    """Neurons whose spikes open conductances."""

    u: NDArray[np.float32]
    """Potentials above rest, float32[neurons], V."""
    limits: NDArray[np.float32]
    """Thresholds, float32[neurons], V."""
    ready: NDArray[np.int64]
    """First step in which each integrates again, int64[neurons]."""
    at: NDArray[np.int64]
    """Step up to which time has passed, int64[1]."""
    ge: NDArray[np.float32]
    """Excitatory conductances, float32[neurons]."""
    gi: NDArray[np.float32]
    """Inhibitory conductances, float32[neurons]."""
    leak: float
    """Leak: dt over the time constant."""
    keep_e: float
    """Part of an excitatory conductance that a step leaves."""
    keep_i: float
    """Part of an inhibitory conductance that a step leaves."""
    e_e: float
    """Reversal potential of excitation, V."""
    e_i: float
    """Reversal potential of inhibition, V."""
    refractory: int
    """Refractory time, steps."""
    inhibition: Any
    """Inhibition: `Uninhibited` or `OpenOthers`."""
    adaptation: Any
    """Adaptation: `Steady`, `Increment` or `Target`."""


class Uninhibited(NamedTuple):
    """No inhibition between neurons."""


class ResetOthers(NamedTuple):
    """Inhibition that puts all others to rest."""

    steps: int
    """Time for which they rest, steps."""


class DropOthers(NamedTuple):
    """Inhibition that lowers the potentials of all others."""

    strength: float
    """Drop of the potentials."""


class OpenOthers(NamedTuple):
    """Inhibition that opens a conductance of all others."""

    strength: float
    """Conductance that opens, in leak conductances."""


class Steady(NamedTuple):
    """Constant thresholds."""


class Increment(NamedTuple):
    """Thresholds that rise with every spike and decay."""

    theta: NDArray[np.float64]
    """Rise of the thresholds, float64[neurons]."""
    first: float
    """Threshold at the beginning."""
    increment: float
    """Rise at a spike."""
    tau: float
    """Time constant of the decay, s; 0 for none."""


class Target(NamedTuple):
    """Thresholds that follow the rates of the neurons."""

    theta: NDArray[np.float64]
    """Rise of the thresholds, float64[neurons]."""
    first: float
    """Threshold at the beginning."""
    target: float
    """Target rate, Hz."""
    rate: float
    """Rise per spike above it."""


def inhibition_of(inhibition: Inhibition, dt: float) -> Any:
    """Return the inhibition by a neuron that fires, for compiled loops."""
    match inhibition.kind:
        case "reset":
            return ResetOthers(round(inhibition.time / dt))
        case "drop":
            return DropOthers(inhibition.strength)
        case "conductance":
            return OpenOthers(inhibition.strength)
        case _:
            return Uninhibited()


def adaptation_of(adaptation: Adaptation, first: float, neurons: int) -> Any:
    """Return the adaptation of thresholds that begin at `first`, for compiled loops."""
    theta = np.zeros(neurons)
    if adaptation.kind == "increment":
        return Increment(theta, first, adaptation.increment, adaptation.tau)
    if adaptation.kind == "target":
        return Target(theta, first, adaptation.target, adaptation.rate)
    return Steady()


def neurons_of(config: TimedConfig) -> Integrating | Conducting:
    """Return new neurons at rest, for compiled loops."""
    membrane, n, dt = config.membrane, config.neurons, config.dt
    common: dict[str, Any] = {
        "u": np.zeros(n, np.float32),
        "limits": np.full(n, membrane.threshold, np.float32),
        "ready": np.zeros(n, np.int64),
        "at": np.zeros(1, np.int64),
        "leak": dt / membrane.tau,
        "refractory": config.steps(membrane.refractory),
        "inhibition": inhibition_of(config.inhibition, dt),
        "adaptation": adaptation_of(config.adaptation, membrane.threshold, n),
    }
    if membrane.kind == "current":
        return Integrating(**common)
    return Conducting(
        **common,
        ge=np.zeros(n, np.float32), gi=np.zeros(n, np.float32),
        keep_e=math.exp(-dt / membrane.tau_excitation),
        keep_i=math.exp(-dt / membrane.tau_inhibition),
        e_e=membrane.e_excitation, e_i=membrane.e_inhibition,
    )  # fmt: skip


# ---- integrating -------------------------------------------------------------------------------


@implements(sleeps, Integrating)
def _(neurons):  # type: ignore[no-untyped-def]
    return True


@implements(rest, Integrating)
def _(neurons, now):  # type: ignore[no-untyped-def]
    neurons.at[0] = now
    for k in range(neurons.u.size):
        neurons.u[k] = 0
        neurons.ready[k] = now


@implements(pass_time, Integrating)
def _(neurons, now):  # type: ignore[no-untyped-def]
    steps = now - neurons.at[0]
    if steps > 0:
        scale(neurons.u, np.float32(math.exp(-steps * neurons.leak)))
        neurons.at[0] = now


@implements(take, Integrating)
def _(neurons, inputs, unit, now):  # type: ignore[no-untyped-def]
    add_where_ready(neurons.u, inputs, np.float32(1 / unit), neurons.ready, now)


# ---- conducting --------------------------------------------------------------------------------


@implements(sleeps, Conducting)
def _(neurons):  # type: ignore[no-untyped-def]
    return False


@implements(rest, Conducting)
def _(neurons, now):  # type: ignore[no-untyped-def]
    neurons.at[0] = now
    for k in range(neurons.u.size):
        neurons.u[k] = neurons.ge[k] = neurons.gi[k] = 0
        neurons.ready[k] = now


@implements(pass_time, Conducting)
def _(neurons, now):  # type: ignore[no-untyped-def]
    for step in range(neurons.at[0] + 1, now + 1):
        euler(
            neurons.u, neurons.ge, neurons.gi, neurons.ready, step,
            (neurons.leak, neurons.e_e, neurons.e_i), (neurons.keep_e, neurons.keep_i),
        )  # fmt: skip
    neurons.at[0] = now


@implements(take, Conducting)
def _(neurons, inputs, unit, now):  # type: ignore[no-untyped-def]
    per_unit = np.float32(1 / unit)
    for k in range(inputs.size):
        neurons.ge[k] += per_unit * inputs[k]


# ---- firing ------------------------------------------------------------------------------------


@implements(discharge, Conducting)
@implements(discharge, Integrating)
def _(neurons, winner, now):  # type: ignore[no-untyped-def]
    inhibit(neurons.inhibition, neurons, winner, now)
    neurons.u[winner] = 0
    neurons.ready[winner] = now + max(neurons.refractory, 1)
    adapt(neurons.adaptation, neurons.limits, winner)


# ---- inhibition --------------------------------------------------------------------------------


@implements(inhibit, Uninhibited)
def _(inhibition, neurons, winner, now):  # type: ignore[no-untyped-def]
    pass


@implements(inhibit, ResetOthers)
def _(inhibition, neurons, winner, now):  # type: ignore[no-untyped-def]
    for k in range(neurons.u.size):
        neurons.u[k] = 0
        neurons.ready[k] = max(neurons.ready[k], now + inhibition.steps)


@implements(inhibit, DropOthers)
def _(inhibition, neurons, winner, now):  # type: ignore[no-untyped-def]
    for k in range(neurons.u.size):
        neurons.u[k] -= np.float32(inhibition.strength)


@implements(inhibit, OpenOthers)
def _(inhibition, neurons, winner, now):  # type: ignore[no-untyped-def]
    for k in range(neurons.gi.size):
        if k != winner:
            neurons.gi[k] += np.float32(inhibition.strength)


# ---- thresholds --------------------------------------------------------------------------------


@implements(adapt, Steady)
def _(adaptation, limits, winner):  # type: ignore[no-untyped-def]
    pass


@implements(relax, Steady)
def _(adaptation, limits, counts, seconds):  # type: ignore[no-untyped-def]
    pass


@implements(adapt, Increment)
def _(adaptation, limits, winner):  # type: ignore[no-untyped-def]
    adaptation.theta[winner] += adaptation.increment
    limits[winner] = np.float32(adaptation.first + adaptation.theta[winner])


@implements(relax, Increment)
def _(adaptation, limits, counts, seconds):  # type: ignore[no-untyped-def]
    if adaptation.tau > 0:
        kept = math.exp(-seconds / adaptation.tau)
        for k in range(limits.size):
            adaptation.theta[k] *= kept
            limits[k] = np.float32(adaptation.first + adaptation.theta[k])


@implements(adapt, Target)
def _(adaptation, limits, winner):  # type: ignore[no-untyped-def]
    pass


@implements(relax, Target)
def _(adaptation, limits, counts, seconds):  # type: ignore[no-untyped-def]
    expected, lowest = adaptation.target * seconds, (LOWEST - 1) * adaptation.first
    for k in range(limits.size):
        theta = adaptation.theta[k] + adaptation.rate * (counts[k] - expected)
        adaptation.theta[k] = max(theta, lowest)
        limits[k] = np.float32(adaptation.first + adaptation.theta[k])


# ---- kernels -----------------------------------------------------------------------------------


@lean_vector_kernel
def scale(values, factor):  # type: ignore[no-untyped-def]
    """Multiply `values` by a factor in place."""
    for k in range(values.size):
        values[k] *= factor


@lean_vector_kernel
def add_where_ready(u, inputs, factor, ready, now):  # type: ignore[no-untyped-def]
    """Add inputs to potentials; those of refractory neurons stay at rest."""
    for k in range(u.size):
        u[k] = u[k] + factor * inputs[k] if now >= ready[k] else np.float32(0)


@lean_vector_kernel
def euler(u, ge, gi, ready, now, membrane, kept):  # type: ignore[no-untyped-def]
    """Advance conducting neurons by a step of Euler's method."""
    leak, e_e, e_i = np.float32(membrane[0]), np.float32(membrane[1]), np.float32(membrane[2])
    keep_e, keep_i = np.float32(kept[0]), np.float32(kept[1])
    for k in range(u.size):
        change = leak * (ge[k] * (e_e - u[k]) + gi[k] * (e_i - u[k]) - u[k])
        u[k] = u[k] + change if now >= ready[k] else np.float32(0)
        ge[k] *= keep_e
        gi[k] *= keep_i


@lean_kernel
def farthest_above(u, limits, ready, now):  # type: ignore[no-untyped-def]
    """Return the neuron that is farthest above its threshold and may fire, or -1.

    Ties go to the lower number.
    """
    hit = False
    for k in range(u.size):
        hit |= u[k] >= limits[k]
    if not hit:
        return -1
    found, most = -1, np.float32(0)
    for k in range(u.size):
        above = u[k] - limits[k]
        if above >= 0 and now >= ready[k] and (found < 0 or above > most):
            found, most = k, above
    return found
