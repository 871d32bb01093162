"""Every command, registered in the order of the help."""

from __future__ import annotations

from animesr_cli.cli.app import app
from animesr_cli.cli.bench import bench
from animesr_cli.cli.command import Command, ConfiguredCommand, Group
from animesr_cli.cli.compare import compare
from animesr_cli.cli.degrade import degrade
from animesr_cli.cli.doctor import doctor
from animesr_cli.cli.evaluate import evaluate
from animesr_cli.cli.finetune import finetune
from animesr_cli.cli.info import info
from animesr_cli.cli.learn_lbo import learn_lbo
from animesr_cli.cli.models import download, models
from animesr_cli.cli.preview import preview
from animesr_cli.cli.upscale import upscale

__all__ = ["app"]

app.info.cls = Group
app.command(cls=ConfiguredCommand)(upscale)
for verb in (preview, info, models, download, doctor, bench, evaluate, degrade, compare, finetune):
    app.command(cls=Command)(verb)
app.command("learn-lbo", cls=Command)(learn_lbo)
