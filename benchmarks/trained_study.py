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
class Kept:
    """A trial's checkpoints."""

    plan: Plan
    value: float | None = None
    """The objective at the best epoch."""
    best: int = -1
    blobs: dict[int, bytes] = field(default_factory=dict)
    """By epoch."""
    reasons: dict[int, list[Reason]] = field(default_factory=dict)
    last: int = -1


class Stored:
    """Candidates and where their contents come from: this process's memory."""

    def __init__(self, trials: Sequence[Kept]) -> None:
        self.candidates: list[Candidate] = []
        self._checkpoints: dict[int, bytes] = {}
        self._predictions: dict[int, bytes] = {}
        predictor = Predictor()
        for kept in trials:
            for epoch, blob in sorted(kept.blobs.items()):
                self._add(kept, epoch, blob, predictor)

    def predictions(self, candidate: Candidate) -> bytes:
        """As a worker stored them."""
        return self._predictions[candidate.checkpoint]

    def checkpoint(self, candidate: Candidate) -> bytes:
        """As a worker stored it."""
        return self._checkpoints[candidate.checkpoint]

    def _add(self, kept: Kept, epoch: int, blob: bytes, predictor: Predictor) -> None:
        number, content = len(self.candidates) + 1, sha256(blob).hexdigest()
        predicted = predictor.predict(kept.plan, blob)
        if predicted is None:
            raise ValueError(f"a task must predict rows, and {kept.plan.spec.name} does not")
        trial = kept.plan.number
        said = predictions_blob(predicted, trial=trial, epoch=epoch, checkpoint=content)
        self._checkpoints[number], self._predictions[number] = blob, said
        self.candidates.append(
            Candidate(
                checkpoint=number,
                trial=trial,
                epoch=epoch,
                value=kept.value,
                best=epoch == kept.best,
                last=epoch == kept.last,
                reasons=tuple(kept.reasons.get(epoch, ())),
                sha256=content,
                predictions_sha256=sha256(said).hexdigest(),
            )
        )


def random_params(study: StudySpec, trials: int) -> list[Params]:
    """What random search proposes."""
    sampler = RandomSampler(SearchProblem(search_space(study), study.seed, study.search))
    return [proposal.params for proposal in sampler.suggest(range(trials))]


def train(study: StudySpec, params: Sequence[Params], epochs: int, first: int = 0) -> list[Kept]:
    """Trains trials as one group, and keeps what `study.checkpoints` names.

    Args:
        study: with an objective.
        params: of each trial.
        epochs: of each trial.
        first: number of the first trial.
    """
    plans = [Plan(first + place, resolve(study, one), epochs) for place, one in enumerate(params)]
    group = Group(plans)
    minima: dict[int, frozenset[int]] = {}
    if study.checkpoints.snapshots:
        minima = {plan.number: snapshot_epochs(plan, group.steps) for plan in plans}
    trials = {plan.number: Kept(plan) for plan in plans}
    recent = study.checkpoints.recent or 0
    for reports in group.epochs():
        for report in reports:
            kept = trials[report.number]
            reasons = _reasons(report, minima.get(report.number, frozenset()), epochs - recent)
            if _improves(kept, study, report) or reasons or report.finished:
                kept.blobs[report.epoch] = group.checkpoint(report.number)
            if reasons:
                kept.reasons[report.epoch] = reasons
            if report.finished:
                kept.last = report.epoch
            wanted = {kept.best, kept.last, *kept.reasons}
            kept.blobs = {epoch: blob for epoch, blob in kept.blobs.items() if epoch in wanted}
    return [kept for kept in trials.values() if kept.value is not None]


def _improves(kept: Kept, study: StudySpec, report: EpochReport) -> bool:
    """Notes an epoch that is better than all before."""
    objective = study.objectives[0]
    value = report.metrics[objective.metric]
    if report.diverged or not objective.improves(value, kept.value):
        return False
    kept.value, kept.best = value, report.epoch
    return True


def _reasons(report: EpochReport, minima: frozenset[int], recent_from: int) -> list[Reason]:
    found: list[Reason] = []
    if report.epoch in minima:
        found.append("snapshot")
    if report.epoch >= recent_from:
        found.append("recent")
    return [] if report.diverged else found
