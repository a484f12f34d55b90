"""A checkpoint's predictions of the held-out rows, as the blob that is stored beside it."""

from __future__ import annotations

import numpy as np

from hpsearch.ensembling import predictions
from hpsearch.ensembling.predictions import Predictions, SplitPredictions
from hpsearch.training.evaluation.predictions import SplitOutputs, TrialPredictions


def predictions_blob(
    predicted: TrialPredictions, *, trial: int, epoch: int, checkpoint: str
) -> bytes:
    """The blob of a checkpoint's predictions.

    Args:
        predicted: what it predicts.
        trial: number of its trial in the study.
        epoch: its own, 0-based.
        checkpoint: its sha256, which ties the two together.

    Returns:
        A blob that `ensembling.predictions.read` reads.
    """
    return predictions.write(as_stored(predicted, trial=trial, epoch=epoch, checkpoint=checkpoint))


def as_stored(
    predicted: TrialPredictions, *, trial: int, epoch: int, checkpoint: str
) -> Predictions:
    """The predictions that `predictions_blob` stores."""
    return Predictions(
        trial=trial,
        epoch=epoch,
        checkpoint=checkpoint,
        classes=predicted.classes,
        target_scale=predicted.target_scale,
        validation=_split(predicted.validation),
        test=None if predicted.test is None else _split(predicted.test),
    )


def _split(outputs: SplitOutputs) -> SplitPredictions:
    is_numbers = outputs.targets.is_floating_point()
    targets = outputs.targets.cpu().numpy()
    return SplitPredictions(
        rows=outputs.rows.cpu().numpy().astype(np.int64),
        outputs=outputs.outputs.cpu().float().numpy(),
        targets=targets.astype(np.float64) if is_numbers else targets.astype(np.int64),
    )
