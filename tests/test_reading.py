"""Files of a bounded size."""

import os
from pathlib import Path

import pytest

from cbramsim.core.errors import DataError
from cbramsim.core.files import read_limited, read_text


def test_a_file_may_be_as_large_as_the_limit(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"1234")
    assert read_limited(file, 4, "a file") == b"1234"
    with pytest.raises(DataError, match="a: is larger than a file may be, 3 bytes"):
        read_limited(file, 3, "a file")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no-such-file", "No such file"), (".", "Is a directory"), ("a\0b", "null byte"),
        ("x" * 5000, "too long"), ("/dev/zero", "larger than a file may be, 1 MB"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_in_a_short_message(path, reason):
    with pytest.raises(DataError, match=reason) as caught:
        read_limited(Path(path), 10**6, "a file")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_a_pipe_is_read_to_its_end_and_not_waited_for(tmp_path):
    out, into = os.pipe()
    os.write(into, b"1234")
    os.close(into)
    assert read_text(Path(f"/dev/fd/{out}"), 10, "a file") == "1234"
    os.close(out)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert read_limited(pipe, 10, "a file") == b""
