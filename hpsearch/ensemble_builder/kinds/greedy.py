"""Greedy selection: checkpoints that are added one after another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hpsearch.ensemble_builder.context import BuildContext
from hpsearch.ensemble_builder.metric_functions import measure_for
from hpsearch.ensemble_builder.ranking import by_objective, nothing_usable
from hpsearch.ensemble_builder.selection import Selection, WeightedCheckpoint
from hpsearch.ensembling.combining import member_values
from hpsearch.ensembling.predictions import Predictions, SplitPredictions
from hpsearch.ensembling.selection import select
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensembles.members import GreedyEnsemble
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.numerics.memory import free_bytes


@dataclass(frozen=True)
class ReadCandidates:
    """Candidates with what they predict of the validation rows."""

    candidates: list[Candidate]
    values: NDArray[np.float32]
    """[M, N, C]: probabilities of classes, or numbers."""
    targets: NDArray[np.int64] | NDArray[np.float64]
    """[N]."""
    classes: tuple[str, ...]
    """Names in the order of the outputs; none where they have none."""


def greedy(request: GreedyEnsemble, context: BuildContext) -> Selection:
    """Selects the checkpoints whose mean is best on validation rows, see `ensembling.selection`.

    Raises:
        TrainingFailed: when memory does not hold all predictions, or no candidate is usable.
    """
    pool = _read_all(context)
    metric = request.metric or context.metric
    counts = select(
        pool.values,
        pool.targets,
        request.size,
        metric,
        measure_for(context.study, pool.classes),
        bags=request.bags,
        seed=context.study.seed,
        on_progress=lambda done, total: context.report_progress(done, total, "choosing members"),
    ).counts
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda index: -counts[index])
    total = int(counts.sum())
    return Selection(
        [
            WeightedCheckpoint(pool.candidates[index], float(counts[index]) / total)
            for index in order
        ],
        metric=metric,
    )


def _read_all(context: BuildContext) -> ReadCandidates:
    """All candidates' validation predictions, the best trial's first; 4·M·N·C bytes."""
    ordered = by_objective(context.study, context.candidates.usable)
    candidates: list[Candidate] = []
    values: NDArray[np.float32] | None = None
    targets: NDArray[np.int64] | NDArray[np.float64] | None = None
    classes: tuple[str, ...] = ()
    for index, candidate, predictions in _predictions(context, ordered):
        validation = predictions.validation
        if values is None:
            targets, classes = validation.targets, predictions.classes
            values = _allocate(len(ordered) - index, validation)
        values[len(candidates)] = member_values(validation)
        candidates.append(candidate)
    if values is None or targets is None:
        raise nothing_usable(context.candidates)
    return ReadCandidates(candidates, values[: len(candidates)], targets, classes)


def _allocate(count: int, validation: SplitPredictions) -> NDArray[np.float32]:
    """An array for so many candidates' predictions of validation rows, once memory is there for it.

    Without the check the system would end the process while the array is filled.
    """
    rows, outputs = validation.outputs.shape
    needed_bytes = count * rows * (4 * outputs + 8)  # and what selection makes of it, [M, N]
    free = free_bytes(torch.device("cpu"))
    if needed_bytes > free:
        raise TrainingFailed(
            f"greedy selection must hold what {count:,} checkpoints say of {rows:,} validation "
            f"rows in memory, {needed_bytes / 1e9:.2g} GB, and {free / 1e9:.2g} GB are free; keep "
            "fewer checkpoints, or ask for top_k"
        )
    return np.empty((count, rows, outputs), np.float32)


def _predictions(
    context: BuildContext, candidates: list[Candidate]
) -> Iterable[tuple[int, Candidate, Predictions]]:
    """Each usable candidate with its index and its predictions."""
    for index, candidate in enumerate(candidates):
        context.report_step(index, len(candidates), "reading predictions")
        predictions = context.candidates.predictions(candidate)
        if predictions is not None:
            yield index, candidate, predictions
