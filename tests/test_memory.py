"""What needs more memory than there is gets refused before it is allocated."""

import pytest

from cbramsim import Crossbar
from cbramsim.core import memory
from cbramsim.core.errors import ParameterError


def test_an_array_beyond_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 1e6)
    with pytest.raises(ParameterError, match=r"Crossbar\.shape: .* 1 MB \(got 40,000 cells"):
        Crossbar("ideal", (200, 200))
    Crossbar("ideal", (20, 20))


@pytest.mark.parametrize(("limit", "least"), [("max", 2e6), ("1000000", 0)])
def test_a_container_may_have_less_than_its_machine(tmp_path, monkeypatch, limit, least):
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    assert memory.memory() >= least
    assert limit == "max" or memory.memory() == 1e6
