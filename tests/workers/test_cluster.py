"""The whole command on a cluster: what is lost on the way changes nothing of the result."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import animesr, finished, start
from ray_nodes import add_node, cluster, kill_node
from sameness import contents

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two machines with one CPU each; the second is ``nodes.worker_nodes``' only."""
    with cluster(1) as made:
        add_node(made)
        yield made


@pytest.fixture
def options(own_clip: Path, random_checkpoint: Path) -> list[str | Path]:
    """A run of seven segments in two shots, whose result can be compared to the bit."""
    compute = ["--precision", "fp32", "-c", "ffv1", "--segment-frames", "12"]
    return ["upscale", own_clip, "-n", random_checkpoint, *compute]


@pytest.fixture
def inline(options: list[str | Path], tmp_path: Path) -> dict[str, Any]:
    """What one process makes of it."""
    output = tmp_path / "inline.mkv"
    assert animesr(*options, output).exit_code == 0
    return contents(output, pictures=True)


def begin(nodes: Any, output: Path, options: list[str | Path]) -> subprocess.Popen[str]:
    return start(*options, output, "--cluster", nodes.address, "--json")


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """What the command says on standard output, as it says it."""
    assert process.stdout
    return (json.loads(line) for line in process.stdout)


def test_the_driver_is_killed(
    nodes: Any, tmp_path: Path, options: list[str | Path], inline: dict[str, Any]
) -> None:
    """The command again goes on with what its workers had finished; the result is the same."""
    output = tmp_path / "output.mkv"
    journal = tmp_path / "output.mkv.animesr"
    with begin(nodes, output, options) as process:
        deadline = time.monotonic() + 120
        while not list(journal.glob("[0-9]*.json")):  # the record, which comes last
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    assert not output.exists()
    again = finished(begin(nodes, output, options), 200)
    assert again.exit_code == 0, again.stderr
    done = json.loads(again.stdout.splitlines()[-1])
    assert done["frames_before"] >= 12
    assert contents(output, pictures=True) == inline
    assert not journal.exists()


def test_a_node_is_killed(
    nodes: Any, tmp_path: Path, options: list[str | Path], inline: dict[str, Any]
) -> None:
    """What it had in hand is computed by the other one, without a second command."""
    output = tmp_path / "output.mkv"
    (second,) = nodes.worker_nodes
    workers: set[str] = set()
    states = []
    with begin(nodes, output, options) as process:
        try:
            for event in events(process):
                states += [event.get("state")]
                if event.get("state") == "started" and event["worker"] not in workers:
                    workers.add(event["worker"])
                    if len(workers) == 2:
                        kill_node(nodes, second)
            process.wait(30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert states.count("failed") == 1
    assert contents(output, pictures=True) == inline
