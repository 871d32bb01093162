"""Options are what the fields of the settings say, everywhere."""

from __future__ import annotations

import inspect
import math
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from animesr_cli import upscale
from animesr_cli.cli.commands import app
from animesr_cli.cli.options import long_names
from animesr_cli.degradation.video import degrade_video
from animesr_cli.errors import UsageError
from animesr_cli.metrics.evaluate import evaluate
from animesr_cli.settings import (
    BenchSettings,
    CompareSettings,
    DegradeSettings,
    EvaluateSettings,
    FinetuneFiles,
    FinetuneRun,
    FinetuneSettings,
    LboSettings,
    LearnSettings,
    PreviewSettings,
    UpscaleSettings,
)
from animesr_cli.settings.command import (
    ConfigChoice,
    DownloadSettings,
    Reporting,
    UpscaleCommand,
)
from animesr_cli.settings.option import Declared, check_value, declared
from command import animesr
from options_table import MANUAL, with_table

VERBS: list[tuple[str, type[Any]]] = [
    ("upscale", UpscaleSettings),
    ("upscale", UpscaleCommand),
    ("upscale", ConfigChoice),
    ("upscale", Reporting),
    ("compare", CompareSettings),
    ("preview", PreviewSettings),
    ("learn-lbo", LboSettings),
    ("learn-lbo", LearnSettings),
    ("finetune", FinetuneFiles),
    ("finetune", FinetuneSettings),
    ("finetune", FinetuneRun),
    ("bench", BenchSettings),
    ("degrade", DegradeSettings),
    ("evaluate", EvaluateSettings),
    ("download", DownloadSettings),
]


def test_the_table_of_the_manual_is_current() -> None:
    """`python tests/support/options_table.py` would change nothing."""
    text = MANUAL.read_text(encoding="utf-8")
    assert with_table(text) == text


@pytest.mark.parametrize(("verb", "settings"), VERBS)
def test_every_field_is_an_option_with_its_help(verb: str, settings: type[Any]) -> None:
    """By its long and short name, with its range's default."""
    command = get_command(app).commands[verb]  # type: ignore[attr-defined]  # it is a group
    names = long_names(command)
    by_name = {parameter.name: parameter for parameter in command.params}
    for each in declared(settings).values():  # type: ignore[arg-type]  # a class has a hash
        parameter = by_name[names[each.name]]
        assert parameter.help.replace("\\[", "[").startswith(each.option.help)
        assert each.option.short in ("", *parameter.opts)


def test_no_flag_shows_a_type() -> None:
    """Flags are flags: no `<bool>` stands beside any."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for command in commands:
        assert "bool" not in animesr(command, "--help").stdout


def test_rights_are_the_reader_s_matter(own_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read is no usage error: Typer looks at no rights."""
    monkeypatch.setattr("os.access", lambda *arguments, **options: False)
    assert animesr("info", own_clip).exit_code == 0
    animesr("evaluate", own_clip, own_clip.with_name("none.mkv")).refused(3, "does not exist")


def test_the_function_shows_its_keywords() -> None:
    """Editors and `help()` see every option with its default; an unknown one is told as ever."""
    keywords = inspect.signature(upscale).parameters
    for each in declared(UpscaleSettings).values():
        if not each.option.command_only:
            assert keywords[each.field].default == each.default
    with pytest.raises(TypeError, match="unexpected keyword argument 'scal'"):
        upscale("in.mkv", scal=2)


@pytest.mark.parametrize(
    ("function", "settings", "shown_only"),
    [(degrade_video, DegradeSettings, set()), (evaluate, EvaluateSettings, {"per_frame"})],
)
def test_functions_have_the_defaults_of_their_commands(
    function: Any, settings: type[Any], shown_only: set[str]
) -> None:
    """A keyword for each field, with its default; what only the display needs is none."""
    keywords = inspect.signature(function).parameters
    fields = declared(settings)  # type: ignore[arg-type]  # a class has a hash
    assert {name: keywords[name].default for name in fields if name in keywords} == {
        name: each.default for name, each in fields.items() if name not in shown_only
    }


def test_numbers_out_of_range_are_one_line_everywhere() -> None:
    """No usage box: the option, its range and what was given."""
    animesr("bench", "a.mkv", "--frames", "1").refused(2, "--frames must be at least 2, not 1")
    animesr("degrade", "a.mkv", "b.mkv", "--seed", "-1").refused(2, "--seed must be at least 0")
    animesr("evaluate", "a.mkv", "b.mkv", "--crop", "-1").refused(2, "--crop must be at least 0")
    animesr("preview", "a.mkv", "--seconds", "61").refused(2, "--seconds must be at most 60")


SETTINGS = (
    UpscaleSettings, BenchSettings, CompareSettings, DegradeSettings, EvaluateSettings,
    FinetuneSettings, FinetuneRun, LboSettings, LearnSettings, PreviewSettings,
)  # fmt: skip
NUMBERS = [
    pytest.param(each, id=f"{settings.__name__}.{each.field}")
    for settings in SETTINGS
    for each in declared(settings).values()
    if float in each.types and each.field != "crf"  # whose range each encoder tells itself
]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("each", NUMBERS)
def test_what_is_no_number_is_told_the_whole_range(each: Declared, value: float) -> None:
    """One end of the range alone would be half of what is wrong with NaN."""
    with pytest.raises(UsageError) as caught:
        check_value(each, value)
    option = each.option
    lowest = f"at least {option.least:.10g}" if option.least is not None else "above"
    assert caught.value.message.startswith(f"--{each.name} must be {lowest}")
    assert caught.value.message.endswith(f" and at most {option.most:.10g}, not {value:g}")


@pytest.mark.parametrize("verb", get_command(app).commands)  # type: ignore[attr-defined]
def test_help_fits_80_columns(verb: str) -> None:
    """No example is broken, no paragraph has a line end of its own, and every example parses."""
    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    paragraphs = (command.help or "").split("\n\n")
    assert "[bold]Examples[/bold]" in paragraphs
    assert [each for each in paragraphs if "\n" in each] == []
    examples = paragraphs[paragraphs.index("[bold]Examples[/bold]") + 1 :]
    assert examples
    for example in examples:
        assert len(example) <= 78, example
        words = shlex.split(example.split("| ")[-1])
        assert words[:2] == ["animesr", verb]
        command.make_context(verb, words[2:], resilient_parsing=True)
