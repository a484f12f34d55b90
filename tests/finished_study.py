"""A small study that has been trained, with every epoch's checkpoint kept in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpsearch.ensemble_builder import predictions_blob
from hpsearch.ensemble_builder.metric_functions import scores_alone
from hpsearch.ensembling import predictions
from hpsearch.ensembling.predictions import SplitPredictions
from hpsearch.errors import NotFound
from hpsearch.spec.metrics import direction_of
from hpsearch.spec.study import Objective, StudySpec, parse_study
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.evaluation.predictions import Predictor
from hpsearch.training.group.multi_run_group import group_for
from hpsearch.training.tasks.plan import Plan

torch.set_num_threads(1)

Split = tuple[NDArray[Any], NDArray[Any]]
"""Of validation and of test rows."""

Documents = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class FinishedStudy:
    """Candidates, and their contents by id."""

    spec: StudySpec
    candidates: tuple[Candidate, ...]
    checkpoints: dict[int, bytes]
    stored: dict[int, bytes]

    def predictions(self, candidate: Candidate) -> bytes:
        if candidate.checkpoint not in self.stored:
            raise NotFound("no artifact is called so")
        return self.stored[candidate.checkpoint]

    def checkpoint(self, candidate: Candidate) -> bytes:
        if candidate.checkpoint not in self.checkpoints:
            raise NotFound("no artifact is called so")
        return self.checkpoints[candidate.checkpoint]

    def of(self, trial: int, epoch: int) -> Candidate:
        """The candidate at an epoch of a trial."""
        return next(one for one in self.candidates if (one.trial, one.epoch) == (trial, epoch))

    def without(self, candidates: Iterable[Candidate]) -> FinishedStudy:
        """The study as if it had never kept them."""
        gone = {one.checkpoint for one in candidates}
        left = tuple(one for one in self.candidates if one.checkpoint not in gone)
        return replace(self, candidates=left)

    def judged_by(self, objective: str, positive: str | None = None) -> FinishedStudy:
        """The study as if it had had another objective; values are of this one from now on."""
        direction = direction_of(objective) or "minimize"
        task = self.spec.supervised.model_copy(update={"positive": positive})
        spec = self.spec.model_copy(
            update={"objective": Objective(metric=objective, direction=direction), "task": task}
        )
        listed = tuple(
            one.model_copy(update={"value": self._score(one, spec, objective)})
            for one in self.candidates
        )
        return replace(self, spec=spec, candidates=listed)

    def _score(self, candidate: Candidate, spec: StudySpec, objective: str) -> float | None:
        stored = predictions.read(self.predictions(candidate))
        found = scores_alone(spec, stored, stored.validation)
        return found.get(objective.removeprefix("val_"))

    def predicting(self, logits: Sequence[Split], targets: Split) -> FinishedStudy:
        """The best epochs alone, as if they had predicted these rows.

        Args:
            logits: of validation and test rows, [N, C] each, for one best epoch after the other.
            targets: of validation and test rows, [N].
        """
        listed, contents = [], {}
        best = [one for one in self.candidates if one.best]
        for one, outputs in zip(best, logits, strict=False):
            parts = [
                SplitPredictions(np.arange(len(y)), values.astype(np.float32), y)
                for values, y in zip(outputs, targets, strict=True)
            ]
            stored = predictions.read(self.predictions(one))
            content = predictions.write(replace(stored, validation=parts[0], test=parts[1]))
            contents[one.checkpoint] = content
            digest = sha256(content).hexdigest()
            listed.append(one.model_copy(update={"predictions_sha256": digest}))
        return replace(self, candidates=tuple(listed), stored=self.stored | contents)

    def damaged(
        self, *, checkpoints: dict[int, bytes] | None = None, stored: dict[int, bytes] | None = None
    ) -> FinishedStudy:
        """The study with other contents than were stored."""
        return replace(
            self,
            checkpoints=self.checkpoints | (checkpoints or {}),
            stored=self.stored | (stored or {}),
        )


@cache
def finished(
    dataset: str = "wine",
    rates: tuple[float, ...] = (0.002, 0.02, 0.05, 0.005, 0.01),
    epochs: int = 4,
    objective: str = "val_accuracy",
    model: Documents = (("kind", "mlp"), ("hidden", (12,)), ("norm", "batch")),
    training: Documents = (("init_seed", "shared"), ("ema", "{}"), ("swa", "{}")),
) -> FinishedStudy:
    """A study with one trial for each learning rate; `{}` stands for a section as it is."""
    sections = {name: {} if value == "{}" else value for name, value in training}
    direction = direction_of(objective) or "minimize"
    document = {
        "name": f"small {dataset}",
        "seed": 7,
        "task": {"dataset": dataset, "model": dict(model)},
        "optimizer": {"kind": "adam", "lr": 0.01},
        "training": {"epochs": epochs, "batch_size": 32, **sections},
        "objective": {"metric": objective, "direction": direction},
    }
    plans = [
        Plan(number, parse_study({**document, "optimizer": {"kind": "adam", "lr": rate}}), epochs)
        for number, rate in enumerate(rates)
    ]
    group = group_for(plans)
    blobs: dict[tuple[int, int], bytes] = {}
    values: dict[int, list[float]] = {plan.number: [] for plan in plans}
    for reports in group.epochs():
        for report in reports:
            blobs[report.number, report.epoch] = group.checkpoint(report.number)
            values[report.number].append(report.metrics[objective])
    best = max if direction == "maximize" else min
    predictor = Predictor()
    study = FinishedStudy(parse_study(document), (), {}, {})
    candidates = []
    for number, ((trial, epoch), blob) in enumerate(sorted(blobs.items()), start=1):
        predicted = predictor.predict(plans[trial], blob)
        assert predicted is not None
        content = sha256(blob).hexdigest()
        said = predictions_blob(predicted, trial=trial, epoch=epoch, checkpoint=content)
        study.checkpoints[number], study.stored[number] = blob, said
        value = best(values[trial])
        candidates.append(
            Candidate(
                checkpoint=number,
                trial=trial,
                epoch=epoch,
                value=value,
                best=epoch == values[trial].index(value),
                last=epoch == epochs - 1,
                reasons=("every", "recent") if epoch else (),
                sha256=content,
                predictions_sha256=sha256(said).hexdigest(),
            )
        )
    return replace(study, candidates=tuple(candidates))
