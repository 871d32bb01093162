"""What is seen of a run: the progress line, the bar on a real terminal, lines, events, tables."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

import media
from animesr_cli.cli import console, evaluate, models, upscale_display
from animesr_cli.cli.upscale_display import RunDisplay, Speed, plan_lines, progress_line
from animesr_cli.errors import UsageError
from animesr_cli.metrics.evaluate import Evaluation, FrameScores
from animesr_cli.metrics.measures import MEASURES, Scores
from animesr_cli.model.catalogue import CATALOGUE
from animesr_cli.model.download import status
from animesr_cli.settings import UpscaleSettings
from animesr_cli.settings.command import Reporting
from animesr_cli.text import format_bytes
from animesr_cli.upscaling.events import Progress, UpscaleResult
from animesr_cli.upscaling.plan import Plan, make_plan
from command import environment, start


def progress(frames: int, total: int | None = 100, seconds: float = 10.0) -> Progress:
    """At 25 frames a second of film, and 1 MB for each second of it."""
    return Progress(
        frames=frames,
        total_frames=total,
        media_seconds=frames / 25,
        bytes_written=frames * 40_000,
        elapsed_seconds=seconds,
    )


@pytest.fixture
def plan(zero_checkpoint: Path, tmp_path: Path) -> Plan:
    source = media.write_video(tmp_path / "in.mkv", frames=12, width=62, height=46)
    settings = UpscaleSettings(
        model=str(zero_checkpoint), scale=2.5, device="cpu", precision="fp32"
    )
    return make_plan(source, None, settings, warn=lambda message: None)


# Figures -----------------------------------------------------------------------------------------


def test_the_progress_line_has_its_known_form() -> None:
    """Frames, share, speed, multiple of real time, time gone and to come, size, rate."""
    speed = Speed()
    done = Progress(
        frames=1200,
        total_frames=34095,
        media_seconds=50,
        bytes_written=38_000_000,
        elapsed_seconds=29.1,
    )
    speed.add(done.elapsed_seconds, done.frames, done.media_seconds)
    assert progress_line(done, speed) == (
        "frame 1200/34095 3% · 41.2 fps (1.7x) · 00:00:29<00:13:17 · 38.0 MB ~6.1 Mb/s"
    )


def test_without_a_total_nothing_is_guessed() -> None:
    """No share and no time to come where the container does not tell its length."""
    speed = Speed()
    speed.add(10, 5, 0.2)
    assert progress_line(progress(5, total=None), speed) == (
        "frame 5 · 0.50 fps (0.02x) · 00:00:10<--:--:-- · 200 kB ~8.0 Mb/s"
    )


def test_no_rate_is_told_before_a_picture_is_written() -> None:
    """An encoder that keeps its pictures back has written a header alone: not 0.0 Mb/s."""
    speed = Speed()
    speed.add(10, 5, 0.2)
    header = replace(progress(5), bytes_written=48)
    assert progress_line(header, speed) == "frame 5/100 5% · 0.50 fps (0.02x) · 00:00:10<00:03:10"


def test_more_frames_than_announced_are_no_more_than_all() -> None:
    """A wrong announcement gives 100 %, and no negative time."""
    speed = Speed()
    speed.add(10, 130, 5.2)
    assert "frame 130/100 100% · 13.0 fps (0.52x) · 00:00:10<00:00:00" in progress_line(
        progress(130), speed
    )


def test_the_speed_is_that_of_the_last_half_minute() -> None:
    """A shot that costs more is seen soon, however long the run was."""
    speed = Speed()
    for second in range(600):
        speed.add(second, second * 10, second)
    assert speed.frames_per_second == pytest.approx(10, rel=0.05)
    for second in range(600, 640):
        speed.add(second, 5990 + (second - 599) * 2, 599 + (second - 599) / 5)
    assert speed.frames_per_second == pytest.approx(2)
    assert speed.realtime == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (84_000_000, "84.0 MB"), (840_000, "840 kB"),
     (81_700_000_000, "81.70 GB")],
)  # fmt: skip
def test_sizes_are_in_thousands(count: int, text: str) -> None:
    """As disks and downloads are sold: 1 kB is 1000 bytes."""
    assert format_bytes(count) == text


# The plan ----------------------------------------------------------------------------------------


def test_the_plan_lines_say_what_will_be_done(plan: Plan) -> None:
    """First where it goes and how long it takes, its size and the disk; then how, and why so."""
    lines = plan_lines(replace(plan, estimated_seconds=3723.4, free_bytes=5_000_000_000))
    assert lines == (
        f"{plan.output} · about 01:02:03 · 62x46 -> 156x116 24 fps · 12 frames · 5.00 GB free disk",
        "model zero.safetensors · cpu fp32 (asked for), whole frames · libx264 yuv420p · "
        "BT.601 (untagged, by size)",
    )
    tiled = " ".join(plan_lines(replace(plan, tile=32, frames=None, estimated_seconds=None)))
    assert "unknown number of frames" in tiled
    assert "tiles of 32 px" in tiled
    assert "about" not in tiled


def test_the_plan_as_an_event_is_plain_values(plan: Plan) -> None:
    """Everything that the line says, and the file names and the hash of the model."""
    event = json.loads(json.dumps(upscale_display.plan_event(plan)))
    assert event["input"] == str(plan.source.path)
    assert event["output"].endswith("in_x2.5.mkv")
    assert (event["input_size"], event["output_size"]) == ([62, 46], [156, 116])
    assert (event["fps"], event["frames"], event["tile"]) == (24.0, 12, 0)
    assert (event["device"], event["precision"]) == ("cpu", "fp32")
    assert len(event["model_sha256"]) == 64
    assert event["notes"] == ["155x115 made 156x116, as the encoder needs"]


# Lines, where there is no terminal ---------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of day, which the test sets."""
    now = [1000.0]
    monkeypatch.setattr("animesr_cli.cli.console.time.monotonic", lambda: now[0])
    return now


