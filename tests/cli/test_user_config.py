"""The user's configuration file, alone and under the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from animesr_cli import api as workflow
from animesr_cli.cli import commands as cli
from animesr_cli.cli.options import option_kinds
from animesr_cli.cli.user_config import (
    COMMAND_LINE_ONLY,
    SAME_QUESTION,
    read_config,
    usual_file,
    values_in_force,
)
from animesr_cli.errors import UsageError
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling.events import UpscaleResult
from command import animesr

KINDS = option_kinds(cast(Any, typer.main.get_command(cli.app)).commands["upscale"])
EXAMPLES: dict[type, Any] = {bool: True, int: 7, float: 2.5, str: "x", list: ["a=b"]}


@pytest.fixture
def config(own_home: Path) -> Path:
    """The place of the usual file; what a test writes there is in force."""
    path = own_home / ".config" / "animesr" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., UpscaleSettings]:
    """What `animesr upscale` with these options would work by."""
    seen: list[UpscaleSettings] = []

    def run(source: Path, output: Path | None, settings: UpscaleSettings, *_: Any) -> UpscaleResult:
        seen.append(settings)
        return UpscaleResult(
            output=source, frames=1, seconds=1, warnings=(), cuts=0, stage_seconds={}
        )

    def settings(*arguments: str) -> UpscaleSettings:
        outcome = animesr("upscale", tmp_path / "in.mkv", *arguments)
        assert outcome.exit_code == 0, outcome.stderr
        return seen.pop()

    monkeypatch.setattr(workflow, "run", run)
    return settings


def refusal(config: Path, content: str | bytes, *arguments: str) -> str:
    """The one line, and the hint, about a file with this content; the exit code is 2."""
    config.write_bytes(content if isinstance(content, bytes) else content.encode())
    outcome = animesr("upscale", "in.mkv", *arguments)
    outcome.refused(2)
    return outcome.error


# ---- what wins -----------------------------------------------------------------------------------


def test_without_a_file_the_defaults_hold(settings_of: Callable[..., UpscaleSettings]) -> None:
    """No configuration file is an ordinary state: nothing changes and nothing is said."""
    assert settings_of() == UpscaleSettings()


def test_the_command_line_wins_over_a_preset_over_upscale_over_defaults(
    config: Path, settings_of: Callable[..., UpscaleSettings]
) -> None:
    """Four options, each set in one more place than the one before."""
    config.write_text(
        "[upscale]\ncrf = 20\ncodec = 'libx265'\ntile = 64\n"
        "[preset.archive]\ncodec = 'ffv1'\ntile = 128\n"
    )
    settings = settings_of("-p", "archive", "--tile", "256")
    assert settings == UpscaleSettings(crf=20, codec="ffv1", tile=256)
    assert settings_of() == UpscaleSettings(crf=20, codec="libx265", tile=64)


def test_an_option_that_is_given_with_its_default_wins(
    config: Path, settings_of: Callable[..., UpscaleSettings]
) -> None:
    """It counts that an option is given, not that its value differs from the default."""
    config.write_text("[upscale]\ncodec = 'ffv1'\nscale = 2\n")
    assert settings_of("-c", "auto", "-s", "4") == UpscaleSettings(scale=4)


@pytest.mark.parametrize("group", SAME_QUESTION, ids=sorted)
def test_a_stronger_answer_to_the_same_question_silences_the_others(
    group: frozenset[str], tmp_path: Path
) -> None:
    """`--scale 2` is not overruled by a height of the file, nor a preset's by [upscale]'s."""
    path = tmp_path / "c.toml"
    for strong in group:
        for weak in group - {strong}:
            kinds = {strong: int, weak: int}
            path.write_text(f"[upscale]\n{weak} = 1\n[preset.p]\n{strong} = 2\n")
            config = read_config(path, kinds)
            assert values_in_force(config, None, set()) == {weak: 1}
            assert values_in_force(config, "p", set()) == {strong: 2}
            assert values_in_force(config, None, {strong}) == {}
            assert values_in_force(config, "p", {weak}) == {}


def test_both_sizes_of_one_place_stay_together(
    config: Path, settings_of: Callable[..., UpscaleSettings]
) -> None:
    """Width and height of the same table are one answer."""
    config.write_text("[upscale]\nwidth = 1920\nheight = 1080\n")
    settings = settings_of()
    assert (settings.width, settings.height) == (1920, 1080)
    assert settings_of("--height", "720") == UpscaleSettings(height=720)


def test_values_arrive_as_the_options_do(
    config: Path, settings_of: Callable[..., UpscaleSettings]
) -> None:
    """Numbers, texts, flags and lists become what the command line would have made of them."""
    config.write_text(
        "[upscale]\nstart = '1:02'\nend = 90\ncrf = 18\npreset = 8\nno-scenes = true\n"
        "strict = true\nencoder-option = ['tune=animation', 'g=48']\n"
    )
    assert settings_of() == UpscaleSettings(
        start=Fraction(62), end=Fraction(90), crf=18.0, preset="8", scenes=False, strict=True,
        encoder_options={"tune": "animation", "g": "48"},
    )  # fmt: skip
    assert settings_of("-e", "g=12").encoder_options == {"g": "12"}


def test_a_preset_turns_a_flag_off(
    config: Path, settings_of: Callable[..., UpscaleSettings]
) -> None:
    """`false` in a preset is a value like any other."""
    config.write_text("[upscale]\nstrict = true\n[preset.lax]\nstrict = false\n")
    assert settings_of().strict
    assert not settings_of("--profile", "lax").strict


@pytest.mark.parametrize("name", sorted(set(KINDS) - COMMAND_LINE_ONLY))
def test_every_option_is_a_key(name: str, tmp_path: Path) -> None:
    """Whatever `animesr upscale` learns, the file knows, by its long name and with its type."""
    path = tmp_path / "c.toml"
    value = EXAMPLES[KINDS[name]]
    path.write_text(f"[upscale]\n{name} = {json.dumps(value)}\n")
    assert read_config(path, KINDS).upscale == {name: value}


# ---- which file ----------------------------------------------------------------------------------


def test_xdg_config_home_is_honoured(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file lies below $XDG_CONFIG_HOME; a relative one is ignored, as specified."""
    at_home = own_home / ".config" / "animesr" / "config.toml"
    assert usual_file() == at_home
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert usual_file() == tmp_path / "animesr" / "config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "settings")
    assert usual_file() == at_home


