"""Changing what a stored checkpoint holds, be it of one run or of several."""

from __future__ import annotations

from collections.abc import Callable

from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.checkpoint import Checkpoint
from hpsearch.training.checkpoints.multi_run import StoredRun
from hpsearch.training.tasks.plan import RunId

Change = Callable[[int, RunId, Checkpoint], Checkpoint]
"""From the index of a run among its trial's, its id and its checkpoint to another checkpoint."""


def rewrite(blob: bytes, change: Change) -> bytes:
    """The blob with each of its runs changed.

    Raises:
        CorruptArtifact: when it is neither a checkpoint nor several.
    """
    if not multi_run.is_multi_run(blob):
        saved = checkpoints.read(blob)
        return checkpoints.write(change(0, RunId(saved.number), saved))
    stored = [(run, checkpoints.read(run.checkpoint)) for run in multi_run.read(blob)]
    runs = [
        StoredRun(run.run_id, checkpoints.write(change(i, run.run_id, saved)), run.final_metrics)
        for i, (run, saved) in enumerate(stored)
    ]
    return multi_run.write(stored[0][1].number, max(saved.epoch for _, saved in stored), runs)
