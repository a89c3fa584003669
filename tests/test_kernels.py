"""The cache of compiled loops: it saves time where it can, and is never in the way."""

import tempfile
from pathlib import Path

import pytest
from llvmlite.binding import Linkage
from numba import config
from numba.core import caching

from cbramsim.core import kernels
from cbramsim.core.kernels import compiled_loop, kernel, lean_kernel, lean_loop

pytestmark = pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")


def double(x):  # type: ignore[no-untyped-def]
    return 2 * x


@kernel
def steps(n):  # type: ignore[no-untyped-def]
    """Return a Fibonacci number: no compiler puts all of that into its caller."""
    return n if n < 2 else steps(n - 1) + steps(n - 2)


@lean_kernel
def lean_steps(n):  # type: ignore[no-untyped-def]
    return n if n < 2 else lean_steps(n - 1) + lean_steps(n - 2)


@compiled_loop
def climbs(n):  # type: ignore[no-untyped-def]
    return steps(n)


@compiled_loop
def climbs_twice(n):  # type: ignore[no-untyped-def]
    return climbs(n) + steps(n + 1)


@lean_loop
def lean_climbs(n):  # type: ignore[no-untyped-def]
    return lean_steps(n)


@pytest.fixture(autouse=True)
def said(caplog, monkeypatch):
    """What is said, to which nothing was said before."""
    kernels._say.cache_clear()
    return caplog


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the cache, with the loop in it."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    assert compiled_loop(double)(2) == 4
    (found,) = tmp_path.iterdir()
    return found


def hits(loop) -> int:
    return sum(loop.stats.cache_hits.values())


def test_a_second_program_finds_the_loop_compiled(folder, said):
    loop = compiled_loop(double)
    assert loop(2) == 4
    assert hits(loop) == 1
    assert not said.messages


def emptied(content: bytes) -> bytes:
    return b""


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [emptied, cut, flipped])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_damaged_cache_is_made_again(folder, kind, damage, said):
    (file,) = folder.glob(f"*.{kind}")
    file.write_bytes(damage(file.read_bytes()))
    assert compiled_loop(double)(2) == 4
    assert len(said.messages) <= 1
    again = compiled_loop(double)
    assert again(2) == 4
    assert hits(again) == 1


def test_data_of_another_version_of_the_sources_are_not_taken(folder, monkeypatch):
    """As a process that ends between index and data leaves them."""
    (data,) = folder.glob("*.nbc")
    older = data.read_bytes()
    monkeypatch.setattr(kernels, "FINGERPRINT", "newer")
    compiled_loop(double)(2)
    data.write_bytes(older)
    loop = compiled_loop(double)
    assert loop(2) == 4
    assert hits(loop) == 0


def test_a_full_disk_is_said_once_and_borne(folder, monkeypatch, said):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", no_space)
    for _ in range(2):
        assert compiled_loop(double)(2.5) == 5
    (line,) = said.messages
    assert "No space left on device" in line
    assert "NUMBA_CACHE_DIR" in line


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Neither the package nor the home folder can be written; a folder for temporary files can."""
    monkeypatch.setattr(kernels._Located, "_locator_classes", [kernels._PrivateLocator])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_without_a_folder_to_write_a_private_one_is_used(nowhere, said):
    assert compiled_loop(double)(2) == 4
    loop = compiled_loop(double)
    assert loop(2) == 4
    assert hits(loop) == 1
    (private,) = nowhere.glob("cbramsim-*")
    assert private.stat().st_mode & 0o077 == 0
    (line,) = said.messages
    assert str(private) in line


def open_to_all(root: Path) -> None:
    root.mkdir()
    root.chmod(0o777)


def link(root: Path) -> None:
    target = root.with_name("elsewhere")
    target.mkdir(0o700)
    root.symlink_to(target)


@pytest.mark.parametrize("prepare", [open_to_all, link])
def test_a_folder_that_another_user_may_have_filled_is_not_used(nowhere, prepare, said):
    prepare(kernels._PrivateLocator(double, __file__).root)
    loop = compiled_loop(double)
    assert loop(2) == 4
    assert loop.stats.cache_path is None
    (line,) = said.messages
    assert "cannot be kept" in line


def test_a_folder_that_others_may_exchange_is_not_used(nowhere, said):
    nowhere.chmod(0o777)
    assert compiled_loop(double)(2) == 4
    assert "cannot be kept" in said.messages[0]


@pytest.mark.parametrize("loop", ["climbs", "climbs_twice", "lean_climbs"])
def test_a_loop_runs_its_own_copies_of_kernels(tmp_path, monkeypatch, loop):
    """None that a linker may exchange for one of the same name, optimised with something else."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    run = globals()[loop]
    assert run(10) == {"climbs": 55, "climbs_twice": 144, "lean_climbs": 55}[loop]
    (compiled,) = run.overloads.values()
    linkage = {each.name: each.linkage for each in compiled.library.get_defined_functions()}
    copies = [name for name in linkage if "steps" in name]
    assert copies
    assert {linkage[name] for name in copies} == {Linkage.internal}
    others = {each for name, each in linkage.items() if not name.startswith("NRT_")}
    assert others <= {Linkage.internal, Linkage.external}
