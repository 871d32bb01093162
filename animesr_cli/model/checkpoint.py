"""Checkpoints: the catalogue, where its files are, how they are fetched, verified and read.

A checkpoint is named by the catalogue or is a path to a ``.safetensors`` or ``.pth`` file. What the
catalogue names is hashed before every load: the hub's client does not check what it received, nor
what somebody did to its cache since. Nothing here knows devices, precision or video.

Sources: the authors publish v1 and v2 on Google Drive only (https://github.com/TencentARC/AnimeSR);
both mirrors below carry the same bytes.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import io
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from errno import EACCES, EDQUOT, EEXIST, EFBIG, ENOSPC, ENOTDIR, EPERM, EROFS
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from animesr_cli.errors import (
    AnimesrError,
    DeviceError,
    DiskFullError,
    DownloadError,
    UsageError,
    WeightsError,
)
from animesr_cli.model.tensor_file import SUFFIXES, read_bytes, tensors_of, to_float32
from animesr_cli.settings.limits import NETWORK_SCALE

if TYPE_CHECKING:
    # torch, the network and the hub's client are imported where they are used: `animesr models`
    # and the help need none of them, and torch alone takes two seconds.
    import torch
    from torch import Tensor

    from animesr_cli.model.network import Network

logger = logging.getLogger(__name__)
Warn = Callable[[str], None]

URL_TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 18
STORAGE_ERRNOS = frozenset({ENOSPC, EDQUOT, EFBIG, EROFS, EACCES, EPERM, ENOTDIR, EEXIST})
"""What the system answers where a file cannot be kept: full, over quota, read-only, no folder."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One row of the catalogue; without a hub repository and a URL it is shipped."""

    name: str
    kind: Literal["network", "operator"] = "network"
    """What it is of: one that upscales, or one that degrades (LBO)."""
    filename: str
    """In the hub's repository, in the cache and among the shipped weights."""
    sha256: str
    licence: str
    size_bytes: int | None = None
    """Where it is known."""
    scale: int = NETWORK_SCALE
    note: str = ""
    """One sentence that is said when the file is downloaded."""
    hub_repo: str | None = None
    url: str | None = None
    """The second source, plain HTTPS."""

    @property
    def shipped(self) -> bool:
        return self.hub_repo is None and self.url is None


_RELEASED_LICENCE = "none stated; trained on non-commercial academic data"
_RELEASED_NOTE = (
    "{} carries no licence text of its own; it was trained on the AVC data set, which is for"
    " non-commercial academic use."
)
_RELEASED_URL = "https://github.com/EutropicAI/cccv/releases/download/model_zoo/"

CATALOGUE: tuple[Checkpoint, ...] = (
    Checkpoint(
        name="base",
        filename="base.safetensors",
        sha256="4e69aac1df6714e923629d86b7f881ae4d8a25c70ba76102b090ec36781a2024",
        size_bytes=2_002_512,
        licence="Apache-2.0 AND BSD-3-Clause",
    ),
    Checkpoint(
        name="basicop",
        filename="basicop.safetensors",
        sha256="552cd2f4fd8821d64c3f598a677daf71edc5dde7caba9259a08ea8c344511541",
        size_bytes=3_007_520,
        licence="Apache-2.0",
    ),
    Checkpoint(
        name="lbo-stream",
        kind="operator",
        filename="lbo-stream.safetensors",
        sha256="a8508ee9492c34a9c9ee93f010095e60d7f9b745455dc9d2b08c53c984a704e5",
        size_bytes=126_582,
        licence="Apache-2.0",
    ),
    Checkpoint(
        name="lbo-hd",
        kind="operator",
        filename="lbo-hd.safetensors",
        sha256="2a34c393405c5ec06e8957efd1590272e3c9445838186991bc647a90ceb1d991",
        size_bytes=126_630,
        licence="Apache-2.0",
    ),
    Checkpoint(
        name="lbo-dvd",
        kind="operator",
        filename="lbo-dvd.safetensors",
        sha256="b9898e1da84cd750033f7de71072afde08ec67d41d06fb4e5e194f8841a82da2",
        size_bytes=126_582,
        licence="Apache-2.0",
    ),
    Checkpoint(
        name="v1",
        filename="AnimeSR_v1-PaperModel.pth",
        sha256="915ef7f0f7067f04219516b50e88c362581300e48902e3b7f540650e32a20c10",
        licence=_RELEASED_LICENCE,
        note=_RELEASED_NOTE.format("v1"),
        hub_repo="kadirnar/AnimeSR_Paper_Model",
        url=_RELEASED_URL + "AnimeSR_v1_PaperModel_4x.pth",
    ),
    Checkpoint(
        name="v2",
        filename="AnimeSR_v2.pth",
        sha256="d0f29c8966b53718828bd424bbdc306e7ff0cbf6350beadaf8b5b2500b108548",
        size_bytes=5_996_559,
        licence=_RELEASED_LICENCE,
        note=_RELEASED_NOTE.format("v2"),
        hub_repo="kadirnar/AnimeSR_v2",
        url=_RELEASED_URL + "AnimeSR_v2_4x.pth",
    ),
)


