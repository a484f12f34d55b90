"""A whole study trained in this process, fused, with the checkpoints that it would have stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from hpsearch.ensemble_builder import predictions_blob
from hpsearch.search.samplers.base import SearchProblem
from hpsearch.search.samplers.random import RandomSampler
from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.space.space import resolve, search_space
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.evaluation.predictions import Predictor
from hpsearch.training.evaluation.snapshots import snapshot_epochs
from hpsearch.training.group.group import Group
from hpsearch.training.tasks.plan import EpochReport, Plan

Params = Mapping[str, Any]


@dataclass
class TrialCheckpoints:
    """A trial's checkpoints."""

    plan: Plan
    value: float | None = None
    """The objective at the best epoch."""
    best: int = -1
    blobs: dict[int, bytes] = field(default_factory=dict)
    """By epoch."""
    reasons: dict[int, list[Reason]] = field(default_factory=dict)
    last: int = -1


class StudyCheckpoints:
    """The checkpoints of a study as candidates of an ensemble, with their contents in memory."""

    def __init__(self, trials: Sequence[TrialCheckpoints]) -> None:
        self.candidates: list[Candidate] = []
        self._checkpoints: dict[int, bytes] = {}
        self._predictions: dict[int, bytes] = {}
        predictor = Predictor()
        for trial in trials:
            for epoch, blob in sorted(trial.blobs.items()):
                self._add(trial, epoch, blob, predictor)

    def predictions(self, candidate: Candidate) -> bytes:
        """Their content, as a worker would have uploaded it."""
        return self._predictions[candidate.checkpoint]

    def checkpoint(self, candidate: Candidate) -> bytes:
        """Its content, as a worker would have uploaded it."""
        return self._checkpoints[candidate.checkpoint]

    def _add(self, trial: TrialCheckpoints, epoch: int, blob: bytes, predictor: Predictor) -> None:
        checkpoint, digest = len(self.candidates) + 1, sha256(blob).hexdigest()
        predicted = predictor.predict(trial.plan, blob)
        if predicted is None:
            raise ValueError(f"a task must predict rows, and {trial.plan.spec.name} does not")
        number = trial.plan.number
        table = predictions_blob(predicted, trial=number, epoch=epoch, checkpoint=digest)
        self._checkpoints[checkpoint], self._predictions[checkpoint] = blob, table
        self.candidates.append(
            Candidate(
                checkpoint=checkpoint,
                trial=number,
                epoch=epoch,
                value=trial.value,
                best=epoch == trial.best,
                last=epoch == trial.last,
                reasons=tuple(trial.reasons.get(epoch, ())),
                sha256=digest,
                predictions_sha256=sha256(table).hexdigest(),
            )
        )


def random_params(study: StudySpec, trials: int) -> list[Params]:
    """What random search proposes."""
    sampler = RandomSampler(SearchProblem(search_space(study), study.seed, study.search))
    return [proposal.params for proposal in sampler.suggest(range(trials))]


def train(
    study: StudySpec, params: Sequence[Params], epochs: int, first: int = 0
) -> list[TrialCheckpoints]:
    """Trains trials as one group, and keeps the checkpoints that `study.checkpoints` names.

    Args:
        study: with an objective.
        params: of each trial.
        epochs: of each trial.
        first: number of the first trial.
    """
    plans = [Plan(first + i, resolve(study, trial), epochs) for i, trial in enumerate(params)]
    group = Group(plans)
    minima: dict[int, frozenset[int]] = {}
    if study.checkpoints.snapshots:
        minima = {plan.number: snapshot_epochs(plan, group.steps) for plan in plans}
    trials = {plan.number: TrialCheckpoints(plan) for plan in plans}
    recent = study.checkpoints.recent or 0
    for reports in group.epochs():
        for report in reports:
            trial = trials[report.number]
            reasons = _reasons(report, minima.get(report.number, frozenset()), epochs - recent)
            if _improves(trial, study, report) or reasons or report.finished:
                trial.blobs[report.epoch] = group.checkpoint(report.number)
            if reasons:
                trial.reasons[report.epoch] = reasons
            if report.finished:
                trial.last = report.epoch
            epochs_kept = {trial.best, trial.last, *trial.reasons}
            trial.blobs = {
                epoch: blob for epoch, blob in trial.blobs.items() if epoch in epochs_kept
            }
    return [trial for trial in trials.values() if trial.value is not None]


def _improves(trial: TrialCheckpoints, study: StudySpec, report: EpochReport) -> bool:
    """Notes an epoch that is better than all before."""
    objective = study.objectives[0]
    value = report.metrics[objective.metric]
    if report.diverged or not objective.improves(value, trial.value):
        return False
    trial.value, trial.best = value, report.epoch
    return True


def _reasons(report: EpochReport, minima: frozenset[int], recent_from: int) -> list[Reason]:
    reasons: list[Reason] = []
    if report.epoch in minima:
        reasons.append("snapshot")
    if report.epoch >= recent_from:
        reasons.append("recent")
    return [] if report.diverged else reasons
