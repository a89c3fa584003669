"""Names of folders: any text becomes one that every system takes, and no two become the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.core.errors import ParameterError
from cbramsim.experiments.study.names import LONGEST, safe_name, safe_names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("soft,seed=0,fraction=0.25", "soft,seed=0,fraction=0.25"),
        ("..", "_._"),
        ("", "_"),
        (".hidden", "_.hidden"),
        ("-rf", "_-rf"),
        ("a/../b\\c", "a_.._b_c"),
        ("a\0b\nc", "a_b_c"),
        ("Größe=1", "Gr_e=1"),
        ("ends.", "ends_"),
        ("CON", "_CON"),
        ("nul.x,seed=1", "_nul.x,seed=1"),
        ("console", "console"),
    ],
)
def test_a_name_is_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_long_names_are_shortened_and_stay_apart() -> None:
    one, other = safe_name("x" * 300), safe_name("x" * 299 + "y")
    assert len(one) == len(other) == LONGEST
    assert one != other
    assert safe_name("x" * LONGEST) == "x" * LONGEST


def test_names_that_would_be_the_same_are_told_apart() -> None:
    names = safe_names(["a b", "a_b", "A_B", "c"])
    assert names[3] == "c"
    assert len({name.casefold() for name in names}) == 4
    assert all(name.casefold().startswith("a_b-") for name in names[:3])
    assert safe_names(["A_B", "a b", "a_b"])[::-1][:2] == [names[1], names[0]], "whatever the order"


def test_what_is_there_twice_is_refused() -> None:
    with pytest.raises(ParameterError, match="the run 'a_b' is there twice"):
        safe_names(["a b", "a b"])
    assert len(set(safe_names(["a", "a"], "xy".__getitem__))) == 2
    with pytest.raises(ParameterError, match="twice"):
        safe_names(["a b", "a_b"], "xx".__getitem__)


@given(st.lists(st.text(max_size=200), unique=True, max_size=10))
def test_any_texts_have_safe_names(texts: list[str]) -> None:
    names = safe_names(texts)
    assert len({name.casefold() for name in names}) == len(texts)
    for name in names:
        assert 0 < len(name) <= LONGEST
        assert name.isascii()
        assert not set(name) & set("/\\\0 :")
        assert name[0] not in ".-"
        assert name[-1] != "."
