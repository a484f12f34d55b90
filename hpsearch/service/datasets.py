"""A study's data set: what people, its ensembles and its workers need of it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.study import StudySpec
from hpsearch.spec.task import SupervisedTask
from hpsearch.spec.wire.datasets import BUILT_IN, Dataset, DatasetInfo
from hpsearch.spec.wire.upload import DatasetFile
from hpsearch.store import datasets


def target_of(session: Session, spec: StudySpec) -> TargetKind | None:
    """What a study predicts: classes or numbers; none where only training finds out."""
    info = info_of(session, spec)
    return None if info is None else info.target


def info_of(session: Session, spec: StudySpec) -> DatasetInfo | None:
    """A study's data set; none where its task brings its own, or it has been removed."""
    if not isinstance(spec.task, SupervisedTask):
        return None
    return BUILT_IN.get(spec.task.dataset) or _uploaded(session, spec.task)


def uploaded_file(session: Session, spec: StudySpec) -> DatasetFile | None:
    """What a worker needs to fetch a study's uploaded data set; none for built-in data."""
    if not isinstance(spec.task, SupervisedTask) or spec.task.dataset in BUILT_IN:
        return None
    dataset = _uploaded(session, spec.task)
    if dataset is None:
        return None
    return DatasetFile(**{name: getattr(dataset, name) for name in DatasetFile.model_fields})


def _uploaded(session: Session, task: SupervisedTask) -> Dataset | None:
    """The version that a study was submitted with; None once it has been removed."""
    return datasets.find(session, task.dataset, task.dataset_version or 1)
