"""The stored state of pruners, and what they decide from: the reports are the truth.

PrunableStudy   a study with a pruner, under its lock
PrunableTrial   one of its trials, without its curve
PrunerState     what a pruner has decided on a trial: stored in the trial's `attributes`
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
from hpsearch.spec.study import StudySpec
from hpsearch.store import specs
from hpsearch.store.reports import encoded
from hpsearch.store.studies import LOCK_ORDER
from hpsearch.store.tables import JobRow, ReportRow, StudyRow, TrialRow

BATCH_SIZE = 5000
"""Trials whose curves one query reads."""

_KEY = "pruner"


@dataclass(frozen=True)
class PrunableStudy:
    """A study with a pruner, as it is under its lock."""

    identity: tuple[int, float]
    """Id and creation: names no other study, even where a database gives an id again."""
    spec: StudySpec
    version: int
    revision: int
    """Of its curves before this batch of reports; the lock has raised the stored one by 1."""
    trials_ended: int
    max_epochs: Mapping[int, int]
    """Epochs of the longest trial when the rungs were laid, by stage."""
    reporting: Collection[int]
    """Ids of the trials that are about to report."""

    @property
    def id(self) -> int:
        """The study's id."""
        return self.identity[0]


@dataclass(frozen=True)
class PrunerState:
    """What a pruner has decided on a trial."""

    rungs: Sequence[tuple[int, int, float]] = ()
    """Bracket, epoch, and the value with which the trial entered the rung."""
    why: str | None = None
    """Why the trial was to stop; none while it may continue."""
    diverged: bool = False
    """Whether it was to stop for that."""
    began: int | None = None
    """The study's revision when the trial first reported."""
    stopped_at: int = -1
    """The study's revision when it was to stop."""
    stopped_epoch: int = -1
    """The epoch that the verdict was about."""


@dataclass(frozen=True)
class PrunableTrial:
    """A trial of a study with a pruner."""

    id: int
    number: int
    stage: int
    state: TrialState
    reason: str | None
    inherited: int
    epochs_done: int
    pruner_state: PrunerState


def lock_of_jobs(session: Session, job_ids: Collection[int]) -> list[PrunableStudy]:
    """Locks those studies of some jobs that have a pruner, in `LOCK_ORDER`, to report to them.

    Trials that an ensemble asked for are never pruned.
    """
    found = session.execute(
        select(JobRow.study_id, JobRow.trial_id)
        .join(TrialRow, TrialRow.id == JobRow.trial_id)
        .where(JobRow.id.in_(job_ids), TrialRow.ensemble_id.is_(None))
    )
    return _lock(session, [(row[0], row[1]) for row in found])


def lock_of_trial(session: Session, study_id: int, number: int) -> list[PrunableStudy]:
    """Locks a trial's study, to report to it, if it has a pruner."""
    found = session.execute(
        select(TrialRow.study_id, TrialRow.id).where(
            TrialRow.study_id == study_id, TrialRow.number == number
        )
    )
    return _lock(session, [(row[0], row[1]) for row in found])


def _lock(session: Session, reporting: Iterable[tuple[int, int | None]]) -> list[PrunableStudy]:
    trials: defaultdict[int, set[int]] = defaultdict(set)
    for study_id, trial_id in reporting:
        if trial_id is not None:
            trials[study_id].add(trial_id)
    # Columns, not rows: what is read before the lock must not be what is seen after it.
    found = session.execute(
        select(StudyRow.id, StudyRow.version, StudyRow.spec).where(StudyRow.id.in_(trials))
    )
    wanted = [row.id for row in found if specs.parse(session, *row).is_pruned]
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
    session.execute(
        update(StudyRow).where(StudyRow.id.in_(wanted)).values(revision=StudyRow.revision + 1)
    )
    return [
        PrunableStudy(
            identity=(row.id, row.created_at),
            spec=specs.parse(session, row.id, row.version, row.spec),
            version=row.version,
            revision=row.revision,
            trials_ended=row.trials_ended,
            max_epochs={int(stage): n for stage, n in row.attributes.get(_KEY, {}).items()},
            reporting=trials[row.id],
        )
        for row in locked
    ]


def trials(
    session: Session, study_id: int, ids: Collection[int], ended_from: int, *, open_too: bool
) -> list[PrunableTrial]:
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
            TrialRow.reason,
            TrialRow.inherited,
            TrialRow.epochs_done,
            TrialRow.attributes,
        )
        .where(TrialRow.study_id == study_id, or_(*wanted))
        .order_by(TrialRow.number)
    )
    return [
        PrunableTrial(
            id=row.id,
            number=row.number,
            stage=row.stage,
            state=TrialState(row.state),
            reason=row.reason,
            inherited=row.inherited,
            epochs_done=row.epochs_done,
            pruner_state=_state(row.attributes),
        )
        for row in rows
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
    while chunk := list(islice(ids, BATCH_SIZE)):
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


def store_state(session: Session, trial_id: int, state: PrunerState) -> None:
    """Stores what a pruner has decided on a trial."""
    rungs = [
        {"bracket": bracket, "epoch": epoch, **encoded({"value": value})}
        for bracket, epoch, value in state.rungs
    ]
    row = session.get_one(TrialRow, trial_id)
    stored = {
        "rungs": rungs,
        "why": state.why,
        "diverged": state.diverged,
        "began": state.began,
        "stopped_at": state.stopped_at,
        "stopped_epoch": state.stopped_epoch,
    }
    row.attributes = {**row.attributes, _KEY: stored}


def store_max_epochs(session: Session, study_id: int, max_epochs: Mapping[int, int]) -> None:
    """Stores the epochs, by stage, that a study's rungs are laid by."""
    row = session.get_one(StudyRow, study_id)
    by_stage = {str(stage): epochs for stage, epochs in max_epochs.items()}
    row.attributes = {**row.attributes, _KEY: by_stage}


def stop_reason(session: Session, trial_id: int) -> str | None:
    """Why a trial was to stop; none while it may continue."""
    return _state(session.get_one(TrialRow, trial_id).attributes).why


def _state(attributes: Mapping[str, Any]) -> PrunerState:
    stored = attributes.get(_KEY)
    if stored is None:
        return PrunerState()
    rungs = [(rung["bracket"], rung["epoch"], float(rung["value"])) for rung in stored["rungs"]]
    # Trials of earlier versions have no moments: they count as having begun first.
    return PrunerState(
        rungs,
        stored["why"],
        diverged=stored.get("diverged", False),
        began=stored.get("began", 0),
        stopped_at=stored.get("stopped_at", -1),
        stopped_epoch=stored.get("stopped_epoch", -1),
    )
