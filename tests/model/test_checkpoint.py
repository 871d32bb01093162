"""Checkpoints: what is fetched, from where, what is verified, and what is refused to be read."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
import io
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import animesr_cli
from animesr_cli.errors import (
    DeviceError,
    DiskFullError,
    DownloadError,
    ExitCode,
    Interrupted,
    UsageError,
    WeightsError,
)
from animesr_cli.model import catalogue
from animesr_cli.model import download as download_module
from animesr_cli.model.catalogue import CATALOGUE, Checkpoint, find
from animesr_cli.model.checkpoint import load_checkpoint, load_network, locate
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.model.download import cache_folder, download, models_folder, status, user_files
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.rrdb import RRDBNet
from animesr_cli.model.srvgg import SRVGGNetCompact
from loopback_hub import COMMIT, Fault, LoopbackHub

REPO = "someone/upscaler"
FILENAME = "upscaler.pth"
NOTE = "toy is for tests only."
CUT = 5_000
"""A byte well inside the toy file."""
RELEASED_SIZE = {"num_feat": 64, "num_block": (5, 3, 2)}
Tensors = dict[str, Tensor]


def weights(num_feat: int = 2, num_block: tuple[int, int, int] = (1, 1, 1)) -> Tensors:
    torch.manual_seed(0)
    return dict(MSRB(num_feat, num_block).state_dict())


def torch_bytes(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def write_pth(path: Path, content: object) -> Path:
    path.write_bytes(torch_bytes(content))
    return path


def assert_same(actual: Tensors, expected: Tensors) -> None:
    assert actual.keys() == expected.keys()
    for key, tensor in expected.items():
        assert actual[key].dtype == torch.float32
        assert torch.equal(actual[key], tensor.float()), key


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# ---- The catalogue, names and places ----


def test_the_shipped_checkpoint_is_the_one_of_the_catalogue() -> None:
    """The hash and size of `base` are those of the file in weights/."""
    base = find("base")
    data = (Path(__file__).parents[2] / "weights" / base.filename).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (base.sha256, base.size_bytes)


@pytest.mark.parametrize("name", ["base", "base-soft"])
def test_the_shipped_checkpoint_loads_as_it_is_stored(name: str) -> None:
    """At strength 1 it is its file's tensors in fp32, and fits the network strictly."""
    loaded = load_checkpoint(name, download=False, strength=1.0 if name == "base" else None)
    with safe_open(loaded.path, "pt") as file:
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 no mapping
    assert_same(loaded.state_dict, stored)
    assert (loaded.name, loaded.network.architecture) == (name, "CompactMSRB")
    CompactMSRB().load_state_dict(loaded.state_dict, strict=True)


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
        assert row.mmac == pytest.approx(network.macs_per_pixel / 1e6, abs=6e-4)


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
        find("waifu2x")
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


# ---- Fetching ----


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A hub that has the toy file at both sources; nothing of this machine's is seen."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("HF_", "HUGGING")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("ANIMESR_HOME", str(tmp_path / "own"))
    data = torch_bytes(weights())
    with LoopbackHub(files={f"{REPO}/{FILENAME}": data, FILENAME: data}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        # The client keeps one session, made with the environment of its first use.
        huggingface_hub.close_session()
        yield server
        huggingface_hub.close_session()


@pytest.fixture
def toy(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """A catalogue row whose bytes we have, as the hashes of v1 and v2 cannot be served here."""
    row = Checkpoint(
        name="toy",
        filename=FILENAME,
        sha256=hashlib.sha256(hub.files[FILENAME]).hexdigest(),
        licence="CC0",
        note=NOTE,
        hub_repo=REPO,
        url=hub.plain_url(FILENAME),
    )
    monkeypatch.setattr(catalogue, "CATALOGUE", (find("base"), row))
    return row


def with_only(source: str, row: Checkpoint) -> Checkpoint:
    """The row without its other source."""
    if source == "hub":
        return dataclasses.replace(row, url=None)
    return dataclasses.replace(row, hub_repo=None)


def own_file(tmp_path: Path) -> Path:
    return tmp_path / "own" / "checkpoints" / FILENAME


def leftovers(folder: Path) -> list[Path]:
    """Files that hold bytes of a checkpoint; locks, references and tags are not ours to count."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 200]


@pytest.mark.usefixtures("toy")
def test_a_name_is_downloaded_once_and_then_needs_no_network(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    """First use fetches into the hub's cache and says the note; the second asks for nothing."""
    said: list[str] = []
    loaded = load_checkpoint("toy", warn=said.append)
    assert_same(loaded.state_dict, weights())
    assert loaded.path.is_relative_to(tmp_path / "hub")
    assert said == [NOTE]
    assert not own_file(tmp_path).exists()

    hub.requests.clear()
    assert load_checkpoint("toy", warn=said.append).path == loaded.path
    assert download(["toy"], warn=said.append) == [loaded.path]
    assert (hub.requests, said) == ([], [NOTE])


@pytest.mark.usefixtures("toy")
def test_force_fetches_again(hub: LoopbackHub) -> None:
    """`force` transfers the whole file once more, though an intact one is here."""
    first = download(["base", "toy"], warn=lambda note: None)
    hub.requests.clear()
    assert download(["toy"], force=True, warn=lambda note: None) == first[1:]
    assert len(hub.bodies("hub")) == 1


def test_nothing_is_fetched_where_one_name_is_wrong(hub: LoopbackHub, toy: Checkpoint) -> None:
    """All names are checked before the first download."""
    with pytest.raises(UsageError):
        download([toy.name, "toyy"])
    assert hub.requests == []


def test_a_status_tells_downloaded_from_damaged(toy: Checkpoint) -> None:
    """`where` names the file once it is here, and says so once its bytes have changed."""
    assert status(toy).where == "not downloaded"
    (path,) = download(["toy"], warn=lambda note: None)
    there = status(toy)
    assert (there.where, there.size_bytes) == (str(path), path.stat().st_size)
    path.write_bytes(b"x")
    assert status(toy).where == f"damaged: {path}"


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 503])
def test_a_hub_that_refuses_is_replaced_at_once(
    code: int, hub: LoopbackHub, tmp_path: Path
) -> None:
    """Whatever the hub answers, it is asked once, and the second source gives the file."""
    hub.faults.append(Fault(source="hub", status=code))
    loaded = load_checkpoint("toy", warn=lambda note: None)
    assert loaded.path == own_file(tmp_path)
    assert_same(loaded.state_dict, weights())
    assert [seen.source for seen in hub.requests] == ["hub", "plain"]


