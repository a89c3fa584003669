"""The state of a layer as arrays, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.array import own, saving


def present(layer: Any) -> dict[str, Any]:
    """Return the present state of a `Layer` without its ledger, by name."""
    pruner = layer.pruner
    arrays: dict[str, Any] = {
        "device": layer.nominal.model_dump_json(),
        "periphery": layer.periphery.model_dump_json(),
        "competition_scale": layer.competition_scale,
        "bias": layer.bias,
        "spike_counts": layer.spike_counts,
        "streams": np.array(layer.streams),
        "pruned": pruner.pruned,
        "stage": pruner.stage,
        "seen_weights": pruner.seen_weights,
        "seen_spikes": pruner.seen_spikes,
        "missed": pruner.missed,
    }
    if layer.parts:
        arrays |= {f"{own.PREFIX}parts": own.kinds_of(layer.parts), **own.arrays_of(layer.parts)}
    return arrays | saving.arrays_of(layer.crossbar) | layer.inputs.to_arrays()


def check_parts(layer: Any, arrays: dict[str, NDArray[Any]]) -> None:
    """Refuse a state that was saved with other custom parts.

    Raises
    ------
    ValueError
        Naming both.
    """
    made_with, given = str(arrays.get(f"{own.PREFIX}parts", "")), own.kinds_of(layer.parts)
    if made_with != given:
        raise ValueError(
            f"own: must be the parts that it was made with, {made_with or 'none'} "
            f"(got {given or 'none'})"
        )


def put_back(layer: Any, arrays: dict[str, NDArray[Any]]) -> None:
    """Restore the state of a `Layer` except the ledger."""
    layer.bias[:], layer.spike_counts[:] = arrays["bias"], arrays["spike_counts"]
    layer.images_seen = int(layer.spike_counts.sum()) // layer.config.encoding.windows
    if "competition_scale" in arrays:  # 0.5.0 had none
        layer.competition_scale = float(arrays["competition_scale"])
    own.put_back(layer.parts, arrays)
    for mine, saved in zip(layer.streams, arrays["streams"], strict=True):
        mine[:] = saved
    for name in ("pruned", "stage", "seen_weights", "seen_spikes"):
        getattr(layer.pruner, name)[:] = arrays[name]
    layer.pruner.missed = int(arrays["missed"])
    saving.restore(layer.crossbar, arrays)
