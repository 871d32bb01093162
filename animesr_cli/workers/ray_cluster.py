"""Workers on the machines of a Ray cluster, one for each GPU, or CPU where it has none.

Ray itself is in a child, ``ray_driver.py``, which is asked for everything through a pipe: however
it ends, here that is one error. Needs the extra ``animesr-cli[ray]``.
"""

from __future__ import annotations

import importlib.util
import logging
import pickle
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from animesr_cli.errors import AnimesrError, DeviceError, UsageError
from animesr_cli.model.devices import RUNTIMES
from animesr_cli.workers import ray_driver
from animesr_cli.workers.child_process import Child
from animesr_cli.workers.protocol import Message, Prepare, log_level
from animesr_cli.workers.ray_driver import CONNECT_SECONDS, INSTALL
from animesr_cli.workers.scheduler import STOP_SECONDS, Executor

log = logging.getLogger(__name__)

JOIN_SECONDS: Final = 90.0
"""Until the cluster is joined; a healthy one takes 2 to 15."""

ANSWER_SECONDS: Final = 60.0
"""Beyond what was asked for, until Ray is taken for dead."""

LEAVE_SECONDS: Final = 15.0
"""For saying goodbye to the cluster."""


class RayExecutor(Executor):
    """One worker for each GPU of a cluster, or each CPU where it has no GPU.

    Args:
        address: ``auto``: the cluster that this machine is part of; ``HOST:PORT`` of its head; or
            ``local``: one on this machine alone that ends with ``close``.
        device: ``auto``, or ``cpu``, ``cuda`` or ``xpu`` to use one kind only.
        workers: at most so many.

    Raises:
        UsageError: the extra is not installed, or there is no such address, device or number.
        DeviceError: the cluster cannot be joined within ``JOIN_SECONDS``.
    """

    def __init__(
        self,
        address: str,
        *,
        device: str = "auto",
        workers: int | None = None,
        warn: Callable[[str], None] = log.warning,
    ) -> None:
        super().__init__(warn=warn)
        kind = device.partition(":")[0]
        if kind not in ("auto", "cpu", *RUNTIMES):
            raise UsageError(
                f"a cluster has no device {device}", f"use auto, cpu or {' or '.join(RUNTIMES)}"
            )
        if workers is not None and workers < 1:
            raise UsageError(f"{workers} workers cannot work", "use 1 or more")
        if not _is_installed():
            raise UsageError("a cluster needs Ray, which is not installed", INSTALL)
        _check_address(address)
        self._child = Child("Ray", ray_driver)
        self._asked = 0
        self._ended = False
        self.device: str
        """``cpu``, ``cuda`` or ``xpu``: of all workers."""
        try:
            self.workers, self.device = self._ask(
                "join", address, kind, workers, seconds=JOIN_SECONDS
            )
            self.threads = 1 if self.device == "cpu" else None
        except _Silent:
            raise _not_joined(address, f"no answer in {JOIN_SECONDS:.0f} seconds") from None
        except DeviceError as error:
            self._end()
            raise _not_joined(address, error.message) from error
        except BaseException:
            self._end()
            raise

    def _ask(self, method: str, *arguments: object, seconds: float = ANSWER_SECONDS) -> Any:
        """The child's answer; raises its error, and also its end, or its silence."""
        if self._ended:
            raise DeviceError("the connection to the cluster has ended")
        self._asked += 1
        self._child.tell((self._asked, method, arguments))
        deadline = time.monotonic() + seconds
        while self._child.connection.poll(max(0, deadline - time.monotonic())):
            try:
                number, answer = self._child.connection.recv()
            except (EOFError, OSError):
                raise self._child.exit_error() from None
            if number != self._asked:
                continue  # whoever asked was interrupted
            if isinstance(answer, AnimesrError):
                log.debug("Ray failed", exc_info=answer)
                raise answer
            return answer
        self._end()
        raise _Silent(f"Ray did not answer in {seconds:.0f} seconds")

    def _end(self) -> None:
        self._ended = True
        self._child.end()

    def begin(self, prepare: Prepare) -> None:
        self._ask("begin", pickle.dumps(prepare), log_level())

    def start(self, most: int) -> list[str]:
        return list(self._ask("start", most))

    def assign(self, worker: str, payload: bytes) -> None:
        self._ask("assign", worker, payload)

    def news(self, patience_seconds: float) -> list[tuple[str, Message]]:
        messages, self.workers, remark = self._ask("news", patience_seconds)
        if remark:
            self.warn(remark)
        return list(messages)

    def end(self, worker: str) -> None:
        self._ask("end", worker)

    def stop(self) -> None:
        with suppress(AnimesrError, OSError):
            self._ask("stop", seconds=STOP_SECONDS + CONNECT_SECONDS)

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        with suppress(AnimesrError):
            self._ask("leave", seconds=LEAVE_SECONDS)
        self._end()


class _Silent(DeviceError):
    """The child did not answer in time, and was killed."""


def _is_installed() -> bool:
    return importlib.util.find_spec("ray") is not None


# ---- addresses -----------------------------------------------------------------------------------


def _check_address(address: str) -> None:
    """Refuse what cannot be an address, and what nobody answers at."""
    if address in ("auto", "local"):
        return
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal()) or "/" in host:
        raise UsageError(
            f"{address!r} is not the address of a cluster",
            "use auto, local, or HOST:PORT of its head, as `ray start --head` prints it",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _not_joined(address, reason.lower()) from error


def _not_joined(address: str, reason: str) -> DeviceError:
    if "Could not find any running Ray instance" in reason:
        return DeviceError(
            "this machine is not part of a running cluster",
            "`ray start --head` begins one, `ray start --address=HOST:PORT` joins one",
        )
    what = "the cluster of this machine" if address == "auto" else f"the cluster at {address}"
    if "AuthToken" in reason or "auth_token" in reason:
        return DeviceError(
            f"{what} wants a token that is not here",
            "copy ~/.ray/auth_token from its head to this machine, and set RAY_AUTH_MODE=token",
        )
    return DeviceError(
        f"{what} cannot be joined: {' '.join(reason.split())[:300].rstrip('.')}",
        "run `ray start --address=HOST:PORT` on this machine first; `ray status` shows the cluster",
    )
