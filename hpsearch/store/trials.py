"""Trials: created, started, requeued, finished, and read by pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from hpsearch.errors import InvalidInput, NotFound, ReportGap
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.states import StudyState, TrialReason, TrialState, is_final, transition
from hpsearch.spec.wire.records import Trial, TrialPage
from hpsearch.store import ranking, specs, studies
from hpsearch.store.database import now
from hpsearch.store.pages import decode_cursor, encode_cursor
from hpsearch.store.reports import encoded
from hpsearch.store.tables import StudyRow, TrialRow
from hpsearch.store.timestamps import as_datetime

SORTS = {"number": TrialRow.number, "value": TrialRow.value, "epochs_done": TrialRow.epochs_done}


@dataclass(frozen=True)
class NewTrial:
    """A configuration that is to become a trial."""

    number: int
    params: Mapping[str, Any]
    stage: int
    version: int
    epochs: int
    continues: int | None = None
    """Number of the trial whose training it continues."""
    ensemble: int | None = None
    """Id of the ensemble that asked for it."""
    repeats: int | None = None
    """Runs of the trial; none for those of its stage."""
    proposal: int | None = None
    """What its stage's sampler calls it; none where that has not proposed it."""


def create(session: Session, study_id: int, new: Sequence[NewTrial]) -> list[int]:
    """Adds queued trials; returns their ids in order."""
    moment = now(session)
    _study(session, study_id).trials_created += len(new)
    rows = [
        TrialRow(
            study_id=study_id,
            number=trial.number,
            state=TrialState.QUEUED,
            stage=trial.stage,
            version=trial.version,
            attempt=1,
            params=dict(trial.params),
            continues=trial.continues,
            ensemble_id=trial.ensemble,
            repeats=trial.repeats,
            proposal=trial.proposal,
            epochs=trial.epochs,
            metrics={},
            test_metrics={},
            attributes={},
            created_at=moment,
        )
        for trial in new
    ]
    session.add_all(rows)
    session.flush()
    return [row.id for row in rows]


@dataclass(frozen=True)
class StartedTrial:
    """A trial whose job has just been leased."""

    id: int
    number: int
    stage: int
    version: int
    params: Mapping[str, Any]
    continues: int | None
    epochs: int
    repeats: int | None
    """Runs of the trial; none for those of its stage."""


def start(session: Session, trial_ids: Sequence[int]) -> list[StartedTrial]:
    """Marks trials as running; returns them in the order of their ids here."""
    moment = now(session)
    found = session.scalars(select(TrialRow).where(TrialRow.id.in_(trial_ids)))
    by_id = {row.id: row for row in found}
    rows = [by_id[trial_id] for trial_id in trial_ids]
    for row in rows:
        row.state = transition(_noun(row), TrialState(row.state), TrialState.RUNNING)
        if row.started_at is None:
            row.started_at = moment
    return [
        StartedTrial(
            row.id,
            row.number,
            row.stage,
            row.version,
            row.params,
            row.continues,
            row.epochs,
            row.repeats,
        )
        for row in rows
    ]


def start_from_scratch(session: Session, trial_id: int) -> None:
    """Lets a trial that was to continue another one start from epoch 0."""
    session.get_one(TrialRow, trial_id).continues = None


def id_of(session: Session, study_id: int, number: int) -> int:
    """The id of a trial."""
    return session.execute(
        select(TrialRow.id).where(TrialRow.study_id == study_id, TrialRow.number == number)
    ).scalar_one()


