"""Who computes the segments of a run: this process, several of them, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from animesr_cli.model.devices import RUNTIMES, compute_on
from animesr_cli.upscaling.plan import Plan
from animesr_cli.workers.inline import InlineExecutor
from animesr_cli.workers.local import ProcessExecutor, slots_for
from animesr_cli.workers.scheduler import Executor


def choose_executor(plan: Plan, warn: Callable[[str], None]) -> tuple[Executor, Plan]:
    """Who computes a plan; the plan with the device and the time that this comes to."""
    settings = plan.settings
    if settings.cluster is not None:
        from animesr_cli.workers.ray_cluster import RayExecutor

        cluster = RayExecutor(
            settings.cluster, device=settings.device, workers=settings.workers, warn=warn
        )
        compute = compute_on(torch.device(cluster.device), settings.precision)
        return cluster, replace(plan, compute=compute, tile=settings.tile)
    slots = slots_for(settings.workers, str(plan.compute.device))
    if settings.workers is None and settings.device in ("auto", *RUNTIMES):
        slots = slots_for(None, settings.device)
    gpus = len({slot.device for slot in slots})
    if plan.estimated_seconds is not None:
        plan = replace(plan, estimated_seconds=plan.estimated_seconds / gpus)
    if len(slots) == 1:
        return InlineExecutor(threads=slots[0].threads, warn=warn), plan
    return ProcessExecutor(slots, warn=warn), plan


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
