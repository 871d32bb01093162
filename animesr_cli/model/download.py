"""Where checkpoints are on this machine, and how those of the catalogue are fetched and verified.

What the catalogue names is hashed before every load: the hub's client does not check what it
received, nor what somebody did to its cache since.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from errno import EACCES, EDQUOT, EEXIST, EFBIG, ENOSPC, ENOTDIR, EPERM, EROFS
from http import HTTPStatus
from pathlib import Path
from typing import Any

from animesr_cli import places
from animesr_cli.errors import (
    AnimesrError,
    DiskFullError,
    DownloadError,
    Warn,
    WeightsError,
)
from animesr_cli.file_hash import sha256_of
from animesr_cli.model import catalogue
from animesr_cli.model.catalogue import Checkpoint, find
from animesr_cli.model.tensor_file import SUFFIXES, why_unreadable

logger = logging.getLogger(__name__)
URL_TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 18
STORAGE_ERRNOS = frozenset({ENOSPC, EDQUOT, EFBIG, EROFS, EACCES, EPERM, ENOTDIR, EEXIST})
"""What the system answers where a file cannot be kept: full, over quota, read-only, no folder."""


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


def cache_folder() -> Path:
    """``ANIMESR_HOME``, else where the system keeps caches: ``~/.cache/animesr`` on Linux."""
    if home := os.environ.get("ANIMESR_HOME"):
        return Path(os.path.expanduser(home)).absolute()
    return places.cache_folder()


def models_folder() -> Path:
    """Where fetched files go, and where a user puts files by hand: ``-n NAME`` finds them."""
    return cache_folder() / "checkpoints"


def _own_path(checkpoint: Checkpoint) -> Path:
    return models_folder() / checkpoint.filename


def user_files() -> list[Path]:
    """What lies in the folder of models and is not the catalogue's."""
    known = {row.filename for row in catalogue.CATALOGUE} | {
        row.name + suffix for row in catalogue.CATALOGUE for suffix in SUFFIXES
    }
    try:
        files = sorted(models_folder().iterdir())
    except OSError:
        return []
    return [
        file
        for file in files
        if file.suffix.lower() in SUFFIXES and file.name not in known and file.is_file()
    ]


def user_file(name: str) -> Path | None:
    """The file of a user's own model, by its name with or without the suffix."""
    return next((file for file in user_files() if name in (file.name, file.stem)), None)


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
        put_there = (models_folder() / (checkpoint.name + suffix) for suffix in SUFFIXES)
        places = (_own_path(checkpoint), *put_there, _hub_path(checkpoint))
    return [place for place in places if place is not None and os.path.isfile(place)]


def _pin_path(checkpoint: Checkpoint) -> Path:
    """Where the hash of a file is kept that the catalogue does not know."""
    own = _own_path(checkpoint)
    return own.with_name(own.name + ".sha256")


def expected_sha256(checkpoint: Checkpoint) -> str | None:
    """The catalogue's hash, else that of the first download here; None before that."""
    if checkpoint.sha256 is not None:
        return checkpoint.sha256
    try:
        words = _pin_path(checkpoint).read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return words[0] if words else None


def is_expected(sha256: str, checkpoint: Checkpoint) -> bool:
    """Whether a file with this hash may be taken for the catalogue's."""
    expected = expected_sha256(checkpoint)
    return sha256 == expected if expected else sha256.startswith(checkpoint.sha256_begins)


def _pin(path: Path, checkpoint: Checkpoint, warn: Warn) -> None:
    """Keep the hash of a first download, as `sha256sum` writes it, and say so."""
    if expected_sha256(checkpoint) is None:
        from animesr_cli.atomic_files import write_file

        digest, pin = sha256_of(path), _pin_path(checkpoint)
        pin.parent.mkdir(parents=True, exist_ok=True)
        write_file(pin, f"{digest}  {checkpoint.filename}\n".encode("ascii"))
        warn(
            f"the sha256 of {checkpoint.name} was not known beforehand; it is {digest}, and from "
            f"now on no other is accepted ({pin})"
        )


def _is_intact(path: Path, checkpoint: Checkpoint) -> bool:
    try:
        return is_expected(sha256_of(path), checkpoint)
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
    if not is_expected(sha256_of(path), checkpoint):
        raise _WrongBytesError("the sha256 of the file is not the catalogue's")
    return path


def _from_hub(checkpoint: Checkpoint, force: bool) -> Path:
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
        checkpoint.hub_repo, checkpoint.filename, endpoint=endpoint, force_download=force
    )
    return _verified(Path(path), checkpoint)