RETIRED: Mapping[str, str] = {"base-sharp": "base, which is sharper and does not overdo it"}
"""Names that the catalogue once had, and what to use instead."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """What `animesr models` says about one checkpoint."""

    checkpoint: Checkpoint
    path: Path | None
    """The file that would be loaded or, where none is intact, a damaged one."""
    intact: bool
    """Its sha256 is the catalogue's."""
    size_bytes: int | None

    @property
    def where(self) -> str:
        if self.path is None:
            return "missing, reinstall" if self.checkpoint.shipped else "not downloaded"
        return str(self.path) if self.intact else f"damaged: {self.path}"


@dataclass(frozen=True, kw_only=True)
class LoadedCheckpoint:
    """The weights of a network, whole and checked."""

    name: str
    """The catalogue's name, or the file's."""
    path: Path
    sha256: str
    network: Network
    """Of the right kind and size, on the meta device: it has no weights."""
    state_dict: dict[str, Tensor]
    """fp32, on the CPU, all finite; by the names of ``network``."""

    def build(self) -> Network:
        """A network of its own with these weights, fp32, on the CPU, in evaluation mode."""
        network = copy.deepcopy(self.network)  # without drawing random weights first
        own = {name: tensor.clone() for name, tensor in self.state_dict.items()}
        network.load_state_dict(own, strict=True, assign=True)
        return network.eval()


# ---- Names and places ----


def find(name: str) -> Checkpoint:
    """The catalogue's row of that name."""
    names = [checkpoint.name for checkpoint in CATALOGUE]
    if name in names:
        return CATALOGUE[names.index(name)]
    if name in RETIRED:
        raise UsageError(f"the model {name} is retired", f"use {RETIRED[name]}")
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    nearest = f"did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"no model is called {name!r}",
        f"{nearest}The names are {', '.join(names)}; a path to a {' or '.join(SUFFIXES[:2])} file"
        " works too",
    )


def cache_folder() -> Path:
    """``ANIMESR_HOME``, else ``$XDG_CACHE_HOME/animesr``, else ``~/.cache/animesr``."""
    if home := os.environ.get("ANIMESR_HOME"):
        return Path(os.path.expanduser(home)).absolute()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is invalid and ignored.
    base = xdg if os.path.isabs(xdg) else os.path.expanduser("~/.cache")
    return Path(base) / "animesr"


def _own_path(checkpoint: Checkpoint) -> Path:
    """Where the second source's file goes, and where a user may put the file by hand."""
    return cache_folder() / "checkpoints" / checkpoint.filename


def _shipped_paths(checkpoint: Checkpoint) -> tuple[Path, ...]:
    """Inside the installed package, or beside it in a source checkout."""
    package = Path(__file__).resolve().parents[1]
    return tuple(folder / "weights" / checkpoint.filename for folder in (package, package.parent))


def _hub_path(checkpoint: Checkpoint) -> Path | None:
    if checkpoint.hub_repo is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(checkpoint.hub_repo, checkpoint.filename)
    except OSError as error:
        logger.info("the hub's cache cannot be read: %s", error)
        return None
    return Path(cached) if isinstance(cached, str) else None


