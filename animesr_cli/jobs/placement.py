"""Who computes the segments of a run: this process, several of them, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from animesr_cli.model.devices import RUNTIMES, compute_on
from animesr_cli.upscaling.plan import Plan
from animesr_cli.workers.inline import InlineExecutor
from animesr_cli.workers.local import ProcessExecutor, slots_for
from animesr_cli.workers.protocol import WorkerSlot
from animesr_cli.workers.scheduler import Executor


@dataclass(frozen=True)
class Placement:
    """Who computes, before it is known with how many threads it was begun."""

    slots: tuple[WorkerSlot, ...]
    """Empty: the executor has its own."""
    cluster: Executor | None = None

    @property
    def is_single(self) -> bool:
        return self.cluster is None and len(self.slots) == 1

    def executor(self, threads: int | None, warn: Callable[[str], None]) -> Executor:
        if self.cluster is not None:
            return self.cluster
        slots = [replace(s, threads=threads or s.threads) for s in self.slots]
        if len(slots) == 1:
            return InlineExecutor(warn=warn)
        return ProcessExecutor(slots, warn=warn)


def choose_placement(plan: Plan, warn: Callable[[str], None]) -> tuple[Placement, Plan]:
    settings = plan.settings
    if settings.cluster is not None:
        from animesr_cli.workers.ray_cluster import RayExecutor

        cluster = RayExecutor(
            settings.cluster, device=settings.device, workers=settings.workers, warn=warn
        )
        compute = compute_on(torch.device(cluster.device), settings.precision)
        return Placement((), cluster), replace(plan, compute=compute, tile=settings.tile)
    slots = tuple(slots_for(settings.workers, str(plan.compute.device)))
    if settings.workers is None and settings.device in ("auto", *RUNTIMES):
        slots = tuple(slots_for(None, settings.device))
    gpus = len({slot.device for slot in slots})
    if plan.estimated_seconds is not None:
        plan = replace(plan, estimated_seconds=plan.estimated_seconds / gpus)
    return Placement(slots), plan


def threads_of(placement: Placement, plan: Plan) -> int | None:
    """Of each worker, where they decide how sums are rounded."""
    if plan.compute.device.type != "cpu":
        return None
    if placement.cluster is not None:
        return 1
    return placement.slots[0].threads or torch.get_num_threads()


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
