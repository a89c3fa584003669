r"""Joining of several arrays into one network: neurons side by side, or averaged.

Corresponding neurons are averaged: :math:`w = \sum_k (n_k / n)\, w^{(k)}` over the
n_k images of each client (FedAvg; McMahan et al., AISTATS 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cbramsim.core.arguments import instance, one_of, whole, whole_numbers
from cbramsim.core.errors import ParameterError
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.state_checks import LEARNING

Join = Literal["concatenate", "match", "average"]


class Learned(NamedTuple):
    """Learned weights and biases of an array."""

    weights: NDArray[np.float64]
    """Weights, float64[inputs, neurons], -1..1."""
    bias: NDArray[np.float64]
    """Biases, float64[neurons]."""


def read_off(network: SpikingNetwork, bits: int) -> Learned:
    """Read all weights off an array, row by row, and round them to a number of bits.

    Read noise is included. One row at a time is driven, and one decision per bit and cell taken;
    booked in the phase "join".
    """
    instance("read_off.network:", network, SpikingNetwork)
    whole("read_off.bits:", bits, 1, 16)
    check_joinable(network.config)
    crossbar, device = network.crossbar, network.crossbar.device
    assert isinstance(crossbar, Crossbar)
    crossbar.phase = "join"
    currents = crossbar.read(device.v_read * np.eye(crossbar.shape[0]))
    crossbar.phase = "use"
    decisions = bits * currents.size
    joules = decisions * network.periphery.e_sense
    network.ledger.add("join", Operation.BIT_SENSE, decisions, joules)
    conductance = currents / float(device.read_equivalent(np.array(device.v_read)))
    weights = np.clip(device.weight_of(conductance.astype(np.float64)), -1, 1)
    steps = (2**bits - 1) / 2
    return Learned(np.rint((weights + 1) * steps) / steps - 1, network.bias.astype(np.float64))


def write_into(network: SpikingNetwork, learned: Learned) -> int:
    """Program weights into an array, cell by cell, with verification; return the number of misses.

    Soft-pruned cells are released. Booked in the phase "join".
    """
    crossbar = network.crossbar
    crossbar.release()
    crossbar.phase = "join"
    targets = crossbar.device.conductance_of(learned.weights)
    rows = np.arange(crossbar.shape[0])
    missed = sum(
        crossbar.program_to(column, rows, targets[:, column]) for column in range(crossbar.shape[1])
    )
    crossbar.phase = "use"
    network.bias[:] = learned.bias
    network.release()
    return missed


def join_neurons(learned: Sequence[Learned], images: Sequence[int], how: Join) -> Learned:
    """Average the networks of clients, weighted by their numbers of images.

    Parameters
    ----------
    learned
        Learned weights and biases of each client.
    images
        Numbers of images n_k.
    how
        `match` neurons to those of the first client, or `average` them by index.
    """
    one_of("join_neurons.how:", how, ("match", "average"))
    shares = whole_numbers("join_neurons.images:", images, 1, 2**53) / sum(images)
    if not learned or len(learned) != len(shares):
        raise ParameterError(
            f"join_neurons.learned: must be of one client or more, as many as images, "
            f"{len(shares)} (got {len(learned)})"
        )
    first = learned[0]
    weights, bias = np.zeros_like(first.weights), np.zeros_like(first.bias)
    for share, client in zip(shares, learned, strict=True):
        order = (
            matching(first.weights, client.weights)
            if how == "match"
            else np.arange(first.bias.size)
        )
        weights += share * client.weights[:, order]
        bias += share * client.bias[order]
    return Learned(weights, bias)


def matching(reference: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the neuron of `weights` that corresponds to each neuron of `reference`.

    The assignment has the largest sum of cosines between weights, counted from the floor, -1.

    Parameters
    ----------
    reference, weights
        float64[inputs, neurons].

    Returns
    -------
    int64[neurons]
        ``weights[:, matching]`` is in the order of the reference.
    """
    mine, theirs = (w + 1 for w in (reference, weights))
    tiny = np.finfo(float).tiny
    mine, theirs = (w / np.maximum(np.linalg.norm(w, axis=0), tiny) for w in (mine, theirs))
    _, order = linear_sum_assignment(mine.T @ theirs, maximize=True)
    return order.astype(np.int64)


