"""The spiking network on digital hardware: closed forms, and where its weights live."""

import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison.arithmetic import mac
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.comparison.spiking import SpikingEvents, home, spiking_bill

SERVER = Hierarchy.load("server-45nm")


def test_a_synaptic_event_costs_one_byte_and_one_addition():
    events = SpikingEvents(synaptic=1000, competitions=0, spikes=0, examined=0, written=0)
    parts = spiking_bill(events, (397, 500), SERVER).components()
    level = next(level for level in SERVER.levels if level.name == "L2")
    assert parts["L2"] == pytest.approx(1000 * level.energy_per_byte.value)
    assert parts["arithmetic"] == pytest.approx(1000 * mac("spike16").value)


def test_weights_of_four_bits_move_half_as_many_bytes():
    events = SpikingEvents(synaptic=1000, competitions=0, spikes=0, examined=50, written=20)
    eight, four = (spiking_bill(events, (397, 500), SERVER, bits=bits) for bits in (8, 4))
    assert four.components()["L2"] == pytest.approx(eight.components()["L2"] / 2)
    assert four.components()["arithmetic"] == eight.components()["arithmetic"]


@pytest.mark.parametrize(
    ("shape", "level"), [((10, 10), "L1"), ((397, 500), "L2"), ((4000, 2000), "L3")]
)
def test_the_matrix_lives_where_it_fits(shape, level):
    assert home(shape, 8, SERVER).name == level


def test_a_hierarchy_without_energies_is_refused_by_name():
    with pytest.raises(ParameterError, match="eagle-cpu, but L2 has none"):
        spiking_bill(SpikingEvents(1, 1, 1, 1, 1), (397, 500), Hierarchy.load("eagle-cpu"))


def test_events_are_those_that_the_ledger_of_an_array_counts():
    phase = {
        "cell_read": {"count": 7, "joules": 1.0}, "neuron_update": {"count": 5, "joules": 1.0},
        "output_spike": {"count": 1, "joules": 1.0}, "sense_read": {"count": 3, "joules": 1.0},
        "ltp_pulse": {"count": 2, "joules": 1.0}, "prune_set_pulse": {"count": 4, "joules": 1.0},
    }  # fmt: skip
    assert SpikingEvents.of_phase(phase) == SpikingEvents(7, 5, 1, 3, 6)
