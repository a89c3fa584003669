"""The engine under all sweeps: outcomes, failures, dying workers, schedulers that do not answer."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from cbramsim.core.errors import CbramError, ParameterError
from cbramsim.experiments.study import engine
from cbramsim.experiments.study.engine import Task, ask, execute


def square(x: int) -> int:
    if x == 3:
        raise ValueError("three\nis not to be squared")
    return x * x


def die_once(mark: str) -> str:
    """Kill the worker at the first try; be done at the second."""
    path = Path(mark)
    if not path.exists():
        path.touch()
        os._exit(1)
    return "alive"


def where() -> int:
    return os.getpid()


def squares() -> list[Task]:
    return [Task(f"square-{x}", square, (x,)) for x in range(5)]


def check(outcomes: list[engine.Outcome]) -> None:
    found = {outcome.name: outcome for outcome in outcomes}
    assert len(found) == len(outcomes) == 5
    for x in (0, 1, 2, 4):
        assert found[f"square-{x}"].result == x * x
        assert not found[f"square-{x}"].error
    failed = found["square-3"]
    assert failed.result is None
    assert failed.error == "ValueError: three is not to be squared"
    assert "in square" in failed.trace


def test_one_process_does_all_and_a_failure_stops_nothing() -> None:
    check(list(execute(squares(), workers=1)))


def test_two_workers_do_the_same_in_processes_of_their_own() -> None:
    check(list(execute(squares(), workers=2)))
    outcomes = execute([Task(f"where-{n}", where, ()) for n in range(4)], workers=2)
    assert os.getpid() not in {outcome.result for outcome in outcomes}


def test_without_dask_one_process_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "has_dask", lambda: False)
    assert {o.result for o in execute([Task("where", where, ())] * 2)} == {os.getpid()}
    with pytest.raises(CbramError, match="Dask is not installed"):
        list(execute(squares(), workers=2))


def test_the_tasks_of_a_worker_that_dies_are_done_again(tmp_path: Path) -> None:
    tasks = [Task("deadly", die_once, (str(tmp_path / "mark"),)), *squares()]
    outcomes = {outcome.name: outcome for outcome in execute(tasks, workers=2)}
    assert outcomes.pop("deadly").result == "alive"
    check(list(outcomes.values()))


def test_a_running_cluster_is_used() -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
        scheduler_port=0, protocol="tcp",
    ) as cluster:  # fmt: skip
        check(list(execute(squares(), scheduler=cluster.scheduler_address)))


def test_a_cluster_is_given_its_tasks_as_it_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "AHEAD", 2)
    taken = []

    def tasks() -> Iterator[Task]:
        for task in squares():
            taken.append(task.name)
            yield task

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
        scheduler_port=0, protocol="tcp",
    ) as cluster:  # fmt: skip
        outcomes = execute(tasks(), scheduler=cluster.scheduler_address)
        first = next(outcomes)
        assert len(taken) < len(squares())
        check([first, *outcomes])


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "TIMEOUT", 0.5)
    address = "tcp://127.0.0.1:9"
    for asked in (
        partial(list, execute(squares(), scheduler=address)),
        partial(ask, address, None),
    ):
        with pytest.raises(CbramError) as error:
            asked()
        assert str(error.value).startswith(f"--scheduler: no answer from {address} within 0.5 s")
        assert "\n" not in str(error.value)


def test_what_answers_but_is_no_scheduler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "TIMEOUT", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9)
                connection.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(CbramError, match=f"--scheduler: no answer from {address}"):
            ask(address, None)
        thread.join()


@pytest.mark.parametrize(
    "address",
    [
        "", "tcp://", "localhost", "nonsense", "8786", "tcp://localhost", "http://localhost:80",
        "tcp://host:0", "tcp://host:99999", "tcp://host:-1", "tcp://host:x", "tcp://[::1", "inproc://",
        "tcp://a b:1", "a\nb:1", f"tcp://{'a' * 300}:1",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ParameterError, match="--scheduler: must be tcp://HOST:PORT, with a port"):
        ask(address, None)
    with pytest.raises(ParameterError, match="--scheduler"):
        list(execute(squares(), scheduler=address))


@pytest.mark.parametrize("workers", [0, -1, 10**6, True, 1.0, "2"])
def test_workers_that_there_cannot_be_are_refused(workers: Any) -> None:
    for asked in (partial(ask, None, workers), partial(execute, squares(), workers=workers)):
        with pytest.raises(ParameterError, match="--workers: must be a whole number >= 1 and <= "):
            asked()


def test_workers_have_one_thread_and_keep_the_memory_they_are_given() -> None:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")
    tasks = [Task(name, os.getenv, (name,)) for name in names]
    found = {outcome.name: outcome.result for outcome in execute(tasks, workers=1, isolated=True)}
    assert found == dict(zip(names, ("1", "1", None), strict=True))
