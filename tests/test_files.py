"""Files are written whole or not at all, and only where files belong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cbramsim.core.errors import CbramError
from cbramsim.core.files import check_writable, make_folder, remove_leftovers, write_atomically
from cbramsim.core.interrupts import Ended, endings_raised, held_back_interrupts
from cbramsim.core.locks import locked


def write(path: Path, content: bytes = b"new") -> None:
    write_atomically(path, lambda file: file.write(content))


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, b"old")

    def fail(file) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(CbramError, match=r"cannot write .*file: No space left on device"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"


def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write(tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_name_may_be_as_long_as_the_system_takes(tmp_path: Path) -> None:
    write(tmp_path / ("x" * 255))
    with pytest.raises(CbramError, match="File name too long"):
        write(tmp_path / ("x" * 256))


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "loop", "no parent", "NUL"])
def test_what_is_not_a_regular_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out"
    if kind == "device":
        path = Path(os.devnull)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path = tmp_path / "none" / "file" if kind == "no parent" else Path("a\0b")
    before = sorted(tmp_path.iterdir())
    for attempt in (check_writable, write):
        with pytest.raises(CbramError, match="cannot write"):
            attempt(path)
    assert sorted(tmp_path.iterdir()) == before
    assert not Path(os.devnull).is_file()


def test_only_the_temporary_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    dead = tmp_path / ".cbram-1-0123abcd.tmp"
    dead.touch()
    mine = tmp_path / ".cbram-notes.tmp"
    mine.touch()

    def look(file) -> None:
        (living,) = set(tmp_path.iterdir()) - {dead, mine}
        remove_leftovers(tmp_path)
        assert set(tmp_path.iterdir()) == {living, mine}

    write_atomically(tmp_path / "file", look)
    assert set(tmp_path.iterdir()) == {tmp_path / "file", mine}


def test_a_folder_that_cannot_be_made_leaves_no_parents(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        make_folder(tmp_path / "a" / "b" / ("x" * 300))
    assert not list(tmp_path.iterdir())


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom cbramsim.core.locks import locked\n"
        "with locked(Path(sys.argv[1]), 'it'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(CbramError, match=f"it is being written by process {other.pid} on "):
            locked(path, "it").__enter__()
        other.kill()
    assert path.exists()
    with locked(path, "it"), locked(path, "it"):
        assert f"process {os.getpid()} on" in path.read_text()
    assert not path.exists()


def test_a_held_signal_is_acted_on_at_the_end() -> None:
    reached = []

    def work() -> None:
        with held_back_interrupts():
            signal.raise_signal(signal.SIGINT)
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_does_not_disturb_what_the_first_one_begins() -> None:
    saved = []

    def work() -> None:
        with held_back_interrupts():
            try:
                with held_back_interrupts() as check:
                    signal.raise_signal(signal.SIGINT)
                    check()
            except KeyboardInterrupt:
                signal.raise_signal(signal.SIGINT)
                saved.append(True)
                raise

    with pytest.raises(KeyboardInterrupt):
        work()
    assert saved


def test_an_end_asked_for_is_raised_unless_it_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def work() -> None:
        with endings_raised():
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)

    try:
        with pytest.raises(Ended) as ended:
            work()
        assert ended.value.signum == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
