"""Opening media files: the one room that calls ``av.open``, and the words for why it would not.

Input files are untrusted. FFmpeg goes by content, so a playlist or a concat script under a video's
name would make it read other files or the network: demuxers that follow references are not in
``INPUT_FORMATS`` and no protocol but ``file`` is allowed.
"""

from __future__ import annotations

import difflib
import errno
import io
import itertools
import os
import stat
from pathlib import Path
from typing import Final

import av
import av.container

from animesr_cli import crash_watch
from animesr_cli.errors import InputError, UsageError, unreadable
from animesr_cli.settings.limits import MAX_PIXELS
from animesr_cli.text import shown

# Demuxers that read one self-contained file with moving pictures. Left out on purpose: hls, concat,
# dash, sdp, rtp, rtsp, sap, webm_dash_manifest, image2 and whatever else opens a second name found
# inside the first; devices (lavfi, v4l2, x11grab); rawvideo and its kin, which recognise nothing;
# tty, which makes a video of any text. The sound formats are here to be named in the refusal.
INPUT_FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpegtsraw", "mpeg", "flv", "kux",
    "live_flv", "nut", "ogg", "asf", "asf_o", "wtv", "mxf", "gxf", "lxf", "dv", "rm", "ivr", "swf",
    "ivf", "nsv", "nuv", "ty", "pva", "usm",
    "h261", "h263", "h264", "hevc", "vvc", "av1", "obu", "apv", "evc", "m4v", "mpegvideo", "vc1",
    "vc1test", "avs2", "avs3", "cavsvideo", "dirac", "dnxhd", "mjpeg", "mjpeg_2000", "smjpeg",
    "yuv4mpegpipe", "gif", "apng", "jpegxl_anim", "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe",
    "tiff_pipe", "ppm_pipe", "j2k_pipe", "jpegxl_pipe", "qoi_pipe",
    "4xm", "amv", "bethsoftvid", "bfi", "bink", "c93", "cdxl", "cine", "dfa", "dhav", "dsicin",
    "dxa", "ea", "film_cpk", "flic", "gdv", "hnm", "idcin", "ipmovie", "jv", "lmlm4", "lvf", "mlv",
    "mm", "mods", "moflex", "mtv", "mv", "mvi", "mxg", "nc", "paf", "pdv", "pmp", "psxstr", "rl2",
    "roq", "rpl", "siff", "smk", "smush", "thp", "tiertexseq", "vividas", "vivo", "vmd",
    "wc3movie", "wsvqa", "xmv", "yop",
    "mp3", "aac", "flac", "wav",
)  # fmt: skip

VIDEO_SUFFIXES: Final = frozenset({
    ".264", ".265", ".3g2", ".3gp", ".amv", ".apng", ".asf", ".av1", ".avc", ".avi", ".bik",
    ".divx", ".dv", ".f4v", ".flv", ".gif", ".gxf", ".h264", ".h265", ".hevc", ".ivf", ".m1v",
    ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov", ".mp4", ".mpe",
    ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nsv", ".nut", ".obu", ".ogm", ".ogv", ".qt", ".rm",
    ".rmvb", ".smk", ".swf", ".tod", ".trp", ".ts", ".vc1", ".vob", ".webm", ".wmv", ".wtv", ".y4m",
})  # fmt: skip
"""What makes a file of a folder an input; a file that is named itself may have any suffix."""
IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LARGEST_IMAGE_BYTES: Final = 1 << 30

_DISK_FAULTS: Final = frozenset(
    {
        errno.EACCES, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENODEV, errno.ENOENT,
        errno.ENOMEM, errno.ENXIO, errno.EPERM, errno.ESTALE, errno.ETIMEDOUT,
    }
)  # fmt: skip
"""Other numbers come from FFmpeg, which adds to them over content that it does not like."""

_SNIFFED_BYTES: Final = 4096
_LISTED_NAMES: Final = 10_000
_STILL_NEAR: Final = 0.6
"""difflib's ratio from which a file name counts as a misspelling."""


# Names -------------------------------------------------------------------------------------------


def check_readable(path: Path | str) -> Path:
    """The path, if it is a regular file that this user may read."""
    if "\0" in os.fspath(path):
        raise UsageError(f"the input name {shown(path)!r} holds a NUL byte")
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
            return path
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{shown(path)} does not exist", _hint_for_missing(path)) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UsageError(
                f"the input name is too long: {len(os.fsencode(path))} bytes"
            ) from None
        raise unreadable(shown(path), error) from error
    if stat.S_ISDIR(mode):
        raise InputError(
            f"{shown(path)} is a folder, not a video file", _hint_for_folder(path)
        ) from None
    raise InputError(f"{shown(path)} is not a regular file, and the input is read more than once")


