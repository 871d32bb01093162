"""Opening files: what is let in, what is kept out, and what the user is told about the rest."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from av.format import formats_available

import media
from animesr_cli.errors import InputError, UsageError
from animesr_cli.video.containers import INPUT_FORMATS, open_input


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of ordinary video."""
    return media.write_video(tmp_path_factory.mktemp("clip") / "clip.mkv", frames=3)


def refusal(path: Path | str) -> InputError:
    with pytest.raises(InputError) as caught:
        open_input(path)
    assert "\n" not in caught.value.message
    return caught.value


# The whitelist -----------------------------------------------------------------------------------


def test_every_whitelisted_format_exists() -> None:
    """The list holds only names of demuxers that this PyAV has; a misspelt one lets nothing in."""
    known = {name for names in formats_available for name in names.split(",")}
    wanted = {name for names in INPUT_FORMATS for name in names.split(",")}
    assert wanted - known == set()


@pytest.mark.parametrize(
    "name",
    ["hls", "concat", "dash", "sdp", "rtp", "rtsp", "sap", "image2", "image2pipe", "lavfi", "tty",
     "x11grab", "video4linux2", "fbdev", "webm_dash_manifest", "rawvideo", "data", "ffmetadata"],
)  # fmt: skip
def test_formats_that_open_other_files_are_not_whitelisted(name: str) -> None:
    """Playlists, scripts, devices and what recognises nothing are left out."""
    assert name not in {name for names in INPUT_FORMATS for name in names.split(",")}


@pytest.mark.parametrize("suffix", sorted(media.KINDS))
def test_the_usual_containers_open(tmp_path: Path, suffix: str) -> None:
    """Each kind of file that people have is opened as what it is."""
    special: dict[str, dict[str, object]] = {
        ".gif": {"pix_fmt": "rgb8"},
        ".apng": {"pix_fmt": "rgb24"},
        ".mxf": {"rate": 25, "width": 720, "height": 576},
        ".mpg": {"rate": 25},
        ".wtv": {"rate": 25},
    }
    path = media.write_video(tmp_path / f"a{suffix}", frames=2, **special.get(suffix, {}))  # type: ignore[arg-type]
    with open_input(path) as container:
        assert len(container.streams.video) == 1


# Hostile files -----------------------------------------------------------------------------------

SCRIPTS = {
    "concat script": "ffconcat version 1.0\nfile '{clip}'\n",
    "HLS playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
    "DASH manifest": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    "<AdaptationSet><Representation><BaseURL>{clip}</BaseURL></Representation></AdaptationSet>"
    "</Period></MPD>",
    "session description": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\n"
    "t=0 0\r\nm=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
}


@pytest.mark.parametrize("kind", SCRIPTS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".m3u8"])
def test_scripts_under_any_name_are_refused(
    tmp_path: Path, clip: Path, kind: str, suffix: str
) -> None:
    """A file that only names others is not followed, and is called what it is."""
    script = tmp_path / f"movie{suffix}"
    script.write_text(SCRIPTS[kind].format(clip=clip), newline="")
    assert kind in str(refusal(script))


def test_the_concat_script_is_a_real_danger(tmp_path: Path, clip: Path) -> None:
    """Without the whitelist FFmpeg does read the neighbour: the test above refuses something."""
    script = tmp_path / "movie.mp4"
    script.write_text(SCRIPTS["concat script"].format(clip=clip.name))
    (tmp_path / clip.name).write_bytes(clip.read_bytes())
    with av.open(str(script)) as container:
        assert container.format.name == "concat"


def test_pictures_beyond_the_limit_are_not_decoded(tmp_path: Path) -> None:
    """A header that announces a huge picture does not get the memory for it."""
    path = media.write_video(tmp_path / "a.mkv", frames=2, width=640, height=480)
    with open_input(path, max_pixels=640 * 480 - 1) as container, pytest.raises(av.FFmpegError):
        list(container.decode(video=0))
    with open_input(path, max_pixels=640 * 480) as container:
        assert len(list(container.decode(video=0))) == 2