def _files(checkpoint: Checkpoint) -> list[Path]:
    """Every file on this machine that goes by the checkpoint's name, intact or not."""
    if checkpoint.shipped:
        places: tuple[Path | None, ...] = _shipped_paths(checkpoint)
    else:
        places = (_own_path(checkpoint), _hub_path(checkpoint))
    return [place for place in places if place is not None and os.path.isfile(place)]


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_intact(path: Path, checkpoint: Checkpoint) -> bool:
    try:
        return sha256_of(path) == checkpoint.sha256
    except OSError as error:
        logger.info("%s cannot be read: %s", path, error)
        return False


def status(checkpoint: Checkpoint) -> Status:
    """Where a checkpoint is; reads and hashes local files, never the network."""
    files = _files(checkpoint)
    intact = [path for path in files if _is_intact(path, checkpoint)]
    path = next(iter(intact or files), None)
    size_bytes = path.stat().st_size if path and intact else checkpoint.size_bytes
    return Status(checkpoint=checkpoint, path=path, intact=bool(intact), size_bytes=size_bytes)


# ---- Fetching ----


class _WrongBytesError(Exception):
    """A source gave a file that is not the catalogue's."""


def _verified(path: Path, checkpoint: Checkpoint) -> Path:
    if sha256_of(path) != checkpoint.sha256:
        raise _WrongBytesError("the sha256 of the file is not the catalogue's")
    return path


def _bar_class(*, hidden: bool) -> Any:
    """tqdm's bar: on a terminal only, as the hub's client has it, or never."""
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    class Bar(tqdm):  # type: ignore[misc,unused-ignore]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": hidden or None})

    return Bar


