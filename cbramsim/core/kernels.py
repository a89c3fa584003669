"""Compilation of the kernels: small ones are fused into loops, loops are cached on disk.

A cache that cannot be read or written costs only time: a loop is then compiled when a program first
calls it.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, cached_property, wraps
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite.binding import Linkage
from numba import njit
from numba._dynfunc import make_function
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    NullCache,
    _CacheLocator,
    _SourceFileBackedLocatorMixin,
)
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.serialize import dumps
from numba.core.typed_passes import NativeLowering


class _PartLibrary(JITCodeLibrary):
    """Code of a kernel that only compiled loops call: they link, optimise and translate it.

    Numba would also optimise it separately and make machine code of it, which nothing runs and
    which takes a quarter of the compile time of a loop.
    """

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower a kernel, and make it known to its callers without an entry for the interpreter."""
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        state.flags.no_compile = True
        super().run_pass(state)
        made, code = state.cr, state.cr.fndesc
        no_entry = make_function(
            code.lookup_module(), code.qualname, "", 0, made.env, (state.library,)
        )
        state.targetctx.insert_user_function(no_entry, code, [state.library])
        state.cr = made._replace(cfunc=no_entry)
        return True


class _Compiler(CompilerBase):
    """Numba's passes, with a lowering of our own."""

    lowering: type

    def define_pipelines(self) -> list[Any]:
        """Return the passes."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (self.lowering if each is NativeLowering else each, why) for each, why in manager.passes
        ]
        manager.finalize()
        return [manager]


class _PartCompiler(_Compiler):
    lowering = _PartLowering


class _LoopLibrary(JITCodeLibrary):
    """The code of a loop, which runs its own copies of the kernels that are linked into it.

    Sums of kernels whose order is free come out one way or another in the last bits, depending on
    what a kernel was optimised with. Numba leaves its copies for the linker to replace by one of
    the same name that is there already: by one that was optimised alone where the kernel has just
    been compiled, or by one in whichever loop was loaded first.
    """

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr and not _counts_references(function):
                function.linkage = Linkage.internal
        super()._optimize_final_module()


def _counts_references(function: Any) -> bool:
    """Return whether a function is Numba's own, which its passes know by its name."""
    return bool(function.name.startswith("NRT_"))


@register_pass(mutates_CFG=True, analysis_only=False)
class _LoopLowering(NativeLowering):
    _name = "loop_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower a loop into a library that is closed."""
        state.library = _LoopLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


class _LoopCompiler(_Compiler):
    lowering = _LoopLowering


inlined = njit(inline="always")
"""A kernel that becomes part of its caller."""
kernel = njit
"""A kernel that is compiled with its caller."""
vector_kernel = njit(fastmath=True)
"""A kernel whose sums may be reordered, so that they vectorise."""

# Lean kernels allocate nothing, and so count no references to arrays.
LEAN: dict[str, Any] = {"_nrt": False, "no_cfunc_wrapper": True}
PART: dict[str, Any] = {
    **LEAN,
    "no_cpython_wrapper": True,
    "forceinline": True,
    "pipeline_class": _PartCompiler,
}
lean_kernel = njit(**LEAN)
"""A kernel that allocates nothing."""
lean_vector_kernel = njit(fastmath=True, **LEAN)
"""A kernel that allocates nothing and whose sums may be reordered."""
part = njit(**PART)
"""A kernel that allocates nothing and becomes part of the compiled loops that call it: passing on a
whole array would take longer than its work."""

floor = np.floor
"""Largest whole number that is not above a number, in the precision of that number."""
each = range
"""Numbers below a bound, for a loop with independent iterations: a processor goes through all of
them; on a graphics card each thread of a block takes its share."""


def compiled_loop(function: Callable[..., Any]) -> Any:
    """Compile a loop on its first call, and cache it until a source of the package changes.

    Numba's own cache checks only the file of the loop, and would miss a change in a kernel fused
    into it. The loop releases the global interpreter lock.
    """
    return _cached(njit(nogil=True, pipeline_class=_LoopCompiler)(function), function)


def lean_loop(function: Callable[..., Any]) -> Any:
    """Compile a loop that allocates nothing: as `compiled_loop`."""
    return _cached(njit(nogil=True, pipeline_class=_LoopCompiler, **LEAN)(function), function)


def _cached(dispatcher: Any, function: Callable[..., Any]) -> Any:
    if dispatcher is not function:  # compilation may be switched off
        dispatcher._cache = _LoopCache(function)
        dispatcher.compile = _uncollected(dispatcher.compile)
    return dispatcher


