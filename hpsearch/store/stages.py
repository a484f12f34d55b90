"""Stages: the boxes that a search has drawn its trials in, one row a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import TrialState, is_final
from hpsearch.spec.wire.records import StageChange, StageSummary
from hpsearch.store.database import now
from hpsearch.store.tables import StageRow, StudyRow, TrialRow
from hpsearch.store.timestamps import as_datetime

ENDED = [state for state in TrialState if is_final(state)]


@dataclass(frozen=True)
class StoredStage:
    """A stage as the service handles it."""

    index: int
    first: int
    trials: int
    epochs: int | None
    space: list[dict[str, Any]] | None = None
    """Its parameters as JSON; none for the study's whole space."""
    given: list[dict[str, Any]] = field(default_factory=list)
    """Configurations of its first trials: `params`, and the trial that each `continues`."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    given_done: int = 0
    """How many of `given` have become trials."""
    sampled: int = 0
    """How many trials its sampler proposed."""


def start(session: Session, study_id: int, stage: StoredStage) -> None:
    """Starts a stage: it becomes the study's present one, and its trials may be handed out."""
    session.add(
        StageRow(
            study_id=study_id,
            stage=stage.index,
            first=stage.first,
            trials=stage.trials,
            epochs=stage.epochs,
            space=stage.space,
            given=stage.given,
            changes=stage.changes,
            started_at=now(session),
        )
    )
    study = session.get_one(StudyRow, study_id)
    study.stage = stage.index
    study.trials_open = stage.first + stage.trials
    session.flush()


def finish(session: Session, study_id: int, index: int) -> None:
    """Dates the end of a stage."""
    session.get_one(StageRow, (study_id, index)).finished_at = now(session)


def get(session: Session, study_id: int, index: int) -> StoredStage:
    """A stage as the service handles it."""
    row = session.get_one(StageRow, (study_id, index))
    return StoredStage(
        index=row.stage,
        first=row.first,
        trials=row.trials,
        epochs=row.epochs,
        space=row.space,
        given=row.given,
        changes=row.changes,
        given_done=row.given_done,
        sampled=row.sampled,
    )


def record_proposed(
    session: Session, study_id: int, index: int, *, given: int, sampled: int
) -> None:
    """Counts the given and the sampled configurations that have become trials."""
    row = session.get_one(StageRow, (study_id, index))
    row.given_done += given
    row.sampled += sampled


def add_trials(session: Session, study_id: int, index: int, count: int) -> None:
    """Adds trials to a stage and its study; a negative count removes planned ones."""
    session.get_one(StageRow, (study_id, index)).trials += count
    study = session.get_one(StudyRow, study_id)
    study.trials_open += count
    study.trials_planned += count


def set_space(session: Session, study_id: int, index: int, space: list[dict[str, Any]]) -> None:
    """Replaces the box that a stage's trials are drawn from."""
    session.get_one(StageRow, (study_id, index)).space = space


def count_ended(session: Session, study_id: int, index: int) -> int:
    """How many trials of a stage are over."""
    count: Any = session.scalar(
        select(func.count()).where(
            TrialRow.study_id == study_id, TrialRow.stage == index, TrialRow.state.in_(ENDED)
        )
    )
    return int(count)


def of_studies(session: Session, study_ids: Sequence[int]) -> Mapping[int, list[StageSummary]]:
    """Records of the stages that some studies have started, by study id."""
    found: dict[int, list[StageSummary]] = {study_id: [] for study_id in study_ids}
    for row in session.scalars(
        select(StageRow)
        .where(StageRow.study_id.in_(study_ids))
        .order_by(StageRow.study_id, StageRow.stage)
    ):
        found[row.study_id].append(_record(row))
    return found


def _record(row: StageRow) -> StageSummary:
    return StageSummary(
        stage=row.stage,
        first_trial=row.first,
        trials=row.trials,
        epochs=row.epochs,
        space=row.space,
        promoted=[given["params"] for given in row.given] if row.stage else [],
        changes=[StageChange.model_validate(change) for change in row.changes],
        started_at=as_datetime(row.started_at),
        finished_at=as_datetime(row.finished_at),
    )
