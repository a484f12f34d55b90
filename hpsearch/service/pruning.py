"""Which reporting trials their study's pruner stops.

CurveTables   the curves of this process's studies; the database is the truth
StudyPruner   decides on one study's reports, under its lock, within one transaction

A table is valid while its revision is the study's. It has none from the moment when a transaction
begins to change it until that transaction has been committed; where it has none, or an older one
because another process wrote meanwhile, `_catch_up` reads again what may differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from sqlalchemy.orm import Session

from hpsearch.search.pruners import CurveTable, Pruner, Verdict, judge_together, pruner_for
from hpsearch.search.pruners.curve_table import TrialCurve
from hpsearch.spec.language.states import EventKind, TrialReason, TrialState, is_final
from hpsearch.spec.space.stages import stages_of, stated_epochs
from hpsearch.spec.study import StudySpec
from hpsearch.store import events, pruning_state
from hpsearch.store.database import on_commit
from hpsearch.store.lru import LruCache
from hpsearch.store.pruning_state import PrunableStudy, PrunableTrial, PrunerState
from hpsearch.store.reports import Epoch

CACHED_STUDIES = 16
"""Curve tables that are cached; others are read again when they are needed."""


@dataclass
class _StudyCurves:
    """The curves of one study; `version` is that of the spec that its pruner comes from."""

    identity: tuple[int, float]
    version: int
    pruner: Pruner[Any]
    table: CurveTable
    numbers: dict[int, int] = field(default_factory=dict)
    """Trial numbers by trial id."""
    revision: int | None = None
    """The study's when the table was last valid; none while a transaction changes it."""
    ended: int = 0
    """How many ended trials are in it."""
    changed: set[int] = field(default_factory=set)
    """Ids of trials that changed since it was last valid."""
    writer: object = None
    """The transaction that changes it, or was the last to do so."""

    def is_of(self, study: PrunableStudy) -> bool:
        """Whether the curves and the pruner are of this study and this version of its spec."""
        return (self.identity, self.version) == (study.identity, study.version)


class CurveTables:
    """Curve tables by study; the one used least recently goes first."""

    def __init__(self, size: int = CACHED_STUDIES) -> None:
        self._curves: LruCache[int, _StudyCurves] = LruCache(size)
        self._lock = Lock()

    def table_of(self, study_id: int) -> CurveTable | None:
        """A study's curves as this process knows them, valid or not; none where it holds none."""
        curves = self._curves.get(study_id)
        return None if curves is None else curves.table

    def open(self, session: Session, studies: Iterable[PrunableStudy]) -> dict[int, StudyPruner]:
        """Gives the curves of locked studies to a transaction; returns their pruners by study id.

        The curves are brought up to date here, and become valid when the transaction commits.
        """
        return {study.id: self._open(session, study) for study in studies}

    def _open(self, session: Session, study: PrunableStudy) -> StudyPruner:
        writer = object()
        with self._lock:
            curves = self._curves.get(study.id)
            if curves is None or not curves.is_of(study):
                curves = _new(study)
                self._curves.put(study.id, curves)
            valid = curves.revision == study.revision
            curves.revision, curves.writer = None, writer
        curves.table.clock = study.revision
        _catch_up(session, study, curves, valid=valid)
        curves.changed.update(study.reporting)
        on_commit(session, lambda: self._commit(curves, study.revision + 1, writer))
        return StudyPruner(session, study, curves)

    def _commit(self, curves: _StudyCurves, revision: int, writer: object) -> None:
        """Makes a writer's curves valid, unless the next writer has begun."""
        with self._lock:
            if curves.writer is writer:
                curves.revision = revision
                curves.changed.clear()


@dataclass(frozen=True)
class StudyPruner:
    """Decides on the reports of one study's trials."""

    session: Session
    study: PrunableStudy
    curves: _StudyCurves

    def decide(self, reports: Mapping[int, Sequence[Epoch]]) -> dict[int, Verdict]:
        """Adds epochs of some trials to their curves, those known already left out, and judges.

        The trials of one batch are judged together, whatever their order. Stores what the pruner
        must know again after a restart: when a trial began, rungs entered, and a stop.

        Args:
            reports: epochs by trial id.

        Returns:
            By trial id whether it stops.
        """
        table, values = self.curves.table, {}
        for trial_id, epochs in reports.items():
            number = self.curves.numbers[trial_id]
            values[number] = _new_values(table, number, epochs)
        before = {number: _state(table.curves[number]) for number in values}
        verdicts = judge_together(self.curves.pruner, table, values)
        for trial_id in reports:
            number = self.curves.numbers[trial_id]
            state = _state(table.curves[number])
            if state != before[number]:
                pruning_state.store_state(self.session, trial_id, state)
        if table.max_epochs != self.study.max_epochs:
            pruning_state.store_max_epochs(self.session, self.study.id, table.max_epochs)
        return {trial_id: verdicts[self.curves.numbers[trial_id]] for trial_id in reports}


