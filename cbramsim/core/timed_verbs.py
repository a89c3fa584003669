"""Verbs of networks with time: spikes of inputs, integration of neurons, and learning.

As those of `cbramsim.core.verbs`. Time is counted in steps of dt; `now` is the number of a step.
`neurons` are `Integrating` or `Conducting`, `work` is the `TimedWork` of a network.
"""

from __future__ import annotations

from cbramsim.core.verbs import verb

# mypy: disable-error-code="no-untyped-def,empty-body"


@verb
def gap(coding, rate, first, stream, normals):
    """Steps to the next spike of an input with a `rate`, Hz; counted from 0 for its `first` spike.

    At least 1 for all but the first: an input spikes at most once in a step.
    """


@verb
def sleeps(neurons):
    """Return whether no neuron can fire in a step without a spike of an input."""


@verb
def rest(neurons, now):
    """Put all neurons to rest, ready to fire; their thresholds stay."""


@verb
def pass_time(neurons, now):
    """Advance all neurons to step `now`."""


@verb
def take(neurons, inputs, unit, now):
    """Integrate the summed conductances of one step, float32[neurons], S; `unit` is that of weight
    1."""


@verb
def discharge(neurons, winner, now):
    """Let one neuron fire, and act on the others."""


@verb
def inhibit(inhibition, neurons, winner, now):
    """Let a neuron that fires act on the potentials of the others."""


@verb
def adapt(adaptation, limits, winner):
    """Change the thresholds, `limits`, as one neuron fires."""


@verb
def relax(adaptation, limits, counts, seconds):
    """Change the thresholds at the end of an image, by the number of spikes and their time."""


@verb
def learn_spike(rule, array, column, unit, work, stream, account):
    """Let one column learn as its neuron fires now; the last spikes of the inputs are in `work`."""


@verb
def end_image(rule, array, counts, unit, work, stream, account):
    """Apply a rule at the end of an image to the columns that have fired."""


@verb
def change(means, array, column, work, stream, account):
    """Change the cells of one column by ``work.wanted``, S; booked."""