def test_a_named_file_takes_the_place_of_the_usual_one(
    config: Path, tmp_path: Path, settings_of: Callable[..., UpscaleSettings]
) -> None:
    """With --config nothing of the usual file is read, be it broken."""
    config.write_text("broken")
    other = tmp_path / "other.toml"
    other.write_text("[upscale]\ntile = 32\n")
    assert settings_of("--config", str(other)) == UpscaleSettings(tile=32)


def test_ignore_config_reads_nothing(
    config: Path, settings_of: Callable[..., UpscaleSettings]
) -> None:
    """A broken file is in nobody's way."""
    config.write_text("broken")
    assert settings_of("--ignore-config") == UpscaleSettings()


def test_the_help_needs_no_file(config: Path) -> None:
    """`--help` works whatever the file is like, and shows the program's own defaults."""
    config.write_text("broken")
    outcome = animesr("upscale", "--help")
    assert outcome.exit_code == 0
    config.write_text("[upscale]\nmodel = 'my-own-model'\n")
    assert animesr("upscale", "--help") == outcome


def test_completion_needs_no_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the user is typing, a broken file changes nothing."""
    monkeypatch.setenv("_ANIMESR_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "animesr upscale in.mkv --ma")
    monkeypatch.setenv("COMP_CWORD", "3")
    config.write_text("broken")
    outcome = animesr()
    assert (outcome.stdout.strip(), outcome.stderr) == ("--matrix\n--max-pixels", "")


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[upscale]\nmodle = 'v2'", ("[upscale] modle", "did you mean model?")),
        ("[upscale]\npix_fmt = 'x'", ("[upscale] pix_fmt", "did you mean pix-fmt?")),
        ("[upscale]\nqqqq = 1", ("[upscale] qqqq", "the options are bitrate, cluster, codec, ")),
        ("[preset.a]\ncfr = 1", ("[preset.a] cfr", "did you mean crf?")),
        ("[upscale]\noverwrite = true", ("[upscale] overwrite", "command line alone")),
        ("[upscale]\ninput = 'a.mkv'", ("[upscale] input", "command line alone")),
        ("crf = 18", ("crf is not known here", "below a line with [upscale]")),
        ("[upscal]\ncrf = 18", ("upscal is not known here", "[upscale] and [preset.NAME]")),
        ("upscale = 4", ("upscale must be a table",)),
        ("[preset]\narchive = 4", ("preset.archive must be a table",)),
        ("preset = 'slow'", ("preset must be a table",)),
    ],
)  # fmt: skip
def test_unknown_keys_are_refused(config: Path, content: str, words: tuple[str, ...]) -> None:
    """The line names the file, the table, the key and the nearest known one."""
    error = refusal(config, content)
    assert [word for word in (str(config), *words) if word not in error] == [], error


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("crf", '"18"', 'a number, not "18"'),
        ("crf", "true", "a number, not true"),
        ("tile", "1.5", "a whole number, not 1.5"),
        ("tile", "false", "a whole number, not false"),
        ("strict", "1", "true or false, not 1"),
        ("strict", '"yes"', 'true or false, not "yes"'),
        ("model", "true", "a text, not true"),
        ("model", "['v2']", "a text, not ['v2']"),
        ("end", "00:10:00", "a text, not 00:10:00"),
        ("encoder-option", '"a=b"', 'a list of texts, not "a=b"'),
        ("encoder-option", "[1]", "a list of texts, not [1]"),
    ],
)
def test_wrong_types_are_refused(config: Path, key: str, value: str, wanted: str) -> None:
    """The line says what the key takes and what stands there, also in a preset not asked for."""
    assert f"{config}: [upscale] {key} must be {wanted}" in refusal(
        config, f"[upscale]\n{key} = {value}"
    )
    assert f"{config}: [preset.p] {key} must be {wanted}" in refusal(
        config, f"[preset.p]\n{key} = {value}"
    )


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"[upscale]\ncrf = 18\ntile =\n", "line 3"),
        (b"[upscale]\ncrf = 18\ncrf = 19\n", "line 3"),
        (b"[upscale\n", "line 1"),
        (b"[upscale]\n# caf\xe9\n", "line 2 is not UTF-8"),
    ],
)
def test_malformed_toml_is_refused_with_its_line(config: Path, content: bytes, place: str) -> None:
    """The line names the file and where in it the fault is."""
    error = refusal(config, content)
    assert f"{config} is not valid TOML" in error
    assert place in error


def test_a_byte_order_mark_is_no_fault(
    config: Path, settings_of: Callable[..., UpscaleSettings]
) -> None:
    """Some editors write one."""
    config.write_bytes(b"\xef\xbb\xbf[upscale]\ntile = 48\n")
    assert settings_of() == UpscaleSettings(tile=48)


def test_an_unknown_preset_names_the_nearest(config: Path) -> None:
    """The line has the wish, the file, and what was probably meant."""
    content = "[preset.archive]\ncrf = 1\n"
    error = refusal(config, content, "-p", "archiv")
    assert f"-p archiv: {config} has no preset of that name" in error
    assert "did you mean archive?" in error
    assert "[preset.qqq]" in refusal(config, content, "-p", "qqq")


def test_a_preset_needs_a_file(own_home: Path) -> None:
    """Without a file, or with --ignore-config, -p cannot be granted, and the line says why."""
    animesr("upscale", "in.mkv", "-p", "archive").refused(2, "-p archive", "does not exist")
    animesr("upscale", "in.mkv", "-p", "archive", "--ignore-config").refused(2, "--ignore-config")


def test_a_named_file_must_be_there_and_readable(tmp_path: Path) -> None:
    """A file that is missing, is a folder, or is at once to be ignored is a usage error."""
    missing = tmp_path / "none.toml"
    animesr("upscale", "in.mkv", "--config", missing).refused(2, f"{missing} does not exist")
    animesr("upscale", "in.mkv", "--config", tmp_path).refused(2, "cannot be read: it is a folder")
    animesr("upscale", "in.mkv", "--config", missing, "--ignore-config").refused(2, "leave out one")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[upscale]\nstream = " + "9" * 5000, "is not valid TOML"),
        ("[upscale]\nstream = " + "9" * 4000, "[upscale] stream is too large a number"),
        ("[upscale]\ncrf = nan", "[upscale] crf is too large a number"),
        ("[upscale]\nend = " + "9" * 30, "[upscale] end is too large a number"),
        ("[upscale]\nheight = 2147483648", "--height must be at most 65536, not 2147483648"),
        ("[upscale]\nx = " + "[" * 5000, "is not valid TOML"),
        ("#" * (1 << 20), "cannot be read: it is larger than"),
    ],
    ids=lambda value: value[:24],
)
def test_numbers_and_files_have_a_limit(config: Path, content: str, words: str) -> None:
    """What no option could take, and what is no configuration, ends in one line."""
    assert words in refusal(config, content + "\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_a_file_that_is_none_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO would hang, a device would never end."""
    os.mkfifo(tmp_path / "fifo")
    for place in (tmp_path / "fifo", "/dev/zero"):
        animesr("upscale", "in.mkv", "--config", place).refused(2, "not a regular file")