def _uncollected(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without the garbage collector, which takes a seventh of the time and finds little."""

    @wraps(compiled)
    def call(*args: Any, **options: Any) -> Any:
        collects = gc.isenabled()
        gc.disable()
        try:
            return compiled(*args, **options)
        finally:
            if collects:
                gc.enable()

    return call


def _sources(folder: str) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _sources(entry.path)
        elif entry.name.endswith(".py") and entry.is_file():
            yield entry.path


def _fingerprint() -> str:
    """Return a digest of all sources that may be fused into a loop: all but the experiments'."""
    digest = blake2b(digest_size=16)
    for package in ("cbramsim.core", "cbramsim.devices", "cbramsim.simulator"):
        found = find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            for path in _sources(folder):
                name = f"{package}{path[len(folder) :]}"
                digest.update(name.encode() + b"\0" + Path(path).read_bytes())
    return digest.hexdigest()


FINGERPRINT = _fingerprint()
"""Digest of all sources that may be fused into a loop."""


class _LoopCache(NullCache):
    """Cache of one loop: opened when it is first needed, and given up if there is none."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @cached_property
    def _files(self) -> Any:
        try:
            return _Files(self._function)
        except (RuntimeError, OSError):
            return self._give_up("no folder for them can be written")

    @property
    def cache_path(self) -> Any:
        """Folder of the cache, or nothing."""
        return self._files.cache_path

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled loop for types of arguments, or nothing; drop a damaged cache."""
        if _of_others(sig):
            return None
        try:
            return self._files.load_overload(sig, target_context)
        except (AttributeError, ImportError):
            pass  # loops of another version, whose classes no longer exist
        except Exception as error:  # reading a damaged file may raise anything
            _say(f"the cache of compiled loops is damaged ({_reason(error)}), and made again")
        try:
            self._files.flush()
        except OSError as error:
            self._give_up(_reason(error))
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save the compiled loop for types of arguments, if possible."""
        if _of_others(sig):
            return
        try:
            self._files.save_overload(sig, data)
        except Exception as error:  # a full disk, or an index that was damaged since
            self._give_up(_reason(error))

    def flush(self) -> None:
        """Drop what is cached."""
        self._files.flush()

    def _give_up(self, reason: str) -> NullCache:
        _say(
            f"compiled loops cannot be kept ({reason}): every program compiles its own; the "
            "environment variable NUMBA_CACHE_DIR may name a folder for them"
        )
        self._files = NullCache()
        return self._files


def _of_others(types: Any) -> bool:
    """Return whether a class from outside the package is among the types of arguments.

    Its kernels may change unnoticed.
    """
    for kind in types:
        made = getattr(kind, "instance_class", None)
        if made is not None and not made.__module__.startswith("cbramsim."):
            return True
        if _of_others(getattr(kind, "types", ())):
            return True
    return False


class _SealedFile(IndexDataCacheFile):
    """Index and data that state their owner and whether they are complete.

    Numba writes the index before the data: a process that ends in between leaves an index that
    points at older data.
    """

    def save(self, key: Any, data: Any) -> None:
        """Write the data of one compiled loop."""
        content = dumps(data)
        super().save(key, (self._source_stamp, key, blake2b(content).digest(), content))

    def load(self, key: Any) -> Any:
        """Return the data of one compiled loop, or nothing."""
        if (found := super().load(key)) is None:
            return None
        *owner, digest, content = found
        if owner != [self._source_stamp, key] or digest != blake2b(content).digest():
            return None
        return pickle.loads(content)


class _PrivateLocator(_SourceFileBackedLocatorMixin, _CacheLocator):
    """Private folder for temporary files: cached code is executed.

    The last resort where neither the package nor the home folder can be written.
    """

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._py_file, self._lineno = file, function.__code__.co_firstlineno
        self.root = Path(tempfile.gettempdir(), f"cbramsim-{os.getuid()}")

    def get_cache_path(self) -> str:
        """Return the folder of the loops of this file."""
        return str(self.root / self.get_suitable_cache_subpath(self._py_file))

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> Any:
        """Return the locator of a loop, or nothing if it has no such folder."""
        return super().from_function(function, file) if hasattr(os, "getuid") else None

    def ensure_cache_path(self) -> None:
        """Make the folder; refuse one that another user could have filled or could replace."""
        self.root.mkdir(0o700, exist_ok=True)
        mine, around = self.root.lstat(), self.root.parent.stat()
        if not stat.S_ISDIR(mine.st_mode) or mine.st_uid != os.getuid() or mine.st_mode & 0o077:
            raise PermissionError(f"{self.root} is not a private folder")
        if around.st_mode & 0o022 and not around.st_mode & stat.S_ISVTX:
            raise PermissionError(f"{self.root.parent} can be written by others")
        super().ensure_cache_path()
        _say(f"compiled loops are kept in {self.root}: package and home cannot be written")


class _Located(CompileResultCacheImpl):
    _locator_classes = [*CompileResultCacheImpl._locator_classes, _PrivateLocator]  # noqa: RUF012


class _Files(FunctionCache):
    """Numba's cache of one loop, keyed by the sources of the package."""

    _impl_class = _Located

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = FINGERPRINT, self._impl.locator.get_source_stamp()
        self._cache_file = _SealedFile(self._cache_path, self._impl.filename_base, stamp)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)


@cache
def _say(line: str) -> None:
    """Log a message once."""
    logging.getLogger("cbramsim").warning("cbramsim: %s", line)