def test_metadata_that_is_no_utf8_is_kept(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 survive as surrogates instead of stopping the file from opening."""
    path = media.write_video(tmp_path / "a.mkv", frames=2, metadata={"title": "caf?"})
    path.write_bytes(path.read_bytes().replace(b"caf?", b"caf\xe9"))
    with open_input(path) as container:
        assert container.metadata["title"].encode(errors="surrogateescape") == b"caf\xe9"


# Names -------------------------------------------------------------------------------------------

NAMES = [
    b"two words.mkv", b"-lead.mkv", b"a:b.mkv", b"http:b.mkv", b"%03d.mkv", b"new\nline.mkv",
    "\N{GRINNING FACE} é.mkv".encode(), b"\xff\xfe.mkv", b"quo'te\".mkv", b"|pipe&.mkv", b"~.mkv",
    b"concat:a|b.mkv", b"x" * 251 + b".mkv",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_opens(
    tmp_path: Path, clip: Path, name: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a file system takes as a name is that one file, also relative to the folder."""
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    for given in (path, Path(os.fsdecode(name)), os.fsdecode(name)):
        with open_input(given) as container:
            assert container.format.name == "matroska,webm"


def test_a_nul_byte_is_refused(clip: Path) -> None:
    """FFmpeg would silently open what stands before the NUL."""
    with pytest.raises(UsageError, match="NUL"):
        open_input(f"{clip}\0.txt")


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """No file can have it: a usage error."""
    with pytest.raises(UsageError, match="too long"):
        open_input(tmp_path / ("x" * 300))


# What is not there -------------------------------------------------------------------------------


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt name is answered with the name that is there."""
    (tmp_path / "Episode 07.mkv").touch()
    (tmp_path / "notes.txt").touch()
    error = refusal(tmp_path / "episode 70.mkv")
    assert "does not exist" in error.message
    assert error.hint == f"did you mean {tmp_path / 'Episode 07.mkv'}?"


def test_a_missing_file_with_no_like_says_so(tmp_path: Path) -> None:
    """Where nothing is similar, no far-fetched name is offered."""
    (tmp_path / "notes.txt").touch()
    assert "similar" in (refusal(tmp_path / "Episode 70.mkv").hint or "")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """Where the folder itself is missing, that is what is said; a file is no folder either."""
    (tmp_path / "file").touch()
    assert str(tmp_path / "gone") in (refusal(tmp_path / "gone" / "a.mkv").hint or "")
    assert str(tmp_path / "file") in (refusal(tmp_path / "file" / "a.mkv").hint or "")


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    """A symbolic link to nothing says where it points."""
    (tmp_path / "a.mkv").symlink_to("gone.mkv")
    assert "gone.mkv" in (refusal(tmp_path / "a.mkv").hint or "")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder is no video; a file of it is offered."""
    assert "is a folder" in refusal(tmp_path).message
    (tmp_path / "a.mkv").touch()
    assert "a.mkv" in (refusal(tmp_path).hint or "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    """Nothing waits for a writer: a FIFO is no regular file."""
    os.mkfifo(tmp_path / "a.mkv")
    assert "regular file" in refusal(tmp_path / "a.mkv").message


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter: pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
@pytest.mark.parametrize("of_folder", [False, True])
def test_an_unreadable_file_is_refused(
    open_folder: Path, of_folder: bool, request: pytest.FixtureRequest
) -> None:
    """A file, or its folder, without the permission to read: the reason is in the line."""
    folder = open_folder / "folder"
    folder.mkdir()
    path = folder / "a.mkv"
    path.touch()
    (folder if of_folder else path).chmod(0)
    request.getfixturevalue("as_nobody")
    assert "permission denied" in refusal(path).message


# What is no video --------------------------------------------------------------------------------

CONTENTS = {
    "it is empty": b"",
    "no video format is recognised in its 4,000 bytes": bytes(range(256)) * 15 + bytes(160),
    "an HTML page": b"\r\n<!DOCTYPE html>\n<html><body>404</body></html>",
    "an XML file": b'<?xml version="1.0"?><a/>',
    "a text file": "Größe: 3 GB\n".encode() * 1000,
    "a ZIP archive": b"PK\x03\x04" + bytes(500),
    "a PDF document": b"%PDF-1.7\n" + bytes(500),
    "index (moov) is missing": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2\0\0\x10\0mdat" + bytes(4088),
    "Matroska or WebM file that is damaged": b"\x1a\x45\xdf\xa3" + b"\xff" * 200,
}


@pytest.mark.parametrize("what", CONTENTS)
def test_what_is_no_video_is_called_what_it_is(tmp_path: Path, what: str) -> None:
    """The one line says what the file seems to be."""
    path = tmp_path / "movie.mp4"
    path.write_bytes(CONTENTS[what])
    assert what in refusal(path).message


def test_an_mp4_cut_before_its_index_is_told(tmp_path: Path) -> None:
    """A real MP4 whose writer was killed is recognised, with the advice to fetch it again."""
    path = media.write_video(tmp_path / "a.mp4", frames=48)
    media.truncate(path, 0.6)
    error = refusal(path)
    assert "moov" in error.message
    assert "again" in (error.hint or "")


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    """Noise of any kind is no video."""
    path = tmp_path / "a.mkv"
    for seed in range(20):
        path.write_bytes(media.noise(20_000, seed))
        refusal(path)


def test_a_read_error_is_an_input_error(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails while the file is opened ends in the one line, not in a traceback."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("av.open", fail)
    assert refusal(clip).message == f"{clip} cannot be read: input/output error"
