"""Ray behind a pipe: a child that joins a cluster, and the actors that it starts there.

Ray prints to standard output, takes over signals, and ends the process in which it loses its
cluster; so it has a process of its own, which does what ``ray_cluster.py`` asks for, one request
after another.

Ray does what it is good at: it finds the nodes, keeps account of their GPUs and notices their end.
Nothing that matters is in its keeping: actors are replaced by the dispatcher, and what they send
are small messages. https://docs.ray.io/en/latest/ray-core/actors.html
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from animesr_cli.errors import DeviceError, as_bug
from animesr_cli.workers.child_process import attend
from animesr_cli.workers.protocol import (
    Heartbeat,
    Message,
    Ready,
    WorkerLost,
)
from animesr_cli.workers.ray_worker import RayWorker, versions
from animesr_cli.workers.scheduler import STOP_SECONDS

log = logging.getLogger(__name__)

INSTALL: Final = "pip install 'animesr-cli[ray]'"

SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # else it reports to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # its coming default, said aloud where it is unset
}

CONNECT_SECONDS: Final = 5.0
"""For a connection to the head's port, and for an answer that is there."""

LOCAL_STORE_BYTES: Final = 100 * 2**20
"""For the objects of a cluster of our own, which are small; Ray would reserve a third of memory."""

LOOK_SECONDS: Final = 2.0
"""How often the cluster's size and health are asked for."""

NEWS_SECONDS: Final = 2.0
"""How long a worker that has nothing to say lets the question wait."""

HEAD_LOST_SECONDS: Final = 10.0
"""Without a connection to the head's port."""

REMARK_SECONDS: Final = 30.0
"""Without a single worker, until that is said."""

NO_PLACE_SECONDS: Final = 600.0
"""Without a single GPU or CPU in the cluster, which may be growing, until the run ends."""


# ---- the cluster --------------------------------------------------------------------------------


class Cluster:
    """What there is in a cluster, and whether it is still there."""

    def __init__(self, address: str, kind: str, most: int | None) -> None:
        import ray

        self.ray = ray
        options: dict[str, Any] = {}
        if address == "local":
            options = {"include_dashboard": False, "object_store_memory": LOCAL_STORE_BYTES}
        ray.init(address=address, log_to_driver=False, **options)
        context = ray.get_runtime_context()
        self._head: str = context.gcs_address
        self._here: str = context.get_node_id()
        self._seen = self._looked = time.monotonic()
        self._resources: Mapping[str, float] = ray.cluster_resources()
        self._most = most
        self.device = device_of(self._resources) if kind == "auto" else kind

    @property
    def resource(self) -> str:
        """Ray's name for what each worker has one of; it counts GPUs of every make together."""
        return "CPU" if self.device == "cpu" else "GPU"

    @property
    def need(self) -> dict[str, float]:
        """What one worker takes of Ray's account."""
        return {"num_cpus": 1} if self.device == "cpu" else {"num_cpus": 0, "num_gpus": 1}

    @property
    def places(self) -> int:
        """How many workers fit, busy or not."""
        found = int(self._resources.get(self.resource, 0))
        return found if self._most is None else min(found, self._most)

    def look(self) -> None:
        """Ask for size and health, now and then.

        Raises:
            DeviceError: the head, or this machine's part of the cluster, has gone.
        """
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        host, _, port = self._head.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError as error:
            if time.monotonic() - self._seen > HEAD_LOST_SECONDS:
                raise _left(f"its head, {self._head}, does not answer") from error
            return
        self._seen = time.monotonic()
        self._resources = self.ray.cluster_resources()
        if self._here not in {node["NodeID"] for node in self.ray.nodes() if node["Alive"]}:
            raise _left("this machine is no longer part of it")


def device_of(resources: Mapping[str, float]) -> str:
    """The device of a cluster's workers: that of its GPUs, where it has any."""
    if resources.get("GPU", 0) < 1:
        return "cpu"
    makes = [name for name in resources if name.startswith("accelerator_type:")]
    return "xpu" if makes and all("Intel-GPU" in make for make in makes) else "cuda"


def _left(reason: str) -> DeviceError:
    return DeviceError(
        f"the cluster was lost: {reason}",
        "bring it back (`ray status` shows it), then run the same command again",
    )


@dataclass
class _Actor:
    """One actor and what it has not answered yet."""

    handle: Any
    asked: Any
    """Its versions, or news."""
    name: str
    ready: bool = False
    assigned: Any = None
    """That it has received a task; one that is lost on the way would be waited for for ever."""


