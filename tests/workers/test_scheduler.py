"""What every executor promises, over all three of them; then what each has alone."""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animesr_cli.errors import AnimesrError, DeviceError, ExitCode, InputError, UsageError
from animesr_cli.workers import local as process_executor
from animesr_cli.workers import ray_cluster as ray_executor
from animesr_cli.workers import scheduler
from animesr_cli.workers.child_process import Child
from animesr_cli.workers.inline import InlineExecutor
from animesr_cli.workers.local import ProcessExecutor, slots_for
from animesr_cli.workers.protocol import (
    Heartbeat,
    Message,
    Ready,
    TaskProgress,
    TaskResult,
    WorkerSlot,
)
from animesr_cli.workers.ray_cluster import RayExecutor
from animesr_cli.workers.ray_driver import device_of, different, exit_error
from animesr_cli.workers.scheduler import (
    MOST_TRIES,
    Advanced,
    Event,
    Executor,
    Failed,
    Finished,
    Started,
)
from animesr_cli.workers.tasks import Task, TaskQueue
from command import environment
from ray_nodes import add_node, alive, cluster, kill_node, members
from toys import ERRORS, HOPELESS, OneIsBroken, Places, Toys, Unprepared

TWO_SLOTS = (WorkerSlot("cpu/1", "cpu", 1), WorkerSlot("cpu/2", "cpu", 1))

# ---- the three of them ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray_of_two() -> Iterator[RayExecutor]:
    """An executor on a cluster of one node with two CPUs, for all tests that harm neither."""
    with cluster(2) as nodes, closing(RayExecutor(nodes.address)) as executor:
        yield executor


KINDS = ("inline", "processes", pytest.param("ray", marks=pytest.mark.slow))
DISTANT = KINDS[1:]


@pytest.fixture(params=KINDS)
def executor(request: pytest.FixtureRequest) -> Executor:
    """Each of the three."""
    return chosen(request)


@pytest.fixture(params=DISTANT)
def distant(request: pytest.FixtureRequest) -> Executor:
    """Those whose workers are processes."""
    return chosen(request)


def chosen(request: pytest.FixtureRequest) -> Executor:
    if request.param == "inline":
        return InlineExecutor()
    if request.param == "processes":
        return ProcessExecutor(TWO_SLOTS)
    found: RayExecutor = request.getfixturevalue("ray_of_two")
    return found


def closed(*payloads: Sequence[object]) -> TaskQueue:
    """All tasks from the start; each is as long as its place from the end."""
    queue = TaskQueue(
        Task(key, len(payloads) - key, list(payload)) for key, payload in enumerate(payloads)
    )
    queue.close()
    return queue


def events_of(executor: Executor, queue: TaskQueue, prepare: Any) -> list[Event]:
    with closing(executor.run(queue, prepare)) as events:
        return list(events)


def results(events: Sequence[Event]) -> dict[int, object]:
    """Of the finished tasks, each of which finished once."""
    finished = [event for event in events if isinstance(event, Finished)]
    assert len({event.key for event in finished}) == len(finished)
    return {event.key: event.result for event in finished}


def failures(events: Sequence[Event]) -> list[Failed]:
    return [event for event in events if isinstance(event, Failed)]


def wait_until(happened: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Script(Executor):
    """One worker that says what was written for it, one line a look."""

    def __init__(
        self,
        lines: Sequence[Sequence[Message]],
        warn: Callable[[str], None],
        replaces: bool = True,
    ) -> None:
        super().__init__(warn=warn)
        self._lines = list(lines)
        self._own = list(lines)
        self.replaces = replaces
        self.ended: list[str] = []
        self._started_count = 0

    def begin(self, prepare: object) -> None:
        """Nothing is to be prepared."""

    def start(self, most: int) -> list[str]:
        if self._started_count > len(self.ended):
            return []
        self._started_count += 1
        self._lines = list(self._own) if self._started_count == 1 else [[Ready("b")], [DONE]]
        return [f"worker {self._started_count}"]

    def assign(self, worker: str, payload: bytes) -> None:
        """It knows what to do."""

    def news(self, patience_seconds: float) -> list[tuple[str, Message]]:
        messages = self._lines.pop(0) if self._lines else []
        return [(f"worker {self._started_count}", message) for message in messages]

    def end(self, worker: str) -> None:
        self.ended.append(worker)

    def stop(self) -> None:
        """Nothing is left to stop."""


DONE = TaskResult(pickle.dumps("done"))


def pids(folder: Path, word: str) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in folder.glob(f"{word}-*"))


# ---- the contract --------------------------------------------------------------------------------