def _from_url(checkpoint: Checkpoint, force: bool) -> Path:
    """By plain HTTPS into our own cache; only a file with the right hash gets its name."""
    import urllib.error
    import urllib.request

    from animesr_cli.atomic_files import PartFile  # not above: it brings PyAV, which no list needs

    assert checkpoint.url is not None
    target = _own_path(checkpoint)
    target.parent.mkdir(parents=True, exist_ok=True)
    request = urllib.request.Request(checkpoint.url, headers={"User-Agent": "animesr-cli"})
    # Not urlopen: its shared opener keeps the proxies that were set at its first use.
    opener = urllib.request.build_opener()
    with PartFile(target, alone=False) as part:
        try:
            with opener.open(request, timeout=URL_TIMEOUT_SECONDS) as response:
                _copy_body(response, part.sink, checkpoint.filename)
        except urllib.error.HTTPError as error:
            error.close()  # it is the response, with its connection
            raise
        _verified(part.path, checkpoint)
        part.publish(overwrite=True)
    return target


def _copy_body(response: Any, file: io.FileIO, title: str) -> None:
    """Copy a response of http.client, which does not notice by itself that the end is missing."""
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    length = response.headers.get("Content-Length")
    total = int(length) if length else None
    received = 0
    # disable=None: on a terminal only, as the hub's client has it.
    with tqdm(total=total, desc=title, unit="B", unit_scale=True, disable=None) as bar:
        while chunk := response.read(CHUNK_BYTES):
            received += file.write(chunk)
            bar.update(len(chunk))
    if total is not None and received != total:
        raise ConnectionError(f"the connection ended after {received} of {total} bytes")


def cause(error: Exception) -> str:
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


def by_hand(checkpoint: Checkpoint) -> str:
    return (
        f"run 'animesr download {checkpoint.name}' where there is a network; or fetch"
        f" {checkpoint.url or checkpoint.hub_repo} yourself and put it at {_own_path(checkpoint)},"
        " or give its path as the model"
    )


def _failure(checkpoint: Checkpoint, failures: list[tuple[str, Exception]]) -> AnimesrError:
    """The one error for everything that was tried."""
    causes = "; ".join(dict.fromkeys(f"{source}: {cause(error)}" for source, error in failures))
    errors = [error for _, error in failures]
    if barred := why_unreadable(_own_path(checkpoint)):
        return WeightsError(
            f"the file of model {checkpoint.name} cannot be read here ({barred})",
            "make it readable, or let ANIMESR_HOME name another folder",
        )
    if any(isinstance(error, OSError) and error.errno in STORAGE_ERRNOS for error in errors):
        return DiskFullError(
            f"the file of model {checkpoint.name} cannot be stored ({causes})",
            "free some space, or let HF_HOME and ANIMESR_HOME name folders that can be written",
        )
    if any(isinstance(error, _WrongBytesError) for error in errors):
        return WeightsError(
            f"no intact file of model {checkpoint.name} could be had ({causes})",
            f"try 'animesr download {checkpoint.name} --force' again later or on another network",
        )
    return DownloadError(
        f"model {checkpoint.name} could not be downloaded ({causes})",
        f"try again later, or {by_hand(checkpoint)}",
    )


def _fetch(checkpoint: Checkpoint, damaged: Path | None, *, force: bool, warn: Warn) -> Path:
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
                path = fetch(checkpoint, again)
                _pin(path, checkpoint, warn)
                return path
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


def obtain(checkpoint: Checkpoint, *, force: bool, warn: Warn) -> Path | None:
    """The intact file of a checkpoint, fetched if need be; None where HF_HUB_OFFLINE forbids it."""
    found = status(checkpoint)
    if found.path is not None and found.intact and (checkpoint.shipped or not force):
        return found.path
    if checkpoint.shipped:
        state = "damaged" if found.path else "missing"
        raise WeightsError(
            f"the shipped checkpoint {checkpoint.filename} is {state}",
            "reinstall: pip install --force-reinstall animesr-cli",
        )
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return None
    damaged = None if found.intact else found.path
    return _fetch(checkpoint, damaged, force=force, warn=warn)


def download(
    names: Iterable[str], *, force: bool = False, warn: Warn = logger.warning
) -> list[Path]:
    """Fetch checkpoints by name; what is here and intact is left alone unless ``force``."""
    paths = []
    for checkpoint in [find(name) for name in names]:
        path = obtain(checkpoint, force=force, warn=warn)
        if path is None:
            raise DownloadError(
                f"model {checkpoint.name} cannot be downloaded: HF_HUB_OFFLINE is set",
                f"unset it, or {by_hand(checkpoint)}",
            )
        paths.append(path)
    return paths
