"""A signal is noted, and raised where the work asks: at a frame or in a wait."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import media
from animesr_cli import signals
from animesr_cli.atomic_files import PartFile
from animesr_cli.cli.app import stoppable
from animesr_cli.errors import Interrupted
from animesr_cli.signals import check_stop, signals_blocked, stop_wanted, waiting_for_somebody
from animesr_cli.writing import writer
from animesr_cli.writing.part_folder import PartFolder
from command import animesr, environment, finished, hidden

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody loses patience with work that does not ask."""
    monkeypatch.setattr(signals, "UNHEARD_SECONDS", 600.0)


@pytest.mark.usefixtures("unhurried")
def test_nothing_is_raised_before_the_work_asks() -> None:
    """Then it is, each time it asks; behind the ``with`` all is forgotten."""
    done = []
    with pytest.raises(Interrupted, match="SIGTERM"), stoppable() as listen:
        signal.raise_signal(signal.SIGTERM)
        done.append("went on")
        for _ in range(2):
            with pytest.raises(Interrupted):
                listen()
        listen()
    assert done == ["went on"]
    assert stop_wanted() is None
    check_stop()


@pytest.mark.usefixtures("unhurried")
def test_other_threads_are_not_told() -> None:
    """They end because those who started them do."""
    errors: list[Exception] = []

    def ask() -> None:
        try:
            check_stop()
        except Interrupted as error:
            errors.append(error)

    with stoppable():
        signal.raise_signal(signal.SIGTERM)
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert errors == []


def test_work_that_never_asks_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is, after a while; once, and never while it cleans up."""
    monkeypatch.setattr(signals, "UNHEARD_SECONDS", 0.05)
    cleaned = False
    with pytest.raises(Interrupted, match="SIGHUP"), stoppable():
        try:
            signal.raise_signal(signal.SIGHUP)
            time.sleep(60)
        finally:
            time.sleep(0.2)
            cleaned = True
    assert cleaned


def test_a_step_is_not_torn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in it hears of the signal, however long it takes; whoever asks behind it does."""
    monkeypatch.setattr(signals, "UNHEARD_SECONDS", 0.05)
    steps, told = [], []

    def ask(listen: Callable[[], None]) -> None:
        try:
            listen()
        except Interrupted as error:
            told.append(error)

    with pytest.raises(Interrupted, match="SIGINT"), stoppable(between_steps=True) as listen:
        signal.raise_signal(signal.SIGINT)
        check_stop()
        time.sleep(0.2)
        steps.append("done")
        thread = threading.Thread(target=ask, args=(listen,))
        thread.start()
        thread.join()
        listen()
    assert (len(steps), len(told)) == (1, 1)
    assert stop_wanted() is None


def test_work_that_asked_is_left_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was heard is not raised once more in the middle of the cleaning."""
    monkeypatch.setattr(signals, "UNHEARD_SECONDS", 0.05)
    cleaned = False
    with pytest.raises(Interrupted), stoppable() as listen:
        try:
            signal.raise_signal(signal.SIGINT)
            listen()
        finally:
            time.sleep(0.2)
            cleaned = True
    assert cleaned


def test_torch_is_loaded_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where signals wait nothing is raised, whatever came before, and whichever thread took it."""
    monkeypatch.setattr(signals, "UNHEARD_SECONDS", 0.05)
    loaded = False
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)  # it blocks no signal
    other.start()
    with pytest.raises(Interrupted), stoppable():
        try:
            with signals_blocked():
                signals.want_stop(Interrupted(signal.SIGINT))
                for _ in range(20):
                    time.sleep(0.01)
                loaded = True
            time.sleep(60)
        finally:
            ended.set()
    other.join()
    assert loaded


@pytest.mark.usefixtures("unhurried")
def test_a_question_to_a_person_ends_at_once() -> None:
    """It waits in one call of the system, in which nobody asks."""
    with pytest.raises(Interrupted), stoppable(), waiting_for_somebody():
        threading.Timer(0.1, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
        time.sleep(60)


# The end of a run --------------------------------------------------------------------------------

KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "one piece": ("out.mkv", ("--no-journal",)),
    "segments": ("out.mkv", ("--segment-frames", "2")),
    "images": ("out/%d.png", ()),
}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return media.write_video(tmp_path / "in.mkv", frames=5, width=32, height=24)


