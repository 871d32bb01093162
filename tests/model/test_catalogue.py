"""The catalogue: its rows, its names, and where its files are looked for."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from animesr_cli.errors import (
    ExitCode,
    UsageError,
    WeightsError,
)
from animesr_cli.model import catalogue
from animesr_cli.model.catalogue import CATALOGUE, Checkpoint, find
from animesr_cli.model.checkpoint import load_checkpoint, locate
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.model.download import cache_folder, status
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.rrdb import RRDBNet
from animesr_cli.model.srvgg import SRVGGNetCompact
from macs import macs_per_pixel
from weight_files import assert_same


def test_the_shipped_checkpoint_is_the_one_of_the_catalogue() -> None:
    """The hash and size of `base` are those of the file in weights/."""
    base = find("base")
    data = (Path(__file__).parents[2] / "weights" / base.filename).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (base.sha256, base.size_bytes)


@pytest.mark.parametrize("name", ["base", "base-soft", "base-2x"])
def test_the_shipped_checkpoint_loads_as_it_is_stored(name: str) -> None:
    """At strength 1 it is its file's tensors in fp32, and fits the network strictly."""
    loaded = load_checkpoint(name, strength=1.0 if name == "base" else None)
    with safe_open(loaded.path, "pt") as file:
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 no mapping
    assert_same(loaded.state_dict, stored)
    assert (loaded.name, loaded.network.architecture) == (name, "CompactMSRB")
    scale = 2 if name == "base-2x" else 4
    CompactMSRB(scale=scale).load_state_dict(loaded.state_dict, strict=True)


def test_every_row_says_what_it_is() -> None:
    """Architecture, cost, licence and one line for each; whoever fetches it is told the licence."""
    for row in CATALOGUE:
        assert row.architecture
        assert 20 < len(row.good_for) <= 90
        assert row.licence
        assert (row.mmac is None) == (row.kind == "operator")
        if not row.shipped:
            assert row.url is not None
            assert row.url.startswith("https://")
            assert "licence" in row.note
        if row.sha256 is not None:
            assert len(bytes.fromhex(row.sha256)) == 32
    assert [row.name for row in CATALOGUE if row.sha256 is None] == ["realbasicvsr"]


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_the_authors_have_two_sources_and_a_warning(name: str) -> None:
    """What has no licence text says what it may be used for."""
    row = find(name)
    assert row.hub_repo
    assert "non-commercial" in row.note
    assert "no licence text" in row.note


def test_the_costs_are_those_of_the_architectures() -> None:
    """Counted in networks of the released sizes, on no device."""
    with torch.device("meta"):
        built = {
            "base": CompactMSRB(),
            "basicop": MSRB(),
            "v1": MSRB(),
            "v2": MSRB(),
            "realesr-animevideov3": SRVGGNetCompact(),
            "realesrgan-x4plus-anime": RRDBNet(num_block=6),
            "realesrgan-x4plus": RRDBNet(),
            "realesrgan-x2plus": RRDBNet(2, unshuffled=2),
            "bsrgan": RRDBNet(),
        }
    for name, network in built.items():
        row = find(name)
        assert (row.architecture, row.scale) == (network.architecture, network.scale)
        assert row.mmac == pytest.approx(macs_per_pixel(network) / 1e6, abs=6e-4)


def test_a_retired_name_says_what_to_use() -> None:
    """Whoever has it in a script is told the new one."""
    with pytest.raises(UsageError, match="base-sharp is retired") as caught:
        load_checkpoint("base-sharp")
    assert "use base" in str(caught.value.hint)


@pytest.mark.parametrize(("typo", "nearest"), [("V2", "v2"), ("bsae", "base"), ("v11", "v1")])
def test_an_unknown_name_is_told_the_nearest(typo: str, nearest: str) -> None:
    """A wrong name is a usage error that lists all names and the nearest one."""
    with pytest.raises(UsageError, match=repr(typo)) as caught:
        load_checkpoint(typo)
    assert caught.value.hint is not None
    assert f"did you mean {nearest}?" in caught.value.hint
    assert ", ".join(row.name for row in CATALOGUE) in caught.value.hint


def test_a_name_unlike_any_other_is_not_told_a_nearest_one() -> None:
    """No suggestion where none is near, but the names all the same."""
    with pytest.raises(UsageError) as caught:
        find("upconv7")
    assert caught.value.hint is not None
    assert "did you mean" not in caught.value.hint
    assert ", ".join(row.name for row in CATALOGUE) in caught.value.hint


def test_a_name_means_the_catalogue_whatever_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is called `base` does not stand in for the model of that name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").write_bytes(b"something else")
    assert locate("base").name == "base.safetensors"


@pytest.mark.parametrize(
    ("animesr_home", "xdg", "expected"),
    [
        ("/a", "/x", "/a"),
        ("~/a", "/x", "/home/u/a"),
        (None, "/x", "/x/animesr"),
        ("", "/x", "/x/animesr"),
        (None, "relative", "/home/u/.cache/animesr"),
        (None, None, "/home/u/.cache/animesr"),
    ],
)
def test_the_cache_folder_follows_the_environment(
    animesr_home: str | None, xdg: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ANIMESR_HOME, else XDG_CACHE_HOME where it is absolute, else ~/.cache."""
    monkeypatch.setenv("HOME", "/home/u")
    for name, value in (("ANIMESR_HOME", animesr_home), ("XDG_CACHE_HOME", xdg)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


def test_the_list_of_models_needs_no_torch(tmp_path: Path) -> None:
    """Importing the module loads neither torch nor the hub's client; a status never loads torch."""
    code = (
        "import sys\nfrom animesr_cli.model import catalogue, download\n"
        "assert not {'torch', 'huggingface_hub', 'tqdm'} & set(sys.modules)\n"
        "rows = [download.status(row).where for row in catalogue.CATALOGUE]\n"
        "assert 'torch' not in sys.modules\nprint(*rows, sep='\\n')"
    )
    env = {**os.environ, "ANIMESR_HOME": str(tmp_path), "HF_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    rows = result.stdout.splitlines()
    assert rows[0].endswith("base.safetensors")
    fetched = [row for row in CATALOGUE if not row.shipped]
    assert rows.count("not downloaded") == len(fetched) == 8


@pytest.mark.parametrize(
    ("filename", "state"), [("base.safetensors", "damaged"), ("gone.safetensors", "missing")]
)
def test_a_broken_installation_is_to_be_reinstalled(
    filename: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shipped file that is not the catalogue's, or not there, ends in code 6 and a way out."""
    broken = Checkpoint(name="base", filename=filename, sha256="0" * 64, licence="")
    monkeypatch.setattr(catalogue, "CATALOGUE", (broken,))
    with pytest.raises(WeightsError, match=state) as caught:
        load_checkpoint("base")
    assert "pip install --force-reinstall" in str(caught.value.hint)
    assert caught.value.exit_code == ExitCode.WEIGHTS
    assert state in status(broken).where
