"""What a checkpoint says of the held-out rows, as the blob that is stored beside it."""

from __future__ import annotations

import numpy as np

from hpsearch.ensembling import predictions
from hpsearch.ensembling.predictions import Part, Predictions
from hpsearch.training.evaluation.predictions import SplitOutputs, TrialPredictions


def predictions_blob(
    predicted: TrialPredictions, *, trial: int, epoch: int, checkpoint: str
) -> bytes:
    """The blob of a checkpoint's predictions.

    Args:
        predicted: its outputs.
        trial: number of its trial in the study.
        epoch: its own, 0-based.
        checkpoint: its sha256, which ties the two together.
    """
    return predictions.write(as_stored(predicted, trial=trial, epoch=epoch, checkpoint=checkpoint))


def as_stored(
    predicted: TrialPredictions, *, trial: int, epoch: int, checkpoint: str
) -> Predictions:
    """What `predictions.read` gives of that blob."""
    return Predictions(
        trial=trial,
        epoch=epoch,
        checkpoint=checkpoint,
        classes=predicted.classes,
        target_scale=predicted.target_scale,
        validation=_part(predicted.validation),
        test=None if predicted.test is None else _part(predicted.test),
    )


def _part(outputs: SplitOutputs) -> Part:
    is_numbers = outputs.targets.is_floating_point()
    targets = outputs.targets.cpu().numpy()
    return Part(
        rows=outputs.rows.cpu().numpy().astype(np.int64),
        outputs=outputs.outputs.cpu().float().numpy(),
        targets=targets.astype(np.float64) if is_numbers else targets.astype(np.int64),
    )
