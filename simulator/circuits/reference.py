r"""Representation of a weight, which has a sign, by conductances, which are positive.

With :math:`\Delta = G_{max} - G_{min}`, :math:`G_{mid}` in between, and the sum over word lines i:

==========  ======================================  ==========================================
kind        cells of a weight w                     :math:`\sum V w` from currents
==========  ======================================  ==========================================
`column`    one at :math:`G_{mid} + w\Delta/2`      :math:`2 (I_k - I_{ref}) / \Delta`
`pair`      two: :math:`G_{min} + \max(\pm w, 0)    :math:`(I^+_k - I^-_k) / \Delta`
            \Delta`
`offset`    one, as in `column`                     :math:`2 (I_k - G_{mid} \sum V) / \Delta`
==========  ======================================  ==========================================

`column` has one more column, of cells at mid-window; `offset` subtracts a number computed digitally
from the inputs, after conversion. A gain error common to all columns, such as the mean loss along
the lines, scales the result of `column` and `pair`, but shifts that of `offset`, whose subtrahend
does not have it. A current added to all columns does not change `column` and `pair`; one that
differs along the array leaves only `pair` unchanged, whose two columns are neighbours.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from cbramsim.core.errors import ParameterError
from cbramsim.core.validation import Parameters

ReferenceKind = Literal["column", "pair", "offset"]


class Reference(Parameters):
    """Storage and read-out of a signed weight."""

    kind: ReferenceKind = "column"
    """Kind of reference: a `column`, a `pair` of cells, or a digital `offset`."""
    g_min: Annotated[float, Field(ge=0, le=1), "S"]
    """Lowest conductance in use, S."""
    g_max: Annotated[float, Field(ge=1e-18, le=1), "S"]
    """Highest conductance in use, S."""

    @model_validator(mode="after")
    def _check(self) -> Reference:
        if self.g_max <= self.g_min:
            raise ValueError(f"g_max must be above g_min, {self.g_min:g} (got {self.g_max:g})")
        return self

    @property
    def g_range(self) -> float:
        """Width of the window, S."""
        return self.g_max - self.g_min

    @property
    def g_mid(self) -> float:
        """Middle of the window, S."""
        return 0.5 * (self.g_min + self.g_max)

    @property
    def g_unit(self) -> float:
        """Signed conductance of the weight 1, S."""
        return self.g_range if self.kind == "pair" else 0.5 * self.g_range

    def physical_columns(self, columns: int) -> int:
        """Return the number of columns of cells for `columns` columns of weights."""
        return {"column": columns + 1, "pair": 2 * columns, "offset": columns}[self.kind]

    def conductances(self, weights: ArrayLike) -> NDArray[np.float32]:
        """Return the cells of `weights`, -1 to 1, float[rows, columns].

        Returns
        -------
        float32[rows, physical columns]
            Conductances, S. `pair`: the positive and the negative column of each weight side by
            side; `column`: the reference last.
        """
        w = np.asarray(weights, np.float64)
        if not (np.abs(w) <= 1).all():
            raise ParameterError("Reference.conductances: weights must be numbers >= -1 and <= 1")
        if self.kind == "pair":
            both = np.stack([np.maximum(w, 0), np.maximum(-w, 0)], axis=-1)
            g = self.g_min + self.g_range * both.reshape(len(w), -1)
        else:
            g = self.g_mid + 0.5 * self.g_range * w
            if self.kind == "column":
                g = np.column_stack([g, np.full(len(w), self.g_mid)])
        return g.astype(np.float32)

    def combine(self, currents: ArrayLike, input_sum: ArrayLike) -> NDArray[np.float64]:
        """Return the signed product, sum of V w, V, from currents or their converted values.

        Parameters
        ----------
        currents
            float[..., physical columns], A.
        input_sum
            float[...], sum of the voltages on the word lines, V; only `offset` uses it.
        """
        i = np.asarray(currents, np.float64)
        if self.kind == "pair":
            signed = i[..., 0::2] - i[..., 1::2]
        elif self.kind == "column":
            signed = i[..., :-1] - i[..., -1:]
        else:
            signed = i - self.g_mid * np.asarray(input_sum, np.float64)[..., None]
        return signed / self.g_unit

    def additions(self, rows: int, columns: int) -> int:
        """Return the digital additions of one product: a subtraction for each column of weights.

        `offset` also sums up the inputs. (Analogue subtraction before conversion would need none
        for `column` and `pair`, and half the conversions of `pair`.)
        """
        return columns + (rows if self.kind == "offset" else 0)
