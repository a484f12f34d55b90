"""Which candidates become members, and with what weights; judged on validation rows alone.

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
    MeanAccuracy,
    MeanLoss,
    Places,
    absolute_error,
    first_smallest,
    in_parts,
    log_loss,
    squared_error,
)
from hpsearch.ensembling.mixture import mixture_weights
from hpsearch.ensembling.predictions import Numbers
from hpsearch.ensembling.scores import Floats
from hpsearch.ensembling.simplex import least_quadratic
from hpsearch.errors import InvalidInput
from hpsearch.spec.ensemble import SELECTION_METRICS

Progress = Callable[[int, int], None]
"""Told of steps done and steps in all; what it raises ends the work."""

_REPORTED: Mapping[str, Callable[[float], float]] = {
    "val_loss": float,
    "val_mae": float,
    "val_accuracy": lambda loss: -loss,
    "val_rmse": math.sqrt,
}
"""How the loss that selection minimises becomes the metric."""


@dataclass(frozen=True)
class Selection:
    """What was chosen."""

    counts: Places
    """How often each candidate was, [M]; its share of their sum is its weight."""
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
) -> Selection:
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
        targets: [N], integer places of classes, or numbers.
        size: how many are added, so that there are at most as many members.
        metric: `val_loss` or `val_accuracy` for classes; `val_loss`, `val_rmse` or `val_mae`, of
            which the first two choose alike, for numbers.
        bags: how many; 0 selects once, among all.
        seed: of the bags' halves; bag b draws from (seed, b).
        on_progress: told, before each addition, of additions done and additions in all.

    Raises:
        InvalidInput: when nothing can be chosen from, or by this metric.
    """
    usable = _usable(candidates, targets, metric)
    additions = _additions(candidates, targets, metric)
    reported = _REPORTED[metric]
    if not bags:
        chosen, path = _grown(additions, usable, size, on_progress)
        return Selection(_counted(chosen, candidates), tuple(map(reported, path)))
    counts, path = _counted([], candidates), []
    for bag in range(bags):

        def told(done: int, total: int, before: int = bag) -> None:
            on_progress(before * size + done, bags * total)

        rng = np.random.default_rng([seed, bag])
        half = np.sort(rng.choice(usable, (len(usable) + 1) // 2, replace=False))
        counts += _counted(_grown(additions, half, size, told)[0], candidates)
        path.append(additions.loss(np.repeat(np.arange(len(counts)), counts).tolist()))
    counts[np.argsort(-counts, kind="stable")[size:]] = 0
    return Selection(counts, tuple(map(reported, path)))


def weights_for(members: Numbers, targets: NDArray[Any]) -> Floats:
    """The weights [M], at least 0 and of sum 1, that are best on these rows.

    Classes: those with the least log loss. Numbers: those with the least mean squared error, which
    is w·(EEᵀ/N)w with E [M, N] the members' errors.

    Args:
        members: [M, N, C], probabilities or numbers, all finite.
        targets: [N], integer places of classes, or numbers.
    """
    # Libraries add up long rows in parts, as many as they have threads.
    with threadpool_limits(1, "blas"):
        if targets.dtype.kind == "i":
            return mixture_weights(_of_truth(members, targets).astype(np.float64))
        errors = _errors(members, targets)
        count, rows = errors.shape
        return least_quadratic(errors @ errors.T / rows, np.zeros(count), np.full(count, 1 / count))


def _grown(
    additions: Additions, among: Places, size: int, on_progress: Progress
) -> tuple[list[int], list[float]]:
    """The members up to the best in order, and the losses after all additions."""
    chosen: list[int] = []
    path: list[float] = []
    for done in range(size):
        on_progress(done, size)
        place, loss = additions.best(chosen, among)
        chosen.append(place)
        path.append(loss)
    return chosen[: first_smallest(np.array(path)) + 1], path


def _counted(chosen: list[int], candidates: Numbers) -> Places:
    return np.bincount(np.array(chosen, np.int64), minlength=len(candidates))


def _additions(candidates: Numbers, targets: NDArray[Any], metric: str) -> Additions:
    if targets.dtype.kind != "i":
        term = absolute_error if metric == "val_mae" else squared_error
        return MeanLoss(_errors(candidates, targets), term)
    by_loss = MeanLoss(_of_truth(candidates, targets), log_loss)
    return MeanAccuracy(candidates, targets, by_loss) if metric == "val_accuracy" else by_loss


def _errors(members: Numbers, targets: NDArray[Any]) -> Floats:
    """[M, N]; the mean's error is the mean of the members' errors."""
    return np.asarray(members[..., 0] - targets.astype(np.float64))


def _of_truth(members: Numbers, targets: NDArray[Any]) -> Numbers:
    """Each member's probability of the true class, [M, N]."""
    rows = np.arange(len(targets))
    found = np.empty(members.shape[:2], members.dtype)

    def fill(part: slice) -> None:
        found[part] = members[part, rows, targets]

    in_parts(fill, len(members), members[0].size)
    return found


def _usable(candidates: Numbers, targets: NDArray[Any], metric: str) -> Places:
    """Places of the candidates whose outputs are all finite."""
    of_classes = targets.dtype.kind == "i"
    metrics = SELECTION_METRICS["classes" if of_classes else "numbers"]
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

    least, most = np.concatenate(in_parts(extremes, len(candidates), candidates[0].size), axis=1)
    usable = np.flatnonzero(np.isfinite(least) & np.isfinite(most))
    if not len(usable):
        raise InvalidInput.at(
            "candidates",
            f"must hold one whose predictions are all finite, got none among {len(candidates)}; "
            "train again with a smaller learning rate",
        )
    if of_classes and (least[usable].min() < 0 or most[usable].max() > 1):
        raise InvalidInput.at(
            "candidates",
            f"must be probabilities from 0 to 1, got {least[usable].min()} to "
            f"{most[usable].max()}; take the softmax of logits",
        )
    return usable