def test_a_broken_link_at_the_usual_place_is_said(config: Path) -> None:
    """A configuration that is kept elsewhere and has gone is not silently passed over."""
    config.symlink_to("gone.toml")
    animesr("upscale", "in.mkv").refused(2, f"{config} does not exist")


def test_with_json_the_error_is_an_event_too(config: Path) -> None:
    """A program that reads standard output learns of a bad file as of any other error."""
    config.write_text("[upscale]\nmodle = 1\n")
    outcome = animesr("upscale", "in.mkv", "--json")
    event = json.loads(outcome.stdout)
    assert (event["event"], event["exit_code"], outcome.exit_code) == ("error", 2, 2)
    assert "modle" in event["message"]


# ---- the doctor ----------------------------------------------------------------------------------


def findings(*arguments: str | Path) -> list[tuple[str, str, str, bool]]:
    outcome = animesr("doctor", "--json", *arguments)
    assert outcome.exit_code == 0, outcome.stderr
    every = [tuple(finding.values()) for finding in json.loads(outcome.stdout)]
    return [each for each in every if each[0].startswith(("config", "preset"))]


def test_the_doctor_shows_the_file_and_its_values(config: Path, tmp_path: Path) -> None:
    """Which file is in force, what it sets and what its presets set; a broken one, and why."""
    assert findings() == [("config", "file", f"none: {config} does not exist", True)]
    config.write_text("[upscale]\ncrf = 18\nmodel = 'v2'\n[preset.archive]\ncodec = 'ffv1'\n")
    assert findings() == [
        ("config", "file", str(config), True),
        ("config", "crf", "18.0", True),
        ("config", "model", '"v2"', True),
        ("preset archive", "codec", '"ffv1"', True),
    ]
    assert findings("--ignore-config") == [("config", "file", f"none: {config} is ignored", True)]
    other = tmp_path / "other.toml"
    other.write_text("[upscale]\nmodle = 'v2'\n")
    ((section, name, value, usable),) = findings("--config", other)
    assert (section, name, usable) == ("config", "file", False)
    assert str(other) in value
    assert "did you mean model?" in value


def test_the_room_knows_no_options(tmp_path: Path) -> None:
    """What a key is, and its type, is told from outside."""
    path = tmp_path / "c.toml"
    path.write_text("[upscale]\nanything = 3\n")
    assert read_config(path, {"anything": int}).upscale == {"anything": 3}
    with pytest.raises(UsageError, match="anything is no option"):
        read_config(path, {"crf": float})


@pytest.mark.parametrize("name", ["a\0b", "\0"])
def test_a_file_whose_name_holds_a_nul_byte(name: str) -> None:
    """It is refused, not cut off there; only a program can give such a name."""
    outcome = animesr("upscale", "in.mkv", "--config", name)
    outcome.refused(2, "the configuration file", "its name holds a NUL byte")
