"""Who computes: what the options and the machine come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import media
from animesr_cli.cli.upscale_display import plan_lines
from animesr_cli.errors import UsageError
from animesr_cli.jobs import placement as placement
from animesr_cli.jobs.placement import choose_executor, own_threads
from animesr_cli.model.devices import Compute
from animesr_cli.model.engine import FREE_MEMORY_SHARE, frame_bytes_per_pixel
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling.pipeline import FrameUpscaler, StageClock
from animesr_cli.upscaling.plan import Plan, make_plan
from animesr_cli.workers import local
from animesr_cli.workers.inline import InlineExecutor
from animesr_cli.workers.local import ProcessExecutor
from animesr_cli.workers.protocol import WorkerSlot
from toys import Toys


@pytest.fixture
def planned(tmp_path: Path, zero_checkpoint: Path) -> Callable[..., Plan]:
    """The plan of a small clip with some settings."""
    source = media.write_video(tmp_path / "in.mkv")

    def plan(**changes: Any) -> Plan:
        settings = UpscaleSettings(model=str(zero_checkpoint), **changes)
        return make_plan(source, tmp_path / "out.mkv", settings, warn=pytest.fail)

    return plan


class FakeCluster:
    """What is asked of a ``RayExecutor`` before it runs."""

    def __init__(self, address: str, *, device: str, workers: int | None, warn: object) -> None:
        self.asked = address, device, workers
        self.device = "cpu" if device == "cpu" else "cuda"
        self.workers = 5


def test_a_cpu_has_one_worker_of_this_process(planned: Callable[..., Plan]) -> None:
    """Unless more are asked for."""
    plan = planned(device="cpu")
    executor, same = choose_executor(plan, pytest.fail)
    assert isinstance(executor, InlineExecutor)
    assert executor.threads == torch.get_num_threads()
    assert same.estimated_seconds == plan.estimated_seconds


def test_workers_share_the_threads(
    planned: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two on four threads have two each; a resumed run gives them what they had."""
    begun: list[WorkerSlot] = []

    class Begun(Exception):
        pass

    def child(name: str, module: object, hello: tuple[WorkerSlot, bytes, int]) -> None:
        begun.append(hello[0])
        raise Begun

    monkeypatch.setattr(local, "Child", child)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    executor, _ = choose_executor(planned(device="cpu", workers=2), pytest.fail)
    assert isinstance(executor, ProcessExecutor)
    assert (executor.workers, executor.threads) == (2, 2)
    executor.threads = 1
    executor.begin(Toys(tmp_path))
    with pytest.raises(Begun):
        executor.start(1)
    assert begun == [WorkerSlot("cpu/1", "cpu", 1)]


def test_several_gpus_have_a_worker_each(
    planned: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By themselves where no GPU is named; threads do not matter there, and the time is shared."""
    plan = planned()
    cuda = Compute(torch.device("cuda"), torch.float16, "")
    plan = Plan(**vars(plan) | {"compute": cuda, "estimated_seconds": 60.0})

    def slots_for(workers: int | None, device: str) -> list[WorkerSlot]:
        assert (workers, device) in ((None, "cuda"), (None, "auto"))
        return [WorkerSlot(f"cuda:{number}", f"cuda:{number}") for number in range(3)]

    monkeypatch.setattr(placement, "slots_for", slots_for)
    dealt: list[WorkerSlot] = []

    class Dealt(ProcessExecutor):
        def __init__(self, slots: Sequence[WorkerSlot], **more: Any) -> None:
            super().__init__(slots, **more)
            dealt.extend(slots)

    monkeypatch.setattr(placement, "ProcessExecutor", Dealt)
    executor, plan = choose_executor(plan, pytest.fail)
    assert [slot.device for slot in dealt] == ["cuda:0", "cuda:1", "cuda:2"]
    assert executor.threads is None
    assert plan.estimated_seconds == 20


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [("auto", "auto", ("cuda", "fp16")), ("cuda", "bf16", ("cuda", "bf16")),
     ("cpu", "fp32", ("cpu", "fp32"))],
)  # fmt: skip
def test_a_cluster_settles_device_and_precision(
    device: str, precision: str, expected: tuple[str, str], planned: Callable[..., Plan],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """This machine need have no GPU: what its cluster has counts, and each worker picks tiles."""
    monkeypatch.setattr("animesr_cli.workers.ray_cluster.RayExecutor", FakeCluster)
    monkeypatch.setattr("animesr_cli.model.engine.free_memory", lambda device: 0)  # here, that is
    plan = planned(cluster="head:6379", device=device, precision=precision, workers=3)
    executor, plan = choose_executor(plan, pytest.fail)
    assert (plan.compute.device.type, plan.compute.precision) == expected
    assert (plan.tile, plan.tiled) == (0, False)
    assert "tiles by each worker's memory" in plan_lines(plan)[1]
    assert isinstance(executor, FakeCluster)
    assert executor.asked == ("head:6379", device, 3)


def test_a_precision_that_a_cluster_does_not_have_is_refused(
    planned: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on this machine."""
    monkeypatch.setattr("animesr_cli.workers.ray_cluster.RayExecutor", FakeCluster)
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        choose_executor(planned(cluster="a:1", device="cpu", precision="fp16"), pytest.fail)


def test_own_threads_are_given_back() -> None:
    """A resumed run computes with the number it was begun with; the caller's own is as before."""
    before = torch.get_num_threads()
    with own_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with own_threads(None):
        assert torch.get_num_threads() == before


def test_a_worker_of_a_cluster_picks_tiles_by_its_own_memory(
    planned: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is sent says no tile; that of the machine at which one types is not asked for."""
    monkeypatch.setattr("animesr_cli.workers.ray_cluster.RayExecutor", FakeCluster)
    _, plan = choose_executor(planned(cluster="a:1", device="cpu"), pytest.fail)
    largest = max(plan.source.width, plan.source.height)
    frame = (
        plan.source.width
        * plan.source.height
        * frame_bytes_per_pixel(plan.network, plan.compute.device)
    )
    tiles = []
    for free in (int(frame / FREE_MEMORY_SHARE) + 1, 10**12):  # what two machines have
        monkeypatch.setattr("animesr_cli.model.engine.free_memory", lambda device, free=free: free)
        tiles.append(FrameUpscaler(plan, StageClock(), pytest.fail).engine.tile)
    assert 0 < tiles[0] < largest <= tiles[1]
    _, plan = choose_executor(planned(cluster="a:1", device="cpu", tile=32), pytest.fail)
    assert FrameUpscaler(plan, StageClock(), pytest.fail).engine.tile == 32
