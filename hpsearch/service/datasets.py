"""What a study's data set means to its ensembles and its workers."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.study import StudySpec
from hpsearch.spec.task import SupervisedTask
from hpsearch.spec.wire.datasets import BUILT_IN
from hpsearch.spec.wire.upload import DatasetFile
from hpsearch.store import datasets


def target_of(session: Session, spec: StudySpec) -> TargetKind | None:
    """What a study predicts: classes or numbers; none where only training finds out."""
    if not isinstance(spec.task, SupervisedTask):
        return None
    info = BUILT_IN.get(spec.task.dataset) or datasets.find(session, spec.task.dataset)
    return None if info is None else info.target


def uploaded_file(session: Session, spec: StudySpec) -> DatasetFile | None:
    """What a worker needs to fetch a study's uploaded data set; none for built-in data."""
    if not isinstance(spec.task, SupervisedTask) or spec.task.dataset in BUILT_IN:
        return None
    dataset = datasets.find(session, spec.task.dataset)
    return None if dataset is None else DatasetFile.model_validate(dataset.model_dump())
