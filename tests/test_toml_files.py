"""TOML files: what a person writes is read, what nobody writes is refused at once."""

import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.core.toml_files import (
    DEEPEST,
    LARGEST,
    MOST,
    flat,
    nested,
    parse_toml,
    parse_value,
    read_toml,
)

TABLE = {"a": 1, "b": {"c": 2.5, "d": {"e": [1, 2], "f": {}}}}
DOTTED = {"a": 1, "b.c": 2.5, "b.d.e": [1, 2], "b.d.f": {}}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path, mark):
    file = tmp_path / "a.toml"
    file.write_bytes(mark + b"a = 1\r\n")
    assert read_toml(file) == {"a": 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a = 1".encode("utf-16"), "UTF-16"),
        (b"a = '\xff'", "UTF-8"),
        (b"\0" * 10, "line 1"),
        (b"#" * (LARGEST + 1), "1 MB"),
    ],
)
def test_what_is_no_text_or_too_large_is_refused_with_the_name_of_the_file(
    tmp_path, content, reason
):
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.toml: .*{reason}"):
        read_toml(file)


@pytest.mark.parametrize("part", ["a", '"a"', "'.'", " a "])
def test_a_key_of_many_parts_is_refused_before_it_is_taken_apart(part):
    for number, fits in ((DEEPEST, True), (DEEPEST + 1, False), (100_000, False)):
        key = ".".join([part] * number)
        for text in (f"{key} = 1", f"[{key}]", f"x = {{{key} = 1}}"):
            if fits and text.startswith((key, "[")):
                assert parse_toml(text)
            elif not fits:
                with pytest.raises(ValueError, match=f"more than {DEEPEST} parts"):
                    parse_toml(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = " + "[" * 100_000, "deep"),
        ("x = " + "{a = " * 100_000, "deep"),
        ("x = " + "[" * 30 + "]" * 30, "deep"),
        ("\n".join(f"k{n} = 1" for n in range(MOST + 1)), f"at most {MOST} keys"),
        ("x = [" + "1," * (MOST + 1) + "]", f"at most {MOST} keys"),
        ("x = " + "9" * 10_000, "too many digits"),
        (f"x = {2**63}", "64 bits"),
        ("x = 0x" + "f" * 10_000, "64 bits"),
    ],
)
def test_what_nobody_writes_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_toml(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("true", True), ("'1'", "1"), ("1e3", 1000.0), ("[1, 2]", [1, 2]),
        ("{a = 1}", {"a": 1}), ("gst-pcm", "gst-pcm"), ("", ""), ("1\nb = 2", "1\nb = 2"),
        (str(10**400), str(10**400)), ("[" * 5000, "[" * 5000),
    ],
)  # fmt: skip
def test_a_value_is_read_as_in_a_file_or_is_a_text(text, value):
    assert parse_value(text) == value


def test_flat_and_nested_are_inverse():
    assert flat(TABLE) == DOTTED
    assert nested(DOTTED) == TABLE
    assert nested({"b": {}} | DOTTED | {"b.d": {}}) == {"b": TABLE["b"], "a": 1}


@pytest.mark.parametrize("key", ["", ".", "a.", ".a", "a..b", ".".join("a" * 17), "a." * 50_000])
def test_a_key_is_names_with_dots_between_them(key):
    with pytest.raises(ParameterError, match="a key must be 1 to 16 names") as caught:
        nested({key: 1})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("keys", [("a", "a.b"), ("a.b", "a"), ("a.b", "a.b.c")])
def test_a_key_is_of_a_value_or_of_a_table(keys):
    with pytest.raises(ParameterError, match="must be a table"):
        nested(dict.fromkeys(keys, 1))
