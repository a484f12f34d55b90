"""Reports judged: whether each trial of a study with a pruner goes on.

Tables   this process's curve tables; the database is the truth
Judge    decides on one study's reports, under its lock, within one transaction

A table is valid while its revision is the study's. It has none from the moment a transaction
begins to change it until that has been committed; whoever finds it so, or finds that another
process wrote, reads again what may differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from sqlalchemy.orm import Session

from hpsearch.search.pruners import CurveTable, Pruner, Verdict, judge, pruner_for
from hpsearch.spec.language.states import TrialState, is_final
from hpsearch.spec.study import parse_study
from hpsearch.store import pruning_state
from hpsearch.store.database import on_commit
from hpsearch.store.pruning_state import LockedStudyState, PrunerState, TrialSnapshot
from hpsearch.store.reports import Epoch

REMEMBERED_STUDIES = 16
"""So many tables are kept; others are read anew when needed."""


@dataclass
class _Kept:
    """The curves of one study; `version` is that of the spec that its pruner comes from."""

    identity: tuple[int, float]
    version: int
    pruner: Pruner[Any]
    table: CurveTable
    numbers: dict[int, int] = field(default_factory=dict)
    """By trial id."""
    revision: int | None = None
    ended: int = 0
    """How many trials that have ended it knows."""
    touched: set[int] = field(default_factory=set)
    """Ids of trials that changed since it was last valid."""
    writer: object = None
    """The transaction that changes it, or was the last to do so."""


@dataclass(frozen=True)
class Tables:
    """Curve tables by study, the one used last at the end."""

    kept: dict[int, _Kept] = field(default_factory=dict)
    guard: Lock = field(default_factory=Lock)

    def begin(self, study: LockedStudyState, writer: object) -> tuple[_Kept, bool]:
        """The study's table, given to a writer, and whether it is valid."""
        with self.guard:
            found = self.kept.pop(study.id, None)
            if found is None or (found.identity, found.version) != (study.identity, study.version):
                found = _new(study)
            self.kept[study.id] = found
            while len(self.kept) > REMEMBERED_STUDIES:
                del self.kept[next(iter(self.kept))]
            valid = found.revision == study.revision
            found.revision, found.writer = None, writer
            return found, valid

    def commit(self, kept: _Kept, revision: int, writer: object) -> None:
        """Makes a table valid, unless the next writer has begun."""
        with self.guard:
            if kept.writer is writer:
                kept.revision = revision
                kept.touched.clear()


@dataclass(frozen=True)
class Judge:
    """Decides on the reports of one study's trials."""

    session: Session
    study: LockedStudyState
    kept: _Kept

    def judge(self, trial_id: int, epochs: Sequence[Epoch]) -> Verdict:
        """Takes a trial's epochs on, those known already left out, and says whether it stops."""
        table, number = self.kept.table, self.kept.numbers[trial_id]
        curve = table.curves[number]
        values: list[float | None] = []
        for report in sorted(epochs, key=lambda report: report.epoch):
            if report.epoch == curve.done + len(values):
                values.append(report.metrics.get(table.metric))
        entered, was_stopped = len(curve.rungs), curve.stopped is not None
        verdict = judge(self.kept.pruner, table, number, values)
        if len(curve.rungs) > entered or (verdict.stop and not was_stopped):
            rungs = [(*rung, value) for rung, value in curve.rungs.items()]
            pruning_state.store_state(self.session, trial_id, PrunerState(rungs, verdict.why))
        if table.max_epochs != self.study.lengths:
            pruning_state.store_max_epochs(self.session, self.study.id, table.max_epochs)
        return verdict


def judges_of_jobs(session: Session, tables: Tables, job_ids: Collection[int]) -> dict[int, Judge]:
    """Locks those studies of some jobs that have a pruner; a judge for each, by study."""
    return _judges(session, tables, pruning_state.lock_of_jobs(session, job_ids))


def judges_of_trial(
    session: Session, tables: Tables, study_id: int, number: int
) -> dict[int, Judge]:
    """Locks a trial's study if it has a pruner; its judge, by study."""
    return _judges(session, tables, pruning_state.lock_of_trial(session, study_id, number))


def _judges(
    session: Session, tables: Tables, studies: Iterable[LockedStudyState]
) -> dict[int, Judge]:
    return {study.id: _judge(session, tables, study) for study in studies}


def _judge(session: Session, tables: Tables, study: LockedStudyState) -> Judge:
    writer = object()
    kept, valid = tables.begin(study, writer)
    _catch_up(session, study, kept, valid=valid)
    kept.touched.update(study.reporting)
    revision = pruning_state.new_revision(session, study.id)
    on_commit(session, lambda: tables.commit(kept, revision, writer))
    return Judge(session, study, kept)


def _new(study: LockedStudyState) -> _Kept:
    spec = parse_study(study.document)
    pruner = pruner_for(spec.pruner, spec.seed)
    if pruner is None:
        raise TypeError(f"study {study.id} has no pruner to judge its trials")
    return _Kept(study.identity, study.version, pruner, CurveTable(spec.objectives[0]))


def _catch_up(session: Session, study: LockedStudyState, kept: _Kept, *, valid: bool) -> None:
    """Reads what happened since the table was last valid."""
    unknown = set(study.reporting) - kept.numbers.keys()
    if valid and not unknown and kept.ended == study.trials_ended:
        return
    table = kept.table
    found = pruning_state.trials(session, study.id, unknown, kept.ended, open_too=not valid)
    if not valid:
        table.max_epochs = dict(study.lengths)
    known = {}
    for trial in found:
        curve = table.curves.get(trial.number)
        if curve is None or trial.id in kept.touched or curve.done > trial.epochs_done:
            curve = table.add(trial.number, stage=trial.stage, inherited=trial.inherited)
            kept.numbers[trial.id] = trial.number
            _restore(table, trial)
        elif not valid:
            _restore(table, trial)
        if curve.done < trial.epochs_done and _is_read(kept, trial):
            known[trial.id] = curve.done
    for trial_id, value in pruning_state.values(session, table.metric, known):
        table.report(kept.numbers[trial_id], [value])
    for trial in found:
        if trial.state is TrialState.COMPLETE:
            table.complete(trial.number)
    kept.ended = study.trials_ended


def _restore(table: CurveTable, trial: TrialSnapshot) -> None:
    noted = trial.noted
    rungs = {(bracket, epoch): value for bracket, epoch, value in noted.rungs}
    stopped = None if noted.why is None else Verdict(stop=True, why=noted.why)
    table.restore(trial.number, rungs, stopped)


def _is_read(kept: _Kept, trial: TrialSnapshot) -> bool:
    """Whether a trial's curve can still matter."""
    if trial.state is not TrialState.COMPLETE:
        return not is_final(trial.state)
    pruner = kept.pruner
    return pruner.reads_curves or (
        pruner.reads_max_epochs and trial.stage not in kept.table.max_epochs
    )
