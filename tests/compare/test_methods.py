"""What can be compared, by its name."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from animesr_cli.compare.methods import load_candidates
from animesr_cli.errors import UsageError, WeightsError
from animesr_cli.model import catalogue, download
from animesr_cli.model.catalogue import Checkpoint
from animesr_cli.model.realbasicvsr import RealBasicVSR
from animesr_cli.model.resample import RESAMPLERS
from animesr_cli.reading.reader import Reader
from animesr_cli.settings import UpscaleSettings
from media import write_video

CPU = UpscaleSettings(device="cpu", precision="fp32")


def never(text: str) -> None:
    raise AssertionError(text)


def test_names_are_short_where_they_tell_apart(tmp_path: Path, zero_checkpoint: Path) -> None:
    """File names without folders; with them where two files are called the same."""
    other = tmp_path / zero_checkpoint.name
    shutil.copy(zero_checkpoint, other)
    alone = load_candidates([str(other), "bicubic"], CPU, warn=never)
    assert [each.name for each in alone] == ["zero.safetensors", "bicubic"]
    both = load_candidates([str(other), str(zero_checkpoint)], CPU, warn=never)
    assert [each.name for each in both] == [str(other), str(zero_checkpoint)]


def test_a_file_may_be_called_like_a_resampler(
    tmp_path: Path, zero_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its path reaches it; the bare name stays the resampler's."""
    shutil.copy(zero_checkpoint, tmp_path / "bicubic")
    shutil.copy(zero_checkpoint, tmp_path / "bicubic.safetensors")
    monkeypatch.chdir(tmp_path)
    kinds = {
        each.name: each.kind
        for each in load_candidates(["bicubic", "./bicubic.safetensors"], CPU, warn=never)
    }
    assert kinds == {"bicubic": "resampler", "bicubic.safetensors": "network"}


@pytest.mark.parametrize(
    ("name", "hint"), [("bicubc", "did you mean bicubic?"), ("nothing", "nearest, bilinear")]
)
def test_an_unknown_name_is_told_the_known_ones(name: str, hint: str) -> None:
    """Models and resamplers, and the one that was probably meant."""
    with pytest.raises(UsageError, match=f"no model is called '{name}'") as caught:
        load_candidates(["base", name], CPU, warn=never)
    assert hint in (caught.value.hint or "")
    assert "base" in (caught.value.hint or "")


def test_the_same_twice_is_refused() -> None:
    """It would be beside itself."""
    with pytest.raises(UsageError, match="lanczos is named twice"):
        load_candidates(["lanczos", "base", "lanczos"], CPU, warn=never)


@pytest.fixture
def partners(tmp_path: Path, random_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue whose ``strong`` has a soft partner of the same size and runs at 0.75."""
    strong = load_file(random_checkpoint)
    rows = []
    for name, factor in (("mild", 0.0), ("strong", 1.0)):
        path = tmp_path / f"{name}.safetensors"
        save_file({key: factor * tensor for key, tensor in strong.items()}, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(Checkpoint(name=name, filename=path.name, sha256=sha256, licence="CC0"))
    rows[1] = dataclasses.replace(rows[1], soft="mild", strength=0.75)
    monkeypatch.setattr(download, "_shipped_paths", lambda row: (tmp_path / row.filename,))
    monkeypatch.setattr(catalogue, "CATALOGUE", tuple(rows))


def test_a_network_stands_beside_itself_at_other_strengths(partners: None) -> None:
    """``NAME@STRENGTH``; names say which, and what makes its pictures says so too."""
    found = load_candidates(["strong", "strong@0", "strong@0.25", "strong@1"], CPU, warn=never)
    names = [each.name for each in found]
    assert names == ["strong", "strong@0", "strong@0.25", "strong@1"]
    assert [each.strength for each in found] == [0.75, 0, 0.25, None]
    weights = [next(iter(each.loaded.network.parameters())) for each in found if each.loaded]
    for weight, share in zip(weights, (0.75, 0, 0.25, 1), strict=True):
        torch.testing.assert_close(weight, share * weights[3])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bicubic@0.5", "bicubic is a resampler and has no strength"),
        ("strong@2", "between 0 and 1, not 2"),
        ("strong@nan", "between 0 and 1"),
        ("mild@0.5", "not for the model mild"),
        ("strong@high", "no model is called 'strong@high'"),
    ],
)
def test_a_strength_that_cannot_be_is_refused(name: str, words: str, partners: None) -> None:
    """Out of range, of a network without a soft partner, of a resampler, or no number."""
    with pytest.raises(UsageError, match=words):
        load_candidates(["lanczos", name], CPU, warn=never)


def test_a_file_may_have_an_at_in_its_name(tmp_path: Path, zero_checkpoint: Path) -> None:
    """What exists is taken as it is called."""
    path = tmp_path / "mine@2.safetensors"
    shutil.copy(zero_checkpoint, path)
    (candidate,) = load_candidates([str(path)], CPU, warn=never)
    assert candidate.name == "mine@2.safetensors"


def test_networks_that_take_shots_are_known(tmp_path: Path, zero_checkpoint: Path) -> None:
    """RealBasicVSR looks ahead in its shot; AnimeSR's and resamplers give frame by frame."""
    path = tmp_path / "clips.pth"
    network = RealBasicVSR(mid_channels=4, num_propagation_blocks=1, num_cleaning_blocks=1)
    torch.save(network.state_dict(), path)
    models = [str(path), str(zero_checkpoint), "bicubic"]
    found = load_candidates(models, CPU, warn=never)
    assert [each.takes_shots for each in found] == [True, False, False]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Before anything is computed."""
    with pytest.raises(WeightsError, match=r"gone\.safetensors does not exist"):
        load_candidates(["bicubic", str(tmp_path / "gone.safetensors")], CPU, warn=never)


def test_every_candidate_gives_one_picture_a_frame(tmp_path: Path, zero_checkpoint: Path) -> None:
    """In order, of the size that is asked for; a network of zeros is bilinear enlargement."""
    path = write_video(tmp_path / "in.mkv", frames=4, width=24, height=16, exact=True)
    found = {}
    for candidate in load_candidates([str(zero_checkpoint), *RESAMPLERS], CPU, warn=never):
        with Reader(path) as reader:
            frames = [(frame, number == 2) for number, frame in enumerate(reader)]
        results = candidate.pictures(iter(frames), reader.info, (64, 96), warn=never)
        pictures = [picture for _, picture in results]
        assert [tuple(each.shape) for each in pictures] == [(3, 64, 96)] * 4
        found[candidate.name] = torch.stack(pictures)
    torch.testing.assert_close(found["zero.safetensors"], found["bilinear"])
    assert (found["bicubic"] - found["lanczos"]).abs().max() > 0.01
