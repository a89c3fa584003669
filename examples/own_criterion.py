"""Pruning criterion: the weights of the inputs that spike least, independent of learning."""

import numpy as np

import cbramsim as cb


class Silent:
    """Criterion that selects the weights of the least active inputs."""

    def __init__(self, activity: np.ndarray) -> None:
        self.activity = activity

    def choose(self, neuron, quota) -> np.ndarray:
        """Return bool[inputs]; `quota.size` of those that are `quota.free`."""
        return quota.lowest(self.activity)


data = cb.load_dataset("mnist")
images, labels = data.train_images[:150], data.train_labels[:150]
activity = images.reshape(150, -1).mean(axis=0)
pixels = np.sort(np.argsort(-np.count_nonzero(images[:100].reshape(100, -1), axis=0))[:100])
network = cb.SpikingNetwork(
    neurons=20, inputs=100, own=cb.Own(criterion=Silent(activity[pixels])),
    pruning={"kind": "soft", "fraction": 0.5, "mature_spikes": 5},
)  # fmt: skip
network.fit(images[:100], epochs=1).label(images[:100], labels[:100])
print(f"pruned {network.pruner.fraction:.0%}")
print(f"accuracy {network.score(images[100:], labels[100:]):.0%}")
