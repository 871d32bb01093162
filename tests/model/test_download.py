"""Fetching: from where, what is verified, what is left behind, and what is put there by hand."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from animesr_cli.errors import (
    DiskFullError,
    DownloadError,
    ExitCode,
    Interrupted,
    UsageError,
    WeightsError,
)
from animesr_cli.model import catalogue
from animesr_cli.model import download as download_module
from animesr_cli.model.catalogue import Checkpoint, find
from animesr_cli.model.checkpoint import load_checkpoint, locate
from animesr_cli.model.download import download, models_folder, status, user_files
from loopback_hub import COMMIT, Fault, LoopbackHub
from weight_files import assert_same, closed_port, torch_bytes, weights, write_pth

REPO = "someone/upscaler"
FILENAME = "upscaler.pth"
NOTE = "toy is for tests only."
CUT = 5_000
"""A byte well inside the toy file."""


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
@pytest.mark.parametrize("barrier", ["rights", "circle"])
def test_a_cache_that_cannot_be_read_is_code_6(
    barrier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without the right to look into it, or a link to itself, is no full disk."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    folder = own_file(tmp_path).parent
    if barrier == "circle":
        folder.parent.mkdir()
        folder.symlink_to(folder.name)
    else:
        folder.mkdir(parents=True)
        folder.chmod(0)
        if os.access(folder, os.R_OK):
            pytest.skip("rights do not bar root")
    try:
        with pytest.raises(WeightsError, match="cannot be read here") as caught:
            download(["toy"], warn=lambda note: None)
    finally:
        if barrier == "rights":
            folder.chmod(0o700)
    assert caught.value.exit_code == ExitCode.WEIGHTS
    assert str(own_file(tmp_path)) in caught.value.message
    assert "ANIMESR_HOME" in str(caught.value.hint)


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
    if source == "plain":  # what the killed one left in our own cache is gone
        assert leftovers(tmp_path / "own") == [path]


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
    assert_same(load_checkpoint("toy").state_dict, weights())
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
    hub: LoopbackHub, toy: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalogue's under the file's name or its own, hashed; a user's under any other."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = models_folder()
    folder.mkdir(parents=True)
    (folder / "toy.pth").write_bytes(hub.files[FILENAME])
    assert load_checkpoint("toy").path == folder / "toy.pth"
    (folder / "toy.pth").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="no intact file"):
        load_checkpoint("toy")
    write_pth(folder / "Mine.pth", weights())
    for name in ("Mine", "Mine.pth"):
        assert load_checkpoint(name).path == folder / "Mine.pth"
    assert user_files() == [folder / "Mine.pth"]
    assert hub.requests == []


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
    assert loaded.network.config == {"num_feat": 64, "num_block": (5, 3, 2)}
    assert loaded.path.stat().st_size == find(name).size_bytes or find(name).size_bytes is None
