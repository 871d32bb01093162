"""The command line itself: names, options, help, completion, events, and where the output goes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import animesr_cli
import media
from animesr_cli.cli import upscale_display
from animesr_cli.cli.commands import app
from animesr_cli.errors import UsageError
from animesr_cli.model.catalogue import CATALOGUE
from animesr_cli.model.checkpoint import load_checkpoint
from animesr_cli.reading.probe import probe
from animesr_cli.settings import UpscaleSettings
from command import Outcome, animesr, environment
from rewriting import facts_of

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]  # it is a group


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return media.write_video(tmp_path / "in.mkv", frames=6, width=32, height=24, audio_tracks=1)


@pytest.fixture
def model(zero_checkpoint: Path) -> tuple[str, str]:
    return "-n", str(zero_checkpoint)


Model = tuple[str, str]


# Help and completion -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_two_examples(command: str) -> None:
    """`--help` of each has examples that begin as they are typed, and a line for every option."""
    outcome = animesr(command, "--help")
    assert outcome.exit_code == 0
    examples = re.findall(rf"^ *(?:[a-z].* \| )?animesr {command}\b", outcome.stdout, re.MULTILINE)
    assert len(examples) >= 2
    parameters = get_command(app).commands[command].params  # type: ignore[attr-defined]
    shown = [each for each in parameters if not getattr(each, "hidden", False)]
    assert [each.name for each in shown if not each.help] == []


def test_without_a_command_there_is_the_list_of_them() -> None:
    """`animesr` alone lists every command and how to begin; both names of help work."""
    outcome = animesr()
    assert outcome.exit_code == 2
    assert all(f" {command} " in outcome.stdout for command in COMMANDS)
    assert "animesr upscale episode.mkv" in outcome.stdout
    assert animesr("-h") == animesr("--help")
    assert animesr("-h").stdout.strip() == outcome.stdout.strip()


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_the_packages(option: str) -> None:
    """One line, for people and for programs."""
    assert animesr(option) == Outcome(0, f"animesr {animesr_cli.__version__}\n", "")


def test_what_is_misspelt_is_told_the_nearest() -> None:
    """A command or an option that does not exist: code 2, and what was probably meant."""
    assert animesr("upscal", "in.mkv").exit_code == 2
    assert "Did you mean 'upscale'?" in animesr("upscal", "in.mkv").stderr
    outcome = animesr("upscale", "in.mkv", "--tiel", "64")
    assert outcome.exit_code == 2
    assert "No such option: --tiel" in outcome.stderr
    assert "--tile" in outcome.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_can_be_had(shell: str) -> None:
    """The script calls the command back, and the call answers with what can be typed next."""
    runner = CliRunner()
    script = runner.invoke(
        app, [], prog_name="animesr", env={"_ANIMESR_COMPLETE": f"source_{shell}"}
    )
    assert script.exit_code == 0
    assert "animesr" in script.stdout
    assert f"complete_{shell}" in script.stdout


@pytest.mark.parametrize(
    ("words", "answer"), [("ups", "upscale"), ("upscale --preci", "--precision")]
)
def test_completion_knows_commands_and_options(words: str, answer: str) -> None:
    """What bash asks after the first letters."""
    variables = {
        "_ANIMESR_COMPLETE": "complete_bash",
        "COMP_WORDS": f"animesr {words}",
        "COMP_CWORD": str(len(words.split())),
    }
    result = CliRunner().invoke(app, [], prog_name="animesr", env=variables)
    assert result.stdout.split() == [answer]


def test_help_completion_and_usage_errors_load_no_torch() -> None:
    """They are instant: nothing of a run is imported for them."""
    code = (
        "import sys\n"
        "from animesr_cli.cli.commands import app\n"
        "for arguments in (['upscale', '--help'], ['upscale'], ['upscale', 'a', '--start', 'x'],\n"
        "                  ['download'], ['models'], ['-V']):\n"
        "    try: app(arguments, prog_name='animesr')\n"
        "    except SystemExit: pass\n"
        "    assert 'torch' not in sys.modules and 'av' not in sys.modules, arguments\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
    )
    assert run.returncode == 0, run.stderr


# Options -----------------------------------------------------------------------------------------


def test_the_defaults_of_the_command_are_those_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A command without options runs the settings without arguments."""
    seen: list[UpscaleSettings] = []
    monkeypatch.setattr("animesr_cli.cli.upscale._upscale", lambda *given: seen.append(given[2]))
    assert animesr("upscale", tmp_path / "in.mkv").exit_code == 0
    assert seen == [UpscaleSettings()]


