"""Records of studies, read one by one or by pages; a page takes as many queries as one study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import StudyState, TrialState, is_final
from hpsearch.spec.space.stages import stages_of, typical_epochs
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.records import Counts, StageSummary, Study, StudyPage
from hpsearch.store import checkpoints, ensembles, leases, ranking, specs, stages
from hpsearch.store.database import now
from hpsearch.store.pages import decode_cursor, encode_cursor
from hpsearch.store.ranking import BestTrial
from hpsearch.store.studies import end_of, row_of
from hpsearch.store.tables import StudyRow, TrialRow
from hpsearch.store.timestamps import as_datetime


def get(session: Session, study_id: int) -> Study:
    """The record of a study.

    Raises:
        NotFound: when there is none of this id.
    """
    return _records(session, [row_of(session, study_id)])[0]


def of_ids(session: Session, study_ids: Sequence[int]) -> list[Study]:
    """Records of those of some studies that exist, the newest first."""
    rows = session.scalars(
        select(StudyRow).where(StudyRow.id.in_(study_ids)).order_by(StudyRow.id.desc())
    ).all()
    return _records(session, rows)


def page(
    session: Session,
    size: int,
    token: str | None,
    state: StudyState | None = None,
    name: str | None = None,
) -> StudyPage:
    """A page of studies, the newest first; perhaps those in one state or of one name alone."""
    query = select(StudyRow)
    if state is not None:
        query = query.where(StudyRow.state == state)
    if name is not None:
        query = query.where(StudyRow.name == name)
    if token:
        (before,) = decode_cursor(token, 1)
        query = query.where(StudyRow.id < before)
    rows = session.scalars(query.order_by(StudyRow.id.desc()).limit(size + 1)).all()
    return StudyPage(
        studies=_records(session, rows[:size]),
        next_page_token=encode_cursor([rows[size - 1].id]) if len(rows) > size else None,
    )


@dataclass
class _TrialTotals:
    """Sums over the trials of one study that there are so far."""

    counts: dict[str, int] = field(default_factory=dict)
    """Trials by state."""
    epochs_done: int = 0
    epochs_planned: int = 0
    epochs_left: int = 0
    """Of those planned, the ones that are still to be trained."""


@dataclass(frozen=True)
class _Facts:
    """What is read for all studies at once, each by study id."""

    moment: float
    """The database's clock."""
    specs: Mapping[int, StudySpec]
    totals: Mapping[int, _TrialTotals]
    stages: Mapping[int, list[StageSummary]]
    best: Mapping[int, BestTrial]
    fronts: Mapping[int, list[int]]
    checkpoints: Mapping[int, tuple[int, int]]
    """Their number and size in bytes."""
    ensembles: Mapping[int, int]
    ending: Mapping[int, int]
    """How many of their trials are over but for what a worker has yet to send."""


def _records(session: Session, rows: Sequence[StudyRow]) -> list[Study]:
    ids = [row.id for row in rows]
    specs_by_id = {row.id: specs.of_row(session, row) for row in rows}
    facts = _Facts(
        specs=specs_by_id,
        totals=_trial_totals(session, ids),
        stages=stages.of_studies(session, ids),
        best=ranking.best_of_studies(session, specs_by_id),
        fronts=ranking.pareto_fronts(session, specs_by_id),
        checkpoints=checkpoints.sizes(session, ids),
        ensembles=ensembles.counts(session, ids),
        ending=leases.count_ending(session, ids),
        moment=now(session),
    )
    return [_record(row, facts) for row in rows]


def _trial_totals(session: Session, ids: Sequence[int]) -> defaultdict[int, _TrialTotals]:
    totals: defaultdict[int, _TrialTotals] = defaultdict(_TrialTotals)
    for study_id, state, number, done, planned in session.execute(
        select(
            TrialRow.study_id,
            TrialRow.state,
            func.count(),
            func.sum(TrialRow.epochs_done - TrialRow.inherited),
            func.sum(TrialRow.epochs - TrialRow.inherited),
        )
        .where(TrialRow.study_id.in_(ids))
        .group_by(TrialRow.study_id, TrialRow.state)
    ):
        of_study = totals[study_id]
        of_study.counts[state] = number
        of_study.epochs_done += int(done)
        of_study.epochs_planned += int(planned)
        if not is_final(TrialState(state)):
            of_study.epochs_left += int(planned) - int(done)
    return totals


def _record(row: StudyRow, facts: _Facts) -> Study:
    totals, started = facts.totals[row.id], facts.stages[row.id]
    best = facts.best.get(row.id)
    unsampled = _unsampled_epochs(row, facts.specs[row.id], len(started))
    eta = None
    is_training = row.state == StudyState.RUNNING and not row.search_over
    if is_training and row.started_at is not None and totals.epochs_done:
        left = totals.epochs_left + unsampled
        eta = left * (facts.moment - row.started_at) / totals.epochs_done
    number_of_checkpoints, checkpoint_bytes = facts.checkpoints.get(row.id, (0, 0))
    return Study(
        id=row.id,
        name=row.name,
        state=StudyState(row.state),
        spec=row.spec,
        version=row.version,
        stage=row.stage,
        stages=started,
        trials_planned=row.trials_planned,
        counts=Counts(**totals.counts),
        best_trial=best.number if best else None,
        best_value=best.value if best else None,
        pareto_front=facts.fronts.get(row.id),
        epochs_done=totals.epochs_done,
        epochs_planned=totals.epochs_planned + unsampled,
        eta_seconds=eta,
        checkpoints=number_of_checkpoints,
        checkpoint_bytes=checkpoint_bytes,
        ensembles=facts.ensembles.get(row.id, 0),
        end=end_of(row) if is_final(StudyState(row.state)) else None,
        ending_trials=facts.ending.get(row.id, 0),
        attributes=row.attributes,
        created_at=as_datetime(row.created_at),
        started_at=as_datetime(row.started_at),
        finished_at=as_datetime(row.finished_at),
    )


def _unsampled_epochs(row: StudyRow, spec: StudySpec, stages_started: int) -> int:
    """Epochs of the trials that have not been sampled yet."""
    if row.trials_created == row.trials_planned or row.search_over:
        return 0
    plans = stages_of(spec)
    of_stage = (row.trials_open - row.trials_created) * typical_epochs(spec, row.stage)
    return of_stage + sum(
        plans[index].trials * typical_epochs(spec, index)
        for index in range(stages_started, len(plans))
    )
