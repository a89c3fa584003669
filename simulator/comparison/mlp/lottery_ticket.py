"""Lottery tickets: small networks found by iterative magnitude pruning, and their cost.

Train; remove the smallest weights; reset the others to their values at the beginning, or after a
few batches (rewinding); train again; and so on (J. Frankle, M. Carbin, ICLR 2019). n rounds cost n
trainings, all of which are counted.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.errors import ParameterError
from cbramsim.core.validation import Parameters
from cbramsim.simulator.comparison.mlp.configuration import MlpConfig
from cbramsim.simulator.comparison.mlp.counting import Tally
from cbramsim.simulator.comparison.mlp.network import Mlp
from cbramsim.simulator.comparison.mlp.operands import Array

Masks = list[NDArray[np.bool_]]


class LotteryTicket(Parameters):
    """Pruning of a network, round by round."""

    rounds: Annotated[int, Field(ge=1, le=100)] = 10
    """Trainings; after all but the last, weights are pruned."""
    share: Annotated[float, Field(ge=1e-6, lt=1)] = 0.2
    """Part of the surviving weights that is pruned after a round."""
    scope: Literal["layer", "network"] = "layer"
    """Whether each layer loses this part of its weights, or the network as a whole."""
    rewind: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Batches of the first round after which the weights are saved to which all rounds go back;
    each later round begins there."""


class Round(NamedTuple):
    """One training of a pruned network."""

    surviving: float
    """Part of the weights that were not pruned in this round."""
    accuracy: float
    """Part of the held-out images recognised at its end."""
    training: Tally
    """Result of the training of this round."""


class Ticket(NamedTuple):
    """Result of pruning."""

    network: Mlp
    """The network of the last round, trained."""
    rounds: list[Round]
    """All rounds, the first with all weights."""
    start: list[tuple[Array, Array]]
    """Weights and biases of the layers to which all rounds went back."""


def find_ticket(
    config: MlpConfig, ticket: LotteryTicket, X: ArrayLike, y: ArrayLike, X_held_out: ArrayLike,
    y_held_out: ArrayLike,
) -> Ticket:  # fmt: skip
    """Train and prune `ticket.rounds` times.

    Parameters
    ----------
    config
        The network and its training in each round.
    ticket
        Parameters of the pruning.
    X, y
        Training images and labels, as for `Mlp.fit`.
    X_held_out, y_held_out
        Images and labels to judge each round by.

    Raises
    ------
    ParameterError
        If a round has no more batches than `ticket.rewind`.
    """
    batches = config.epochs * (len(np.asarray(X)) // config.batch)
    if ticket.rewind >= batches:
        raise ParameterError(
            f"LotteryTicket.rewind: must be < {batches}, the batches of a round "
            f"(got {ticket.rewind})"
        )
    network = Mlp(config)
    start: list[tuple[Array, Array]] = []

    def keep(*_: object) -> None:
        start[:] = [(layer.weights.copy(), layer.bias.copy()) for layer in network.layers]

    masks = [np.ones(layer.weights.shape, np.bool_) for layer in network.layers]
    rounds = []
    for number in range(ticket.rounds):
        if number:
            masks = pruned(network, masks, ticket)
            network = rewound(config, start, masks)
            network.train(X, y, first_step=ticket.rewind)
        else:
            keep()
            network.train(
                X, y, callback=keep, marks=[ticket.rewind * config.batch][: ticket.rewind]
            )
        accuracy = network.score(X_held_out, y_held_out)
        surviving = sum(int(mask.sum()) for mask in masks) / config.layers.weights
        rounds.append(Round(surviving, accuracy, network.counts.training))
    return Ticket(network, rounds, start)


def rewound(config: MlpConfig, start: list[tuple[Array, Array]], masks: Masks) -> Mlp:
    """Return a network with the weights `start`, those outside `masks` pruned."""
    network = Mlp(config)
    for layer, (weights, bias), mask in zip(network.layers, start, masks, strict=True):
        layer.weights[:], layer.bias[:] = weights, bias
        layer.prune(mask)
    return network


def pruned(network: Mlp, masks: Masks, ticket: LotteryTicket) -> Masks:
    """Return `masks` without the smallest weights left in them; of equal ones, the first go."""
    sizes = [
        np.where(mask, np.abs(layer.weights), np.inf).ravel()
        for layer, mask in zip(network.layers, masks, strict=True)
    ]
    groups = sizes if ticket.scope == "layer" else [np.concatenate(sizes)]
    kept = [_without_smallest(group, ticket.share) for group in groups]
    ends = np.cumsum([mask.size for mask in masks])[:-1]
    flat = np.split(np.concatenate(kept), ends)
    return [mask & part.reshape(mask.shape) for mask, part in zip(masks, flat, strict=True)]


def _without_smallest(sizes: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """Return whether each of `sizes` is not among the smallest; infinite ones are pruned
    already."""
    count = round(share * np.count_nonzero(np.isfinite(sizes)))
    kept = np.ones(sizes.size, np.bool_)
    kept[np.argsort(sizes, kind="stable")[:count]] = False
    return kept
