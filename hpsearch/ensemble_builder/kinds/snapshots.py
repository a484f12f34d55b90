"""Epochs of one trial."""

from __future__ import annotations

from hpsearch.ensemble_builder.context import BuildContext
from hpsearch.ensemble_builder.ranking import checkpoints_of_trial, evenly_spaced
from hpsearch.ensemble_builder.selection import Selection, epochs_text, equal_weights
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensembles.members import SnapshotsEnsemble


def snapshots(request: SnapshotsEnsemble, context: BuildContext) -> Selection | None:
    """Selects a trial's last epochs at its schedule's minima, else epochs evenly spaced.

    Raises:
        TrainingFailed: when fewer than two epochs are kept.
    """
    checkpoints = checkpoints_of_trial(context, request.trial)
    minima = [checkpoint for checkpoint in checkpoints if "snapshot" in checkpoint.reasons]
    size = request.size
    selected = minima[-size:] if len(minima) > 1 else evenly_spaced(checkpoints, size)
    if any(context.candidates.predictions(checkpoint) is None for checkpoint in selected):
        return None
    if len(selected) < min(2, size):
        raise TrainingFailed(
            f"snapshots need at least 2 checkpoints of a trial, and {len(selected)} of trial "
            f"{checkpoints[0].trial} is kept; set checkpoints.every or checkpoints.snapshots"
        )
    notes = []
    if len(minima) < 2 and not any("every" in checkpoint.reasons for checkpoint in selected):
        notes.append(
            f"no snapshots are kept, so {epochs_text(selected)} are combined; "
            "set checkpoints.snapshots or checkpoints.every"
        )
    return Selection(equal_weights(selected), notes=notes)