def _hint_for_missing(path: Path) -> str:
    """The name that was probably meant, or what is missing above it."""
    if path.is_symlink():
        return f"it is a symbolic link to {shown(path.readlink())}, which does not exist"
    folder = path.parent
    if not folder.is_dir():
        return f"the folder {shown(folder)} does not exist"
    names = [entry.name for entry in itertools.islice(os.scandir(folder), _LISTED_NAMES)]
    by_folded = {name.casefold(): name for name in names}
    nearest = difflib.get_close_matches(path.name.casefold(), by_folded, n=1, cutoff=_STILL_NEAR)
    if nearest:
        return f"did you mean {shown(folder / by_folded[nearest[0]])}?"
    return f"no file in {shown(folder.absolute())} has a similar name"


def _hint_for_folder(path: Path) -> str:
    videos = sorted(entry.name for entry in os.scandir(path) if entry.is_file())
    if not videos:
        return "the folder holds no file"
    return f"name one file of it, such as {shown(path / videos[0])}"


# Input -------------------------------------------------------------------------------------------


def open_input(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> av.container.InputContainer:
    """Open one local media file for reading.

    Raises:
        UsageError: the name holds a NUL byte, behind which FFmpeg would not look.
        InputError: there is no such file, it cannot be read, or it holds no known format.
    """
    path = check_readable(path)
    crash_watch.opened(shown(path))
    limit = {"max_pixels": str(max_pixels)}
    try:
        container = av.open(
            _image_content(path) or "file:" + os.path.abspath(path),
            mode="r",
            metadata_errors="surrogateescape",
            options={
                "protocol_whitelist": "file",
                "format_whitelist": ",".join(INPUT_FORMATS),
                **limit,
            },
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _DISK_FAULTS:
            raise unreadable(shown(path), error) from error
        what, hint = describe_content(path)
        raise InputError(f"{shown(path)} is not a video that can be read: {what}", hint) from error
    for stream in container.streams.video:
        if stream.codec_context is not None:
            stream.codec_context.options = limit
    return container


def _image_content(path: Path) -> io.BytesIO | None:
    """An image without its name, by which FFmpeg would take image2 for it; None: go by the name."""
    if path.suffix.lower() not in IMAGE_SUFFIXES or path.stat().st_size > LARGEST_IMAGE_BYTES:
        return None
    return io.BytesIO(path.read_bytes())


_SIGNATURES: Final = (
    (b"#EXTM3U", "an HLS playlist, which only names other files"),
    (b"ffconcat version", "a concat script, which only names other files"),
    (b"v=0\r\n", "a session description (SDP), which only names a stream"),
    (b"<mpd", "a DASH manifest, which only names other files"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"YUV4MPEG2", "a y4m file whose header makes no sense"),
    (b"<?xml", "an XML file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"%PDF", "a PDF document"),
)
_HINTS: Final = {
    "a y4m file whose header makes no sense": "a pipe says why: animesr upscale - OUT < IN",
    "an HTML page": "the download brought a web page in place of the video",
    "an HLS playlist, which only names other files": "give the video file itself",
    "a concat script, which only names other files": "give the video file itself",
    "a DASH manifest, which only names other files": "give the video file itself",
}


def is_animated_webp(path: Path) -> bool:
    """Whether the extended header of a WebP file announces an animation (RFC 9649, 2.7.1)."""
    with path.open("rb") as file:
        head = file.read(21)
    return head[8:16] == b"WEBPVP8X" and bool(head[20:] and head[20] & 2)


def describe_content(path: Path) -> tuple[str, str | None]:
    """What a file that is no video seems to be, and what to do about it."""
    size = path.stat().st_size
    if size == 0:
        return "it is empty", None
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in _SIGNATURES:
        if text[: len(signature)].lower() == signature.lower():
            return f"it is {name}", _HINTS.get(name)
    if head[4:8] in (b"ftyp", b"mdat", b"wide"):
        return (
            "it is an MP4 or MOV file whose index (moov) is missing or damaged",
            "the recording or download did not finish: fetch it again, or rebuild the index "
            "with a tool such as untrunc",
        )
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "it is a Matroska or WebM file that is damaged or cut off at its beginning", None
    if _is_text(head):
        return "it is a text file", None
    return f"no video format is recognised in its {size:,} bytes", None


def _is_text(head: bytes) -> bool:
    # A character of up to four bytes may be cut in two at the end of what was read.
    text = head.decode(errors="replace")
    broken = "\ufffd" in text[:-1]
    return not broken and all(c.isprintable() or c.isspace() for c in text[:-1])


def open_made(content: io.BytesIO, *, format_name: str) -> av.container.InputContainer:
    """Open what the package itself has just put together, in memory."""
    return av.open(content, mode="r", format=format_name)


# Output ------------------------------------------------------------------------------------------


def open_output(target: Path | io.IOBase, *, format_name: str) -> av.container.OutputContainer:
    """Open a path, or a file that is open for writing, as FFmpeg muxer ``format_name``."""
    return av.open(
        "file:" + os.path.abspath(target) if isinstance(target, Path) else target,
        mode="w",
        format=format_name,
        metadata_errors="surrogateescape",  # tags that are no UTF-8 pass through as they came
    )
