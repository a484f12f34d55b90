"""What an ensemble takes for a row."""

from __future__ import annotations

from hpsearch.spec.study import StudySpec
from hpsearch.spec.task import SupervisedTask
from hpsearch.training.checkpoints.checkpoint import Checkpoint, columns_of
from hpsearch.training.data.builtin import load


def features_of(study: StudySpec, checkpoint: Checkpoint) -> tuple[int, ...] | None:
    """Columns of a table once encoded, [channels, height, width] of images; none of a plug-in.

    Raises:
        NotFound: when images are not at hand.
    """
    if not isinstance(study.task, SupervisedTask):
        return None
    return columns_of(checkpoint) or load(study.task.dataset).x.shape[1:]


def column_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The columns that an uploaded table's rows are made of; none of plain numbers."""
    fitted = checkpoint.standardization
    if fitted is None or fitted.encoding is None:
        return ()
    return tuple(column.name for column in fitted.encoding.columns)
