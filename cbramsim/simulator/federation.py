r"""Several arrays, each with images of its own, learn one model together: federated learning.

Each of K clients has an array of its own cells and a shard of the images that stays with it. What
they have learned is joined in one of three ways.

* `concatenate`: the neurons of all arrays side by side; all compete.
* `match`: neurons that stand for the same are averaged,
  :math:`w = \sum_k (n_k / n)\, w^{(k)}` (FedAvg; McMahan et al., AISTATS 2017) over the n_k images
  of each client. Which neuron of a client corresponds to which of the reference is the assignment
  with the largest sum of cosines between their weights (Hungarian method).
* `average`: as `match`, but by index. Neuron k means different things to different clients, so
  that this fails unless they began alike: the control.

Joined weights are written into real cells, pulse by pulse; weights are read off an array row by
row. Both are booked in the phase "join". What is sent is `communication`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from cbramsim.errors import ParameterError, nearest
from cbramsim.rng import generator, seed_sequence
from cbramsim.simulator.bill import Bill, Constant
from cbramsim.simulator.configuration import NetworkConfig
from cbramsim.simulator.crossbar import Crossbar
from cbramsim.simulator.datasets import checked_images, checked_labels
from cbramsim.simulator.energy import EnergyLedger, Operation
from cbramsim.simulator.network import SpikingNetwork, Step
from cbramsim.validation import Parameters

Join = Literal["concatenate", "match", "average"]

WIRED = Constant(
    name="wired-link-per-byte", value=1e-8, low=1e-9, high=1e-6, unit="J", evidence="assumed",
    source="assumed: network interfaces and a switch in one room; no sourced figure was found",
)  # fmt: skip
"""J per byte over a cable."""
RADIO = Constant(
    name="radio-link-per-byte", value=1e-6, low=1e-8, high=1e-4, unit="J", evidence="assumed",
    source="assumed: short-range radio of a small device; no sourced figure was found",
)  # fmt: skip
"""J per byte by radio."""
OTHER_BITS = 32
"""Bits of a bias and of a class count when they are sent (assumed)."""


class Federation(Parameters):
    """Who learns what, and how it is joined."""

    clients: Annotated[int, Field(ge=1, le=1000)] = 4
    """K, arrays with a shard of the images each."""
    join: Join = "concatenate"
    """`concatenate`, `match` or `average`."""
    epochs: Annotated[int, Field(ge=1)] = 3
    """Passes of every client over its shard, in all."""
    rounds: Annotated[int, Field(ge=1)] = 1
    """Joins; a multiple of `epochs`, or a divisor of it. After each but the last, all clients go on
    from what was joined."""
    classes_per_client: Annotated[int, Field(ge=0)] = 0
    """About how many classes a client sees, see `shards`; 0 for as many as chance gives."""
    weight_bits: Annotated[int, Field(ge=1, le=16)] = 8
    """Resolution at which weights are read and sent."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the shards."""

    def schedule(self) -> tuple[int, int]:
        """Return the passes of a round, and into how many rounds a pass is divided."""
        if self.epochs % self.rounds and self.rounds % self.epochs:
            raise ParameterError(
                f"Federation.rounds: must be a multiple or a divisor of epochs, {self.epochs} "
                f"(got {self.rounds})"
            )
        if self.join == "concatenate" and self.rounds > 1:
            raise ParameterError(
                f"Federation.rounds: must be 1 to concatenate (got {self.rounds})"
            )
        return max(1, self.epochs // self.rounds), max(1, self.rounds // self.epochs)


class Progress(NamedTuple):
    """One step of one client."""

    round: int
    """Round, from 0."""
    client: int
    """Client, from 0."""
    step: Step
    """What it did."""


class Federated(NamedTuple):
    """What a federation has learned, and at what cost."""

    joint: SpikingNetwork
    """The joined network, to be named by `label`."""
    clients: list[SpikingNetwork]
    """The arrays of the clients, as they are after their last pass."""
    shards: list[NDArray[np.int64]]
    """The images of each client."""
    ledger: EnergyLedger
    """Everything that all arrays did, up to the joint network: "train" and "join"."""
    bytes_sent: int
    """By all, in all rounds."""

    def communication(self, link: Constant = WIRED) -> Bill:
        """Return what the bytes cost over a link of so many joules per byte."""
        return Bill().add("communication", self.bytes_sent, link)


def federate(
    X: ArrayLike,
    federation: Federation | None = None,
    config: NetworkConfig | None = None,
    *,
    labels: ArrayLike | None = None,
    threads: int = 1,
    callback: Callable[[Progress], None] | None = None,
) -> Federated:
    """Let clients learn from their shards of `X`, and join what they have learned.

    Each client has cells and random streams of its own, the first those of ``config.seed``; its
    array is also what the neurons are joined in at the end, unless they are concatenated. What all have to agree on beforehand is which pixels the arrays are wired to:
    they are chosen by the activity of all images, for which clients add up their counts.
    Homeostasis halves after as many images of the whole federation as it would in one array.

    Parameters
    ----------
    X
        All training images.
    federation
        How.
    config
        The network of each client.
    labels
        Of `X`, only for shards by class.
    threads
        Of each network.
    callback
        Called after each step of 200 images.
    """
    plan, config = federation or Federation(), config or NetworkConfig()
    passes, parts = plan.schedule()
    _check_config(config)
    images = checked_images(X)
    if plan.classes_per_client and labels is None:
        raise ParameterError("federate.labels: are required with classes_per_client (got None)")
    shares = shards(
        len(images), plan.clients, plan.seed, labels=labels if plan.classes_per_client else None,
        classes_per_client=plan.classes_per_client,
    )  # fmt: skip
    networks = [_client(config, k, plan.clients, images, threads) for k in range(plan.clients)]
    sent = _bytes_of_pixel_counts(images.shape[1]) * plan.clients
    for n in range(plan.rounds):
        for k, (network, shard) in enumerate(zip(networks, shares, strict=True)):
            inputs = network.select_pixels(images[np.array_split(shard, parts)[n % parts]])
            network.resume(
                inputs, epochs=network.passes + passes,
                callback=None if callback is None else _reporter(callback, n, k),
            )  # fmt: skip
        if plan.join == "concatenate":
            break
        joined = join_neurons(
            [read_off(network, plan.weight_bits) for network in networks],
            [len(shard) for shard in shares],
            plan.join,
        )
        sent += traffic(networks[0], plan.weight_bits, plan.clients)
        if n < plan.rounds - 1:
            for network in networks:
                write_into(network, joined)
    ledger = _sum_of_ledgers(networks)
    if plan.join == "concatenate":
        joint = concatenate(networks)
        sent += traffic(networks[0], plan.weight_bits, plan.clients, sent_back=plan.clients)
    else:
        joint = networks[0].copy().begin_again(images)
        write_into(joint, joined)
        ledger.add_account("join", joint.ledger.account("join"))
    joint.threads = threads
    return Federated(joint, networks, shares, ledger, sent)


def shards(
    images: int,
    clients: int,
    seed: int = 0,
    *,
    labels: ArrayLike | None = None,
    classes_per_client: int = 2,
) -> list[NDArray[np.int64]]:
    """Divide images among clients by chance, in equal parts; or so that each sees few classes.

    By class: images, in the order of their labels, are cut into `classes_per_client` pieces for
    each client, which are dealt out by chance (McMahan et al., AISTATS 2017, with 2).

    Returns
    -------
    list of int64[n_k]
        Disjoint, ascending; together all images.
    """
    if not 1 <= clients <= images:
        raise ParameterError(
            f"shards.clients: must be >= 1 and <= {images}, the number of images (got {clients})"
        )
    rng = generator(seed, "shards")
    if labels is None:
        return [np.sort(part) for part in np.array_split(rng.permutation(images), clients)]
    order = np.argsort(checked_labels(labels, images), kind="stable")
    pieces = np.array_split(order, clients * classes_per_client)
    dealt = np.array_split(rng.permutation(len(pieces)), clients)
    return [np.sort(np.concatenate([pieces[p] for p in hand])) for hand in dealt]


# ---- joining -----------------------------------------------------------------------------------


class Learned(NamedTuple):
    """What the neurons of an array have learned."""

    weights: NDArray[np.float64]
    """float64[inputs, neurons], -1..1."""
    bias: NDArray[np.float64]
    """float64[neurons]."""


def read_off(network: SpikingNetwork, bits: int) -> Learned:
    """Read all weights off an array, row by row, and round them to so many bits.

    Read noise is included. One row at a time is driven, and one decision per bit and cell taken;
    booked in the phase "join".
    """
    crossbar, device = network.crossbar, network.crossbar.device
    assert isinstance(crossbar, Crossbar)
    crossbar.phase = "join"
    currents = crossbar.read(device.v_read * np.eye(crossbar.shape[0]))
    crossbar.phase = "use"
    decisions = bits * network.periphery.e_sense * currents.size
    network.ledger.add("join", Operation.SENSE_READ, currents.size, decisions)
    conductance = currents / float(device.read_equivalent(np.array(device.v_read)))
    weights = np.clip(device.weight_of(conductance.astype(np.float64)), -1, 1)
    steps = (2**bits - 1) / 2
    return Learned(np.rint((weights + 1) * steps) / steps - 1, network.bias.astype(np.float64))


def write_into(network: SpikingNetwork, learned: Learned) -> int:
    """Program weights into an array, cell by cell, with verification; return the misses.

    Soft-pruned cells are released. Booked in the phase "join".
    """
    crossbar = network.crossbar
    network.release()
    crossbar.phase = "join"
    targets = crossbar.device.conductance_of(learned.weights)
    rows = np.arange(crossbar.shape[0])
    missed = sum(
        crossbar.program_to(column, rows, targets[:, column])
        for column in range(crossbar.shape[1])
    )
    crossbar.phase = "use"
    network.bias[:] = learned.bias
    network.release()
    return missed


def join_neurons(learned: Sequence[Learned], images: Sequence[int], how: Join) -> Learned:
    """Average what clients have learned, weighted by their numbers of images.

    Parameters
    ----------
    learned
        Of each client.
    images
        n_k, from how many images.
    how
        `match` neurons to those of the first client, or `average` them by index.
    """
    if how not in ("match", "average"):
        raise ParameterError(
            f"join_neurons.how: must be one of match, average (got {how!r})"
            f"{nearest(how, get_args(Join))}"
        )
    shares = np.asarray(images, np.float64) / sum(images)
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
    """Return which neuron of `weights` corresponds to each neuron of `reference`.

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
)  # fmt: skip
"""Arrays of a network's state with one entry per neuron."""
COLUMNS_LAST = ("conductance", "connected")
"""Arrays of a network's state with one column per neuron."""


def concatenate(networks: Sequence[SpikingNetwork]) -> SpikingNetwork:
    """Return the arrays side by side, as one network whose neurons all compete.

    The very cells of the arrays are taken, on common word lines; only how fast each of them drifts
    or wears out from now on is drawn anew. The clock is that of the array that has been at work
    for longest. Names of neurons are kept, and ledgers are added up.

    Raises
    ------
    ParameterError
        If there is none, or they do not share pixels and configuration.
    """
    if not networks:
        raise ParameterError("concatenate.networks: must be at least one (got none)")
    first = networks[0]
    _check_config(first.config)
    for network in networks:
        same = network.config.replace(seed=first.config.seed) == first.config
        if not (same and np.array_equal(network.pixels, first.pixels)):
            raise ParameterError(
                "concatenate.networks: must share pixels, and configuration but for the seed"
            )
    states = [network.to_state() for network in networks]
    joint: dict[str, Any] = dict(states[0])
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
    joint |= _sum_of_ledgers(networks).to_arrays()
    network = type(first).from_state(joint, "of concatenated networks")
    network.threads = first.threads
    return network


def _class_counts_side_by_side(networks: Sequence[SpikingNetwork]) -> NDArray[np.float64]:
    counts = [network.class_counts for network in networks]
    named = [part for part in counts if part is not None]
    if len(named) < len(counts):
        return np.zeros((0, 0))
    classes = max(part.shape[1] for part in named)
    return np.concatenate([np.pad(c, ((0, 0), (0, classes - c.shape[1]))) for c in named])


# ---- what is sent ------------------------------------------------------------------------------


def traffic(network: SpikingNetwork, bits: int, clients: int, sent_back: int = 1) -> int:
    """Return the bytes of one round.

    Each of m clients sends its |w| weights and gets the joined ones back, and likewise biases: 2 m
    |w| bits / 8 for as many joined neurons as a client has.

    Parameters
    ----------
    network
        A client.
    bits
        Of a weight; biases have 32.
    clients
        m.
    sent_back
        Joined neurons per neuron of a client: 1, or m if they are concatenated.
    """
    inputs, neurons = network.crossbar.shape
    one_way = -(-neurons * (inputs * bits + OTHER_BITS) // 8)
    return clients * one_way * (1 + sent_back)


def _bytes_of_pixel_counts(pixels: int) -> int:
    """Return the bytes by which a client tells the activity of its pixels, and learns the choice."""
    return pixels * OTHER_BITS // 8 + -(-pixels // 8)


# ---- helpers -----------------------------------------------------------------------------------


def _check_config(config: NetworkConfig) -> None:
    for needed, name, got in (
        (("analog",), "storage", config.storage),
        ((False,), "wires", config.wires),
        (("none", "soft"), "pruning.kind", config.pruning.kind),
    ):
        if got not in needed:
            allowed = " or ".join(map(str, needed)).lower()
            raise ParameterError(f"Federation: needs {name} {allowed} (got {got})")


def _client(
    config: NetworkConfig, k: int, clients: int, images: NDArray[np.uint8], threads: int
) -> SpikingNetwork:
    """Return an untrained client, wired to the pixels that are most active in all images."""
    seed = config.seed
    if k:
        seed = int(seed_sequence(seed, "client", k).generate_state(1, np.uint64)[0] >> np.uint64(1))
    halving = config.competition.homeostasis_halving / clients
    competition = config.competition.replace(homeostasis_halving=halving)
    network = SpikingNetwork(config.replace(seed=seed, competition=competition))
    network.threads = threads
    network.prepare(images)
    return network


def _reporter(
    callback: Callable[[Progress], None], n: int, client: int
) -> Callable[[Step], None]:
    return lambda step: callback(Progress(n, client, step))


def _sum_of_ledgers(networks: Sequence[SpikingNetwork]) -> EnergyLedger:
    ledger = EnergyLedger()
    for network in networks:
        for phase, account in network.ledger.accounts():
            ledger.add_account(phase, account)
    return ledger
