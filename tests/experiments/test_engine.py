"""The engine under all sweeps: outcomes, failures, dying workers, schedulers that do not answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from distributed import LocalCluster

from cbramsim.errors import CbramError
from cbramsim.experiments import engine
from cbramsim.experiments.engine import Task, execute


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


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_a_scheduler_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(engine, "TIMEOUT", 1.0)
    with pytest.raises(CbramError) as error:
        list(execute(squares(), scheduler=address))
    assert str(error.value).startswith(f"--scheduler: no answer from {address} within 1 s")
    assert "\n" not in str(error.value)


def test_workers_have_one_thread_and_keep_the_memory_they_are_given() -> None:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")
    tasks = [Task(name, os.getenv, (name,)) for name in names]
    found = {outcome.name: outcome.result for outcome in execute(tasks, workers=1, isolated=True)}
    assert found == dict(zip(names, ("1", "1", None), strict=True))
