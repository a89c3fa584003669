r"""Federated learning: several arrays, each with images of its own, learn one model together.

Each of K clients has an array of its own cells and a shard of the images that stays with it. Their
learned weights are joined in one of three ways.

* `concatenate`: the neurons of all arrays side by side; all compete.
* `match`: corresponding neurons are averaged,
  :math:`w = \sum_k (n_k / n)\, w^{(k)}` (FedAvg; McMahan et al., AISTATS 2017) over the n_k images
  of each client. The neurons of a client are assigned to those of the reference with the largest
  sum of cosines between their weights (Hungarian method).
* `average`: as `match`, but by index. Neuron k has different meanings for different clients, so
  that this fails unless they began alike: the control.

Joined weights are written into real cells, pulse by pulse; weights are read off an array row by
row. Both are booked in the phase "join". The bytes sent are in `communication`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.arguments import function, instance, seed_of, whole
from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import generator, seed_sequence
from cbramsim.core.validation import Parameters
from cbramsim.simulator.energy.bill import Bill, Constant
from cbramsim.simulator.energy.ledger import EnergyLedger
from cbramsim.simulator.images.datasets import checked_labels
from cbramsim.simulator.images.grey_levels import checked_images
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork, Step
from cbramsim.simulator.several.joining import (
    Join,
    check_joinable,
    concatenate,
    join_neurons,
    read_off,
    write_into,
)

WIRED = Constant(
    name="wired-link-per-byte", value=1e-8, low=1e-9, high=1e-6, unit="J", evidence="assumed",
    source="assumed: network interfaces and a switch in one room; no sourced figure was found",
)  # fmt: skip
"""Energy per byte over a cable, J."""
RADIO = Constant(
    name="radio-link-per-byte", value=1e-6, low=1e-8, high=1e-4, unit="J", evidence="assumed",
    source="assumed: short-range radio of a small device; no sourced figure was found",
)  # fmt: skip
"""Energy per byte by radio, J."""
OTHER_BITS = 32
"""Bits of a bias and of a class count when they are sent (assumed)."""


class Federation(Parameters):
    """Members of a federation, and the way in which they are joined."""

    clients: Annotated[int, Field(ge=1, le=1000)] = 4
    """Number K of arrays, each with a shard of the images."""
    join: Join = "concatenate"
    """Way of joining: `concatenate`, `match` or `average`."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 3
    """Passes of every client over its shard, in all."""
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Number of joins; a multiple of `epochs`, or a divisor of it. After each but the last, all
    clients continue from the joined weights."""
    classes_per_client: Annotated[int, Field(ge=0, le=1000)] = 0
    """Approximate number of classes of a client, see `shards`; 0 for a random division."""
    weight_bits: Annotated[int, Field(ge=1, le=16)] = 8
    """Resolution at which weights are read and sent."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the shards."""

    def schedule(self) -> tuple[int, int]:
        """Return the passes of a round, and the number of rounds into which a pass is divided."""
        if self.epochs % self.rounds and self.rounds % self.epochs:
            raise ParameterError(
                f"Federation.rounds: must be a multiple or a divisor of epochs, {self.epochs} "
                f"(got {self.rounds})"
            )
        if self.join == "concatenate" and self.rounds > 1:
            raise ParameterError(f"Federation.rounds: must be 1 to concatenate (got {self.rounds})")
        return max(1, self.epochs // self.rounds), max(1, self.rounds // self.epochs)


class Progress(NamedTuple):
    """One step of one client."""

    round: int
    """Number of the round, from 0."""
    client: int
    """Number of the client, from 0."""
    step: Step
    """Step of its training."""


class Federated(NamedTuple):
    """Result of a federation, and its cost."""

    joint: SpikingNetwork
    """Joined network, to be named by `label`."""
    clients: list[SpikingNetwork]
    """Arrays of the clients after their last pass."""
    shards: list[NDArray[np.int64]]
    """Images of each client."""
    ledger: EnergyLedger
    """Ledger of all arrays, up to the joint network: "train" and "join"."""
    bytes_sent: int
    """Bytes sent by all clients, in all rounds."""

    def communication(self, link: Constant = WIRED, classes: int = 0) -> Bill:
        """Return the bill of the communication, over a link with an energy per byte.

        Parameters
        ----------
        link
            Energy per byte, J, such as `WIRED` or `RADIO`.
        classes
            Number of classes for which clients sum the responses of the joined neurons to their own
            images, to name them; 0 if they are named elsewhere.
        """
        instance("Federated.communication: link", link, Constant)
        whole("Federated.communication: classes", classes)
        neurons = self.joint.config.neurons
        names = 2 * len(self.clients) * neurons * classes * OTHER_BITS // 8
        return Bill().add("communication", self.bytes_sent + names, link)


def federate(
    X: ArrayLike,
    federation: Federation | None = None,
    config: NetworkConfig | None = None,
    *,
    labels: ArrayLike | None = None,
    threads: int = 1,
    callback: Callable[[Progress], None] | None = None,
) -> Federated:
    """Let clients learn from their shards of `X`, and join their networks.

    Each client has cells and random streams of its own, the first those of ``config.seed``; its
    array also holds the joined neurons at the end, unless they are concatenated. (Writing the
    joined neurons into another array costs as much again.) All clients must agree beforehand on the
    pixels to which the arrays are wired: these are chosen by the activity of all images, for which
    clients add up their counts. Homeostasis halves after as many images of the whole federation as
    it would in one array. Pruned cells are released by a join.

    Neurons that are averaged see only their client's images between two joins: they need a stronger
    homeostasis than those of one array. (With 4 clients, 3 rounds and no pruning, 94.6 % instead of
    93.4 % of held-out training images at `Competition.homeostasis` 4 instead of 2; 94.3 % at 8.)

    Parameters
    ----------
    X
        All training images.
    federation
        Parameters of the federation.
    config
        The network of each client.
    labels
        Labels of `X`, only for shards by class.
    threads
        Number of threads of each network.
    callback
        Called after each step of 200 images.
    """
    instance("federate.federation:", federation, Federation, type(None))
    instance("federate.config:", config, NetworkConfig, type(None))
    function("federate.callback:", callback)
    plan, config = federation or Federation(), config or NetworkConfig()
    passes, parts = plan.schedule()
    check_joinable(config)
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
    ledger = EnergyLedger.sum(network.ledger for network in networks)
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
    """Divide images among clients at random, in equal parts; or so that each sees few classes.

    By class: images, in the order of their labels, are cut into `classes_per_client` pieces for
    each client, which are dealt out at random (McMahan et al., AISTATS 2017, with 2).

    Returns
    -------
    list of int64[n_k]
        Disjoint, ascending; together all images.
    """
    whole("shards.images:", images, 1)
    if not 1 <= whole("shards.clients:", clients, 1) <= images:
        raise ParameterError(
            f"shards.clients: must be >= 1 and <= {images}, the number of images (got {clients})"
        )
    seed_of("shards.seed:", seed)
    rng = generator(seed, "shards")
    if labels is None:
        return [np.sort(part) for part in np.array_split(rng.permutation(images), clients)]
    whole("shards.classes_per_client:", classes_per_client, 1, 1000)
    order = np.argsort(checked_labels(labels, images), kind="stable")
    pieces = np.array_split(order, clients * classes_per_client)
    dealt = np.array_split(rng.permutation(len(pieces)), clients)
    return [np.sort(np.concatenate([pieces[p] for p in hand])) for hand in dealt]


# ---- what is sent ------------------------------------------------------------------------------


def traffic(network: SpikingNetwork, bits: int, clients: int, sent_back: int = 1) -> int:
    """Return the bytes of one round.

    Each of m clients sends its |w| weights and gets the joined ones back, and the biases likewise:
    2 m |w| bits / 8 if the joined network has as many neurons as a client.

    Parameters
    ----------
    network
        A client.
    bits
        Bits of a weight; biases have 32.
    clients
        m.
    sent_back
        Joined neurons per neuron of a client: 1, or m if they are concatenated.
    """
    inputs, neurons = network.crossbar.shape
    one_way = -(-neurons * (inputs * bits + OTHER_BITS) // 8)
    return clients * one_way * (1 + sent_back)


def _bytes_of_pixel_counts(pixels: int) -> int:
    """Return the bytes in which a client sends the activity of its pixels, and gets the choice."""
    return pixels * OTHER_BITS // 8 + -(-pixels // 8)


# ---- helpers -----------------------------------------------------------------------------------


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


def _reporter(callback: Callable[[Progress], None], n: int, client: int) -> Callable[[Step], None]:
    return lambda step: callback(Progress(n, client, step))
