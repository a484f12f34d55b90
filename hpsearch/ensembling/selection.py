"""Which candidates become members, and with what weights; chosen on validation rows alone.

M   candidates        N   rows        C   classes, or 1 for numbers
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hpsearch.ensembling.additions import (
    Additions,
    Indices,
    MeanAccuracy,
    MeanLoss,
    absolute_error,
    first_smallest,
    log_loss,
    map_slices,
    squared_error,
)
from hpsearch.ensembling.mixture import mixture_weights
from hpsearch.ensembling.predictions import Numbers
from hpsearch.ensembling.scores import Floats
from hpsearch.ensembling.simplex import minimize_quadratic
from hpsearch.errors import InvalidInput
from hpsearch.spec.ensembles.base import SELECTION_METRICS

Progress = Callable[[int, int], None]
"""Called with steps done and steps in all; what it raises ends the work."""

_METRIC_OF_LOSS: Mapping[str, Callable[[float], float]] = {
    "val_loss": float,
    "val_mae": float,
    "val_accuracy": lambda loss: -loss,
    "val_rmse": math.sqrt,
}
"""How the loss that selection minimises becomes the metric."""


@dataclass(frozen=True)
class GreedySelection:
    """The members that greedy selection chose."""

    counts: NDArray[np.int64]
    """How often each candidate was chosen, [M]; its weight is its count over their sum."""
    path: tuple[float, ...]
    """The metric on the validation rows as the ensemble grew: after each addition, those past the
    best included; with bags after each bag. `val_loss` of numbers is in their unit squared."""


def select(
    candidates: Numbers,
    targets: NDArray[Any],
    size: int,
    metric: str = "val_loss",
    bags: int = 0,
    seed: int = 0,
    on_progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> GreedySelection:
    """Greedy forward selection with replacement (Caruana et al. 2004).

    Adds, `size` times, the candidate with which the mean of the members is best, and keeps the
    shortest beginning of that path that is as good as any. Candidates that are equally good: by
    accuracy the one with the smaller log loss, then the first.

    Bagging (their section 2.3) holds this from overfitting the validation rows: each bag selects
    `size` among a random half of the candidates, and the counts of all bags are added. As that may
    name many more than are to be kept, the `size` candidates with the largest counts stay, of equal
    ones the first.

    Args:
        candidates: [M, N, C], probabilities or numbers; those that are not all finite are passed
            over. They are read, never copied as a whole.
        targets: [N], integer indices of classes, or numbers.
        size: how many are added, so that there are at most as many members.
        metric: `val_loss` or `val_accuracy` for classes; `val_loss`, `val_rmse` or `val_mae`, of
            which the first two choose the same members, for numbers.
        bags: how many; 0 selects once, among all.
        seed: of the bags' halves; bag b draws from (seed, b).
        on_progress: called before each addition with additions done and additions in all.

    Returns:
        How often each candidate is a member, and the metric on the way there.

    Raises:
        InvalidInput: when no candidate is finite or none is of the right shape, or the targets have
            no such metric.
    """
    usable = _usable(candidates, targets, metric)
    additions = _additions(candidates, targets, metric)
    metric_of = _METRIC_OF_LOSS[metric]
    if not bags:
        chosen, path = _grow(additions, usable, size, on_progress)
        return GreedySelection(_counts(chosen, candidates), tuple(map(metric_of, path)))
    counts, path = _counts([], candidates), []
    for bag in range(bags):

        def report(done: int, total: int, bags_before: int = bag) -> None:
            on_progress(bags_before * size + done, bags * total)

        rng = np.random.default_rng([seed, bag])
        half = np.sort(rng.choice(usable, (len(usable) + 1) // 2, replace=False))
        counts += _counts(_grow(additions, half, size, report)[0], candidates)
        path.append(additions.loss(np.repeat(np.arange(len(counts)), counts).tolist()))
    counts[np.argsort(-counts, kind="stable")[size:]] = 0
    return GreedySelection(counts, tuple(map(metric_of, path)))


def fit_weights(members: Numbers, targets: NDArray[Any]) -> Floats:
    """The weights [M], at least 0 and of sum 1, that are best on these rows.

    Classes: those with the least log loss. Numbers: those with the least mean squared error, which
    is w·(EEᵀ/N)w with E [M, N] the members' errors.

    Args:
        members: [M, N, C], probabilities or numbers, all finite.
        targets: [N], integer indices of classes, or numbers.
    """
    # Libraries add up long rows in slices, as many as they have threads.
    with threadpool_limits(1, "blas"):
        if targets.dtype.kind == "i":
            return mixture_weights(_true_class_probabilities(members, targets).astype(np.float64))
        errors = _errors(members, targets)
        count, rows = errors.shape
        return minimize_quadratic(
            errors @ errors.T / rows, np.zeros(count), np.full(count, 1 / count)
        )


def _grow(
    additions: Additions, among: Indices, size: int, on_progress: Progress
) -> tuple[list[int], list[float]]:
    """The members up to the best in order, and the losses after all additions."""
    chosen: list[int] = []
    path: list[float] = []
    for done in range(size):
        on_progress(done, size)
        index, loss = additions.best(chosen, among)
        chosen.append(index)
        path.append(loss)
    return chosen[: first_smallest(np.array(path)) + 1], path


def _counts(chosen: list[int], candidates: Numbers) -> Indices:
    return np.bincount(np.array(chosen, np.int64), minlength=len(candidates))


def _additions(candidates: Numbers, targets: NDArray[Any], metric: str) -> Additions:
    if targets.dtype.kind != "i":
        term = absolute_error if metric == "val_mae" else squared_error
        return MeanLoss(_errors(candidates, targets), term)
    by_loss = MeanLoss(_true_class_probabilities(candidates, targets), log_loss)
    return MeanAccuracy(candidates, targets, by_loss) if metric == "val_accuracy" else by_loss


def _errors(members: Numbers, targets: NDArray[Any]) -> Floats:
    """[M, N]; the mean's error is the mean of the members' errors."""
    return np.asarray(members[..., 0] - targets.astype(np.float64))


def _true_class_probabilities(members: Numbers, targets: NDArray[Any]) -> Numbers:
    """Each member's probability of the true class, [M, N]."""
    rows = np.arange(len(targets))
    of_truth = np.empty(members.shape[:2], members.dtype)

    def fill(part: slice) -> None:
        of_truth[part] = members[part, rows, targets]

    map_slices(fill, len(members), members[0].size)
    return of_truth


