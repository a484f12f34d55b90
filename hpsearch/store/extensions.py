"""What the store does for a study that is extended: opened again, and its trials to go on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import CUT_SHORT, TrialState
from hpsearch.store.studies import row_of, set_end
from hpsearch.store.tables import CheckpointRow, StageRow, TrialRow


@dataclass(frozen=True)
class TrainableTrial:
    """A complete trial that can train longer."""

    number: int
    params: Mapping[str, Any]
    epochs: int
    """Its planned length."""
    repeats: int | None
    has_checkpoint: bool
    """Whether its last state is stored."""


def reopen(session: Session, study_id: int) -> None:
    """Takes back that a study and its present stage are over."""
    set_end(session, study_id, None)
    row = row_of(session, study_id)
    row.search_over, row.finished_at = False, None
    session.get_one(StageRow, (study_id, row.stage)).finished_at = None


def trainable(session: Session, study_id: int, stage: int) -> list[TrainableTrial]:
    """The complete trials of a stage with a value, by number.

    Left out are those that early stopping ended, those that ensembles asked for, and those that
    another trial continues already.
    """
    of_study = TrialRow.study_id == study_id
    continued = select(TrialRow.continues).where(of_study, TrialRow.continues.is_not(None))
    last = select(CheckpointRow.id).where(CheckpointRow.trial_id == TrialRow.id, CheckpointRow.last)
    rows = session.execute(
        select(TrialRow, last.exists())
        .where(
            of_study,
            TrialRow.stage == stage,
            TrialRow.state == TrialState.COMPLETE,
            TrialRow.value.is_not(None),
            TrialRow.ensemble_id.is_(None),
            TrialRow.number.not_in(continued),
            or_(TrialRow.reason.in_(CUT_SHORT), TrialRow.epochs_done >= TrialRow.epochs),
        )
        .order_by(TrialRow.number)
    )
    return [
        TrainableTrial(row.number, row.params, row.epochs, row.repeats, stored)
        for row, stored in rows
    ]