def _from_hub(checkpoint: Checkpoint, *, force: bool, progress: bool) -> Path:
    """Through the hub's client, into the hub's cache, with its progress bar."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

    assert checkpoint.hub_repo is not None
    # The client reads the variable at its import; a caller may have set it since.
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
    # For a file that it has not cached the client asks a dead hub for minutes (six times, 60 s
    # each); this asks once, so that the second source gets its turn soon.
    url = hf_hub_url(checkpoint.hub_repo, checkpoint.filename, endpoint=endpoint)
    get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT, endpoint=endpoint)
    path = hf_hub_download(
        checkpoint.hub_repo,
        checkpoint.filename,
        endpoint=endpoint,
        force_download=force,
        tqdm_class=None if progress else _bar_class(hidden=True),
    )
    return _verified(Path(path), checkpoint)


def _from_url(checkpoint: Checkpoint, *, force: bool, progress: bool) -> Path:
    """By plain HTTPS into our own cache; only a file with the right hash gets its name."""
    import urllib.error
    import urllib.request

    assert checkpoint.url is not None
    target = _own_path(checkpoint)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    request = urllib.request.Request(checkpoint.url, headers={"User-Agent": "animesr-cli"})
    # Not urlopen: its shared opener keeps the proxies that were set at its first use.
    opener = urllib.request.build_opener()
    try:
        with (
            opener.open(request, timeout=URL_TIMEOUT_SECONDS) as response,
            part.open("xb") as file,
        ):
            _copy_body(response, file, checkpoint.filename, progress)
            file.flush()
            os.fsync(file.fileno())
        os.replace(_verified(part, checkpoint), target)
    except urllib.error.HTTPError as error:
        error.close()  # it is the response, with its connection
        raise
    finally:
        part.unlink(missing_ok=True)
    return target


def _copy_body(response: Any, file: io.BufferedWriter, title: str, progress: bool) -> None:
    """Copy a response of http.client, which does not notice by itself that the end is missing."""
    length = response.headers.get("Content-Length")
    total = int(length) if length else None
    received = 0
    bar_class = _bar_class(hidden=not progress)
    with bar_class(total=total, desc=title, unit="B", unit_scale=True) as bar:
        while chunk := response.read(CHUNK_BYTES):
            received += file.write(chunk)
            bar.update(len(chunk))
    if total is not None and received != total:
        raise ConnectionError(f"the connection ended after {received} of {total} bytes")


def _cause(error: Exception) -> str:
    """The shortest true sentence about a failed request, whichever client raised it."""
    response = getattr(error, "response", None)  # the hub's client
    code = getattr(response, "status_code", None) or getattr(error, "code", None)  # urllib
    if isinstance(code, int):
        known = code in HTTPStatus.__members__.values()
        return f"HTTP {code} {HTTPStatus(code).phrase}" if known else f"HTTP {code}"
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError) or "Timeout" in type(error).__name__:
        return "no answer in time"
    lines = str(reason).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _by_hand(checkpoint: Checkpoint) -> str:
    return (
        f"run 'animesr download {checkpoint.name}' where there is a network; or fetch"
        f" {checkpoint.url or checkpoint.hub_repo} yourself and put it at {_own_path(checkpoint)},"
        " or give its path as the model"
    )


def _failure(checkpoint: Checkpoint, failures: list[tuple[str, Exception]]) -> AnimesrError:
    """The one error for everything that was tried."""
    told = "; ".join(dict.fromkeys(f"{source}: {_cause(error)}" for source, error in failures))
    errors = [error for _, error in failures]
    if any(isinstance(error, OSError) and error.errno in STORAGE_ERRNOS for error in errors):
        return DiskFullError(
            f"the file of model {checkpoint.name} cannot be stored ({told})",
            "free some space, or let HF_HOME and ANIMESR_HOME name folders that can be written",
        )
    if any(isinstance(error, _WrongBytesError) for error in errors):
        return WeightsError(
            f"no intact file of model {checkpoint.name} could be had ({told})",
            f"try 'animesr download {checkpoint.name} --force' again later or on another network",
        )
    return DownloadError(
        f"model {checkpoint.name} could not be downloaded ({told})",
        f"try again later, or {_by_hand(checkpoint)}",
    )


def _fetch(
    checkpoint: Checkpoint, damaged: Path | None, *, force: bool, warn: Warn, progress: bool
) -> Path:
    """From the first source that gives the catalogue's bytes; wrong ones are fetched once more."""
    if checkpoint.note:
        warn(checkpoint.note)
    failures: list[tuple[str, Exception]] = []
    if damaged is not None:
        failures.append((str(damaged), _WrongBytesError("the file on this machine is damaged")))
    sources = [(f"hub {checkpoint.hub_repo}", _from_hub)] if checkpoint.hub_repo else []
    sources += [(checkpoint.url, _from_url)] if checkpoint.url else []
    for source, fetch in sources:
        for again in (True,) if force or damaged else (False, True):
            try:
                return fetch(checkpoint, force=again, progress=progress)
            except AnimesrError:
                raise  # a signal handler's Interrupted
            except _WrongBytesError as error:
                failures.append((source, error))
            except Exception as error:
                # The hub's client raises httpx, httpx2, xet, OSError or ValueError by version and
                # fault; every one of them means that this source has failed.
                logger.info("%s failed", source, exc_info=True)
                failures.append((source, error))
                break
    raise _failure(checkpoint, failures) from failures[-1][1]


def _is_offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _obtain(
    checkpoint: Checkpoint, *, fetch: bool, force: bool, warn: Warn, progress: bool
) -> Path | None:
    """The intact file of a checkpoint, fetched if need be; None where fetching is not allowed."""
    found = status(checkpoint)
    if checkpoint.shipped:
        if found.path is not None and found.intact:
            return found.path
        state = "damaged" if found.path else "missing"
        raise WeightsError(
            f"the shipped checkpoint {checkpoint.filename} is {state}",
            "reinstall: pip install --force-reinstall animesr-cli",
        )
    if found.path is not None and found.intact and not force:
        return found.path
    if not fetch:
        return None
    damaged = None if found.intact else found.path
    return _fetch(checkpoint, damaged, force=force, warn=warn, progress=progress)