def _usable(candidates: Numbers, targets: NDArray[Any], metric: str) -> Indices:
    """Indices of the candidates whose outputs are all finite."""
    is_classification = targets.dtype.kind == "i"
    metrics = SELECTION_METRICS["classes" if is_classification else "numbers"]
    if metric not in metrics:
        raise InvalidInput.at("metric", f"must be {' or '.join(metrics)}, got {metric}")
    if candidates.ndim != 3 or candidates.shape[1:2] != targets.shape or not candidates.size:
        raise InvalidInput.at(
            "candidates",
            f"must be of shape [M, N, C] for targets [N], got {list(candidates.shape)} for "
            f"{list(targets.shape)}",
        )

    def extremes(part: slice) -> NDArray[Any]:
        outputs = candidates[part].reshape(-1, candidates[0].size)
        return np.stack([outputs.min(axis=1), outputs.max(axis=1)])

    least, most = np.concatenate(map_slices(extremes, len(candidates), candidates[0].size), axis=1)
    usable = np.flatnonzero(np.isfinite(least) & np.isfinite(most))
    if not len(usable):
        raise InvalidInput.at(
            "candidates",
            f"must hold one whose predictions are all finite, got none among {len(candidates)}; "
            "train again with a smaller learning rate",
        )
    if is_classification and (least[usable].min() < 0 or most[usable].max() > 1):
        raise InvalidInput.at(
            "candidates",
            f"must be probabilities from 0 to 1, got {least[usable].min()} to "
            f"{most[usable].max()}; take the softmax of logits",
        )
    return usable
