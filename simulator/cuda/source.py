"""The same source for a graphics card: kernels of the package, compiled a second time.

The physics of a cell is written once. For a card, a `Dialect` returns a function of the package in
which names have other meanings: a compiled kernel is a device function of the same source, a verb
is chosen by type within kernels of the card, and some names have stand-ins. There are two dialects:
`TOGETHER`, for what all threads of a block do with one another, and `ALONE`, for what one of them
does by itself, exactly as a processor would.

Under Numba's CUDA simulator all of this is plain Python.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np
from numba import cuda

from cbramsim.simulator.cuda.coverage import SIMULATED

Function = Callable[..., Any]


class Dialect:
    """Meaning of names of the package within kernels of a card."""

    def __init__(self, base: Dialect | None = None) -> None:
        """Take over the stand-ins of `base`."""
        self._base = base
        self._stand_ins: dict[Any, Any] = {}
        self._own: dict[tuple[Any, type], Function] = {}
        self._plain: dict[Any, FunctionType] = {}
        self._devices: dict[Any, Any] = {}
        self._verbs: dict[Any, Any] = {}

    def in_place_of(self, name: Any) -> Callable[[Any], Any]:
        """Replace a kernel, a verb or a class by a stand-in."""

        def add(stand_in: Any) -> Any:
            self._stand_ins[name] = stand_in
            return stand_in

        return add

    def implements(self, verb: Any, kind: type) -> Callable[[Function], Function]:
        """Implement a verb of this dialect for a first argument of type `kind`."""

        def add(function: Function) -> Function:
            self._own[verb, kind] = function
            return function

        return add

    def plain(self, function: Any) -> FunctionType:
        """Return a function of the package, or a kernel's, in this dialect."""
        with _TRANSLATING:  # threads of the simulator ask for kernels as they come to them
            return self._translated(getattr(function, "py_func", function))

    def _translated(self, function: FunctionType) -> FunctionType:
        if function not in self._plain:
            names: dict[str, Any] = dict(function.__globals__)
            copy = FunctionType(
                function.__code__, names, function.__name__, function.__defaults__,
                function.__closure__ and tuple(CellType() for _ in function.__closure__),
            )  # fmt: skip
            copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
            self._plain[function] = finished(copy)
            for name in _names_in(function.__code__) & names.keys():
                names[name] = self.meaning(names[name])
            pairs = zip(copy.__closure__ or (), function.__closure__ or (), strict=True)
            for mine, its in pairs:
                mine.cell_contents = self.meaning(its.cell_contents)
        return self._plain[function]

    def device(self, function: Any) -> Any:
        """Return a kernel of the package as a device function in this dialect."""
        if SIMULATED:
            return self.plain(function)
        if function not in self._devices:
            options = getattr(function, "targetoptions", {})
            fastmath = bool(options.get("fastmath"))
            compiled = cuda.jit(self.plain(function), device=True, fastmath=fastmath)
            self._devices[function] = finished(compiled)
        return self._devices[function]

    def meaning(self, value: Any) -> Any:
        """Return the meaning in this dialect of a name with the value `value`."""
        try:
            value = self._stand_in(value)
            done = value in _FINISHED
        except TypeError:  # it has no hash, and is none of ours
            return value
        if done:
            return value
        if hasattr(value, "table"):
            return self.verb(value)
        return self.device(value) if _is_kernel(value) else value

    def verb(self, verb: Any) -> Any:
        """Return a verb for kernels of a card, chosen by the type of its first argument."""
        if verb not in self._verbs:

            def chosen(kind: type) -> FunctionType | None:
                found = self._own.get((verb, kind)) or verb.table.get(kind)
                return found and self.plain(found)

            def call(first: Any, *rest: Any) -> Any:
                kernel = chosen(type(first))
                if kernel is None:
                    kind = type(first).__name__
                    raise TypeError(f"{verb.__name__}: not implemented for {kind}")
                return kernel(first, *rest)

            call.__name__ = call.__qualname__ = verb.__name__
            self._verbs[verb] = finished(call)
            if not SIMULATED:
                _choose_by_type(call, chosen)
        return self._verbs[verb]

    def _stand_in(self, value: Any) -> Any:
        if value in self._stand_ins:
            return self._stand_ins[value]
        return self._base._stand_in(value) if self._base else value


_TRANSLATING = RLock()
_FINISHED: set[Any] = set()
"""Functions that are in a dialect already."""


def finished(made: Any) -> Any:
    """Use a function unchanged in all dialects."""
    _FINISHED.add(made)
    return made


def _is_kernel(value: Any) -> bool:
    ours = isinstance(value, FunctionType) and value.__module__.startswith("cbramsim.")
    return ours or hasattr(value, "py_func")


def _names_in(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names_in, inner))


def _choose_by_type(call: Function, chosen: Callable[[type], Any]) -> None:
    from numba.cuda.extending import overload

    @overload(call, strict=False)
    def choose(*args: Any) -> Any:
        return chosen(getattr(args[0], "instance_class", type(None)))


ALONE = Dialect()
"""Functions of one thread by itself."""
TOGETHER = Dialect(ALONE)
"""Functions of the threads of a block together: all of them call the same functions."""


if not SIMULATED:
    from numba.cuda import libdevice, types
    from numba.cuda.extending import overload

    def _floor(x: Any) -> Any:
        """Return the largest whole number that is not above `x`, as NumPy's function does."""

    def _single(x: Any) -> Any:
        return libdevice.floorf(x)

    def _double(x: Any) -> Any:
        return libdevice.floor(x)

    @overload(_floor, strict=False)
    def _choose_floor(x: Any) -> Any:
        return _single if x == types.float32 else _double

    ALONE.in_place_of(np.floor)(finished(_floor))
