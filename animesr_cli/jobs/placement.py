"""Who computes the segments of a run: this process, several of them, or a cluster.

It does not know what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from animesr_cli.model.devices import compute_on
from animesr_cli.upscaling.plan import Plan
from animesr_cli.workers.local import ProcessExecutor, seats_for
from animesr_cli.workers.protocol import Seat
from animesr_cli.workers.scheduler import Executor, InlineExecutor


@dataclass(frozen=True)
class Seating:
    """Who computes, before it is known with how many threads it was begun."""

    seats: tuple[Seat, ...]
    """Empty: the executor has its own."""
    cluster: Executor | None = None

    @property
    def is_single(self) -> bool:
        return self.cluster is None and len(self.seats) == 1

    def executor(self, threads: int | None, warn: Callable[[str], None]) -> Executor:
        if self.cluster is not None:
            return self.cluster
        seats = [replace(s, threads=threads or s.threads) for s in self.seats]
        if len(seats) == 1:
            return InlineExecutor(warn=warn)
        return ProcessExecutor(seats, warn=warn)


def choose_seating(plan: Plan, warn: Callable[[str], None]) -> tuple[Seating, Plan]:
    settings = plan.settings
    if settings.cluster is not None:
        from animesr_cli.workers.ray_cluster import RayExecutor

        cluster = RayExecutor(
            settings.cluster, device=settings.device, workers=settings.workers, warn=warn
        )
        compute = compute_on(torch.device(cluster.device), settings.precision)
        return Seating((), cluster), replace(plan, compute=compute, tile=settings.tile)
    seats = tuple(seats_for(settings.workers, str(plan.compute.device)))
    if settings.workers is None and settings.device in ("auto", "cuda"):
        seats = tuple(seats_for(None, settings.device))
    gpus = len({seat.device for seat in seats})
    if plan.estimated_seconds is not None:
        plan = replace(plan, estimated_seconds=plan.estimated_seconds / gpus)
    return Seating(seats), plan


def threads_of(seating: Seating, plan: Plan) -> int | None:
    """Of each worker, where they decide how sums are rounded."""
    if plan.compute.device.type != "cpu":
        return None
    if seating.cluster is not None:
        return 1
    return seating.seats[0].threads or torch.get_num_threads()


@contextmanager
def own_threads(threads: int | None) -> Iterator[None]:
    """As many for torch as the run was begun with, where this process computes."""
    before = torch.get_num_threads()
    if threads is None or threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
