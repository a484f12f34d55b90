"""What a row consists of that an ensemble predicts."""

from __future__ import annotations

from hpsearch.spec.study import StudySpec
from hpsearch.spec.task import SupervisedTask
from hpsearch.training.checkpoints.checkpoint import Checkpoint, columns_of
from hpsearch.training.data.sources import load


def features_of(study: StudySpec, checkpoint: Checkpoint) -> tuple[int, ...] | None:
    """Shape of a row: [columns once encoded], or [channels, height, width]; none for a plug-in's.

    Raises:
        NotFound: when the data set, which alone knows the shape of images, is not on this machine.
    """
    if not isinstance(study.task, SupervisedTask):
        return None
    task = study.task
    return columns_of(checkpoint) or load(task.dataset, task.dataset_version).x.shape[1:]


def column_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The names of an uploaded table's columns; none where rows are plain numbers."""
    standardization = checkpoint.standardization
    if standardization is None or standardization.encoding is None:
        return ()
    return tuple(column.name for column in standardization.encoding.columns)
