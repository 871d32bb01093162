"""Several videos as one job: what is found, what is finished, and the work."""

from animesr_cli.batch.find import Batch, Item, find_batch, find_several, is_batch
from animesr_cli.batch.work import (
    WORST_FIRST,
    BatchObserver,
    BatchResult,
    Outcome,
    State,
    run_batch,
)

__all__ = [
    "WORST_FIRST",
    "Batch",
    "BatchObserver",
    "BatchResult",
    "Item",
    "Outcome",
    "State",
    "find_batch",
    "find_several",
    "is_batch",
    "run_batch",
]
