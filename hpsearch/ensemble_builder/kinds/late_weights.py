"""One model: the mean of a trial's weights after its last epochs."""

from __future__ import annotations

from hpsearch.ensemble_builder.context import BuildContext
from hpsearch.ensemble_builder.ranking import checkpoints_of_trial
from hpsearch.ensemble_builder.selection import Selection, epochs_text, equal_weights
from hpsearch.ensemble_builder.weight_averages import mean_checkpoint
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensembles.averages import AverageEnsemble
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.soups import Soup


def late_weights(request: AverageEnsemble, context: BuildContext) -> Selection | None:
    """Selects a trial's last `size` epochs, and averages their weights.

    Raises:
        TrainingFailed: when fewer than two epochs are kept.
    """
    checkpoints = checkpoints_of_trial(context, request.trial)
    recent = [checkpoint for checkpoint in checkpoints if "recent" in checkpoint.reasons]
    selected = (recent or checkpoints)[-request.size :]
    if len(selected) < min(2, request.size):
        raise TrainingFailed(
            f"an average needs at least 2 checkpoints of a trial, and {len(selected)} of trial "
            f"{checkpoints[0].trial} is kept; set checkpoints.recent"
        )
    content = context.candidates.checkpoint(selected[0])
    if content is None:
        return None
    soup = Soup(content)
    for checkpoint in selected[1:]:
        content = context.candidates.checkpoint(checkpoint)
        if content is None:
            return None
        runs = multi_run.run_checkpoints(content)
        if reason := soup.incompatibility(runs, of_one_trial=True):
            raise TrainingFailed(reason)
        soup = soup.with_checkpoint(runs)
    notes = []
    if not recent:
        notes.append(
            f"no late epochs are kept, so {epochs_text(selected)} are averaged; "
            "set checkpoints.recent"
        )
    return Selection(equal_weights(selected), mean_checkpoint(soup, context.device), notes)