def test_every_task_is_done_once(executor: Executor, tmp_path: Path) -> None:
    """Each task is started and finished once, with its result, by a worker with a name."""
    events = events_of(executor, closed(*(["echo", n] for n in range(8))), Toys(tmp_path))
    assert results(events) == {n: n for n in range(8)}
    assert Counter(type(event) for event in events) == {Started: 8, Finished: 8}
    begun = {event.key: event.worker for event in events if isinstance(event, Started)}
    done = {event.key: event.worker for event in events if isinstance(event, Finished)}
    assert begun == done
    assert all(begun.values())


def test_the_longest_goes_first(executor: Executor, tmp_path: Path) -> None:
    """Tasks begin in the order of their costs, equal ones in the order in which they came."""
    costs = [3, 8, 1, 8, 9, 3, 0.5]
    queue = TaskQueue(Task(key, cost, ["echo", key]) for key, cost in enumerate(costs))
    queue.close()
    events = events_of(executor, queue, Toys(tmp_path))
    begun = [event.key for event in events if isinstance(event, Started)]
    assert begun == [4, 1, 3, 0, 5, 2, 6]


def test_the_model_is_loaded_once_for_each_worker(executor: Executor, tmp_path: Path) -> None:
    """However many tasks there are, no more workers are prepared than there are."""
    events_of(executor, closed(*(["echo", n] for n in range(12))), Toys(tmp_path))
    assert 1 <= len(pids(tmp_path, "prepared")) <= executor.workers


def test_progress_is_told_during_the_work(executor: Executor, tmp_path: Path) -> None:
    """Frames are told while a task runs, ever more of them, and never more than there are."""
    events = []
    with closing(executor.run(closed(["count", 12, 0.05]), Toys(tmp_path))) as stream:
        for event in stream:
            events.append((time.monotonic(), event))
    told = [event.frames for _, event in events if isinstance(event, Advanced)]
    assert told == sorted(set(told))
    assert told[0] == 1
    assert told[-1] <= 12
    assert len(told) >= 3
    assert isinstance(events[0][1], Started)
    assert isinstance(events[-1][1], Finished)
    first = next(moment for moment, event in events if isinstance(event, Advanced))
    assert events[-1][0] - first > 0.3  # not all at the end


def test_errors_arrive_as_they_left(executor: Executor, tmp_path: Path) -> None:
    """Class, message, hint, exit code and traceback of an error survive the way from the worker."""
    kinds = list(ERRORS)
    events = events_of(executor, closed(*(["fail", kind] for kind in kinds)), Toys(tmp_path))
    for event in failures(events):
        sent = ERRORS[kinds[event.key]]
        assert type(event.error) is type(sent)
        assert (event.error.message, event.error.hint) == (sent.message, sent.hint)
        assert event.error.exit_code == sent.exit_code
        assert str(event.error) == sent.message
        assert "in fail\n" in "".join(event.error.__notes__)
    for key, kind in enumerate(kinds):
        tries = 1 if kind in HOPELESS else MOST_TRIES
        of_one = [event for event in failures(events) if event.key == key]
        assert [event.attempt for event in of_one] == list(range(1, tries + 1))
        assert [event.final for event in of_one] == [False] * (tries - 1) + [True]


def test_a_slip_is_a_bug(executor: Executor, tmp_path: Path) -> None:
    """What is not of the family arrives as a bug that names it; the other tasks are done."""
    events = events_of(
        executor, closed(["fail", "slip"], ["fail", "exit"], ["echo", 1]), Toys(tmp_path)
    )
    said = {event.key: event.error.message for event in failures(events) if event.final}
    assert "ZeroDivisionError: a slip" in said[0]
    assert "SystemExit" in said[1]
    assert {event.error.exit_code for event in failures(events)} == {ExitCode.BUG}
    assert results(events) == {2: 1}


def test_a_result_that_cannot_travel(executor: Executor, tmp_path: Path) -> None:
    """A result that cannot be pickled, or read again, fails its task and nothing else."""
    events = events_of(
        executor, closed(["unpicklable"], ["unreadable"], ["echo", 1]), Toys(tmp_path)
    )
    for key in (0, 1):
        of_one = [event for event in failures(events) if event.key == key]
        assert [event.final for event in of_one] == [False, False, True]
    assert results(events) == {2: 1}


def test_what_succeeds_at_last(executor: Executor, tmp_path: Path) -> None:
    """A task that fails twice and then succeeds is finished."""
    times = 2
    queue = closed(["stumble", str(tmp_path), times, "device"], ["echo", "x"])
    events = events_of(executor, queue, Toys(tmp_path))
    assert [(event.key, event.final) for event in failures(events)] == [(0, False)] * times
    assert results(events) == {0: times + 1, 1: "x"}