def test_every_option_reaches_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Long and short names, in their own types."""
    seen: list[UpscaleSettings] = []
    monkeypatch.setattr("animesr_cli.cli.upscale._upscale", lambda *given: seen.append(given[2]))
    long = (
        "--width 1920 --height 1080p --matrix bt709 --no-scenes --start 1:02.5 --end 90 "
        "--frames 7 --model v2 --tile 128 --device cuda:1 --precision bf16 --codec libx265 "
        "--crf 16.5 --preset slow --pix-fmt yuv420p10le -e tune=animation -e a=b=c --overwrite "
        "--strict"
    )
    short = (
        "--width 1920 --height 1080 --matrix bt709 --no-scenes --start 62.5 --end 1:30 "
        "--frames 7 -n v2 -t 128 -g cuda:1 --precision bf16 -c libx265 --crf 16.5 --preset slow "
        "--pix-fmt yuv420p10le -e tune=animation -e a=b=c -y --strict"
    )
    for text in (long, short):
        assert animesr("upscale", tmp_path / "in.mkv", *text.split()).exit_code == 0
    assert seen[0] == seen[1]
    assert seen[0] == UpscaleSettings(
        width=1920, height=1080, matrix="bt709", scenes=False,
        start=Fraction(125, 2), end=Fraction(90), frames=7, model="v2", tile=128, device="cuda:1",
        precision="bf16", codec="libx265", crf=16.5, preset="slow", pix_fmt="yuv420p10le",
        encoder_options={"tune": "animation", "a": "b=c"}, overwrite=True, strict=True,
    )  # fmt: skip


@pytest.mark.parametrize(("option", "precision"), [("--half", "fp16"), ("--fp32", "fp32")])
def test_the_names_of_other_programs_are_known(
    option: str, precision: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """-i, -o, --half and --fp32 work, though the help does not list them."""
    seen: list[tuple[object, ...]] = []
    monkeypatch.setattr("animesr_cli.cli.upscale._upscale", lambda *given: seen.append(given))
    source, output = tmp_path / "in.mkv", tmp_path / "out.mkv"
    assert animesr("upscale", "-i", source, "-o", output, option).exit_code == 0
    assert seen[0][:2] == (source, output)
    assert seen[0][2] == UpscaleSettings(precision=precision)  # type: ignore[arg-type]
    assert option not in animesr("upscale", "--help").stdout


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("-s 2.5", UpscaleSettings(scale=2.5)),
        ("--height 1080p", UpscaleSettings(height=1080)),
        ("--height 4K", UpscaleSettings(height=2160)),
        ("--fit 1920x1080", UpscaleSettings(fit=(1920, 1080))),
        ("--fit 1080p", UpscaleSettings(fit=(1920, 1080))),
        ("--fit uhd", UpscaleSettings(fit=(3840, 2160))),
    ],
)
def test_sizes_are_said_as_people_say_them(
    options: str, settings: UpscaleSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Lines with or without their p, names, boxes."""
    seen: list[UpscaleSettings] = []
    monkeypatch.setattr("animesr_cli.cli.upscale._upscale", lambda *given: seen.append(given[2]))
    assert animesr("upscale", tmp_path / "in.mkv", *options.split()).exit_code == 0
    assert seen == [settings]


