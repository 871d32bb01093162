"""Reading a checkpoint file that may be anybody's: bounded in size, without running its code.

``.safetensors`` and ``.pth`` files become fp32 tensors by name. What a file claims is added up
before memory is taken for it: a few bytes can stand for any number of values (compressed archives,
tensors that repeat one value), and a sparse file can be longer than the disk.

Wrappers and prefixes that programs put around a network's tensors are taken off. Of a training's
checkpoint, only the network that is meant to be used is kept: the averaged weights where there are
any; no discriminator, no optimiser. What the tensors are of is asked elsewhere.
"""

from __future__ import annotations

import io
import os
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from animesr_cli.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
LARGEST_BYTES = 2 << 30
"""Of a file, of what is packed in it, and of its tensors in fp32.

A training's checkpoint with discriminator, VGG and optimiser has half of that, the largest network
a thirtieth.
"""

WRAPPERS = ("params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model", "net")
"""Keys under which a file has its tensors, the one that is taken first: BasicSR, Lightning, ..."""
GENERATORS = ("generator_ema.", "net_g_ema.", "generator.", "net_g.", "netG.")
"""Prefixes of the network beside others in one dictionary: MMEditing, Lightning modules."""
COMMON = re.compile(r"(?:module|_orig_mod|model(?!\.\d)|net|network)\.")
"""What may stand before all names: DataParallel, torch.compile, Lightning.

``model.0`` and so on are ESRGAN's oldest spelling, and no prefix.
"""


def read_bytes(path: Path) -> bytes:
    """The whole file.

    Raises:
        WeightsError: it cannot be read, has another suffix, or is too large to be a checkpoint.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(
            f"{path} does not end in one of {', '.join(SUFFIXES)}", "rename it if it is one of them"
        )
    try:
        with path.open("rb") as file:
            # One byte more than is allowed tells, whatever the system says of the file's length.
            _check_size(file.seek(0, io.SEEK_END), path)
            file.seek(0)
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    _check_size(len(data), path)
    return data


def why_unreadable(path: Path) -> str | None:
    """Why a file, or the way to it, is barred; None: it is not, or nothing is there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"{path}: {(error.strerror or str(error)).lower()}"
    return None if os.access(path, os.R_OK) else f"{path}: permission denied"


def tensors_of(data: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors by name, without the wrappers and prefixes that programs put around them.

    Raises:
        WeightsError: it is damaged, or holds something else.
    """
    parse = _parse_safetensors if path.suffix.lower() == ".safetensors" else _parse_pickle
    tensors = unwrapped(parse(data, path), path)
    _check_size(sum(4 * tensor.numel() for tensor in tensors.values()), path)
    return tensors


def to_float32(key: str, tensor: Tensor, path: Path) -> Tensor:
    """An fp32 copy of its own on the CPU, of any floating-point type, all finite."""
    import torch

    plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not (plain and tensor.is_floating_point()):
        raise WeightsError(f"{path}: {key} is no plain floating-point tensor ({tensor.dtype})")
    result = tensor.detach().to(torch.float32).clone(memory_format=torch.contiguous_format)
    if not bool(torch.isfinite(result).all()):
        raise WeightsError(f"{path}: {key} holds NaN or infinite values")
    return result


def _check_size(size: int, path: Path) -> None:
    if size > LARGEST_BYTES:
        raise WeightsError(
            f"{path} is too large to be a checkpoint of a network that is known here:"
            f" {size / 1e9:.1f} GB",
        )


def _parse_safetensors(data: bytes, path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{path} is damaged, or no safetensors file: {reason}") from error


def _parse_pickle(data: bytes, path: Path) -> object:
    """A ``.pth`` file; tensors and plain containers only, whatever it asks for."""
    import torch

    _check_size(sum(_unpacked_sizes(data)), path)
    try:
        with warnings.catch_warnings():
            # torch advises about pickle protocols and old storages: nothing for a user to do.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        # Damaged pickles raise nearly anything: EOFError, ValueError, KeyError, RuntimeError ...
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise WeightsError(
                f"{path} holds {code[1]}, and loading that could run code: refused",
                "convert it, where you trust it, to a file of plain tensors",
            ) from error
        raise WeightsError(f"{path} is damaged, or holds no plain tensors") from error


def _unpacked_sizes(data: bytes) -> Iterable[int]:
    """What the parts of a ZIP archive say that they become; nothing for files of before 2020."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [part.file_size for part in archive.infolist()]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return []  # if it is damaged, torch says so


def unwrapped(content: object, path: Path) -> dict[str, Tensor]:
    """The tensors by name of whatever a checkpoint file held.

    Raises:
        WeightsError: there are none, or something else stands among them.
    """
    from torch import Tensor

    if isinstance(content, Mapping):
        wrapped = (content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping))
        content = next(wrapped, content)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no tensors by name")
    names = [key for key in content if isinstance(key, str)]
    for prefix in GENERATORS:
        if chosen := [name for name in names if name.startswith(prefix)]:
            content = {name.removeprefix(prefix): content[name] for name in chosen}
            break
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{path}: {key!r} is a {type(value).__name__}, not a tensor")
    tensors = dict(content)
    while found := COMMON.match(min(tensors)):
        prefix = found[0]
        if not all(name.startswith(prefix) for name in tensors):
            break
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