@pytest.fixture
def model(zero_checkpoint: Path) -> tuple[str, str]:
    return "-n", str(zero_checkpoint)


def interrupting(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, of: str | None = None
) -> None:
    """The first call is told of SIGTERM when it begins, and takes longer than patience lasts.

    ``of``: the first for the output of that name.
    """
    monkeypatch.setattr(signals, "UNHEARD_SECONDS", 0.05)
    really = getattr(where, name)

    def slow(*arguments: Any, **options: Any) -> Any:
        if of is not None and arguments[0].output.name != of:
            return really(*arguments, **options)
        monkeypatch.setattr(where, name, really)
        signal.raise_signal(signal.SIGTERM)
        for _ in range(20):
            time.sleep(0.01)
        return really(*arguments, **options)

    monkeypatch.setattr(where, name, slow)


@pytest.mark.parametrize("patience", [0.05, 600.0], ids=["interrupted", "asked"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_output_that_has_no_name_yet_gets_none(
    kind: str, patience: float, clip: Path, model: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal during the verification, in whatever call, stops the run; what is kept goes on."""
    output, more = KINDS[kind]
    where: Any = (PartFolder, "sizes") if kind == "images" else (writer, "read_back")
    interrupting(monkeypatch, *where)
    monkeypatch.setattr(signals, "UNHEARD_SECONDS", patience)
    command: tuple[str | Path, ...] = ("upscale", clip, clip.parent / output, *model, *more)
    animesr(*command).refused(143, "stopped by SIGTERM")
    kept = {"out.mkv.animesr"} if kind == "segments" else set()
    assert set(os.listdir(clip.parent)) == {"in.mkv", "out", *kept}
    assert os.listdir(clip.with_name("out")) == []
    assert animesr(*command).exit_code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_that_gets_its_name_is_done(
    kind: str, clip: Path, model: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tears it or what comes behind it apart, nothing is left, and the code says done."""
    output, more = KINDS[kind]
    if kind == "images":
        interrupting(monkeypatch, PartFolder, "publish")
    else:
        interrupting(monkeypatch, PartFile, "publish", of=output)
    outcome = animesr("upscale", clip, clip.parent / output, *model, *more)
    assert outcome.exit_code == 0, outcome.stderr
    assert "5 images" in outcome.stderr or "5 frames verified" in outcome.stderr
    made = {"out"} if kind == "images" else {"out", "out.mkv"}
    assert set(os.listdir(clip.parent)) == {"in.mkv", *made}
    assert len(os.listdir(clip.with_name("out"))) == (5 if kind == "images" else 0)


def test_a_batch_ends_behind_the_output_that_got_its_name(
    clip: Path, model: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That file is done and said to be; the others are left, and the code is the signal's."""
    shutil.copy(clip, clip.with_name("second.mkv"))
    interrupting(monkeypatch, PartFile, "publish", of="in_x4.mkv")
    names = clip, clip.with_name("second.mkv")
    outcome = animesr("upscale", *names, clip.with_name("out"), *model, "--no-journal")
    outcome.refused(143, "stopped by SIGTERM")
    assert "1 done, 1 not done" in outcome.stderr
    assert os.listdir(clip.with_name("out")) == ["in_x4.mkv"]


TOLD = """
import sys
from animesr_cli import signals
def torn(*arguments): print("torn", file=sys.stderr, flush=True)
signals._interrupt = torn
from animesr_cli.__main__ import main
main()
"""


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stderr
    return iter(process.stderr)


@pytest.mark.parametrize(
    "options",
    [[], ["--no-journal"], pytest.param(["--workers", "2"], marks=pytest.mark.slow)],
    ids=["segments", "one piece", "workers"],
)
def test_a_run_stops_by_asking(options: list[str], own_clip: Path, tmp_path: Path) -> None:
    """It needs nobody's impatience: frames and waits ask in time."""
    process = subprocess.Popen(
        [sys.executable, "-c", TOLD, "upscale", own_clip, tmp_path / "out.mkv", *options],
        env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    next(line for line in lines_of(process) if line.startswith("frame "))
    process.send_signal(signal.SIGTERM)
    outcome = finished(process)
    assert outcome.exit_code == 143, outcome.stderr
    assert "stopped by SIGTERM" in outcome.stderr
    assert "torn" not in outcome.stderr
    assert hidden(tmp_path) == []