WRONG: dict[str, tuple[str, tuple[str, ...]]] = {
    "no input": ("", ("no input is named", "animesr upscale IN [OUT]")),
    "input twice": ("-i IN", ("the input is named twice",)),
    "output twice": ("OUT -o OUT", ("the output is named twice",)),
    "no value": ("-e tune", ("-e tune: expected key=value", "-e tune=animation")),
    "no key": ("-e =1", ("-e =1: expected key=value",)),
    "time": ("--start soon", ("'soon' is not a time", "1:02:03.250")),
    "negative time": ("--start=-1", ("'-1' is not a time",)),
    "order": ("--start 5 --end 4", ("--end must be later than --start",)),
    "scale": ("--scale 0", ("--scale must be above 0, not 0",)),
    "no scale": ("--scale nan", ("--scale must be at least 0.01 and at most 100, not nan",)),
    "tiny scale": ("--scale 1e-300", ("--scale must be at least 0.01, not 1e-300",)),
    "huge scale": ("--scale 1e300", ("--scale must be at most 100, not 1e+300",)),
    "infinite scale": ("--scale inf", ("must be at least 0.01 and at most 100, not inf",)),
    "two sizes": ("--scale 2 --height 1080", ("--scale and --height both set the size",)),
    "the default too": ("-s 4 --fit 4k", ("--scale and --fit both set the size",)),
    "box and side": ("--fit 4k --width 99", ("--fit sets both sides",)),
    "no box": ("--fit 1080", ("'1080' is no size to fit into", "1920x1080")),
    "empty box": ("--fit 0x9", ("--fit takes sides from 1 to 65536, not 0",)),
    "no height": ("--height high", ("'high' is no height", "1080p")),
    "too wide": ("--width 2147483648", ("--width must be at most 65536, not 2147483648",)),
    "too high": ("--height 2147483648", ("--height must be at most 65536, not 2147483648",)),
    "no time of a video": ("--start 99999999999999999999:00:00", ("is not a time in a video",)),
    "many digits": ("--start " + "9" * 5000, ("is not a time",)),
    "many digits of a rate": ("--fps " + "9" * 5000, ("is no number of frames per second",)),
    "crf": ("--crf 99", ("--crf of libx264 goes from 0 to 51, not to 99",)),
    "large crf": ("--crf 1000 -c libsvtav1", ("--crf of libsvtav1 goes from 1 to 63",)),
    "no crf": ("--crf nan", ("--crf of libx264 goes from 0 to 51, not to nan",)),
    "no crf of AV1": ("--crf=-inf -c libsvtav1", ("libsvtav1 goes from 1 to 63, not to -inf",)),
    "no strength": ("--strength nan", ("must be at least 0 and at most 1, not nan",)),
    "time without end": ("--start inf", ("'inf' is not a time", "from 0 to 10000 hours")),
    "no rate": ("--fps nan", ("is no number of frames per second", "above 0 and at most 1000")),
    "NUL": ("-c lib\0x264", ("--codec holds a NUL byte",)),
    "width": ("--width 0", ("--width must be at least 1, not 0",)),
    "frames": ("--frames 0", ("--frames must be at least 1, not 0",)),
    "tile": ("--tile 8", ("--tile must be 0 (automatic) or at least 16, not 8",)),
    "matrix": ("--matrix bt602", ("no colour matrix is named 'bt602'", "bt601, bt709, bt2020")),
    "precision": ("--precision fp8", ("no precision 'fp8'", "auto, fp16, bf16, fp32")),
    "device": ("--device gpu", ("'gpu' is not a device", "auto, cpu, cuda")),
    "half on the CPU": ("--half --device cpu", ("fp16 needs a GPU", "--precision auto")),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_value_is_refused(kind: str, source: Path, model: Model) -> None:
    """Code 2, one line that names the option, a hint that shows a right one; nothing is made."""
    text, words = WRONG[kind]
    names = {"IN": str(source), "OUT": str(source.with_name("out.mkv"))}
    arguments = [names.get(word, word) for word in text.split()]
    if kind != "no input":
        arguments.insert(0, str(source))
    animesr("upscale", *arguments, *model).refused(2, *words)
    assert os.listdir(source.parent) == [source.name]


def test_an_input_that_is_shorter_than_the_start_is_told_its_length(
    source: Path, model: Model
) -> None:
    """The hint says where the video ends."""
    animesr("upscale", source, *model, "--start", "60").refused(2, "no frame", "the video ends at")
    assert os.listdir(source.parent) == [source.name]


# The output's name -------------------------------------------------------------------------------

NAMES = {
    "plain": ("in.mkv", (), "in_x4.mkv"),
    "upper case": ("in.MP4", (), "in_x4.MP4"),
    "fraction": ("in.mkv", ("--scale", "2.5"), "in_x2.5.mkv"),
    "whole": ("in.mkv", ("--scale", "2.0"), "in_x2.mkv"),
    "width": ("in.mkv", ("--width", "96"), "in_w96.mkv"),
    "height": ("in.mkv", ("--height", "48"), "in_48.mkv"),
    "both": ("in.mkv", ("--width", "96", "--height", "48"), "in_96x48.mkv"),
    "dots": ("a.b [1080p].mkv", (), "a.b [1080p]_x4.mkv"),
    "not written": ("in.avi", (), "in_x4.mkv"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_without_a_name_the_output_is_beside_the_input(
    kind: str, model: Model, tmp_path: Path
) -> None:
    """IN_x4 with the suffix of the input, or .mkv where that is not written; nothing else."""
    name, options, expected = NAMES[kind]
    made = media.write_video(tmp_path / f"made{Path(name).suffix.lower()}", frames=2)
    made.rename(tmp_path / name)
    outcome = animesr("upscale", tmp_path / name, *model, *options)
    assert outcome.exit_code == 0
    assert sorted(os.listdir(tmp_path)) == sorted([name, expected])


def test_a_folder_takes_the_output(source: Path, model: Model, tmp_path: Path) -> None:
    """OUT that is an existing folder: the usual name, inside it."""
    (tmp_path / "big").mkdir()
    assert animesr("upscale", source, tmp_path / "big", *model).exit_code == 0
    assert os.listdir(tmp_path / "big") == ["in_x4.mkv"]


@pytest.mark.parametrize(
    "name",
    ["-dash.mkv", "a b'c\"d.mkv", "100%.mkv", "a:b.mkv", "\N{CAT FACE}.mkv", "new\nline.mkv"],
)
def test_any_name_will_do(name: str, source: Path, model: Model, tmp_path: Path) -> None:
    """Spaces, quotes, colons, emoji, even a line break, in both names; -- ends the options."""
    odd = source.rename(tmp_path / name)
    output = tmp_path / "out" / name
    output.parent.mkdir()
    outcome = animesr("upscale", *model, "--", odd, output)
    assert outcome.exit_code == 0
    assert len(outcome.stderr.splitlines()) == 4  # two of the plan, the first frame, the result
    assert [stream.kind for stream in facts_of(output)] == ["video", "audio"]


# What is said ------------------------------------------------------------------------------------


def events_of(outcome: Outcome) -> list[dict[str, object]]:
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def test_events_tell_the_whole_run(model: Model, tmp_path: Path) -> None:
    """--json: plan, warning, progress and done on stdout, a line each; people still read stderr."""
    source = media.write_video(
        tmp_path / "in.mkv", frames=6, attachments=[("a.ttf", "font/ttf", b"font")]
    )
    output = tmp_path / "out.mp4"
    outcome = animesr("upscale", source, output, *model, "--json")
    assert outcome.exit_code == 0
    events = {str(event["event"]): event for event in events_of(outcome)}
    assert events.keys() == {"plan", "warning", "progress", "done"}
    assert events["plan"]["output"] == events["done"]["output"] == str(output)
    assert events["progress"]["frames"] == 1
    assert events["done"]["frames"] == 6
    assert events["done"]["warnings"] == [events["warning"]["message"]]
    assert "frames verified" in outcome.stderr


def test_an_error_is_an_event_too(source: Path, model: Model) -> None:
    """--json: the last line is the error, with its hint and the exit code of the process."""
    outcome = animesr("upscale", source.with_name("im.mkv"), *model, "--json", "-q")
    assert outcome.exit_code == 3
    (event,) = events_of(outcome)
    assert (event["event"], event["exit_code"]) == ("error", 3)
    assert outcome.error == f"error: {event['message']}\nhint: {event['hint']}"


def test_an_unforeseen_error_is_an_event_too(
    source: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--json: a program is told of a bug as of everything else."""

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(upscale_display.RunDisplay, "on_result", fail)
    outcome = animesr("upscale", source, *model, "--json", "-q")
    assert outcome.exit_code == 1
    assert events_of(outcome)[-1]["exit_code"] == 1
    assert "ZeroDivisionError: oops" in outcome.error


def test_quiet_says_nothing_but_errors(source: Path, model: Model) -> None:
    """-q: silence on success, one line (and a hint) on failure."""
    assert animesr("upscale", source, *model, "-q") == Outcome(0, "", "")
    again = animesr("upscale", source, *model, "-q")
    assert again.exit_code == 4
    assert again.stderr == again.error + "\n"


def test_without_a_terminal_there_are_plain_lines(source: Path, model: Model) -> None:
    """Plan, first frame and result, without colours and without anything drawn over."""
    outcome = animesr("upscale", source, *model)
    lines = outcome.stderr.splitlines()
    output = source.with_name("in_x4.mkv")
    assert lines[0].startswith(f"{output} · about 00:00:00 · 32x24 -> 128x96 24 fps · 6 frames · ")
    assert lines[1].startswith("model zero.safetensors · cpu ")
    assert lines[2].startswith("frame 1/6 16% · ")
    assert lines[3].startswith(f"{output}: 6 frames verified, ")
    assert len(lines) == 4
    assert "\x1b" not in outcome.stderr
    assert "\r" not in outcome.stderr


@pytest.mark.parametrize(
    ("variables", "colours"),
    [({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_no_color_is_honoured(
    variables: dict[str, str], colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error line is red where colours are wanted, and never with NO_COLOR."""
    code = "from animesr_cli.__main__ import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, "upscale"],
        capture_output=True,
        text=True,
        env=environment(TERM="xterm-256color", **variables),
    )
    assert run.returncode == 2
    assert bool(re.search(r"\x1b\[[\d;]*3[1-6]m", run.stderr)) == colours


def test_strict_turns_warnings_into_a_code(model: Model, tmp_path: Path) -> None:
    """Code 10 with the complete output in place; 0 where there was nothing to warn of."""
    source = media.write_video(
        tmp_path / "in.mkv", frames=2, attachments=[("a.ttf", "font/ttf", b"font")]
    )
    assert animesr("upscale", source, tmp_path / "a.mp4", *model, "--strict").exit_code == 10
    assert animesr("upscale", source, tmp_path / "b.mkv", *model, "--strict").exit_code == 0
    assert probe(tmp_path / "a.mp4").width == probe(tmp_path / "b.mkv").width == 256


def test_debug_shows_where_an_error_came_from(source: Path, model: Model) -> None:
    """--debug: the traceback, then the same line and the same code."""
    plain = animesr("upscale", source.with_name("im.mkv"), *model)
    outcome = animesr("upscale", source.with_name("im.mkv"), *model, "--debug")
    assert outcome.exit_code == plain.exit_code == 3
    assert "Traceback" in outcome.stderr
    assert outcome.stderr.endswith(plain.error + "\n")


# Without doing it --------------------------------------------------------------------------------


def test_a_dry_run_of_one_input_does_nothing(source: Path, model: Model) -> None:
    """Output, size, frames, time and disk on standard output; nothing is written."""
    outcome = animesr("upscale", source, *model, "--dry-run", "--fit", "320x240")
    assert outcome.exit_code == 0
    titles, row, total = outcome.stdout.splitlines()
    assert titles.split() == ["input", "output", "size", "frames", "time", "disk"]
    assert "in_320x240.mkv" in row
    assert "32x24 -> 320x240" in row
    assert total.startswith("in all: about 00:00:00, about ")
    assert os.listdir(source.parent) == [source.name]
    animesr("upscale", "-", "out.mkv", *model, "--dry-run").refused(2, "can be read only once")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (["unknown.mkv"], "in all: time and size unknown"),
        (["unknown.mkv", "in.mkv"], "2 to do: about 00:00:00, about "),
    ],
)
def test_a_dry_run_says_what_it_cannot_know(
    inputs: list[str], said: str, source: Path, model: Model
) -> None:
    """A stream that does not tell its length is not said to take no time."""
    raw = source.with_name("raw.h264")
    with av.open(str(source)) as there, av.open(str(raw), "w") as container:
        stream = container.add_stream_from_template(there.streams.video[0])
        for packet in there.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    raw.rename(source.with_name("unknown.mkv"))
    names = [source.with_name(name) for name in inputs]
    total = animesr("upscale", *names, *model, "--dry-run").stdout.splitlines()[-1]
    assert total.startswith(said)
    assert ("without the 1 of unknown length" in total) == (len(inputs) == 2)


@pytest.mark.parametrize("more", [(), ("--frames", "3")], ids=["open", "frames"])
def test_a_dry_run_refuses_a_part_without_a_frame(
    more: tuple[str, ...], source: Path, model: Model
) -> None:
    """In the words and with the code of the run itself; of several, each for itself."""
    part = (*model, "--start", "60", *more)
    run = animesr("upscale", source, *part)
    run.refused(2, "holds no frame", "the video ends at")
    assert run.stderr.endswith("\n" + animesr("upscale", source, *part, "--dry-run").stderr)
    long = source.with_name("long.mkv")
    media.write_video(long, frames=61, width=32, height=24, rate=1)
    season = animesr("upscale", source, long, *part, "--dry-run")
    assert season.exit_code == 2
    assert "1 to do" in season.stdout


def test_a_dry_run_of_a_season_adds_up(source: Path, model: Model) -> None:
    """Each file with its output; what is finished and what fails is told; no folder is made."""
    season = source.parent / "season"
    (season / "extras").mkdir(parents=True)
    source.rename(season / "1.mkv")
    media.write_video(season / "extras" / "2.mkv", frames=3, width=32, height=24)
    (season / "3.mkv").write_bytes(b"no video")
    outcome = animesr("upscale", season, *model, "--dry-run", "--json")
    assert outcome.exit_code == 3
    assert os.listdir(season.parent) == ["season"]
    *each, total = events_of(outcome)
    assert [event["event"] for event in each] == ["plan", "error", "plan"]
    assert [event.get("frames") for event in each] == [6, None, 3]
    assert (total["event"], total["files"]) == ("total", 2)
    sizes = [event["estimated_bytes"] for event in each if event["event"] == "plan"]
    assert total["estimated_bytes"] == sum(sizes)  # type: ignore[arg-type]
    (season / "3.mkv").unlink()
    assert animesr("upscale", season, *model).exit_code == 0
    again = animesr("upscale", season, *model, "--dry-run")
    assert again.stdout.count("finished before") == 2
    assert "0 to do" in again.stdout


def test_a_file_in_the_place_of_a_command(source: Path) -> None:
    """`animesr clip.mkv` offers the command that was meant."""
    animesr(source).refused(2, "is no command", f"animesr upscale {source} enlarges it")
    animesr("gone.mkv").refused(2, "animesr upscale gone.mkv")


# The other commands ------------------------------------------------------------------------------


def test_info_tells_what_the_reader_sees(own_clip: Path) -> None:
    """A table for people, and the same as JSON, of the repository's clip."""
    outcome = animesr("info", own_clip)
    assert outcome.exit_code == 0
    for words in ("160x96", "h264, yuv420p", "24 fps, 72 frames", "BT.", "aac 48000 Hz", "eng"):
        assert words in outcome.stdout
    assert outcome.stdout.startswith("file ")
    assert "video, h264 160x96 yuv420p" in outcome.stdout  # the codec once
    facts = json.loads(animesr("info", own_clip, "--json").stdout)
    assert (facts["width"], facts["height"], facts["frame_count"]) == (160, 96, 72)
    assert facts["frame_rate"] == "24"
    assert {stream["kind"] for stream in facts["streams"]} >= {"video", "audio", "subtitle"}
    animesr("info", own_clip.with_name("clip.mp5")).refused(3, "does not exist", "clip.mp4?")


def test_models_lists_the_catalogue() -> None:
    """Name, kind, size, licence and place; JSON with the hashes."""
    names = [row.name for row in CATALOGUE]
    outcome = animesr("models")
    assert outcome.exit_code == 0
    lines = outcome.stdout.splitlines()
    assert re.search(r"^  \* base +x4 +CompactMSRB +0\.742 +2\.0 MB$", lines[1])
    assert "sharp lines" in lines[2]
    assert "; licence: Apache-2.0 AND BSD-3-Clause; " in lines[2]
    assert lines[2].endswith("base.safetensors")
    assert any(re.match(r"    lbo-dvd +LBO +127 kB$", line) for line in lines)
    assert sum(line.startswith("  * ") for line in lines) == 1
    titles = [line.split(",")[0] for line in lines if not line.startswith(" ")]
    assert titles[:2] == ["Networks", "Learned operators"]
    facts = json.loads(animesr("models", "--json").stdout)
    assert [row["name"] for row in facts] == names
    assert all(row["good_for"] and row["architecture"] and row["licence"] for row in facts)
    assert [row["name"] for row in facts if not row["sha256"]] == ["realbasicvsr"]
    assert [row["name"] for row in facts if row["default"]] == ["base"]


def test_a_user_s_own_model_is_found_by_its_name(random_checkpoint: Path, own_home: Path) -> None:
    """Put into the folder that `animesr models` names, it is listed there, and -n takes it."""
    said = animesr("models").stdout.splitlines()[-1]
    folder = Path(re.search(r"put into (.*) is found", said)[1])  # type: ignore[index]
    assert folder.is_relative_to(own_home)
    with pytest.raises(UsageError, match="my-own"):
        load_checkpoint("my-own")
    folder.mkdir(parents=True)
    shutil.copy(random_checkpoint, folder / "my-own.safetensors")
    assert "    my-own" in animesr("models").stdout.splitlines()
    assert load_checkpoint("my-own").path == folder / "my-own.safetensors"


@pytest.mark.parametrize("arguments", [(), ("v1", "--all")])
def test_download_is_told_what_to_fetch(arguments: tuple[str, ...]) -> None:
    """Names, or --all; not neither, and not both."""
    animesr("download", *arguments).refused(2, "name the models to download, or --all")


def test_a_shipped_model_needs_no_download() -> None:
    """Its path is printed, and nothing is fetched."""
    outcome = animesr("download", "base")
    assert outcome.exit_code == 0
    assert Path(outcome.stdout.strip()).name == "base.safetensors"
