"""Comparing ways to enlarge a clip: a page with a slider, a PNG sheet, and a split-screen clip.

The workflow: everything is checked and loaded first, then the pictures are computed, and page and
sheet get their names together, when both are complete. The clip comes last.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from animesr_cli.atomic_files import PartFile, check_place, explained, part_file
from animesr_cli.compare.page import compare_page, facts
from animesr_cli.compare.pictures import Comparison
from animesr_cli.compare.report import Moment, Report
from animesr_cli.compare.sheet import Row, draw_sheet, row_of, small
from animesr_cli.compare.split_screen import write_split_screen
from animesr_cli.errors import UsageError, Warn
from animesr_cli.file_names import check_name
from animesr_cli.reading.y4m import PIPE
from animesr_cli.settings import CompareSettings, UpscaleSettings
from animesr_cli.text import shown
from animesr_cli.upscaling.plan import Plan, make_plan
from animesr_cli.upscaling.targets import choose_target, images_of
from animesr_cli.writing.png import encode_png

log = logging.getLogger(__name__)

OnProgress = Callable[[str, int, int | None], None]
"""A line such as ``pictures: frame 12/96``, and its two numbers."""

PAGE_SUFFIXES: Final = (".html", ".htm")
SHEET_SUFFIX: Final = ".png"
VIDEO_SECONDS: Final = 10
"""Length of the split-screen clip, where no part is chosen."""
THUMBNAIL_PX: Final = 192
LARGE_PAGE_BYTES: Final = 150 * 10**6
"""Browsers are slow to open larger pages."""


@dataclass(frozen=True, kw_only=True)
class CompareResult:
    """What was written, and what was measured."""

    page: Path
    sheet: Path
    video: Path | None
    video_frames: int
    page_bytes: int
    report: Report


# ---- names ---------------------------------------------------------------------------------------


def default_page(source: Path, what: str = "compare") -> Path:
    """``CLIP_compare.html`` beside the clip."""
    name = source.stem if source.suffix and not source.is_dir() else source.name
    return source.with_name(f"{name.replace('%', '')}_{what}.html")


def _check_page(page: Path, source: Path, overwrite: bool) -> Path:
    """The sheet's name, where both can be written."""
    if page.suffix.lower() not in PAGE_SUFFIXES:
        raise UsageError(
            f"{shown(page)}: the page is an HTML file",
            f"name it {shown(page.with_suffix('.html'))}",
        )
    sheet = page.with_suffix(SHEET_SUFFIX)
    for path in (page, sheet):
        check_name(path)
        check_place(path, source, overwrite=overwrite)
    return sheet


def _check_video(video: Path, source: Path, settings: UpscaleSettings) -> None:
    if video == PIPE:
        raise UsageError("the split-screen clip is a file", "name one, such as split.mkv")
    choose_target(source, images_of(source), video, settings)


def _plan_video(
    video: Path, comparison: Comparison, settings: UpscaleSettings, first: Fraction
) -> Plan:
    """What the split-screen clip will be: the chosen part, else ten seconds from ``first`` on."""
    if settings.start is None and settings.end is None:
        settings = replace(settings, start=first, end=first + VIDEO_SECONDS)
    if not settings.sized:  # as the pictures, whatever the network's own scale is
        settings = replace(settings, scale=settings.factor)
    network = next((each.loaded for each in comparison.candidates if each.loaded), None)
    source = comparison.clip.info.path
    return make_plan(source, video, settings, warn=comparison.warn, loaded=network)


# ---- files ---------------------------------------------------------------------------------------


def _publish(contents: Mapping[PartFile, bytes], overwrite: bool) -> None:
    """Write all, and only then give them their names."""
    for part, content in contents.items():
        with explained(part.output):
            part.sink.write(content)
    for part in contents:
        part.publish(overwrite=overwrite)


def _computed(
    comparison: Comparison, times: Sequence[Fraction], on_progress: OnProgress
) -> tuple[Report, bytes, bytes]:
    """What was measured, the page, and the sheet; of the pictures only what these need is kept."""
    layout = comparison.layout
    moments: list[Moment] = []
    pictures: list[list[bytes]] = []
    thumbnails: list[bytes] = []
    rows: list[Row] = []
    for moment, shown_codes in comparison.moments(times, _counted("pictures", on_progress)):
        moments.append(moment)
        pictures.append([encode_png(layout.turned(each), **layout.tags) for each in shown_codes])
        thumbnails.append(encode_png(small(shown_codes[0], layout, THUMBNAIL_PX)))
        rows.append(row_of(moment.seconds, shown_codes, layout))
    report = comparison.report(moments)
    page = compare_page(report, pictures, thumbnails).encode()
    sheet = draw_sheet(report, rows, " \u00b7 ".join(facts(report)))
    return report, page, encode_png(sheet, **layout.tags)


def _counted(what: str, on_progress: OnProgress) -> Callable[[int, int | None], None]:
    def count(done: int, total: int | None) -> None:
        on_progress(f"{what}: frame {done}" + (f"/{total}" if total else ""), done, total)

    return count


# ---- the whole -----------------------------------------------------------------------------------


def compare(
    source: Path,
    settings: UpscaleSettings,
    wishes: CompareSettings,
    *,
    warn: Warn = log.warning,
    on_progress: OnProgress = lambda line, done, total: None,
    on_page: Callable[[Path], None] = lambda page: None,
) -> CompareResult:
    """Enlarge some frames of a clip in several ways, and write them side by side.

    Args:
        settings: size, device and precision, and the encoding of the video; ``start`` and ``end``
            are the part that moments are chosen from and that the video shows.
        wishes: the page is an HTML file; the sheet gets its name with ``.png``.
        on_progress: called with a line for people, the frames done, and of how many.
        on_page: called with the page once it is complete, before the video is begun.

    Raises:
        AnimesrError: what cannot work is refused before the first frame.
    """
    page, video = wishes.page or default_page(source), wishes.video
    sheet = _check_page(page, source, settings.overwrite)
    if video is not None:
        _check_video(video, source, settings)
    # Their hidden files from the beginning on: a second run that would write them is refused.
    with part_file(page) as page_part, part_file(sheet) as sheet_part:
        comparison = Comparison(source, settings, wishes, warn=warn)
        times = comparison.times(lambda: on_progress("looking for moments", 0, None))
        plan = None
        if video is not None:
            plan = _plan_video(video, comparison, comparison.settings, times[0])
        report, written, drawn = _computed(comparison, times, on_progress)
        _publish({page_part: written, sheet_part: drawn}, settings.overwrite)
    if len(written) > LARGE_PAGE_BYTES:
        warn(
            f"the page has {len(written) / 1e6:.0f} MB, which browsers open slowly; fewer pictures "
            "or a smaller --height make it smaller"
        )
    on_page(page)
    frames = 0
    if plan is not None:
        frames = write_split_screen(plan, comparison, on_progress=_counted("video", on_progress))
    return CompareResult(
        page=page,
        sheet=sheet,
        video=video,
        video_frames=frames,
        page_bytes=len(written),
        report=report,
    )