def download(
    names: Iterable[str],
    *,
    force: bool = False,
    warn: Warn = logger.warning,
    progress: bool = True,
) -> list[Path]:
    """Fetch checkpoints by name; what is here and intact is left alone unless ``force``."""
    paths = []
    for checkpoint in [find(name) for name in names]:
        path = _obtain(
            checkpoint, fetch=not _is_offline(), force=force, warn=warn, progress=progress
        )
        if path is None:
            raise DownloadError(
                f"model {checkpoint.name} cannot be downloaded: HF_HUB_OFFLINE is set",
                f"unset it, or {_by_hand(checkpoint)}",
            )
        paths.append(path)
    return paths


# ---- Reading ----


def _is_path(name_or_path: str | Path) -> bool:
    """Names of the catalogue first; then whatever looks like a file or is one."""
    if isinstance(name_or_path, Path):
        return True
    if any(name_or_path == checkpoint.name for checkpoint in CATALOGUE):
        return False
    has_folder = os.sep in name_or_path or "/" in name_or_path
    # os.path: unlike Path.exists, it takes a name that is too long or forbidden as absent.
    known = Path(name_or_path).suffix.lower() in SUFFIXES or os.path.exists(name_or_path)
    return has_folder or known


def locate(
    name_or_path: str | Path,
    *,
    download: bool = True,
    warn: Warn = logger.warning,
    progress: bool = True,
) -> Path:
    """The file of a checkpoint; the catalogue's are hashed and, where allowed, downloaded."""
    if _is_path(name_or_path):
        path = Path(os.path.expanduser(name_or_path))
        if not os.path.isfile(path):
            state = "is not a file" if os.path.exists(path) else "does not exist"
            raise WeightsError(f"the checkpoint {path} {state}")
        return path
    checkpoint = find(str(name_or_path))
    allowed = download and (checkpoint.shipped or not _is_offline())
    found = _obtain(checkpoint, fetch=allowed, force=False, warn=warn, progress=progress)
    if found is None:
        why = " and HF_HUB_OFFLINE is set" if download else ""
        raise WeightsError(
            f"no intact file of model {checkpoint.name} is on this machine{why}",
            _by_hand(checkpoint),
        )
    return found


def load_tensors(name_or_path: str | Path) -> tuple[dict[str, Tensor], str]:
    """Every tensor of a file by name, fp32, finite and on the CPU; and the file's sha256."""
    path = locate(name_or_path)
    data = read_bytes(path)
    tensors = tensors_of(data, path)
    floats = {key: to_float32(key, tensor, path) for key, tensor in tensors.items()}
    return floats, hashlib.sha256(data).hexdigest()


def load_checkpoint(
    name_or_path: str | Path,
    *,
    download: bool = True,
    warn: Warn = logger.warning,
    progress: bool = True,
) -> LoadedCheckpoint:
    """Find, verify and read a checkpoint; what is verified is what is read, byte by byte."""
    from animesr_cli.model.recognise import recognise

    path = locate(name_or_path, download=download, warn=warn, progress=progress)
    data = read_bytes(path)
    sha256 = hashlib.sha256(data).hexdigest()
    name = path.name
    if not _is_path(name_or_path):
        name = str(name_or_path)
        if sha256 != find(name).sha256:
            raise WeightsError(f"{path} changed while it was read", "try again")
    network, tensors = recognise(tensors_of(data, path), path)
    return LoadedCheckpoint(
        name=name,
        path=path,
        sha256=sha256,
        network=network,
        state_dict={key: to_float32(key, tensor, path) for key, tensor in tensors.items()},
    )


def load_network(
    name_or_path: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
) -> Network:
    """The network of a checkpoint, ready to run.

    Args:
        name_or_path: a name of the catalogue, downloaded at first use, or a path.
        device: where its parameters go.
        dtype: of its parameters; None is torch.float32.

    Returns:
        A module in evaluation mode: ``net(clip)`` maps (N, T, 3, H, W) RGB in [0, 1] to
        (N, T, 3, sH, sW), not clamped; s is ``net.scale``.
    """
    network = load_checkpoint(name_or_path).build()
    try:
        return network.to(device=device, dtype=dtype).eval()
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch without CUDA
        raise DeviceError(f"the device {device} cannot be used: {_cause(error)}") from error
