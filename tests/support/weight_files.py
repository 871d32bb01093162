"""Small checkpoints of random weights, as bytes and as files."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import torch
from torch import Tensor

from animesr_cli.model.msrb import MSRB

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
