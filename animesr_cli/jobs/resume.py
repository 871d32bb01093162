"""Where a job begins: anew, or behind what an earlier run left in its folder."""

from __future__ import annotations

import os
from typing import Any

from animesr_cli.errors import UsageError, Warn
from animesr_cli.jobs.fingerprint import adopt_choices, identity_of
from animesr_cli.jobs.folder import JobFolder
from animesr_cli.jobs.manifest import Identity, Manifest, differences, digest_of
from animesr_cli.text import shown
from animesr_cli.upscaling.plan import Plan
from animesr_cli.writing.concat import segment_format


def begin_or_go_on(
    folder: JobFolder, plan: Plan, threads: int | None, warn: Warn
) -> dict[str, dict[str, Any]]:
    """Open the folder for this run.

    Args:
        threads: of each worker, where they decide how sums are rounded.

    Returns:
        The run's identity: what was left to chance is as in the run that it goes on from.

    Raises:
        UsageError: what lies there was made with other settings.
    """
    settings = plan.settings
    now = identity_of(plan, threads)
    manifest = None if settings.restart else _found(folder, now, warn)
    if manifest is not None and manifest.output and manifest.output.is_at(plan.output):
        manifest = None  # it is finished, and is to be overwritten
    if manifest is None:
        information = {
            "input": os.path.abspath(plan.source.path),
            "output": os.path.abspath(plan.output),
            "model": plan.checkpoint.name,
            "device": str(plan.compute.device),
            "segments": segment_format(plan.format.encoding),
        }
        folder.begin(now, information)
        return now
    adopt_choices(manifest.identity, now, settings)
    if found := differences(manifest.identity, now):
        raise UsageError(
            f"{shown(folder.path)} holds a run with other settings: {'; '.join(found)}",
            "run it with those, begin anew with --restart, or name another output",
        )
    for sentence in folder.go_on(manifest):
        warn(sentence)
    return now


def _found(folder: JobFolder, now: Identity, warn: Warn) -> Manifest | None:
    """What there is to continue, also where only the records of segments are left of it."""
    damage = "missing"
    try:
        manifest = folder.load()
    except ValueError:
        manifest, damage = None, "damaged"
    if manifest is not None:
        return manifest
    records = list(folder.found_records())
    if damage == "missing" and not records:
        return None
    ours = [record for record in records if record.identity == digest_of(now)]
    if records and not ours:
        raise UsageError(
            f"the manifest in {shown(folder.path)} is {damage}, and the segments there are "
            "of other settings",
            "run with those, begin anew with --restart, or name another output",
        )
    warn(
        f"the manifest in {shown(folder.path)} is {damage}; "
        f"{len(ours)} finished segments are taken up"
    )
    return Manifest(identity=now, warnings=[])