class Driver:
    """What can be asked for: each request is a method's name and its arguments.

    From ``begin`` to ``stop`` the methods are those of ``scheduler.Executor``.
    """

    _cluster: Cluster

    def join(self, address: str, kind: str, most: int | None) -> tuple[int, str]:
        try:
            self._cluster = Cluster(address, kind, most)
        except (Exception, SystemExit) as error:
            raise DeviceError(_reason(error)) from error
        self._ray = self._cluster.ray
        return self._cluster.places, self._cluster.device

    def leave(self) -> None:
        self._ray.shutdown()

    def begin(self, prepare: bytes, log_level: int) -> None:
        self._prepare = self._ray.put(prepare)  # once, however many actors read it
        self._log_level = log_level
        self._actors: dict[str, _Actor] = {}
        self._started_count = 0
        self._alone_since = time.monotonic()
        self._remarked = False

    def start(self, most: int) -> list[str]:
        # One may wait for its place: a cluster that grows on demand sees what is wanted.
        free = max(self._cluster.places, 1) - len(self._actors)
        return [self._started() for _ in range(min(most, free))]

    def _started(self) -> str:
        self._started_count += 1
        name = f"worker {self._started_count}"
        remote = self._ray.remote(
            max_restarts=0, max_task_retries=0, max_concurrency=4, **self._cluster.need
        )(RayWorker)
        handle = remote.remote(
            self._started_count, self._cluster.device, self._prepare, sys.path, self._log_level
        )
        self._actors[name] = _Actor(handle, handle.begin.remote(), name)
        return name

    def assign(self, worker: str, payload: bytes) -> None:
        actor = self._actors[worker]
        actor.assigned = actor.handle.assign.remote(payload)

    def news(self, patience_seconds: float) -> tuple[list[tuple[str, Message]], int, str | None]:
        """What was said; how many workers fit; what the user should know of that, once."""
        self._cluster.look()
        messages = self._messages(patience_seconds)
        return messages, self._cluster.places, self._remark()

    def _messages(self, patience_seconds: float) -> list[tuple[str, Message]]:
        if not self._actors:
            time.sleep(patience_seconds)
            return []
        asked = {actor.asked: name for name, actor in self._actors.items()}
        asked |= {actor.assigned: name for name, actor in self._actors.items() if actor.assigned}
        self._ray.wait(list(asked), timeout=patience_seconds)
        answered, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=0)
        return [
            (asked[answer], message)
            for answer in answered
            for message in self._answer(asked[answer], answer)
        ]

    def _answer(self, name: str, answer: Any) -> list[Message]:
        if (actor := self._actors.get(name)) is None:
            return []  # the other answer was its end
        try:
            content: dict[str, str] | list[Message] | None = self._ray.get(
                answer, timeout=CONNECT_SECONDS
            )
        except self._ray.exceptions.RayError as error:
            record = log.makeRecord(log.name, logging.DEBUG, "", 0, str(error), (), None)
            return [record, *self._lost(name, exit_error(actor.name, str(error)))]
        if content is None:
            actor.assigned = None
            return []
        if isinstance(content, dict):
            if content != versions():
                return self._lost(name, different(actor.name, content, versions()))
            content = []
        content = content or [Heartbeat()]
        for message in content:
            if isinstance(message, Ready):
                actor.name, actor.ready = message.name, True
        actor.asked = actor.handle.news.remote(NEWS_SECONDS)
        return content

    def _lost(self, name: str, error: DeviceError) -> list[Message]:
        self.end(name)
        return [WorkerLost(error)]

    def _remark(self) -> str | None:
        """What a user should know of a run that does not begin; once.

        Raises:
            DeviceError: it never will.
        """
        if not self._actors or any(actor.ready for actor in self._actors.values()):
            self._alone_since = time.monotonic()
            return None
        waited = time.monotonic() - self._alone_since
        kind = self._cluster.resource
        if waited > NO_PLACE_SECONDS and not self._cluster.places:
            raise DeviceError(f"the cluster has no {kind}", "`ray status` shows its nodes")
        if waited < REMARK_SECONDS or self._remarked:
            return None
        self._remarked = True
        return f"no {kind} of the cluster is free; waiting for one (`ray status` shows them)"

    def end(self, worker: str) -> None:
        if actor := self._actors.pop(worker, None):
            with suppress(Exception):
                self._ray.kill(actor.handle)

    def stop(self) -> None:
        with suppress(Exception):
            working = [actor for actor in self._actors.values() if actor.ready]
            asked = [actor.handle.stop.remote() for actor in working]
            if asked:
                self._ray.wait(asked, num_returns=len(asked), timeout=STOP_SECONDS)
        for worker in list(self._actors):
            self.end(worker)


def exit_error(name: str, reason: str) -> DeviceError:
    """What became of an actor, from what Ray says of it, which is a page."""
    if "No module named 'animesr_cli'" in reason:
        return DeviceError("a node of the cluster has no animesr-cli", f"there, {INSTALL}")
    if "node has died" in reason or "node was terminated" in reason:
        return DeviceError(f"{name} was lost: its node left the cluster")
    if "unavailable" in reason:
        return DeviceError(f"{name} was lost: its node cannot be reached")
    if "OutOfMemory" in reason or "memory" in reason.partition("Some common causes")[0]:
        return DeviceError(
            f"{name} was killed: its node ran out of memory", "use smaller tiles or fewer workers"
        )
    return DeviceError(f"{name} died", "its logs are in /tmp/ray/session_latest/logs on its node")


def different(name: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> DeviceError:
    """That a node would compute with something else."""
    differences = [
        f"{what} {theirs.get(what)} instead of {ours[what]}"
        for what in ours
        if theirs.get(what) != ours[what]
    ]
    return DeviceError(
        f"{name} of the cluster may give another result: its node has {', '.join(differences)}",
        "install the same versions on all nodes",
    )


# ---- requests ------------------------------------------------------------------------------------


def _reason(error: BaseException) -> str:
    """What went wrong at first: the last of the chain only says that something did."""
    while below := error.__cause__ or error.__context__:
        error = below
    return str(error) or type(error).__name__


def main(address: str, parent: int) -> None:
    """Answer ``(number, method, arguments)`` with ``(number, value or AnimesrError)``."""
    connection, _ = attend(address, parent)
    os.environ.update(SETTINGS)
    driver = Driver()
    while True:
        try:
            number, method, arguments = connection.recv()
        except (EOFError, OSError):
            return
        answer: object
        try:
            answer = getattr(driver, method)(*arguments)
        except (Exception, SystemExit) as error:
            answer = as_bug(error)
        with suppress(OSError):
            connection.send((number, answer))
