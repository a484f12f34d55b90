"""One model: the average of its weights that a trial gathered while it trained, EMA or SWA."""

from __future__ import annotations

from hpsearch.ensemble_builder.context import BuildContext
from hpsearch.ensemble_builder.ranking import checkpoints_of_trial
from hpsearch.ensemble_builder.selection import Selection, WeightedCheckpoint
from hpsearch.spec.ensembles.averages import RunningAverageEnsemble
from hpsearch.training.checkpoints.soups import with_copy_as_weights
from hpsearch.training.evaluation.batch_norm import with_fresh_statistics


def running_average(request: RunningAverageEnsemble, context: BuildContext) -> Selection | None:
    """Selects a trial's last checkpoint, with the average in the place of its weights.

    Raises:
        TrainingFailed: when the trial gathered no such average.
    """
    checkpoints = checkpoints_of_trial(context, request.trial)
    last = [checkpoint for checkpoint in checkpoints if checkpoint.last]
    best = [checkpoint for checkpoint in checkpoints if checkpoint.best]
    selected = (last or best or checkpoints[-1:])[0]
    content = context.candidates.checkpoint(selected)
    if content is None:
        return None
    averaged = with_copy_as_weights(content, request.average)
    return Selection(
        [WeightedCheckpoint(selected, 1.0, request.average)],
        with_fresh_statistics(averaged, device=context.device),
    )