def test_tasks_that_come_late(executor: Executor, tmp_path: Path) -> None:
    """The queue may be filled by a thread while workers run, and be empty in between."""
    queue = TaskQueue()

    def fill() -> None:
        for number in range(4):
            queue.put(Task(number, 1, ["echo", number]))
            time.sleep(0.3)
        queue.close()

    filler = threading.Thread(target=fill)
    filler.start()
    assert results(events_of(executor, queue, Toys(tmp_path))) == {n: n for n in range(4)}
    filler.join()


def test_no_task_no_worker(executor: Executor, tmp_path: Path) -> None:
    """A queue that closes empty ends the run at once, and no model is loaded."""
    assert events_of(executor, closed(), Toys(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_queue_that_fails(executor: Executor, tmp_path: Path) -> None:
    """The error of who fills the queue leaves the iterator, and what is in hand is stopped."""
    queue = TaskQueue([Task(0, 1, ["linger", str(tmp_path)])])
    error = InputError("the input changed")
    with (
        pytest.raises(InputError) as caught,
        closing(executor.run(queue, Toys(tmp_path))) as events,
    ):
        for event in events:
            if isinstance(event, Advanced):
                queue.fail(error)
                queue.close()
    assert caught.value is error
    assert pids(tmp_path, "stopped") == pids(tmp_path, "begun") != []


@pytest.mark.parametrize("way", ["device", "weights", "bug"])
def test_prepare_fails(executor: Executor, tmp_path: Path, way: str) -> None:
    """An error of ``prepare`` ends the run with that error; it is not tried for ever."""
    with pytest.raises(AnimesrError) as caught:
        events_of(executor, closed(["echo", 1], ["echo", 2]), Unprepared(tmp_path, way))
    if way == "bug":
        assert "ZeroDivisionError: no model" in caught.value.message
    else:
        assert type(caught.value) is type(ERRORS[way])
        assert caught.value.message == ERRORS[way].message
    assert len(pids(tmp_path, "prepared")) <= executor.workers


def test_stopped_in_the_middle(executor: Executor, tmp_path: Path) -> None:
    """Closing the iterator stops the work through ``advanced`` and waits until it has tidied up."""
    with closing(executor.run(closed(["linger", str(tmp_path)]), Toys(tmp_path))) as events:
        for event in events:
            if isinstance(event, Advanced):
                break
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert pids(tmp_path, "stopped") == pids(tmp_path, "begun") != []


def test_one_run_after_another(executor: Executor, tmp_path: Path) -> None:
    """An executor works again after a run that was stopped and one that failed."""
    with closing(executor.run(closed(["linger", str(tmp_path)]), Toys(tmp_path))) as events:
        next(iter(events))
    with pytest.raises(DeviceError):
        events_of(executor, closed(["echo", 1]), Unprepared(tmp_path, "device"))
    assert results(events_of(executor, closed(["echo", 1]), Toys(tmp_path))) == {0: 1}


def test_the_log_comes_here(
    executor: Executor,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A worker's log lines are logged here, under its own names."""
    with caplog.at_level(logging.WARNING, "animesr_cli"):
        events_of(executor, closed(["remark", "smaller tiles"]), Toys(tmp_path))
    assert ("animesr_cli.toys", logging.WARNING, "smaller tiles") in caplog.record_tuples
    if not isinstance(executor, InlineExecutor):
        assert capfd.readouterr() == ("", "")  # what it prints spoils neither screen nor events


# ---- workers that are processes ------------------------------------------------------------------


def test_two_work_at_the_same_time(distant: Executor, tmp_path: Path) -> None:
    """Two tasks that wait for each other both end, each in a process of its own."""
    queue = closed(["meet", str(tmp_path), 2], ["meet", str(tmp_path), 2])
    met = results(events_of(distant, queue, Toys(tmp_path)))
    assert len(set(met.values())) == 2
    assert os.getpid() not in met.values()


@pytest.mark.parametrize("way", ["dies", "exits"])
def test_a_worker_that_dies(
    distant: Executor, tmp_path: Path, way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its task is tried again by a new worker, and the user is not told by Ray or Python."""
    queue = closed(["stumble", str(tmp_path), 1, way], ["echo", "x"], ["echo", "y"])
    events = events_of(distant, queue, Toys(tmp_path))
    (failed,) = failures(events)
    assert (failed.key, failed.attempt, failed.final) == (0, 1, False)
    assert isinstance(failed.error, DeviceError)
    assert results(events) == {0: 2, 1: "x", 2: "y"}
    assert capfd.readouterr() == ("", "")


def test_a_task_that_kills_every_worker(distant: Executor, tmp_path: Path) -> None:
    """It is given up after three workers; the others are done."""
    queue = closed(["stumble", str(tmp_path), 9, "dies"], ["echo", "x"])
    events = events_of(distant, queue, Toys(tmp_path))
    assert [event.final for event in failures(events)] == [False, False, True]
    assert results(events) == {1: "x"}
    assert len(list(tmp_path.glob("try-*"))) == 3


def test_workers_that_die_before_they_are_ready(distant: Executor, tmp_path: Path) -> None:
    """A process that ends while it loads the model is replaced twice, then the run ends."""
    with pytest.raises(DeviceError):
        events_of(distant, closed(["echo", 1]), Unprepared(tmp_path, "dies"))
    assert len(pids(tmp_path, "prepared")) == 3


def test_no_process_is_left(distant: Executor, tmp_path: Path) -> None:
    """After a run, and after one that was stopped in the middle, its processes are gone."""
    events_of(distant, closed(["echo", 1], ["echo", 2]), Toys(tmp_path))
    with closing(distant.run(closed(["linger", str(tmp_path)]), Toys(tmp_path))) as events:
        next(iter(events))
    wait_until(lambda: not any(alive(pid) for pid in pids(tmp_path, "prepared")))


def test_threads_of_a_seat(distant: Executor, tmp_path: Path) -> None:
    """A worker's libraries are told how many threads are theirs before they are loaded."""
    events = events_of(distant, closed(["where"]), Toys(tmp_path))
    assert results(events)[0]["threads"] == "1"  # type: ignore[index]


# ---- processes -----------------------------------------------------------------------------------


def test_the_end_of_a_process_is_explained(tmp_path: Path) -> None:
    """The error says how the worker ended, and the last that it printed."""
    executor = ProcessExecutor(TWO_SLOTS[:1])
    queue = closed(["stumble", str(tmp_path), 1, "exits"])
    (failed,) = failures(events_of(executor, queue, Toys(tmp_path)))
    assert "worker cpu/1 ended by itself with exit status 9" in failed.error.message
    assert "the last that was heard of it" in failed.error.message
    (tmp_path / "again").mkdir()
    queue = closed(["stumble", str(tmp_path / "again"), 1, "dies"])
    (failed,) = failures(events_of(executor, queue, Toys(tmp_path)))
    assert "was killed by SIGKILL" in failed.error.message
    assert "memory" in (failed.error.hint or "")


def test_one_bad_seat_spoils_no_task(tmp_path: Path) -> None:
    """Where one GPU fails at everything, each task is tried there at most once."""
    executor = ProcessExecutor([WorkerSlot("bad"), WorkerSlot("good")])
    events = events_of(executor, closed(*(["echo", n] for n in range(6))), OneIsBroken("bad"))
    assert results(events) == dict.fromkeys(range(6), "good")
    assert max(Counter(event.key for event in failures(events)).values(), default=0) <= 1


def test_a_worker_that_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not stop when asked is killed after a while."""
    monkeypatch.setattr(process_executor, "STOP_SECONDS", 0.5)
    executor = ProcessExecutor(TWO_SLOTS[:1])
    with closing(executor.run(closed(["deaf", str(tmp_path)]), Toys(tmp_path))) as events:
        next(iter(events))
        wait_until(lambda: pids(tmp_path, "begun"))
    assert not any(alive(pid) for pid in pids(tmp_path, "begun"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_keeps_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """glibc is asked not to return each frame's memory; whoever has set that otherwise is heard."""
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    executor = ProcessExecutor([WorkerSlot("one", "cpu", 1)])
    with closing(executor.run(closed(["deaf", str(tmp_path)]), Toys(tmp_path))) as events:
        next(iter(events))
        wait_until(lambda: pids(tmp_path, "begun"))
        (pid,) = pids(tmp_path, "begun")
        told = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"MALLOC_MMAP_THRESHOLD_=33554432" in told
    assert b"MALLOC_TRIM_THRESHOLD_=131072" in told


def test_a_child_sees_the_end_of_its_pipe(tmp_path: Path) -> None:
    """A worker ends by itself when its pipe does, also without the kernel's help."""
    setup = WorkerSlot("one"), pickle.dumps(Toys(tmp_path)), logging.WARNING
    child = Child("worker", process_executor, setup)
    child.tell(pickle.dumps(["deaf", str(tmp_path)]))
    wait_until(lambda: pids(tmp_path, "begun"))
    child.connection.close()
    assert child.wait(10)
    child.end()


DRIVER = """
import signal, sys
from contextlib import closing
sys.path.insert(0, sys.argv[1])
from ray_nodes import add_node, alive, cluster, kill_node, members
from toys import Toys
from pathlib import Path
from animesr_cli.cli.app import stoppable
from animesr_cli.workers.tasks import Task, TaskQueue
{imports}
folder = Path(sys.argv[2])
queue = TaskQueue(Task(n, 1, ["linger", str(folder)]) for n in range(2))
queue.close()
with closing({executor}) as executor, stoppable():
    with closing(executor.run(queue, Toys(folder))) as events:
        for event in events:
            pass
"""
PROCESSES = {
    "imports": "from animesr_cli.workers.local import ProcessExecutor, WorkerSlot",
    "executor": "ProcessExecutor([WorkerSlot('a'), WorkerSlot('b')])",
}


def driver(tmp_path: Path, parts: dict[str, str], workers: int = 2) -> subprocess.Popen[str]:
    """A script with that many workers at work, in a process group and a session of its own."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(**parts))
    tests = str(Path(__file__).parents[1] / "support")
    process = subprocess.Popen(
        [sys.executable, str(script), tests, str(tmp_path)],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(pids(tmp_path, "begun")) >= workers, 60)
    except BaseException:
        process.kill()
        raise
    return process


def test_no_worker_survives_its_driver(tmp_path: Path) -> None:
    """When the driver is killed there is soon no process left of the run."""
    with driver(tmp_path, PROCESSES) as process:
        process.kill()
    wait_until(lambda: not any(alive(pid) for pid in pids(tmp_path, "begun")))
    assert pids(tmp_path, "stopped") == []


def test_a_signal_for_the_driver(tmp_path: Path) -> None:
    """Workers are told by the driver to stop, and tidy up before it ends."""
    with driver(tmp_path, PROCESSES) as process:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=20)
    assert sorted(pids(tmp_path, "stopped")) == sorted(pids(tmp_path, "begun"))
    assert stderr.splitlines()[-1].endswith("Interrupted: stopped by SIGTERM")


def test_ctrl_c_is_for_the_driver_alone(tmp_path: Path) -> None:
    """A terminal sends it to the whole group: workers stop because they are told to, in order."""
    with driver(tmp_path, PROCESSES) as process:
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert sorted(pids(tmp_path, "stopped")) == sorted(pids(tmp_path, "begun"))
    assert stderr.splitlines()[-1].endswith("Interrupted: stopped by SIGINT")


@pytest.mark.parametrize(
    ("workers", "gpus", "device", "slots"),
    [
        (None, 0, "auto", ["cpu"]),
        (2, 0, "cpu", ["cpu/1", "cpu/2"]),
        (None, 3, "auto", ["cuda:0", "cuda:1", "cuda:2"]),
        (None, 3, "cuda", ["cuda:0", "cuda:1", "cuda:2"]),
        (None, 3, "cuda:1", ["cuda:1"]),
        (2, 3, "auto", ["cuda:0", "cuda:1"]),
        (4, 2, "cuda", ["cuda:0/1", "cuda:1/1", "cuda:0/2", "cuda:1/2"]),
        (2, 3, "cuda:1", ["cuda:1/1", "cuda:1/2"]),
        (None, 3, "cpu", ["cpu"]),
        (3, 2, "xpu", ["xpu:0/1", "xpu:1/1", "xpu:0/2"]),
        (None, 2, "xpu:1", ["xpu:1"]),
    ],
)
def test_seats(
    monkeypatch: pytest.MonkeyPatch,
    workers: int | None,
    gpus: int,
    device: str,
    slots: list[str],
) -> None:
    """One for each GPU by default; those that are asked for are dealt out to the GPUs."""
    import torch

    kind = torch.xpu if device.startswith("xpu") else torch.cuda
    monkeypatch.setattr(kind, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(kind, "device_count", lambda: gpus)
    found = slots_for(workers, device)
    assert [slot.name for slot in found] == slots
    assert [slot.device for slot in found] == [name.partition("/")[0] for name in slots]


@pytest.mark.parametrize(("cores", "workers", "threads"), [(2, 2, 1), (8, 3, 2), (2, 5, 1)])
def test_threads_are_shared_out(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, threads: int
) -> None:
    """Together CPU workers have the threads that one process would have, each at least one."""
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    assert [slot.threads for slot in slots_for(workers, "cpu")] == [threads] * workers


@pytest.mark.parametrize("workers", [0, -1])
def test_no_seats(workers: int) -> None:
    """A number of workers that cannot work is refused."""
    with pytest.raises(UsageError, match=str(workers)):
        slots_for(workers, "cpu")


# ---- the dispatcher ------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    plans=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["echo", "input", "device", "slip"])),
        max_size=8,
    )
)
def test_every_task_comes_to_one_end(
    tmp_path_factory: pytest.TempPathFactory, plans: list[tuple[int, str]]
) -> None:
    """Whatever fails, each task ends once, finished or finally failed, after one to three tries."""
    queue = TaskQueue(
        Task(key, cost, ["echo", key] if kind == "echo" else ["fail", kind])
        for key, (cost, kind) in enumerate(plans)
    )
    queue.close()
    events = events_of(InlineExecutor(), queue, Toys(tmp_path_factory.mktemp("toys")))
    ends = [event.key for event in events if isinstance(event, Finished)]
    ends += [event.key for event in failures(events) if event.final]
    assert sorted(ends) == list(range(len(plans)))
    begun = Counter(event.key for event in events if isinstance(event, Started))
    tries = {"echo": 1, "input": 1, "device": 3, "slip": 3}
    assert begun == {key: tries[kind] for key, (_, kind) in enumerate(plans)}


# ---- Ray -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["", "nonsense", ":6379", "host:", "ray://host:10001"])
def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """It is refused as the wrong use of an option, without waiting."""
    monkeypatch.setattr(ray_executor, "_is_installed", lambda: True)
    with pytest.raises(UsageError, match="is not the address of a cluster"):
        RayExecutor(address)


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that nobody listens at is said in one line, without waiting."""
    monkeypatch.setattr(ray_executor, "_is_installed", lambda: True)
    with pytest.raises(DeviceError, match="cannot be joined: connection refused") as caught:
        RayExecutor("127.0.0.1:1")
    assert "ray start" in (caught.value.hint or "")


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the command that installs it."""
    monkeypatch.setattr(ray_executor, "_is_installed", lambda: False)
    with pytest.raises(UsageError) as caught:
        RayExecutor("auto")
    assert caught.value.hint == "pip install 'animesr-cli[ray]'"


@pytest.mark.parametrize("device", ["mps", "tpu"])
def test_a_device_that_no_cluster_has(device: str) -> None:
    """A cluster computes on CPUs and on what torch has streams for."""
    with pytest.raises(UsageError, match=device):
        RayExecutor("auto", device=device)


@pytest.mark.parametrize(
    ("resources", "device"),
    [
        ({"CPU": 8}, "cpu"),
        ({"CPU": 8, "GPU": 2}, "cuda"),
        ({"CPU": 8, "GPU": 2, "accelerator_type:A100": 1}, "cuda"),
        ({"CPU": 8, "GPU": 2, "accelerator_type:Intel-GPU-Max-1550": 1}, "xpu"),
    ],
)
def test_the_device_of_a_cluster(resources: dict[str, float], device: str) -> None:
    """GPUs where there are any; Ray tells their make by a resource of its own."""
    assert device_of(resources) == device


def test_other_versions_are_named() -> None:
    """The error names what differs, and nothing else."""
    ours = {"Python": "3.11", "animesr-cli": "0.2.0", "torch": "2.13.0"}
    error = different("node/3", {**ours, "torch": "2.12.1"}, ours)
    assert "torch 2.12.1 instead of 2.13.0" in error.message
    assert "0.2.0" not in error.message


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("ray.exceptions.RayActorError: ... No module named 'animesr_cli'", "no animesr-cli"),
        ("The actor is dead because its node has died. Node Id: 1", "its node left"),
        ("The actor 59 is unavailable: RPC error: Connection reset", "cannot be reached"),
        ("Task was killed due to the node running low on memory.", "ran out of memory"),
        ("its worker process has died. Some common causes include memory", "died"),
    ],
)
def test_why_an_actor_died(reason: str, word: str) -> None:
    """Ray's page becomes one sentence."""
    error = exit_error("node/3", reason)
    assert word in error.message
    assert "\n" not in error.message


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A cluster of a head with one CPU, for a test that changes it."""
    with cluster(1) as made:
        yield made


@pytest.mark.slow
def test_a_node_that_dies(nodes: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What a machine had in hand when it was lost is done by those that are left."""
    second = add_node(nodes)
    capfd.readouterr()
    queue = closed(["hold", str(tmp_path)], ["hold", str(tmp_path)])
    events = []
    with (
        closing(RayExecutor(nodes.address)) as executor,
        closing(executor.run(queue, Toys(tmp_path))) as stream,
    ):
        assert executor.workers == 2
        for event in stream:
            events.append(event)
            if len(pids(tmp_path, "begun")) == 2 and not (tmp_path / "go").exists():
                kill_node(nodes, second)
                wait_until(lambda: sum(map(alive, pids(tmp_path, "begun"))) == 1)
                (tmp_path / "go").touch()
    (failed,) = failures(events)
    assert "was lost: its node" in failed.error.message
    assert not failed.final
    assert sorted(results(events)) == [0, 1]
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_node_that_comes_late(nodes: Any, tmp_path: Path) -> None:
    """A machine that joins during a run gets tasks of it."""
    queue = closed(["meet", str(tmp_path), 2], ["meet", str(tmp_path), 2])
    events = []
    with (
        closing(RayExecutor(nodes.address)) as executor,
        closing(executor.run(queue, Toys(tmp_path))) as stream,
    ):
        assert (executor.device, executor.workers, executor.threads) == ("cpu", 1, 1)
        for event in stream:
            events.append(event)
            if isinstance(event, Started) and len(events) == 1:
                add_node(nodes)
        assert executor.workers == 2
    assert len(set(results(events).values())) == 2


@pytest.mark.slow
def test_a_node_with_another_torch(nodes: Any, tmp_path: Path) -> None:
    """It is not used, since its results might differ, and the user is told why."""
    record = tmp_path / "torch-0.1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.1\n")
    add_node(nodes, PYTHONPATH=str(tmp_path))
    told: list[str] = []
    queue = closed(*(["count", 10, 0.1] for _ in range(4)))
    with closing(RayExecutor(nodes.address, warn=told.append)) as executor:
        events = events_of(executor, queue, Toys(tmp_path))
        assert results(events) == dict.fromkeys(range(4), 10)
        assert told
        assert all("torch 0.1 instead of 2." in line for line in told)


@pytest.mark.slow
def test_one_worker_for_each_gpu(tmp_path: Path) -> None:
    """Where a cluster has GPUs there is a worker for each, which sees that one alone."""
    with cluster(cpus=8, gpus=2) as nodes, closing(RayExecutor(nodes.address)) as executor:
        assert (executor.device, executor.workers, executor.threads) == ("cuda", 2, None)
        found = results(events_of(executor, closed(["a"], ["b"]), Places(tmp_path)))
        assert sorted(found.values()) == [("cuda", None, "0"), ("cuda", None, "1")]  # type: ignore[type-var]


@pytest.mark.slow
def test_the_head_is_lost(nodes: Any, tmp_path: Path) -> None:
    """A run whose cluster has gone ends with one error, and can be begun again."""
    queue = closed(["hold", str(tmp_path)])
    with closing(RayExecutor(nodes.address)) as executor:
        with (
            pytest.raises(DeviceError, match="the cluster was lost") as caught,
            closing(executor.run(queue, Toys(tmp_path))) as stream,
        ):
            for event in stream:
                if isinstance(event, Started):
                    nodes.head_node.kill_gcs_server()
        assert "run the same command again" in (caught.value.hint or "")


@pytest.mark.slow
def test_ray_itself_dies(tmp_path: Path) -> None:
    """The process that Ray runs in may crash: that is one error, and closing still works."""
    before = drivers()
    with cluster(1) as nodes, closing(RayExecutor(nodes.address)) as executor:
        (driver,) = drivers() - before
        with (
            pytest.raises(DeviceError, match="Ray was killed by SIGKILL"),
            closing(executor.run(closed(["hold", str(tmp_path)]), Toys(tmp_path))) as stream,
        ):
            for event in stream:
                if isinstance(event, Started):
                    os.kill(driver, signal.SIGKILL)
        with pytest.raises(DeviceError):
            events_of(executor, closed(["echo", 1]), Toys(tmp_path))
        wait_until(lambda: not any(alive(pid) for pid in pids(tmp_path, "begun")))


def drivers() -> set[int]:
    """The children of this process that Ray runs in."""
    listed = Path("/proc/self/task").glob("*/children")
    found = [int(pid) for path in listed for pid in path.read_text().split()]
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in found}
    return {pid for pid, command in commands.items() if "animesr_cli.workers.ray_driver" in command}


@pytest.mark.slow
def test_a_port_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something answers that is no cluster, that is said after a bounded time."""
    pytest.importorskip("ray", reason="animesr-cli[ray] is not installed")
    monkeypatch.setattr(ray_executor, "JOIN_SECONDS", 5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(DeviceError, match=f"{address} cannot be joined: no answer in 5 s"):
            RayExecutor(address)
    assert time.monotonic() - begun < 15


CLUSTER = {
    "imports": "from animesr_cli.workers.ray_cluster import RayExecutor",
    "executor": "RayExecutor('local', workers=2)",
}


@pytest.mark.slow
def test_no_actor_survives_its_driver(tmp_path: Path) -> None:
    """When the driver is killed its workers are soon gone."""
    pytest.importorskip("ray", reason="animesr-cli[ray] is not installed")
    with driver(tmp_path, CLUSTER, workers=1) as process:
        process.kill()
    wait_until(lambda: not any(alive(pid) for pid in pids(tmp_path, "begun")), 30)
    # Ray's own agents look after their raylet now and then, and give up within a minute.


@pytest.mark.slow
def test_a_signal_for_the_driver_of_a_cluster(tmp_path: Path) -> None:
    """Ray does not take the signal from the driver: actors are told to stop, and tidy up."""
    pytest.importorskip("ray", reason="animesr-cli[ray] is not installed")
    with driver(tmp_path, CLUSTER, workers=1) as process:
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert pids(tmp_path, "stopped") == pids(tmp_path, "begun")
    assert stderr.splitlines()[-1].endswith("Interrupted: stopped by SIGINT")
    wait_until(lambda: not members(process.pid), 30)


# ---- workers that hang ---------------------------------------------------------------------------


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second passes between two looks."""
    ticks = itertools.count()
    monkeypatch.setattr(f"{scheduler.__name__}.time.monotonic", lambda: next(ticks) / 4)


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([[Ready("a")], []], "has not answered for 12. seconds"),
        ([[Ready("a")], *[[Heartbeat()]] * 9000], "has done nothing for 30 minutes"),
    ],
)
def test_a_worker_that_hangs_is_replaced(lines: list[list[Message]], words: str) -> None:
    """Silence is told from idleness; its task is done by another one, and that is said."""
    warnings: list[str] = []
    backend = Script(lines, warnings.append)
    events = list(backend.run(closed(["x"]), Toys(Path())))
    assert backend.ended == ["worker 1"]
    assert [re.sub(r"(\d\d)\d sec", r"\1. sec", each) for each in warnings] == [
        f"worker a {words}, and is replaced"
    ]
    assert [(each.worker, each.final) for each in failures(events)] == [("a", False)]
    assert results(events) == {0: "done"}


