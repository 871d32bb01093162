"""Writing frames as PNG images: all of them are there, verified, under their names, or none is.

Each image is encoded, written, read back and compared with what was handed in, several at a time,
in a hidden folder; only when the last one is right do they get their names.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Final, Self

import numpy as np
from torch import Tensor

from animesr_cli.atomic_files import explained
from animesr_cli.errors import VerificationError, Warn
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.image_reader import decode_image
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.packets import DECODING_ERRORS
from animesr_cli.signals import last_check
from animesr_cli.text import shown
from animesr_cli.video.pixel_formats import (
    Converter,
    alpha_of,
    native_format,
    planes_of,
)
from animesr_cli.video.timestamps import FALLBACK_RATE, Pace
from animesr_cli.writing.encoders import check_opens
from animesr_cli.writing.image_names import FIRST_NUMBER, ImageNames
from animesr_cli.writing.output import OutputFormat
from animesr_cli.writing.part_folder import PartFolder
from animesr_cli.writing.png import encoded

log = logging.getLogger(__name__)

MAX_WORKERS: Final = 4
"""Images that are encoded and verified at the same time."""


# Writing -----------------------------------------------------------------------------------------


class SequenceWriter:
    """Frames as images; the same interface as ``Writer``, without times and other streams.

    Args:
        source: what the tags, and where there are no known names the times are taken from.
    """

    def __init__(
        self,
        images: ImageNames,
        *,
        source: VideoInfo,
        output_format: OutputFormat,
        overwrite: bool = False,
        warn: Warn = log.warning,
    ) -> None:
        self.bytes_written = 0
        self._images = images
        self._source = source
        self._format = output_format
        self._overwrite = overwrite
        self._warn = warn
        self._pace = Pace(source.frame_rate or FALLBACK_RATE)
        self._sizes: dict[str, int] = {}
        self._pending: deque[Future[tuple[str, int]]] = deque()
        self._workers = min(os.cpu_count() or 1, MAX_WORKERS)
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        check_opens(self._format.encoding, self._format.width, self._format.height)
        with ExitStack() as cleanup, self._explained():
            part = PartFolder(self._images.folder, self._images.label, warn=self._warn)
            self._part = cleanup.enter_context(part)
            self._pool = ThreadPoolExecutor(self._workers, "animesr-images")
            cleanup.callback(self._pool.shutdown, cancel_futures=True)
            self._cleanup = cleanup.pop_all()
        return self

    def write(self, planes: Sequence[Tensor], frame: Frame) -> None:
        """Hand over one picture."""
        index = self._pace.count if self._images.known is None else frame.pts
        self._pace.add(frame.pts * self._source.time_base)
        while len(self._pending) > self._workers:
            self._settle()
        name = self._images.name(index)
        self._pending.append(self._pool.submit(self._save, name, tuple(planes)))

    def _settle(self) -> None:
        """Wait for the oldest image in work."""
        with self._explained():
            name, size = self._pending.popleft().result()
        self._sizes[name] = size
        self.bytes_written += size

    def _save(self, name: str, planes: tuple[Tensor, ...]) -> tuple[str, int]:
        """In a thread of the pool: one image, from its planes to a file that holds them."""
        output, tags = self._format, self._source.tags
        content = encoded(
            planes,
            output.encoding,
            aspect=output.aspect,
            primaries=tags.primaries,
            transfer=tags.transfer,
        )
        self._part.write(name, content)
        _verify(name, self._part.read(name), planes)
        return name, len(content)

    def finish(self) -> None:
        """Write what is left, count the files and give them their names.

        Raises:
            DiskFullError, OutputError: they could not be written, or not renamed.
            VerificationError: one is not what was handed in.
        """
        while self._pending:
            self._settle()
        with self._explained():
            found = self._part.sizes()
        if found != self._sizes:
            raise VerificationError(
                f"{len(self._sizes)} images were written, and the folder holds {len(found)}, or "
                "others"
            )
        last_check()
        self._part.publish(self._sizes, overwrite=self._overwrite)
        if self._images.known is None:
            self._tell_what_is_lost()

    def _tell_what_is_lost(self) -> None:
        if self._pace.strays:
            self._warn(self._pace.remark("images"))
        assert self._images.pattern is not None
        last = FIRST_NUMBER + self._pace.count - 1
        older = [path for number, path in self._images.pattern.existing().items() if number > last]
        if older:
            self._warn(
                f"{len(older)} older images of this pattern follow the new ones, from "
                f"{shown(older[0])} on"
            )

    def __exit__(self, *exc: object) -> None:
        self._cleanup.close()

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self._images.folder, self._missing_bytes)

    def _missing_bytes(self) -> int:
        """How much more room all images need, judged by those that are written."""
        done = len(self._sizes)
        if self._images.known is None or not done:
            return 0
        likely = self.bytes_written // done * (len(self._images.known) - done)
        return likely - shutil.disk_usage(self._part.path.parent).free


def _verify(name: str, content: bytes, planes: tuple[Tensor, ...]) -> None:
    """PNG is lossless: every sample must be there again."""
    try:
        _, picture = decode_image(content)
    except DECODING_ERRORS as error:
        raise VerificationError(f"the image {shown(name)} cannot be decoded") from error
    converter = Converter(picture.width, picture.height, native_format(picture.format.name))
    converted = converter.convert(picture)
    alpha = alpha_of(converted)
    found = planes_of(converted)
    if alpha is not None and len(planes) > len(found):
        found = (*found, alpha)
    if len(found) != len(planes) or not all(map(np.array_equal, found, planes)):
        raise VerificationError(f"the image {shown(name)} is not what was written")
