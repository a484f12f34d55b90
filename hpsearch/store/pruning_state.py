"""What a pruner remembers, and how it is read again: the reports are the truth.

JudgedStudy   a study with a pruner, under its lock
JudgedTrial   one of its trials, without its curve
Noted         what a pruner said of a trial: kept in the trial's `attributes`
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import TrialState
from hpsearch.spec.pruner import PRUNERS
from hpsearch.store.reports import encoded
from hpsearch.store.studies import LOCK_ORDER
from hpsearch.store.tables import JobRow, ReportRow, StudyRow, TrialRow
from hpsearch.store.trials import set_attributes

AT_ONCE = 5000
"""Trials whose curves one query reads."""

_KEY = "pruner"


@dataclass(frozen=True)
class LockedStudyState:
    """A study with a pruner; `identity` never names another one, even when an id is used again."""

    identity: tuple[int, float]
    document: Mapping[str, Any]
    """Its spec, not parsed: that takes longer than a decision."""
    version: int
    revision: int
    """Rises with each batch of its reports."""
    trials_ended: int
    lengths: Mapping[int, int]
    """The length of trials that its rungs were laid by, by stage."""
    reporting: Collection[int]
    """Ids of the trials that are about to report."""

    @property
    def id(self) -> int:
        """Its key."""
        return self.identity[0]


@dataclass(frozen=True)
class PrunerState:
    """What a pruner noted of a trial."""

    rungs: Sequence[tuple[int, int, float]] = ()
    """Bracket, epoch, and the value with which it came there."""
    why: str | None = None
    """Why it was told to stop; none unless it was."""


@dataclass(frozen=True)
class TrialSnapshot:
    """A trial of such a study."""

    id: int
    number: int
    stage: int
    state: TrialState
    inherited: int
    epochs_done: int
    noted: PrunerState


def lock_of_jobs(session: Session, job_ids: Collection[int]) -> list[LockedStudyState]:
    """Locks those studies of some jobs that have a pruner, in `LOCK_ORDER`.

    Trials that an ensemble asked for are not judged.
    """
    found = session.execute(
        select(JobRow.study_id, JobRow.trial_id)
        .join(TrialRow, TrialRow.id == JobRow.trial_id)
        .where(JobRow.id.in_(job_ids), TrialRow.ensemble_id.is_(None))
    )
    return _lock(session, [(row[0], row[1]) for row in found])


def lock_of_trial(session: Session, study_id: int, number: int) -> list[LockedStudyState]:
    """Locks a trial's study if it has a pruner."""
    found = session.execute(
        select(TrialRow.study_id, TrialRow.id).where(
            TrialRow.study_id == study_id, TrialRow.number == number
        )
    )
    return _lock(session, [(row[0], row[1]) for row in found])


def _lock(session: Session, reporting: Iterable[tuple[int, int | None]]) -> list[LockedStudyState]:
    trials: defaultdict[int, set[int]] = defaultdict(set)
    for study_id, trial_id in reporting:
        if trial_id is not None:
            trials[study_id].add(trial_id)
    # Columns, not rows: what is read before the lock must not be what is seen after it.
    specs = session.execute(select(StudyRow.id, StudyRow.spec).where(StudyRow.id.in_(trials)))
    wanted = [
        study_id for study_id, spec in specs if PRUNERS.members[spec["pruner"]["kind"]].stops_trials
    ]
    if not wanted:
        return []
    locked = session.execute(
        select(
            StudyRow.id,
            StudyRow.created_at,
            StudyRow.spec,
            StudyRow.version,
            StudyRow.revision,
            StudyRow.trials_ended,
            StudyRow.attributes,
        )
        .where(StudyRow.id.in_(wanted))
        .order_by(*LOCK_ORDER)
        .with_for_update()
    ).all()
    return [
        LockedStudyState(
            (row.id, row.created_at),
            row.spec,
            row.version,
            row.revision,
            row.trials_ended,
            {int(stage): n for stage, n in row.attributes.get(_KEY, {}).items()},
            trials[row.id],
        )
        for row in locked
    ]


def new_revision(session: Session, study_id: int) -> int:
    """Counts one more batch of a locked study's reports."""
    return session.execute(
        update(StudyRow)
        .where(StudyRow.id == study_id)
        .values(revision=StudyRow.revision + 1)
        .returning(StudyRow.revision)
    ).scalar_one()


def trials(
    session: Session, study_id: int, ids: Collection[int], ended_from: int, *, open_too: bool
) -> list[TrialSnapshot]:
    """Some trials, those that ended from the n-th on, and all that have not, each once.

    Args:
        session: the transaction.
        study_id: whose.
        ids: trials wanted in any case.
        ended_from: how many ended trials are known.
        open_too: whether those that have not ended are wanted.
    """
    wanted = [TrialRow.id.in_(ids), TrialRow.end_order >= ended_from]
    if open_too:
        wanted.append(TrialRow.end_order.is_(None))
    rows = session.execute(
        select(
            TrialRow.id,
            TrialRow.number,
            TrialRow.stage,
            TrialRow.state,
            TrialRow.inherited,
            TrialRow.epochs_done,
            TrialRow.attributes,
        )
        .where(TrialRow.study_id == study_id, or_(*wanted))
        .order_by(TrialRow.number)
    )
    return [
        TrialSnapshot(id_, number, stage, TrialState(state), inherited, done, _state(attributes))
        for id_, number, stage, state, inherited, done, attributes in rows
    ]


def values(
    session: Session, metric: str, known: Mapping[int, int]
) -> Iterator[tuple[int, float | None]]:
    """One metric of some trials, epoch by epoch, as (trial id, value); None where it is missing.

    Args:
        session: the transaction.
        metric: its name.
        known: how many of its epochs are not wanted, by trial id.
    """
    ids = iter(sorted(known))
    while chunk := list(islice(ids, AT_ONCE)):
        rows = session.execute(
            select(ReportRow.trial_id, ReportRow.epoch, ReportRow.metrics)
            .where(
                ReportRow.trial_id.in_(chunk),
                ReportRow.epoch >= min(known[trial_id] for trial_id in chunk),
            )
            .order_by(ReportRow.trial_id, ReportRow.epoch)
            .execution_options(yield_per=10_000)
        )
        for trial_id, epoch, metrics in rows:
            if epoch >= known[trial_id]:
                value = metrics.get(metric)
                yield trial_id, None if value is None else float(value)


def store_state(session: Session, trial_id: int, noted: PrunerState) -> None:
    """Keeps what a pruner noted of a trial."""
    rungs = [
        {"bracket": bracket, "epoch": epoch, **encoded({"value": value})}
        for bracket, epoch, value in noted.rungs
    ]
    set_attributes(session, trial_id, {_KEY: {"rungs": rungs, "why": noted.why}})


def store_max_epochs(session: Session, study_id: int, lengths: Mapping[int, int]) -> None:
    """Keeps the lengths that a study's rungs are laid by."""
    row = session.get_one(StudyRow, study_id)
    kept = {str(stage): length for stage, length in lengths.items()}
    row.attributes = {**row.attributes, _KEY: kept}


def stop_reason(session: Session, trial_id: int) -> str | None:
    """Why a trial was told to stop; none unless it was."""
    return _state(session.get_one(TrialRow, trial_id).attributes).why


def _state(attributes: Mapping[str, Any]) -> PrunerState:
    kept = attributes.get(_KEY)
    if kept is None:
        return PrunerState()
    rungs = [(rung["bracket"], rung["epoch"], float(rung["value"])) for rung in kept["rungs"]]
    return PrunerState(rungs, kept["why"])
