"""Conversion of a network to the arrays of its file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.own import Own
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.inputs import Inputs
from cbramsim.simulator.learning.labelling import Labels
from cbramsim.simulator.learning.pixels import Pixels
from cbramsim.simulator.learning.state_checks import check_state, of_layer, with_prefix
from cbramsim.simulator.learning.state_file import parsed


def arrays_of(network: Any) -> dict[str, Any]:
    """Return all that is needed to resume and to predict with a `SpikingNetwork`, by name."""
    if network.pixels is None:
        raise ParameterError("SpikingNetwork.save: fit comes first")
    labels = network.labels or Labels(np.zeros((0, 0)), 0)
    arrays: dict[str, Any] = {
        "config": network.config.model_dump_json(),
        "progress": np.array([network.passes, network.position, network.images_seen]),
        "pass_images": np.array(network.pass_images),
        "labels_used": labels.used,
        "class_counts": labels.class_counts,
        **network.encoder.to_arrays(),
    }
    for n, layer in enumerate(network.layers):
        arrays |= with_prefix(layer.to_arrays(), n)
    return arrays


def restored(kind: type, arrays: dict[str, NDArray[Any]], path: str | Path, own: Own | None) -> Any:
    """Return a network of some `kind` from the arrays of `arrays_of`; `path` is for errors.

    Raises
    ------
    DataError
        If something is missing or contradicts itself, or if it was made with other parts.
    """
    try:
        arrays = {name: np.asarray(value) for name, value in arrays.items()}
        config = NetworkConfig(**parsed(arrays, "config"))
        layers = config.of_layers()
        parts = [of_layer(arrays, n) for n in range(len(layers))]
        technologies = [
            (Device(**parsed(part, "device")), Periphery(**parsed(part, "periphery")))
            for part in parts
        ]
        device, periphery = technologies[0]
        network = kind(config, device=device, periphery=periphery, own=own)
        network.technologies = technologies
        cells = [
            device.without_variability() if layer.rule == "ideal" else device
            for layer, (device, _) in zip(layers, technologies, strict=True)
        ]
        check_state(arrays, config, cells)
        network._encoder = Pixels.from_arrays(arrays)
        network.build([Inputs.from_arrays(part) for part in parts])
        for layer, part in zip(network.layers, parts, strict=True):
            layer.restore(part)
        network.passes, network.position, _ = (int(n) for n in arrays["progress"])
        size, checksum = (int(n) for n in arrays["pass_images"])
        network.pass_images = (size, checksum)
        if arrays["class_counts"].size:
            network.labels = Labels(arrays["class_counts"].copy(), int(arrays["labels_used"]))
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"state file {path}: {error!s:.500}") from None
    return network