@pytest.mark.usefixtures("ticking")
def test_a_slow_worker_is_left_alone() -> None:
    """One that needs ten minutes for a frame may need an hour for another."""
    busy: list[list[Message]] = [[Heartbeat()] for _ in range(7200)]
    lines: list[list[Message]] = [
        [Ready("a")],
        *busy[:1200],
        [TaskProgress(1)],
        *busy,
        [TaskProgress(2)],
    ]
    backend = Script([*lines, [DONE]], pytest.fail)
    events = list(backend.run(closed(["x"]), Toys(Path())))
    assert (backend.ended, results(events)) == ([], {0: "done"})


@pytest.mark.usefixtures("ticking")
def test_a_thread_that_hangs_is_only_told_of() -> None:
    """It cannot be ended; the user can, and is told once."""
    warnings: list[str] = []
    silence: list[list[Message]] = [[] for _ in range(9000)]  # a thread has nobody to say Heartbeat
    backend = Script([[Ready("a")], *silence, [DONE]], warnings.append, replaces=False)
    events = list(backend.run(closed(["x"]), Toys(Path())))
    assert (backend.ended, results(events)) == ([], {0: "done"})
    assert len(warnings) == 1
    assert "a has done nothing for 30 minutes; if it hangs, stop it" in warnings[0]


def test_time_in_which_this_process_was_stopped_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-Z stops command and workers alike, and a lid that is closed the whole machine."""
    ticks = itertools.count()
    monkeypatch.setattr(f"{scheduler.__name__}.time.monotonic", lambda: next(ticks) * 3600.0)
    backend = Script([[Ready("a")], [], [Heartbeat()], [], [DONE]], pytest.fail)
    events = list(backend.run(closed(["x"]), Toys(Path())))
    assert (backend.ended, results(events)) == ([], {0: "done"})


@pytest.mark.slow
def test_a_stopped_process_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP: it neither works nor ends, and would be waited for for ever."""
    monkeypatch.setattr(scheduler, "SILENT_SECONDS", 8.0)
    warnings: list[str] = []
    executor = ProcessExecutor(TWO_SLOTS[:1], warn=warnings.append)
    events = events_of(executor, closed(["freeze", str(tmp_path)]), Toys(tmp_path))
    assert results(events) == {0: 2}
    assert [event.attempt for event in failures(events)] == [1]
    assert "has not answered for 8 seconds, and is replaced" in warnings[0]