def set_attributes(session: Session, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Adds to a trial's attributes; those of the same name are replaced."""
    row = session.get_one(TrialRow, trial_id)
    row.attributes = {**row.attributes, **attributes}


def requeue(session: Session, trial_id: int, attempt: int) -> None:
    """Puts a trial back into the queue, as the next attempt of its job."""
    row = session.get_one(TrialRow, trial_id)
    row.state = transition(_noun(row), TrialState(row.state), TrialState.QUEUED)
    row.attempt = attempt


def finish(
    session: Session,
    trial_id: int,
    state: TrialState,
    reason: TrialReason | None = None,
    message: str | None = None,
    test_metrics: Mapping[str, float] | None = None,
) -> int:
    """Ends a trial, once and under its study's lock; returns its number.

    Raises:
        IllegalTransition: when it has ended before.
    """
    row = session.get_one(TrialRow, trial_id)
    row.state = transition(_noun(row), TrialState(row.state), state)
    row.reason = reason
    row.message = message
    row.test_metrics = encoded(test_metrics or {})
    row.finished_at = now(session)
    study = _study(session, row.study_id)
    row.end_order = study.trials_ended
    study.trials_ended += 1
    return row.number


def same_configuration(session: Session, study_id: int, number: int) -> list[int]:
    """Numbers of the trials with a trial's parameters and epochs that are complete or open.

    The trial itself comes first, then the complete ones, then the open ones.
    """
    row = session.get_one(TrialRow, id_of(session, study_id, number))
    found = session.execute(
        select(TrialRow.number, TrialRow.params, TrialRow.state).where(
            TrialRow.study_id == study_id,
            TrialRow.state.in_((TrialState.COMPLETE, TrialState.QUEUED, TrialState.RUNNING)),
            TrialRow.epochs == row.epochs,
            TrialRow.version == row.version,
            TrialRow.continues.is_(None),
        )
    )
    same = sorted(
        (state != TrialState.COMPLETE, other)
        for other, params, state in found
        if params == row.params and other != number
    )
    return [number, *(other for _, other in same)]


def open_for_ensembles(session: Session, study_id: int) -> dict[int, int]:
    """Numbers, by id, of the trials that ensembles asked for and that are not over."""
    found = session.execute(
        select(TrialRow.id, TrialRow.number).where(
            TrialRow.study_id == study_id,
            TrialRow.ensemble_id.is_not(None),
            TrialRow.state.in_((TrialState.QUEUED, TrialState.RUNNING)),
        )
    )
    return {trial_id: number for trial_id, number in found}  # noqa: C416 (rows are no pairs to mypy)


def continued_numbers(session: Session, study_id: int) -> set[int]:
    """Numbers of the trials that queued and running ones continue."""
    found = session.scalars(
        select(TrialRow.continues).where(
            TrialRow.study_id == study_id,
            TrialRow.continues.is_not(None),
            TrialRow.state.in_((TrialState.QUEUED, TrialState.RUNNING)),
        )
    )
    return {number for number in found if number is not None}


def set_value(session: Session, trial_id: int, value: float) -> None:
    """Sets the value of an external trial, as its loop reports it."""
    session.get_one(TrialRow, trial_id).value = value


def best_value(session: Session, trial_id: int) -> float | None:
    """A trial's value: the best one that its epochs reported; none before the first."""
    return session.get_one(TrialRow, trial_id).value


def check_reported(session: Session, trial_id: int, epoch: int) -> None:
    """Checks that the epoch of a checkpoint has been reported.

    Raises:
        ReportGap: when it has not.
    """
    done = session.get_one(TrialRow, trial_id).epochs_done
    if epoch >= done:
        raise ReportGap(
            f"a checkpoint's epoch must be reported first, got {epoch} after {done} reports; "
            "report it, then send the checkpoint"
        )


def get(session: Session, study_id: int, number: int) -> Trial:
    """The record of a trial.

    Raises:
        NotFound: when the study has none of this number.
    """
    row = session.scalars(
        select(TrialRow).where(TrialRow.study_id == study_id, TrialRow.number == number)
    ).one_or_none()
    if row is None:
        study = _study(session, study_id)
        raise NotFound(
            f"a trial must exist to be used, and study {study_id} has none of number {number}; "
            f"it has {study.trials_created} so far"
        )
    return records(session, study_id, [row])[0]


def of_numbers(session: Session, study_id: int, numbers: Sequence[int]) -> list[Trial]:
    """Records of some trials of one study, in the order of `numbers`, which must exist."""
    found = session.scalars(
        select(TrialRow).where(TrialRow.study_id == study_id, TrialRow.number.in_(numbers))
    )
    rows = {row.number: row for row in found}
    return records(session, study_id, [rows[number] for number in numbers])


def page(
    session: Session,
    study_id: int,
    *,
    size: int,
    token: str | None,
    sort: str = "number",
    state: TrialState | None = None,
    stage: int | None = None,
) -> TrialPage:
    """A page of trials by `sort` (`-value`: the highest first); those without a value come last.

    Raises:
        InvalidInput: for a sort that is none of `SORTS`.
    """
    descending, name = sort.startswith("-"), sort.removeprefix("-")
    if name not in SORTS:
        raise InvalidInput.at(
            "sort",
            f"must be one of {', '.join(SORTS)} or the same after a minus, got "
            f"{format_value(sort)}",
        )
    column = SORTS[name]
    query = select(TrialRow).where(TrialRow.study_id == study_id)
    if state is not None:
        query = query.where(TrialRow.state == state)
    if stage is not None:
        query = query.where(TrialRow.stage == stage)
    if token:
        query = query.where(_after(column, *decode_cursor(token, 2), descending=descending))
    order = column.desc() if descending else column.asc()
    query = query.order_by(order.nulls_last(), TrialRow.number).limit(size + 1)
    rows = session.scalars(query).all()
    if not rows:
        _study(session, study_id)
    last = rows[size - 1] if len(rows) > size else None
    return TrialPage(
        trials=records(session, study_id, rows[:size]),
        next_page_token=encode_cursor([getattr(last, name), last.number]) if last else None,
    )


def _after(column: Any, value: Any, number: int, *, descending: bool) -> ColumnElement[bool]:
    if value is None:
        return and_(column.is_(None), TrialRow.number > number)
    beyond = column < value if descending else column > value
    return or_(beyond, and_(column == value, TrialRow.number > number), column.is_(None))


def _noun(row: TrialRow) -> str:
    return f"trial {row.number} of study {row.study_id}"


def _study(session: Session, study_id: int) -> StudyRow:
    return studies.row_of(session, study_id)


def records(session: Session, study_id: int, rows: Sequence[TrialRow]) -> list[Trial]:
    """Records of a study's trials; test scores only for the best one once the study is over."""
    study = _study(session, study_id)
    revealed = None
    if is_final(StudyState(study.state)):
        best = ranking.best_trial(session, study_id, specs.of_row(session, study))
        revealed = best.id if best else None
    return [_record(row, reveal_test=row.id == revealed) for row in rows]


def _record(row: TrialRow, *, reveal_test: bool) -> Trial:
    return Trial(
        id=row.id,
        number=row.number,
        study_id=row.study_id,
        state=TrialState(row.state),
        reason=TrialReason(row.reason) if row.reason else None,
        message=row.message,
        stage=row.stage,
        version=row.version,
        attempt=row.attempt,
        params=row.params,
        continues=row.continues,
        value=row.value,
        values=row.objectives,
        best_epoch=row.best_epoch,
        epochs_done=row.epochs_done,
        epochs=row.epochs,
        metrics={**row.metrics, **(row.test_metrics if reveal_test else {})},
        attributes=row.attributes,
        created_at=as_datetime(row.created_at),
        started_at=as_datetime(row.started_at),
        finished_at=as_datetime(row.finished_at),
    )
