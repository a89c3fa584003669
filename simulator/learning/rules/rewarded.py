r"""STDP modulated by reward: supervised, as it learns from the label of every image.

Each neuron is assigned to a class beforehand, neuron k to class k modulo `classes`. Its column is
changed as in `rules.stdp`, scaled by `reward`, if the image is of its class; otherwise the change
is reversed and scaled by `punishment`:

.. math:: \text{right:}\; r\,\Delta w(w, \text{spiked}); \qquad
          \text{wrong:}\; -p\,\Delta w(w, \text{spiked}),

clipped to [-1, 1]: inputs that spiked are depressed, silent ones potentiated (Mozafari et al., IEEE
TNNLS 29, 6178, 2018; there the changes are proportional to w (1 - w), and r and p follow the rate
of hits, unlike here). The same cells get the same kinds of pulses, sensed, given and booked as
without reward; the signal of right or wrong costs nothing (assumed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.arguments import whole_numbers
from cbramsim.core.errors import ParameterError, shown
from cbramsim.core.validation import Parameters
from cbramsim.core.verbs import implements, learn
from cbramsim.simulator.learning.rules.stdp import StdpRule

Part = Annotated[float, Field(ge=0, le=1)]


class Reward(Parameters):
    """Reward by labels; unsupervised by default."""

    classes: Annotated[int, Field(ge=0, le=1000)] = 0
    """Classes to which neurons are assigned, in turn; 0: learning is unsupervised."""
    reward: Part = 1.0
    """Factor r on the rule's change where the neuron that fired is of the image's class."""
    punishment: Part = 0.2
    """Factor p on the reversed change where it is not."""


class Scaled(NamedTuple):
    """A part of the change of a rule, possibly reversed, in the form that controllers use."""

    rule: StdpRule
    part: float
    """Part of the change; if negative, inputs that spiked are depressed, silent ones
    potentiated."""

    def potentiation(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change upwards at `weight`."""
        up = self.part * self._spiked(weight) if self.part > 0 else -self.part * self.rule.ltd
        return np.minimum(weight + up, 1) - weight

    def depression(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change downwards at `weight`, negative."""
        down = self.part * self.rule.ltd if self.part > 0 else -self.part * self._spiked(weight)
        return np.maximum(weight - down, -1) - weight

    def _spiked(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        changes: NDArray[np.float64] = np.exp(-self.rule.ltp_decay * (weight + 1))
        return self.rule.ltp * changes


class RewardedStdp(NamedTuple):
    """Rules by device pulses, one for right and one for wrong neurons."""

    right: Any
    """Rule for right neurons, `PulsedStdp` or `VerifiedStdp`."""
    wrong: Any
    """Rule for wrong neurons, of the same types; in it silent inputs count as those that spiked."""
    rewards: bool
    """Whether anything is learned by right neurons."""
    punishes: bool
    """Whether anything is learned by wrong neurons."""
    assigned: NDArray[np.int64]
    """Class of each neuron, int64[neurons]."""
    windows: int
    """Windows of an image."""
    wanted: NDArray[np.int64]
    """Classes of the images to come, int64[images]."""
    shown: NDArray[np.int64]
    """Windows of them that have been shown, int64[1]."""

    def expecting(self, classes: NDArray[np.int64]) -> Self:
        """Return the rule for coming images of these classes."""
        return self._replace(wanted=classes, shown=np.zeros(1, np.int64))


def rewarded_stdp(
    reward: Reward, pulsed: Callable[[Scaled], Any], rule: StdpRule, neurons: int, windows: int
) -> RewardedStdp:
    """Return the rule for compiled loops.

    Parameters
    ----------
    reward, rule
        Reward, and the learning rule.
    pulsed
        Function that makes a rule by device pulses of a source of requests.
    neurons, windows
        Neurons of the layer, and windows of an image.
    """
    return RewardedStdp(
        pulsed(Scaled(rule, reward.reward)), pulsed(Scaled(rule, -reward.punishment)),
        reward.reward > 0, reward.punishment > 0, np.arange(neurons) % reward.classes, windows,
        np.zeros(0, np.int64), np.zeros(1, np.int64),
    )  # fmt: skip


def targets_of(
    where: str, rewards: Iterable[Reward], labels: ArrayLike | None, images: int
) -> NDArray[np.int64] | None:
    """Return the classes of images, int64[images], if any of the layers learns from them.

    Raises
    ------
    ParameterError
        If one does and these are not classes, or not one for each image.
    """
    known = [reward.classes for reward in rewards if reward.classes]
    if not known:
        return None
    if labels is None:
        raise ParameterError(f"{where} must be the classes of the images with reward.classes")
    found = whole_numbers(where, labels, 0, min(known) - 1)
    if found.shape != (images,):
        raise ParameterError(f"{where} must be one for each image (got {shown(labels)})")
    return found.astype(np.int64)


@implements(learn, RewardedStdp)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    wanted = rule.wanted[rule.shown[0] // rule.windows]
    rule.shown[0] += 1
    if rule.assigned[winner] == wanted:
        if rule.rewards:
            learn(rule.right, array, winner, total, work, streams, account)
    elif rule.punishes:
        spiked = work.spiked
        for row in range(spiked.size):
            spiked[row] = not spiked[row]
        learn(rule.wrong, array, winner, total, work, streams, account)
        for row in range(spiked.size):
            spiked[row] = not spiked[row]
