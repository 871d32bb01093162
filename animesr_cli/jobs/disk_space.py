"""Room on the disk for a long run: segments and output are there together in the end.

Estimated from the size of the picture until the first segment is finished, then from real sizes.
"""

from __future__ import annotations

import shutil

from animesr_cli.jobs.folder import JobFolder
from animesr_cli.upscaling.plan import LIKELY_BITS_PER_PIXEL, LOSSLESS_BITS_PER_PIXEL, Plan


def _bytes_per_frame(plan: Plan, job: JobFolder) -> float:
    if job.frames:
        return job.stored_bytes / job.frames
    bits = LOSSLESS_BITS_PER_PIXEL if plan.format.encoding.lossless else LIKELY_BITS_PER_PIXEL
    return plan.format.width * plan.format.height * bits / 8


def missing_bytes(plan: Plan, job: JobFolder, frames: int | None) -> int:
    """How much more is needed than is free, where there is least; not above 0: there is enough.

    Args:
        frames: of the whole clip; None: not known, and then nothing is missed.
    """
    if frames is None:
        return 0
    folder, place = job.path, plan.output.absolute().parent
    each = _bytes_per_frame(plan, job)
    segments, output = (frames - job.frames) * each, frames * each
    free = shutil.disk_usage(folder).free
    if folder.stat().st_dev == place.stat().st_dev:
        return int(segments + output - free)
    return int(max(segments - free, output - shutil.disk_usage(place).free))