def _new_values(table: CurveTable, number: int, epochs: Sequence[Epoch]) -> Sequence[float | None]:
    """The objective of a trial's epochs from the first on that is not in its curve."""
    done = table.curves[number].done
    values: list[float | None] = []
    for report in sorted(epochs, key=lambda report: report.epoch):
        if report.epoch == done + len(values):
            values.append(report.metrics.get(table.metric))
    return values


def _state(curve: TrialCurve) -> PrunerState:
    """What a pruner knows of a trial beside its curve."""
    return PrunerState(
        rungs=[(*rung, value) for rung, value in curve.rungs.items()],
        why=None if curve.stopped is None else curve.stopped.why,
        began=curve.began,
        diverged=curve.diverged,
        stopped_at=curve.stopped_at,
        stopped_epoch=curve.stopped_epoch,
    )


def log_idle(session: Session, study_id: int, spec: StudySpec) -> None:
    """Logs of each stage in which the study's pruner can stop no trial why that is so."""
    pruner = pruner_for(spec.pruner, spec.seed)
    if pruner is None:
        return
    plans, lengths = stages_of(spec), stated_epochs(spec)
    if not lengths and (pruner.reads_curves or pruner.reads_max_epochs):
        message = (
            f"the {spec.pruner.kind} pruner can stop no trial before others are complete: the spec "
            "does not say how long the loop trains; say it by training.epochs"
        )
        events.add(session, study_id, EventKind.PRUNER_IDLE, message, stage=0)
    for stage, epochs in lengths.items():
        why = pruner.why_idle(epochs, plans[stage].trials)
        if why is not None:
            where = f" in stage {stage}" if len(plans) > 1 else ""
            message = f"the {spec.pruner.kind} pruner can stop no trial{where}: {why}"
            events.add(session, study_id, EventKind.PRUNER_IDLE, message, stage=stage)


def _new(study: PrunableStudy) -> _StudyCurves:
    pruner = pruner_for(study.spec.pruner, study.spec.seed)
    if pruner is None:
        raise TypeError(f"study {study.id} has no pruner")
    table = CurveTable(study.spec.objectives[0], stated_epochs(study.spec))
    return _StudyCurves(study.identity, study.version, pruner, table)


def _catch_up(session: Session, study: PrunableStudy, curves: _StudyCurves, *, valid: bool) -> None:
    """Reads what happened since the curves were last valid."""
    unknown = set(study.reporting) - curves.numbers.keys()
    if valid and not unknown and curves.ended == study.trials_ended:
        return
    table = curves.table
    trials = pruning_state.trials(session, study.id, unknown, curves.ended, open_too=not valid)
    if not valid:
        table.max_epochs = dict(study.max_epochs)
    epochs_known = {}
    for trial in trials:
        curve = table.curves.get(trial.number)
        if curve is None or trial.id in curves.changed or curve.done > trial.epochs_done:
            curve = table.add(trial.number, stage=trial.stage, inherited=trial.inherited)
            curves.numbers[trial.id] = trial.number
            _restore(table, trial)
        elif not valid:
            _restore(table, trial)
        if curve.done < trial.epochs_done and _needs_curve(curves, trial):
            epochs_known[trial.id] = curve.done
    for trial_id, value in pruning_state.values(session, table.metric, epochs_known):
        table.report(curves.numbers[trial_id], [value])
    for trial in trials:
        if trial.state is TrialState.COMPLETE:
            table.complete(trial.number)
        elif is_final(trial.state):
            table.end(trial.number)
            if trial.state is TrialState.PRUNED and table.curves[trial.number].stopped is None:
                _store_end(session, table, trial)
    curves.ended = study.trials_ended


def _store_end(session: Session, table: CurveTable, trial: PrunableTrial) -> None:
    """Stores that a trial was stopped by whoever trains it, as where it diverged."""
    diverged = trial.reason == TrialReason.DIVERGED
    why = "it diverged" if diverged else "its loop stopped it"
    table.record(trial.number, Verdict(stop=True, why=why, diverged=diverged))
    pruning_state.store_state(session, trial.id, _state(table.curves[trial.number]))


def _restore(table: CurveTable, trial: PrunableTrial) -> None:
    """Puts a trial's stored pruner state into the table."""
    state = trial.pruner_state
    rungs = {(bracket, epoch): value for bracket, epoch, value in state.rungs}
    stopped = None
    if state.why is not None:
        stopped = Verdict(stop=True, why=state.why, diverged=state.diverged)
    table.restore(
        trial.number,
        rungs,
        stopped,
        began=state.began,
        stopped_at=state.stopped_at,
        stopped_epoch=state.stopped_epoch,
    )


def _needs_curve(curves: _StudyCurves, trial: PrunableTrial) -> bool:
    """Whether a trial's curve can still matter to a decision."""
    pruner = curves.pruner
    if trial.state is TrialState.PRUNED:
        return pruner.reads_curves
    if trial.state is not TrialState.COMPLETE:
        return not is_final(trial.state)
    return pruner.reads_curves or (
        pruner.reads_max_epochs and trial.stage not in curves.table.max_epochs
    )