@pytest.mark.usefixtures("toy")
def test_a_login_page_is_not_taken_for_the_hub(hub: LoopbackHub, tmp_path: Path) -> None:
    """A network that answers everything with its own page leaves no checkpoint behind."""
    hub.faults += [Fault(source="hub", portal=True), Fault(source="plain", portal=True)]
    with pytest.raises(WeightsError, match="sha256"):
        download(["toy"], warn=lambda note: None)
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("toy")
def test_an_unreachable_hub_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is refused leads to the second source."""
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    assert download(["toy"], warn=lambda note: None) == [own_file(tmp_path)]


@pytest.mark.usefixtures("toy")
def test_a_silent_hub_is_replaced(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that accepts the request and never answers is given up after its time limit."""
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.2)
    hub.faults.append(Fault(source="hub", silent=True))
    assert download(["toy"], warn=lambda note: None) == [own_file(tmp_path)]


@pytest.mark.usefixtures("toy")
def test_two_failures_are_one_error_with_both_causes_and_a_way_out(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 8; the message has the cause of each source, the hint the file and where it belongs."""
    monkeypatch.setattr(download_module, "URL_TIMEOUT_SECONDS", 0.2)
    hub.faults += [Fault(source="hub", status=503), Fault(source="plain", silent=True)]
    with pytest.raises(DownloadError) as caught:
        load_checkpoint("toy", warn=lambda note: None)
    assert caught.value.exit_code == ExitCode.NETWORK
    assert f"hub {REPO}: HTTP 503 Service Unavailable" in caught.value.message
    assert f"{hub.plain_url(FILENAME)}: no answer in time" in caught.value.message
    assert "\n" not in caught.value.message
    hint = str(caught.value.hint)
    assert "animesr download toy" in hint
    assert hub.plain_url(FILENAME) in hint
    assert str(own_file(tmp_path)) in hint


@pytest.mark.parametrize("only", ["hub", "plain"])
def test_one_source_is_enough(only: str, toy: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint may have the hub alone, or a URL alone."""
    monkeypatch.setattr(catalogue, "CATALOGUE", (with_only(only, toy),))
    (path,) = download(["toy"], warn=lambda note: None)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == toy.sha256


@pytest.mark.usefixtures("toy")
def test_a_connection_cut_once_is_continued(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's client asks for the rest, and the result is whole."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits between attempts
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # and keeps whole chunks only
    hub.faults.append(Fault(source="hub", cut_at=CUT, times=1))
    (path,) = download(["toy"], warn=lambda note: None)
    assert path.is_relative_to(tmp_path / "hub")
    assert [seen.range for seen in hub.bodies("hub")] == [None, f"bytes={CUT}-"]


def test_a_connection_that_is_always_cut_leaves_nothing(
    hub: LoopbackHub, toy: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 8 and not one byte that could be taken for a checkpoint, in either cache."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.faults += [Fault(source="hub", cut_at=CUT), Fault(source="plain", cut_at=CUT)]
    with pytest.raises(DownloadError, match=f"ended after {CUT} of"):
        download(["toy"], warn=lambda note: None)
    assert leftovers(tmp_path) == []
    assert status(toy).path is None
    hub.faults.clear()
    assert_same(load_checkpoint("toy", warn=lambda note: None).state_dict, weights())


@pytest.mark.usefixtures("toy")
def test_a_flipped_byte_is_noticed_and_fetched_again_once(hub: LoopbackHub, tmp_path: Path) -> None:
    """The hub's client accepts a damaged body; we do not, and the second body is the right one."""
    hub.faults.append(Fault(source="hub", flip_at=CUT, times=1))
    loaded = load_checkpoint("toy", warn=lambda note: None)
    assert_same(loaded.state_dict, weights())
    assert loaded.path.is_relative_to(tmp_path / "hub")
    assert len(hub.bodies("hub")) == 2


@pytest.mark.usefixtures("toy")
def test_a_hub_with_another_file_is_asked_twice_and_then_replaced(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    """One forced download, no more; then the second source, and its file is found next time."""
    hub.files[f"{REPO}/{FILENAME}"] = torch_bytes(weights(num_feat=3))
    assert download(["toy"], warn=lambda note: None) == [own_file(tmp_path)]
    assert len(hub.bodies("hub")) == 2
    hub.requests.clear()
    assert_same(load_checkpoint("toy").state_dict, weights())
    assert hub.requests == []


@pytest.mark.usefixtures("toy")
def test_wrong_bytes_everywhere_are_an_error_of_the_weights(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    """Code 6, the advice `--force`; the second source's bad file is not kept."""
    hub.faults += [Fault(source="hub", flip_at=CUT), Fault(source="plain", flip_at=CUT)]
    with pytest.raises(WeightsError, match="sha256") as caught:
        load_checkpoint("toy", warn=lambda note: None)
    assert caught.value.exit_code == ExitCode.WEIGHTS
    assert "animesr download toy --force" in str(caught.value.hint)
    assert (len(hub.bodies("hub")), len(hub.bodies("plain"))) == (2, 2)
    assert leftovers(tmp_path / "own") == []


@pytest.mark.parametrize("source", ["hub", "plain"])
def test_a_tampered_cache_is_replaced_before_it_is_read(
    source: str, hub: LoopbackHub, toy: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other weights under the right name are fetched again, whichever cache holds them."""
    monkeypatch.setattr(catalogue, "CATALOGUE", (with_only(source, toy),))
    (path,) = download(["toy"], warn=lambda note: None)
    path.write_bytes(torch_bytes({key: value + 1 for key, value in weights().items()}))
    hub.requests.clear()
    assert_same(load_checkpoint("toy", warn=lambda note: None).state_dict, weights())
    assert len(hub.bodies("hub") + hub.bodies("plain")) == 1


@pytest.mark.usefixtures("toy")
def test_a_tampered_cache_without_a_network_is_an_error(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be replaced is refused: code 6, never the tampered weights."""
    (path,) = download(["toy"], warn=lambda note: None)
    path.write_bytes(torch_bytes(weights(num_feat=3)))
    hub.faults += [Fault(source="hub", status=500), Fault(source="plain", status=500)]
    with pytest.raises(WeightsError, match="damaged"):
        load_checkpoint("toy", warn=lambda note: None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="no intact file"):
        load_checkpoint("toy", warn=lambda note: None)


@pytest.mark.usefixtures("toy")
def test_offline_asks_for_nothing_and_says_what_to_do(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline: 6 where weights are needed, 8 where a download is; a file put in place is taken."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for call, error in ((locate, WeightsError), (lambda name: download([name]), DownloadError)):
        with pytest.raises(error, match="HF_HUB_OFFLINE") as caught:
            call("toy")
        assert isinstance(caught.value, (WeightsError, DownloadError))
        assert str(own_file(tmp_path)) in str(caught.value.hint)
        assert hub.plain_url(FILENAME) in str(caught.value.hint)
    own_file(tmp_path).parent.mkdir(parents=True)
    own_file(tmp_path).write_bytes(hub.files[FILENAME])
    assert_same(load_checkpoint("toy").state_dict, weights())
    assert download(["base", "toy"])[1] == own_file(tmp_path)
    assert hub.requests == []


@pytest.mark.usefixtures("toy")
def test_a_caller_can_forbid_the_network(hub: LoopbackHub) -> None:
    """With `download=False` a missing checkpoint is an error, and no request is made."""
    with pytest.raises(WeightsError, match="on this machine"):
        locate("toy", download=False)
    assert hub.requests == []


@pytest.mark.usefixtures("toy")
def test_proxies_are_used_for_both_sources(
    hub: LoopbackHub, toy: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY carries the requests to hosts that only the proxy knows."""
    monkeypatch.setenv("HTTP_PROXY", hub.endpoint)
    monkeypatch.setenv("http_proxy", hub.endpoint)  # urllib reads the lower-case one
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    row = dataclasses.replace(toy, url=f"http://mirror.invalid/plain/{FILENAME}")
    monkeypatch.setattr(catalogue, "CATALOGUE", (row,))
    hub.faults.append(Fault(source="hub", status=500))
    assert download(["toy"], warn=lambda note: None) == [own_file(tmp_path)]
    assert [seen.target for seen in hub.requests] == [
        f"http://hub.invalid/{REPO}/resolve/main/{FILENAME}",
        f"http://mirror.invalid/plain/{FILENAME}",
    ]


@contextlib.contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """The system refuses to make a file longer than this: the nearest to a full disk."""
    resource = pytest.importorskip("resource", reason="limits of a process are a Unix thing")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("toy")
def test_a_full_disk_is_code_5_and_leaves_nothing(hub: LoopbackHub, tmp_path: Path) -> None:
    """No space for the file: both sources are tried, the cause and a way out are said."""
    with file_size_limit(len(hub.files[FILENAME]) // 2), pytest.raises(DiskFullError) as caught:
        download(["toy"], warn=lambda note: None)
    assert caught.value.exit_code == ExitCode.DISK_FULL
    assert caught.value.message.count("File too large") == 2
    assert "ANIMESR_HOME" in str(caught.value.hint)
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("toy")
def test_a_cache_that_cannot_be_written_is_code_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub cache that is no folder leads to our own; if that is none either, to code 5."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    assert download(["toy"], warn=lambda note: None) == [own_file(tmp_path)]
    monkeypatch.setenv("ANIMESR_HOME", str(tmp_path / "file" / "own"))
    with pytest.raises(DiskFullError, match="cannot be stored"):
        download(["toy"], warn=lambda note: None)


@pytest.mark.usefixtures("toy")
def test_a_stop_signal_stops_the_download(hub: LoopbackHub, tmp_path: Path) -> None:
    """An interruption raised by a signal handler is not mistaken for a source that failed."""
    hub.faults.append(Fault(source="hub", stall_at=CUT))

    def stop(signum: int, frame: object) -> None:
        raise Interrupted(signum)

    def send() -> None:
        assert hub.stalled.wait(20)
        time.sleep(0.1)  # until the client waits for the next byte
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        with pytest.raises(Interrupted):
            download(["toy"], warn=lambda note: None)
    finally:
        sender.join()
        signal.signal(signal.SIGTERM, before)
    assert hub.bodies("plain") == []
    assert leftovers(tmp_path) == []


DOWNLOAD_TOY = """
import dataclasses, sys
from animesr_cli.errors import AnimesrError
from animesr_cli.model import catalogue, download
row = catalogue.Checkpoint(name="toy", filename=sys.argv[1], sha256=sys.argv[2], licence="",
                             hub_repo=sys.argv[3] or None, url=sys.argv[4] or None)
catalogue.CATALOGUE = (row,)
try:
    print(*download.download(["toy"]))
except AnimesrError as error:
    print(error.message)
    sys.exit(int(error.exit_code))
"""


def start_download(
    toy: Checkpoint, folder: Path, endpoint: str, *, source: str = "hub", **env: str
) -> subprocess.Popen[str]:
    """A process of its own, which learns everything about the hub from its environment."""
    repo, url = (toy.hub_repo or "", "") if source == "hub" else ("", toy.url or "")
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(folder / "hf"),
        "ANIMESR_HOME": str(folder / "own"),
        **env,
    }
    assert toy.sha256 is not None
    return subprocess.Popen(
        [sys.executable, "-c", DOWNLOAD_TOY, FILENAME, toy.sha256, repo, url],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.parametrize("source", ["hub", "plain"])
def test_a_killed_download_breaks_nothing(
    source: str, hub: LoopbackHub, toy: Checkpoint, tmp_path: Path
) -> None:
    """After SIGKILL in the middle of the body the same command succeeds, in the same folders."""
    hub.faults.append(Fault(source="hub" if source == "hub" else "plain", stall_at=CUT))
    with start_download(toy, tmp_path, hub.endpoint, source=source) as killed:
        assert hub.stalled.wait(20)
        killed.kill()
    hub.faults.clear()
    with start_download(toy, tmp_path, hub.endpoint, source=source) as again:
        path = Path(again.communicate(timeout=60)[0].strip())
    assert again.returncode == 0
    assert path.is_relative_to(tmp_path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == toy.sha256


def test_the_hubs_variables_are_honoured(hub: LoopbackHub, toy: Checkpoint, tmp_path: Path) -> None:
    """HF_ENDPOINT and HF_HUB_CACHE say where from and where to; HF_HUB_OFFLINE forbids it."""
    cache = tmp_path / "elsewhere"
    with start_download(toy, tmp_path, hub.endpoint, HF_HUB_CACHE=str(cache)) as first:
        path = Path(first.communicate(timeout=60)[0].strip())
    assert (first.returncode, path.is_relative_to(cache)) == (0, True)
    assert path.parent.name == COMMIT
    hub.requests.clear()
    with start_download(toy, tmp_path, hub.endpoint, HF_HUB_OFFLINE="1") as second:
        said = second.communicate(timeout=60)[0]
    assert (second.returncode, hub.requests) == (ExitCode.NETWORK, [])
    assert "HF_HUB_OFFLINE" in said


# ---- A file whose hash is not known ----


@pytest.fixture
def unknown(hub: LoopbackHub, toy: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """The toy, of whose hash the catalogue knows the beginning alone."""
    assert toy.sha256
    row = dataclasses.replace(
        toy, sha256=None, sha256_begins=toy.sha256[:8], hub_repo=None, url=hub.plain_url(FILENAME)
    )
    monkeypatch.setattr(catalogue, "CATALOGUE", (row,))
    return row


def test_an_unknown_hash_is_pinned_by_the_first_download(
    hub: LoopbackHub, toy: Checkpoint, unknown: Checkpoint, tmp_path: Path
) -> None:
    """It is said, kept beside the file as sha256sum writes it, and holds from then on."""
    notes: list[str] = []
    (path,) = download(["toy"], warn=notes.append)
    assert notes[0] == NOTE
    assert str(toy.sha256) in notes[1]
    assert "not known beforehand" in notes[1]
    pin = path.with_name(path.name + ".sha256")
    assert pin.read_text() == f"{toy.sha256}  {FILENAME}\n"
    assert status(unknown).intact
    assert_same(load_checkpoint("toy", download=False).state_dict, weights())
    download(["toy"], warn=notes.append, force=True)
    assert len(notes) == 3, "pinned once"
    # From now on other bytes are wrong, even if they begin alike.
    pin.write_text("0" * 64 + f"  {FILENAME}\n")
    assert not status(unknown).intact
    with pytest.raises(WeightsError, match="sha256"):
        download(["toy"], warn=notes.append, force=True)


def test_what_does_not_begin_as_it_should_is_refused(
    unknown: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The eight digits that are known are held against the first download too."""
    row = dataclasses.replace(unknown, sha256_begins="ffffffff")
    monkeypatch.setattr(catalogue, "CATALOGUE", (row,))
    with pytest.raises(WeightsError, match="sha256"):
        download(["toy"], warn=lambda note: None)
    assert not own_file(tmp_path).exists()
    assert not own_file(tmp_path).with_name(FILENAME + ".sha256").exists()


def test_a_file_put_there_by_hand_is_found_by_its_name(
    hub: LoopbackHub, toy: Checkpoint, tmp_path: Path
) -> None:
    """The catalogue's under the file's name or its own, hashed; a user's under any other."""
    folder = models_folder()
    folder.mkdir(parents=True)
    (folder / "toy.pth").write_bytes(hub.files[FILENAME])
    assert load_checkpoint("toy", download=False).path == folder / "toy.pth"
    (folder / "toy.pth").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="no intact file"):
        load_checkpoint("toy", download=False)
    write_pth(folder / "Mine.pth", weights())
    for name in ("Mine", "Mine.pth"):
        assert load_checkpoint(name, download=False).path == folder / "Mine.pth"
    assert user_files() == [folder / "Mine.pth"]
    assert hub.requests == []


# ---- Strength ----


@pytest.fixture
def partners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Tensors, Tensors]:
    """A catalogue of a soft network and a strong one that runs at 0.75; their tensors."""
    tensors = (weights(), {name: tensor + 0.5 for name, tensor in weights().items()})
    rows = []
    monkeypatch.setattr(download_module, "_shipped_paths", lambda row: (tmp_path / row.filename,))
    for name, each in zip(("mild", "strong"), tensors, strict=True):
        path = tmp_path / f"{name}.safetensors"
        save_file(each, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(Checkpoint(name=name, filename=path.name, sha256=sha256, licence="CC0"))
    rows[1] = dataclasses.replace(rows[1], soft="mild", strength=0.75)
    monkeypatch.setattr(catalogue, "CATALOGUE", tuple(rows))
    return tensors


@pytest.mark.parametrize(
    ("strength", "share"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0), (None, 0.75)]
)
def test_strength_blends_every_weight(
    strength: float | None, share: float, partners: tuple[Tensors, Tensors]
) -> None:
    """0 is the soft partner, 1 the network itself; left out, it is the catalogue's."""
    mild, strong = partners
    loaded = load_checkpoint("strong", strength=strength)
    for name, tensor in loaded.state_dict.items():
        expected = mild[name] + share * (strong[name] - mild[name])
        torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-6)
    built = load_network("strong", strength=strength).state_dict()
    assert_same(built, loaded.state_dict)
    assert loaded.identity.get("strength", 1.0) == share


def test_strength_tells_runs_apart(partners: tuple[Tensors, Tensors]) -> None:
    """Two strengths are two networks to whoever goes on with a run; 1 is the plain one."""
    found = [load_checkpoint("strong", strength=value).identity for value in (0, 0.5, 1)]
    assert len({str(each) for each in found}) == 3
    assert found[2] == {"sha256": find("strong").sha256}
    assert found[1]["sha256 at strength 0"] == find("mild").sha256


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_strength_has_a_range(strength: float, partners: tuple[Tensors, Tensors]) -> None:
    """From 0 to 1."""
    with pytest.raises(UsageError, match="between 0 and 1"):
        load_checkpoint("strong", strength=strength)


def test_strength_without_a_partner_is_refused(
    partners: tuple[Tensors, Tensors], tmp_path: Path
) -> None:
    """A network that has none, or a file: one line that says which have."""
    for name in ("mild", str(tmp_path / "strong.safetensors")):
        with pytest.raises(UsageError, match="no softer partner") as caught:
            load_checkpoint(name, strength=0.5)
        assert "-n strong" in str(caught.value.hint)


def test_partners_of_different_sizes_are_an_error(
    partners: tuple[Tensors, Tensors], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cannot be of one start."""
    save_file(weights(3), tmp_path / "mild.safetensors")
    sha256 = hashlib.sha256((tmp_path / "mild.safetensors").read_bytes()).hexdigest()
    rows = (dataclasses.replace(find("mild"), sha256=sha256), find("strong"))
    monkeypatch.setattr(catalogue, "CATALOGUE", rows)
    with pytest.raises(WeightsError, match="cannot be blended"):
        load_checkpoint("strong", strength=0.5)


# ---- Reading ----


def legacy_bytes(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


WRAPPINGS: dict[str, Callable[[Tensors], Any]] = {
    "plain": lambda tensors: tensors,
    "params": lambda tensors: {"params": tensors},
    "params_ema": lambda tensors: {"params_ema": tensors},
    "both": lambda tensors: {
        "params": {key: value + 1 for key, value in tensors.items()},
        "params_ema": tensors,
    },
    "parallel": lambda tensors: {f"module.{key}": value for key, value in tensors.items()},
    "parameters": lambda tensors: {k: torch.nn.Parameter(v) for k, v in tensors.items()},
    "training state": lambda tensors: {"params": tensors, "iter": 7, "lr": [2e-4]},
}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".PTH"])
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_wrapping_gives_the_same_tensors(wrapping: str, suffix: str, tmp_path: Path) -> None:
    """Plain, BasicSR's (EMA first) and DataParallel's files hold the same checkpoint."""
    path = write_pth(tmp_path / f"x{suffix}", WRAPPINGS[wrapping](weights()))
    loaded = load_checkpoint(str(path))
    assert_same(loaded.state_dict, weights())
    assert not any(tensor.requires_grad for tensor in loaded.state_dict.values())
    assert (loaded.name, loaded.path) == (path.name, path)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_of_old_torch_are_read(tmp_path: Path) -> None:
    """The format before torch 1.6 is read without a word."""
    path = tmp_path / "old.pth"
    path.write_bytes(legacy_bytes(weights()))
    assert_same(load_checkpoint(path).state_dict, weights())


@settings(max_examples=12, deadline=None)
@given(
    num_feat=st.integers(1, 6),
    num_block=st.tuples(*[st.integers(1, 3)] * 3).map(lambda b: tuple(sorted(b, reverse=True))),
)
def test_the_size_is_read_from_the_tensors(
    tmp_path_factory: pytest.TempPathFactory, num_feat: int, num_block: tuple[int, int, int]
) -> None:
    """Any size of the network comes back, and fits a network of the size that was read."""
    path = tmp_path_factory.mktemp("sizes") / "any.safetensors"
    save_file(weights(num_feat, num_block), path)
    loaded = load_checkpoint(path)
    assert loaded.network.config == {"num_feat": num_feat, "num_block": num_block}
    assert_same(dict(loaded.build().state_dict()), weights(num_feat, num_block))


def test_the_authors_tensors_are_of_the_released_size(golden: Path) -> None:
    """The names and shapes with which the authors' own code was run are accepted."""
    loaded = load_checkpoint(golden / "msrswvsr_weights.safetensors")
    assert loaded.network.config == RELEASED_SIZE


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_precisions_become_fp32(dtype: torch.dtype, suffix: str, tmp_path: Path) -> None:
    """Every floating-point file is read as fp32, value by value."""
    stored = {key: tensor.to(dtype) for key, tensor in weights().items()}
    path = tmp_path / f"x{suffix}"
    if suffix == ".pth":
        write_pth(path, stored)
    else:
        save_file(stored, path)
    assert_same(load_checkpoint(path).state_dict, stored)


class Dangerous:
    """A pickle of this makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("form", ["torch", "torch legacy", 0, 2, 3, 4, 5])
def test_code_in_a_checkpoint_is_refused_and_never_run(form: str | int, tmp_path: Path) -> None:
    """A pickle with a function call ends in code 6, whatever its form, and nothing was called."""
    marker, path = tmp_path / "was-run", tmp_path / "evil.pth"
    content = {**weights(), "extra": Dangerous(marker)}
    if isinstance(form, int):
        path.write_bytes(pickle.dumps({"extra": Dangerous(marker)}, protocol=form))
    else:
        path.write_bytes(torch_bytes(content) if form == "torch" else legacy_bytes(content))
    with pytest.raises(WeightsError, match=r"evil\.pth") as caught:
        load_checkpoint(path)
    assert caught.value.exit_code == ExitCode.WEIGHTS
    assert not marker.exists()
    pickle.loads(pickle.dumps(Dangerous(marker)))
    assert marker.exists(), "the pickle would not have done anything"


def test_the_refused_object_is_named(tmp_path: Path) -> None:
    """The line says what was found in the file and is one line."""
    path = write_pth(tmp_path / "x.pth", {"extra": Dangerous(tmp_path / "was-run")})
    with pytest.raises(WeightsError, match=r"posix\.mkdir.*refused") as caught:
        load_checkpoint(path)
    assert "\n" not in caught.value.message


def test_torch_load_is_always_weights_only() -> None:
    """Every call of torch.load in the package says weights_only=True and map_location="cpu"."""
    calls = []
    for file in Path(animesr_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                calls.append({word.arg: ast.unparse(word.value) for word in node.keywords})
    assert calls
    assert all(call == {"map_location": "'cpu'", "weights_only": "True"} for call in calls)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("part", [0.0, 0.001, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(part: float, suffix: str, tmp_path: Path) -> None:
    """A file that ends anywhere before its end is code 6 and one line with its name."""
    path = tmp_path / f"cut{suffix}"
    if suffix == ".pth":
        write_pth(path, weights())
    else:
        save_file(weights(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(WeightsError, match=f"cut{suffix}") as caught:
        load_checkpoint(path)
    assert "\n" not in caught.value.message


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), form=st.sampled_from(["zip", "legacy", "safetensors"]))
def test_damage_is_never_more_than_an_error_of_the_weights(
    data: st.DataObject, form: str, tmp_path: Path
) -> None:
    """Bytes flipped in the header or anywhere else: the file loads, finite, or ends in code 6."""
    path = tmp_path / ("x.safetensors" if form == "safetensors" else "x.pth")
    if form == "safetensors":
        save_file(weights(), path)
    else:
        path.write_bytes(torch_bytes(weights()) if form == "zip" else legacy_bytes(weights()))
    content = bytearray(path.read_bytes())
    places = st.integers(0, 3000) | st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        loaded = load_checkpoint(path)
    except WeightsError:
        return
    assert all(bool(tensor.isfinite().all()) for tensor in loaded.state_dict.values())


BODY = "recurrent_cell.body_s2_first.0.conv1.weight"
FUSION = "recurrent_cell.fusion.2.weight"


def edited(**changes: Tensor | None) -> Tensors:
    """The toy's tensors with some replaced, added, or (None) removed; __ stands for a dot."""
    tensors = weights()
    for name, tensor in changes.items():
        key = name.replace("__", ".")
        tensors.pop(key, None)
        if tensor is not None:
            tensors[key] = tensor
    return tensors


def dunder(key: str) -> str:
    return key.replace(".", "__")


WRONG: dict[str, tuple[Tensors, str]] = {
    "missing": (edited(**{dunder(FUSION): None}), rf"no tensor {FUSION}"),
    "shape": (edited(**{dunder(BODY): torch.zeros(2, 3, 3, 3)}), rf"{BODY} is \(2, 3, 3, 3\)"),
    "unknown": (edited(spy__weight=torch.zeros(3)), r"a tensor spy\.weight"),
    "integers": (
        edited(**{dunder(FUSION): weights()[FUSION].to(torch.int8)}),
        rf"{FUSION} is no plain floating-point tensor",
    ),
    "nan": (edited(**{dunder(BODY): torch.full((2, 2, 3, 3), torch.nan)}), f"{BODY} holds NaN"),
    "infinite": (edited(**{dunder(BODY): torch.full((2, 2, 3, 3), -torch.inf)}), BODY),
    "too large": (
        edited(**{dunder(BODY): torch.full((2, 2, 3, 3), 1e300, dtype=torch.float64)}),
        BODY,
    ),
    "a degradation operator": (
        {"main.0.weight": torch.zeros(64, 12, 3, 3)},
        r"no network that is known here: it has a tensor main\.0\.weight",
    ),
    "no coarse blocks": (
        {key: value for key, value in weights().items() if "body_s4" not in key},
        r"no tensor recurrent_cell\.body_s4_first\.0\.conv1\.weight",
    ),
    "a gap between blocks": (
        {k.replace("s1_first.0.conv", "s1_first.9.conv"): v for k, v in weights().items()},
        r"no tensor recurrent_cell\.body_s1_first\.0\.conv1\.weight",
    ),
    "more coarse blocks": (
        {**weights(), "recurrent_cell.body_s4_first.1.conv1.bias": torch.zeros(2)},
        "coarser scales cannot have more",
    ),
    "a scalar where a kernel belongs": (
        edited(recurrent_cell__conv_s1_first__0__weight=torch.tensor(1.0)),
        r"has the shape \(\)",
    ),
    "empty": ({}, "no tensors by name"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", WRONG)
def test_the_first_bad_tensor_is_named(kind: str, suffix: str, tmp_path: Path) -> None:
    """Whatever is wrong with names, shapes or values: code 6, the file, and the tensor."""
    tensors, pattern = WRONG[kind]
    path = tmp_path / f"wrong{suffix}"
    if suffix == ".pth":
        write_pth(path, tensors)
    else:
        save_file(tensors, path)
    with pytest.raises(WeightsError, match=pattern) as caught:
        load_checkpoint(path)
    assert str(path) in caught.value.message


ODD: dict[str, object] = {
    "list": [torch.zeros(1)],
    "a tensor": torch.zeros(1),
    "numbers": {"a": 1.0},
    "numbered": {0: torch.zeros(1)},
    "nested": {"params": {"params": weights()}},
    "no mapping inside": {"params_ema": 3},
    "sparse": {**weights(), FUSION: weights()[FUSION].to_sparse()},
    "without data": {**weights(), FUSION: weights()[FUSION].to("meta")},
    "complex": {**weights(), FUSION: weights()[FUSION].to(torch.complex64)},
    "huge by stride": edited(
        recurrent_cell__conv_s1_first__0__weight=torch.zeros(1).expand(10**9, 57 + 10**9, 3, 3)
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_other_contents_of_a_pth_are_refused(kind: str, tmp_path: Path) -> None:
    """What loads safely but holds no plain tensors by name is code 6 as well."""
    with pytest.raises(WeightsError, match=r"odd\.pth"):
        load_checkpoint(write_pth(tmp_path / "odd.pth", ODD[kind]))


def test_a_path_that_is_no_file_is_named(tmp_path: Path) -> None:
    """A missing file, a folder and a foreign suffix each end in code 6 with the path."""
    with pytest.raises(WeightsError, match=r"nothing\.pth does not exist"):
        load_checkpoint(str(tmp_path / "nothing.pth"))
    for name in ("no/such/model", "x" * 5000 + ".pth", "nul\0.pth"):
        with pytest.raises(WeightsError, match="does not exist"):
            load_checkpoint(name)
    with pytest.raises(UsageError):
        load_checkpoint("x" * 5000)
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(WeightsError, match=r"folder\.pth is not a file"):
        load_checkpoint(tmp_path / "folder.pth")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(WeightsError, match=r"notes\.txt does not end in one of \.safetensors"):
        load_checkpoint(tmp_path / "notes.txt")


# ---- A network with its weights ----


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
def test_a_network_is_loaded_ready_to_run(dtype: torch.dtype | None, tmp_path: Path) -> None:
    """`load_network` gives the checkpoint's network, fp32 unless asked otherwise, to evaluate."""
    path = write_pth(tmp_path / "x.pth", weights())
    random_state = torch.get_rng_state()
    network = load_network(path) if dtype is None else load_network(path, "cpu", dtype)
    assert torch.equal(torch.get_rng_state(), random_state), "a user's random numbers changed"
    assert not network.training
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, weights()[key].to(dtype or torch.float32))
    clip = torch.rand(1, 2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        result = network(clip)
    assert result.shape == (1, 2, 3, 20, 28)
    if dtype != torch.bfloat16:
        expected = MSRB(2, (1, 1, 1)).eval()
        expected.load_state_dict(weights())
        assert torch.equal(result, expected(clip))


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_code_7(device: str) -> None:
    """A network cannot be loaded onto a device that this machine lacks."""
    with pytest.raises(DeviceError, match=device):
        load_network("base", device)


@pytest.mark.network
@pytest.mark.parametrize("name", ["v1", "v2"])
@pytest.mark.parametrize("source", ["hub", "plain"])
def test_the_released_checkpoints_can_be_had(
    name: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source of the internet has the catalogue's bytes, and they are of the released size."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("ANIMESR_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(catalogue, "CATALOGUE", (with_only(source, find(name)),))
    loaded = load_checkpoint(name, warn=lambda note: None)
    assert loaded.network.config == RELEASED_SIZE
    assert loaded.path.stat().st_size == find(name).size_bytes or find(name).size_bytes is None
