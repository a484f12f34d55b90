"""Queued trials that no worker has trained yet: an edit may still change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import TrialState
from hpsearch.store.studies import row_of
from hpsearch.store.tables import TrialRow


@dataclass(frozen=True)
class UnbegunTrial:
    """A queued trial that has reported nothing."""

    id: int
    params: Mapping[str, Any]
    proposal: int | None
    """What its stage's sampler calls it; none where that has not proposed it."""


def queued(session: Session, study_id: int, stage: int) -> list[UnbegunTrial]:
    """Those of a stage that are the search's own and continue no other trial, by number."""
    rows = session.scalars(
        select(TrialRow)
        .where(
            TrialRow.study_id == study_id,
            TrialRow.stage == stage,
            TrialRow.state == TrialState.QUEUED,
            TrialRow.epochs_done == 0,
            TrialRow.continues.is_(None),
            TrialRow.ensemble_id.is_(None),
        )
        .order_by(TrialRow.number)
    )
    return [UnbegunTrial(row.id, row.params, row.proposal) for row in rows]


def replace(
    session: Session, trial_id: int, version: int, params: Mapping[str, Any], epochs: int
) -> None:
    """Gives a trial another configuration, of another version of the spec."""
    row = session.get_one(TrialRow, trial_id)
    row.version, row.params, row.epochs = version, dict(params), epochs


def set_version(session: Session, trial_id: int, version: int) -> None:
    """Lets a trial run with another version of the spec."""
    session.get_one(TrialRow, trial_id).version = version


def count_on_old_version(session: Session, study_id: int) -> int:
    """How many trials that are not over run with an earlier version than the study's."""
    return session.execute(
        select(func.count()).where(
            TrialRow.study_id == study_id,
            TrialRow.version != row_of(session, study_id).version,
            TrialRow.state.in_((TrialState.QUEUED, TrialState.RUNNING)),
        )
    ).scalar_one()
