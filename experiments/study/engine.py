"""Execution of independent tasks: on a running Dask cluster, on all cores, or one after the other.

All studies use this engine. A task is a function of plain values that leaves its results in a
folder of its own, so that the place, time and order of its execution do not matter. Dask gives a
task whose worker dies to another one.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any, NamedTuple

from cbramsim.core.errors import CbramError, ParameterError, shown

TIMEOUT = 5.0
"""Most seconds to wait for a scheduler."""
AHEAD = 1000
"""Most tasks that a cluster holds at a time: the first begins while others are still prepared."""
PER_CORE = 8
"""Most processes on this machine, per core."""
_ADDRESS = re.compile(r"((tcp|tls)://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]{1,253}):([0-9]{1,5})")
"""Pattern of the address of a scheduler; the last part is the port."""


class Task(NamedTuple):
    """One piece of work."""

    name: str
    """Name, unique among the tasks of one call."""
    function: Callable[..., Any]
    """Function, importable by name, so that a worker elsewhere finds it."""
    arguments: tuple[Any, ...]
    """Arguments, plain values."""


class Outcome(NamedTuple):
    """Outcome of a task: a result, or an error."""

    name: str
    """Name of the task."""
    result: Any
    """Return value of its function, or None."""
    error: str
    """Error in one line, or nothing."""
    trace: str
    """Full traceback of the error, or nothing."""


def ask(scheduler: str | None, workers: int | None) -> None:
    """Refuse a scheduler that does not answer, or an impossible number of workers.

    To be called before anything is written or computed.

    Raises
    ------
    CbramError
        Naming which of them is wrong, and why.
    """
    if workers is not None:
        _check_workers(workers)
    if scheduler is not None:
        with _connected(scheduler):
            pass
    elif workers is not None and workers > 1:
        _require_dask()


def execute(
    tasks: Iterable[Task],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    isolated: bool = False,
) -> Iterator[Outcome]:
    """Carry out `tasks`, and yield each outcome as it comes.

    A task that fails does not stop the others. If the caller stops early, running tasks are given
    up.

    Parameters
    ----------
    tasks
        Tasks, in the order in which to begin. They are taken as they are needed.
    scheduler
        Address of a running Dask scheduler, such as ``tcp://10.0.0.1:8786``; a cluster on this
        machine by default.
    workers
        Processes of the cluster on this machine; one per core by default. With one, or without
        Dask, the tasks run in this process.
    isolated
        Never run in this process.

    Raises
    ------
    CbramError
        If the scheduler does not answer, there cannot be so many workers, or Dask is asked for and
        not installed.
    """
    if workers is not None:
        _check_workers(workers)
    tasks = iter(tasks)
    first = list(islice(tasks, cores() if workers is None else workers))
    if not first:
        return iter(())
    tasks = chain(first, tasks)
    if scheduler is not None:
        return _on_cluster(tasks, _connected(scheduler))
    if not isolated and (len(first) == 1 or (workers is None and not has_dask())):
        return _one_by_one(tasks)
    return _on_cluster(tasks, _local(len(first)))


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_dask() -> bool:
    """Return whether Dask is installed."""
    return find_spec("distributed") is not None


def _one_by_one(tasks: Iterable[Task]) -> Iterator[Outcome]:
    for task in tasks:
        try:
            yield Outcome(task.name, task.function(*task.arguments), "", "")
        except Exception as error:
            yield Outcome(task.name, None, one_line(error), traceback.format_exc())


def _on_cluster(tasks: Iterator[Task], cluster: Any) -> Iterator[Outcome]:
    from distributed import as_completed

    with cluster as client:
        names: dict[Any, str] = {}

        def submitted(count: int) -> list[Any]:
            """Submit the next `count` tasks, and return their futures."""
            futures = []
            for task in islice(tasks, count):
                future = client.submit(task.function, *task.arguments, pure=False)
                names[future] = task.name
                futures.append(future)
            return futures

        try:
            completed = as_completed(submitted(AHEAD))
            for future in completed:
                completed.update(submitted(1))
                name = names.pop(future)
                if future.status == "finished":
                    yield Outcome(name, future.result(), "", "")
                else:
                    yield _failed(name, future)
                future.release()
        finally:
            with suppress(Exception):
                client.cancel(list(names))


def _failed(name: str, future: Any) -> Outcome:
    error = future.exception()
    if error is None:
        return Outcome(name, None, f"the cluster gave it up ({future.status})", "")
    lines = traceback.format_exception(error, error, future.traceback())
    return Outcome(name, None, one_line(error), "".join(lines))


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    """Run a cluster of single-threaded processes on this machine."""
    _require_dask()
    import logging

    import dask
    from distributed import Client, LocalCluster

    # Without Dask's MALLOC_TRIM_THRESHOLD_, which makes every large temporary array a page fault.
    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with dask.config.set({"distributed.nanny.pre-spawn-environ": single}):
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=0,
            dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
        )  # fmt: skip
    with closing(cluster), closing(Client(cluster)) as client:
        yield client


@contextmanager
def _connected(scheduler: str) -> Iterator[Any]:
    """Connect to a running cluster."""
    found = _ADDRESS.fullmatch(str(scheduler))
    if not found or not 0 < int(found[4]) < 2**16:
        raise ParameterError(
            f"--scheduler: must be tcp://HOST:PORT, with a port >= 1 and <= {2**16 - 1} (got "
            f"{shown(scheduler)})"
        )
    _require_dask()
    from distributed import Client

    try:
        client = Client(scheduler, timeout=TIMEOUT)
    except Exception as error:  # whatever answers there may say anything
        reason = one_line(error)
        raise CbramError(
            f"--scheduler: no answer from {scheduler} within {TIMEOUT:g} s ({reason})"
        ) from None
    with closing(client):
        yield client


def _check_workers(workers: int) -> None:
    most = PER_CORE * cores()
    if type(workers) is not int or not 1 <= workers <= most:
        raise ParameterError(
            f"--workers: must be a whole number >= 1 and <= {most}, {PER_CORE} per core (got "
            f"{shown(workers)})"
        )


def _require_dask() -> None:
    if not has_dask():
        raise CbramError("Dask is not installed; install cbramsim with its extra 'sweep'")


def one_line(error: BaseException) -> str:
    """Return an error in one line, with its kind unless the package has raised it."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, CbramError) else f"{type(error).__name__}: {text}"
