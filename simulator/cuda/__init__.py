"""Many networks at once on a graphics card: its loops of learning and answering.

The physics of a cell is the same source as on a processor (`source`); threads of a block share a
network (`block`, `reading`, `learning`); random words are the same as on a processor (`words`).
Nothing here is imported unless a card is asked for.
"""

from __future__ import annotations

import numpy as np

# numba-cuda 0.30 asks for a name that NumPy 2.4 has no more.
vars(np).setdefault("row_stack", np.vstack)