COLUMNS_FIRST = (
    "cells", "wear", "inhibited", "unresolved", "bias", "spike_counts", "pruned", "stage",
    "seen_weights", "seen_spikes", "clock_age", "clock_relaxed", "clock_left",
    "clock_programmed",
)  # fmt: skip
"""Arrays of a network's state with one entry per neuron."""
COLUMNS_LAST = ("conductance", "connected", "seen", "variance")
"""Arrays of a network's state with one column per neuron."""
OF_ONE_ARRAY = ("sums", "gain", "sums_measured")
"""Arrays of a network's state that are valid for one array only: the compensation of drift."""


def concatenate(networks: Sequence[SpikingNetwork]) -> SpikingNetwork:
    """Return the arrays side by side, as one network whose neurons all compete.

    The same physical cells are used, on common word lines; only their future drift and wear are
    drawn anew. The clock is that of the array that has been used for longest. Names of neurons are
    kept, and ledgers are added up.

    Raises
    ------
    ParameterError
        If there are none, or they do not share pixels and configuration.
    """
    if not networks:
        raise ParameterError("concatenate.networks: must be at least one (got none)")
    for network in networks:
        instance("concatenate.networks:", network, SpikingNetwork)
    first = networks[0]
    check_joinable(first.config)
    for network in networks:
        same = network.config.replace(seed=first.config.seed) == first.config
        same &= network.device == first.device and network.periphery == first.periphery
        if network.pixels is None or first.pixels is None:
            raise ParameterError("concatenate.networks: must have learned (got an untrained one)")
        if not (same and np.array_equal(network.pixels, first.pixels)):
            raise ParameterError(
                "concatenate.networks: must share pixels, and configuration but for the seed"
            )
    states = [network.to_state() for network in networks]
    # The arrays are joined as they are.
    joint: dict[str, Any] = {
        name: value
        for name, value in states[0].items()
        if not name.startswith(LEARNING) and name not in OF_ONE_ARRAY
    }
    for names, axis in ((COLUMNS_FIRST, 0), (COLUMNS_LAST, 1)):
        for name in names:
            if name in joint:
                joint[name] = np.concatenate([state[name] for state in states], axis=axis)
    config = first.config.replace(neurons=sum(network.config.neurons for network in networks))
    joint["config"] = config.model_dump_json()
    joint["row_sum"] = np.sum([state["row_sum"] for state in states], axis=0)
    joint["missed"] = sum(state["missed"] for state in states)
    joint["labels_used"] = sum(state["labels_used"] for state in states)
    joint["clock"] = np.max([state["clock"] for state in states], axis=0)
    joint["progress"][2] = sum(network.images_seen for network in networks)
    joint["class_counts"] = _class_counts_side_by_side(networks)
    joint |= EnergyLedger.sum(network.ledger for network in networks).to_arrays()
    network = type(first).from_state(joint, "of concatenated networks")
    network.threads = first.threads
    return network


def _class_counts_side_by_side(networks: Sequence[SpikingNetwork]) -> NDArray[np.float64]:
    named = [n.class_counts for n in networks if n.class_counts is not None]
    if len(named) < len(networks):
        return np.zeros((0, 0))
    classes = max(part.shape[1] for part in named)
    return np.concatenate([np.pad(c, ((0, 0), (0, classes - c.shape[1]))) for c in named])


def check_joinable(config: NetworkConfig) -> None:
    """Refuse arrays whose cells cannot be read off, written and put side by side."""
    for needed, name, got in (
        (("analog",), "storage", config.storage),
        ((1,), "cells of a weight (synapse)", config.planes),
        ((False,), "wires", config.wires),
        (("none", "soft"), "pruning.kind", config.pruning.kind),
        (((),), "later_layers", config.later_layers),
    ):
        if got not in needed:
            allowed = " or ".join(map(str, needed)).lower()
            raise ParameterError(f"Federation: needs {name} {allowed} (got {got})")
