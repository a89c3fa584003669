r"""Drift compensation: the loss of the sums of an array with time is corrected at read-out.

A controller measures the summed current of bit lines with `v_read` on all word lines, once when
the array has been programmed and again when it is used. Sums are then multiplied by

.. math:: \alpha = \sum I(0) \Big/ \sum I(t),

one factor for all bit lines of a physical array (*global*: Joshi et al., Nature Communications 11,
2473, 2020), or one for each bit line (*column*). Physical arrays that share their bit lines share
the factors. Noise and energy are those of the two reads; the factors themselves are a gain of the
read-out and cost nothing (assumed).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.arguments import one_of
from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import each
from cbramsim.core.rng import generator
from cbramsim.core.verbs import compensate, implements, leave_out
from cbramsim.devices.device import Device
from cbramsim.simulator.array.cells import ArrayState

Compensation = Literal["none", "global", "column"]
LARGEST = 1e3
"""Largest factor; a larger one belongs to a bit line without cells, and is not applied."""


class Uncompensated(NamedTuple):
    """Sums without compensation."""


class Compensated(NamedTuple):
    """Sums that are multiplied by factors."""

    factors: NDArray[np.float32]
    """Factor of each bit line, float32[columns]."""


def factors_of(
    kind: Compensation, before: NDArray[np.float64], now: NDArray[np.float64], parts: NDArray
) -> NDArray[np.float32]:
    """Return the factor of each bit line, float32[columns].

    Parameters
    ----------
    kind
        `global` or `column`.
    before, now
        Summed currents of the bit lines, float64[columns], A.
    parts
        First bit line of each physical array, and the end of the last, int64[arrays + 1].
    """
    if kind == "global":
        wide = np.diff(parts)
        before = np.repeat(np.add.reduceat(before, parts[:-1]), wide)
        now = np.repeat(np.add.reduceat(now, parts[:-1]), wide)
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = before / now
    usable = np.isfinite(factors) & (factors > 1 / LARGEST) & (factors < LARGEST)
    return np.where(usable, factors, 1.0).astype(np.float32)


@implements(compensate, Uncompensated)
def _(gain, array, currents, work):  # type: ignore[no-untyped-def]
    pass


@implements(compensate, Compensated)
def _(gain, array, currents, work):  # type: ignore[no-untyped-def]
    """Compensate all but the stand-in for disconnected cells, which does not drift."""
    leave_out(array.gaps, array.pulse.g_mid, currents, work)
    for k in each(currents.size):
        currents[k] *= gain.factors[k]
    leave_out(array.gaps, -array.pulse.g_mid, currents, work)


class Compensating:
    """An array whose drift can be compensated: its sums are measured, and later corrected."""

    state: ArrayState
    device: Device
    seed: int
    column_parts: NDArray[np.int64]
    """First bit line of each physical array, and the end of the last."""
    sums: NDArray[np.float64] | None = None
    """Currents of the bit lines when they were measured first, float64[columns], A."""
    _measured = 0

    def note_sums(self) -> None:
        """Measure the sums of the present states, unless they are known; booked."""
        if self.sums is None:
            self.sums = self._measure()

    def compensate(self, kind: Compensation = "global") -> NDArray[np.float32]:
        """Measure the sums again, and correct all reads for their loss from now on.

        Parameters
        ----------
        kind
            `global`, one factor for a physical array, or `column`, one for each bit line.

        Returns
        -------
        float32[columns]
            The factors.

        Raises
        ------
        ParameterError
            If the sums had not been measured before: `note_sums`.
        """
        one_of("Crossbar.compensate: kind", kind, ("global", "column"))
        if self.sums is None:
            raise ParameterError("Crossbar.compensate: note_sums comes first")
        self.state = self.state._replace(gain=Uncompensated())
        factors = factors_of(kind, self.sums, self._measure(), self.column_parts)
        self.state = self.state._replace(gain=Compensated(factors))
        return factors

    def forget_sums(self) -> None:
        """Stop compensating: the array is about to be programmed."""
        self.sums = None
        self.state = self.state._replace(gain=Uncompensated())

    def read_with(
        self, voltages: NDArray[np.float32], noise: np.random.Generator | None, signed: bool
    ) -> NDArray[np.float32]:
        """Return the currents of a read with noise from a generator; booked."""
        raise NotImplementedError

    def _measure(self) -> NDArray[np.float64]:
        """Return the currents of the bit lines with `v_read` on all word lines, A; booked."""
        all_on = np.full(self.state.g.shape[0], self.device.v_read, np.float32)
        noise = generator(self.seed, "drift compensation", self._measured)
        self._measured += 1
        return self.read_with(all_on, noise, signed=False).astype(np.float64)

    def compensation_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the measured sums, by name, for `restore_compensation`."""
        if self.sums is None:
            return {}
        gain = self.state.gain
        factors = gain.factors if isinstance(gain, Compensated) else np.zeros(0, np.float32)
        return {"sums": self.sums, "gain": factors, "sums_measured": np.array(self._measured)}

    def restore_compensation(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the arrays of `compensation_arrays`."""
        self.forget_sums()
        if "sums" in arrays:
            self.sums, self._measured = arrays["sums"].copy(), int(arrays["sums_measured"])
            if arrays["gain"].size:
                self.state = self.state._replace(gain=Compensated(arrays["gain"].copy()))