def result_of(plan: Plan) -> UpscaleResult:
    return UpscaleResult(
        output=plan.output, frames=12, seconds=6, warnings=(), cuts=2, stage_seconds={"decode": 1.0}
    )


def show_a_run(display: RunDisplay, plan: Plan, clock: list[float]) -> None:
    with display:
        display.on_plan(plan)
        for second in range(13):
            clock[0] += 1
            display.on_progress(progress(second, 12, second))
            if second == 3:
                display.on_warning("a [bold]strange[/bold] thing: [1]")
        display.on_result(result_of(plan))


def test_lines_come_every_few_seconds(
    plan: Plan, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """The first frame at once, then every five seconds; warnings where they happen; the end."""
    show_a_run(RunDisplay(Reporting()), plan, clock)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert [line.split(" · ")[0] for line in lines] == [
        str(plan.output),
        "model zero.safetensors",
        "note: 155x115 made 156x116, as the encoder needs",
        "frame 0/12 0%",
        "warning: a [bold]strange[/bold] thing: [1]",
        "frame 5/12 41%",
        "frame 10/12 83%",
        f"{plan.output}: 12 frames verified, 00:00:06, 2.00 fps, 2 scene cuts",
    ]
    assert "\x1b" not in err


def test_quiet_shows_nothing(
    plan: Plan, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """With --quiet only errors are shown, and they are not this room's business here."""
    show_a_run(RunDisplay(Reporting(quiet=True)), plan, clock)
    assert capsys.readouterr() == ("", "")


def test_events_are_one_object_a_line(
    plan: Plan, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """plan, progress, warning, done; each line of stdout is one JSON object."""
    show_a_run(RunDisplay(Reporting(json=True, quiet=True)), plan, clock)
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == [
        "plan", "progress", "warning", "progress", "progress", "done",
    ]  # fmt: skip
    assert events[3] == {
        "event": "progress", "frames": 5, "total_frames": 12, "media_seconds": 0.2,
        "bytes_written": 200_000, "elapsed_seconds": 5, "frames_before": 0, "worker": None,
        "fps": 1.0,
    }  # fmt: skip
    assert events[-1]["output"] == str(plan.output)
    assert events[-1]["frames"] == 12
    assert events[-1]["stage_seconds"] == {"decode": 1.0}
    assert err == ""


# Errors and tables -------------------------------------------------------------------------------


def test_an_error_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """However long it is and whatever brackets a file name has: one line, and one for the hint."""
    message = "no such file: [red]a [1080p].mkv " + "x" * 300
    console.show_error(UsageError(message, "try [other]"))
    console.show_error(UsageError("without a hint"))
    assert capsys.readouterr().err == (
        f"error: {message}\nhint: try [other]\nerror: without a hint\n"
    )


def test_what_files_say_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and line breaks in names and titles are shown, not sent."""
    evil = "a\x1b]0;title\x07\x1b[2J\nb"
    told = r"a\x1b]0;title\x07\x1b[2J\nb"
    console.show_warning(evil)
    console.show_error(UsageError(evil, evil))
    console.show_table(("title",), [(evil,)])
    out, err = capsys.readouterr()
    assert err == f"warning: {told}\nerror: {told}\nhint: {told}\n"
    assert [line.rstrip() for line in out.splitlines()] == ["title", told]


def test_a_table_that_is_piped_is_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    """A path of any length stays in one line, whole, for the program that reads it."""
    path = "/" + "long folder/" * 20 + "base.safetensors"
    console.show_table(("name", "where"), [("base", path), ("v2", "[nowhere]")])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["name  where", f"base  {path}", "v2    [nowhere]"]


def test_a_table_on_a_narrow_terminal_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it is folded, never cut short."""
    path = "/long/folder/" + "x" * 60 + "/base.safetensors"
    narrow = Console(width=40, force_terminal=True, record=True, file=io.StringIO())
    monkeypatch.setattr(console, "out", narrow)
    console.show_table(("name", "where"), [("base", path)], on=narrow)
    text = narrow.export_text()
    assert path in "".join(line.removeprefix("base").strip() for line in text.splitlines()[1:])
    assert max(len(line) for line in text.splitlines()) <= 40


def test_models_on_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer than the terminal is wide, and no word is cut; paths stay whole."""
    text = io.StringIO()
    narrow = Console(width=80, force_terminal=True, file=text, soft_wrap=True, highlight=False)
    monkeypatch.setattr(models, "out", narrow)
    models.show_models([status(row) for row in CATALOGUE])
    lines = text.getvalue().splitlines()
    assert all(len(line) <= 80 or "safetensors" in line.split()[-1] for line in lines)
    words = text.getvalue().split()
    for row in CATALOGUE:
        assert row.name in words
        assert set(row.good_for.split()[:-1]) <= set(words)


@pytest.mark.parametrize("width", [80, 120])
def test_scores_of_frames_fit_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """All measures beside each other, or in two tables: no heading is broken in a word."""
    text = io.StringIO()
    narrow = Console(width=width, force_terminal=True, color_system=None, file=text)
    monkeypatch.setattr(evaluate, "out", narrow)
    monkeypatch.setattr(evaluate, "show_table", partial(console.show_table, on=narrow))
    same = Scores(
        psnr_y=None, ssim_y=1, ms_ssim=1, gmsd=0, gradient_ratio=1, flicker=0, edge_f1=1,
        overshoot=0, flat_noise=12.345,
    )  # fmt: skip
    frame = FrameScores(index=0, seconds=0, scores=same)
    evaluate.show_evaluation(
        Evaluation(sr=Path("a"), hr=Path("b"), width=1, height=1, crop=0, clip=same,
                   frames=(frame,)),
        as_json=False, per_frame=True,
    )  # fmt: skip
    per_frame = text.getvalue().split("a beside b")[0]
    assert all(len(line) <= width for line in per_frame.splitlines())
    for measure in MEASURES.values():
        for word in measure.heading.split():
            assert word in per_frame.split(), word
    assert "12.345" in per_frame


# A real terminal ---------------------------------------------------------------------------------

SGR = re.compile(r"\x1b\[[\d;]*m")
"""Colours and weights of letters."""
CONTROL = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


def on_a_terminal(columns: int, *arguments: str | Path, **variables: str) -> tuple[int, str, str]:
    """Exit code, stdout and what was sent to the terminal, of a command whose stderr is one."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")
    import fcntl
    import struct
    import termios

    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = {"TERM": "xterm-256color", **variables}
    process = start(*arguments, stderr=its_end, stdin=its_end, env=environment(**variables))
    os.close(its_end)
    seen = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so where the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(terminal)
    stdout, _ = process.communicate(timeout=60)
    return process.returncode, stdout, seen.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="no pty")
@pytest.mark.parametrize(
    ("columns", "variables", "colours"), [(120, {}, True), (60, {"NO_COLOR": "1"}, False)]
)
def test_a_terminal_gets_one_bar(
    columns: int,
    variables: dict[str, str],
    colours: bool,
    zero_checkpoint: Path,
    tmp_path: Path,
) -> None:
    """It is drawn over itself in one line, warnings and the log stand above it, and it is whole.

    NO_COLOR leaves the bar and takes the colours; a terminal that is too narrow cuts its line.
    """
    source = media.write_video(
        tmp_path / "in.mkv", frames=30, attachments=[("a.ttf", "font/ttf", b"font")]
    )
    media.patch_block_times(source, {5: 208, 6: 208})
    code, stdout, seen = on_a_terminal(
        columns, "upscale", source, tmp_path / "out.mp4", "-n", zero_checkpoint, "-v", **variables
    )
    assert (code, stdout) == (0, "")
    assert bool(SGR.search(seen)) == colours
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h") == 1  # the cursor is hidden, and back
    lines = [line.split("\r")[-1] for line in CONTROL.sub("", seen).split("\r\n")]
    assert any(line.startswith("warning: MP4 cannot hold attachment") for line in lines)
    assert any("timestamps repaired" in line for line in lines)
    bars = [line for line in lines if "frame 30/30 100%" in line]
    assert len(bars) == 1
    assert max(len(bar) for bar in bars) <= columns
    assert lines[-2].startswith(f"{tmp_path / 'out.mp4'}: 30 frames verified")
    assert lines[-1] == ""
    assert (tmp_path / "out.mp4").stat().st_size > 0
    assert seen.count("frame ") > 2  # it was drawn more than once


@pytest.mark.skipif(sys.platform == "win32", reason="no pty")
def test_a_quit_gives_the_cursor_back(own_clip: Path, tmp_path: Path) -> None:
    """Ctrl-\\ ends the process as it always does, and the terminal is as it was before."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")
    import resource

    terminal, its_end = pty.openpty()
    process = start(
        "upscale", own_clip, tmp_path / "out.mkv",  # the real network: seconds
        stderr=its_end, stdin=its_end, env=environment(TERM="xterm-256color"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),  # no core dump
    )  # fmt: skip
    os.close(its_end)
    seen = b""
    asked = False
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so where the other end is closed
            break
        seen += part
        if not asked and b"\x1b[?25l" in seen and re.search(rb" [1-9]\d?%", seen):
            process.send_signal(signal.SIGQUIT)
            asked = True
    os.close(terminal)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGQUIT
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
