"""Which candidates become members, and with what weights; chosen on validation rows alone.

M   candidates        N   rows        C   classes, or 1 for numbers
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
from hpsearch.ensembling.measure import Floats, Measure
from hpsearch.ensembling.measured_additions import MeasuredMetric, measured_alone
from hpsearch.ensembling.mixture import mixture_weights
from hpsearch.ensembling.predictions import Numbers
from hpsearch.ensembling.simplex import minimize_quadratic
from hpsearch.errors import InvalidInput
from hpsearch.spec.metrics import direction_of

Progress = Callable[[int, int], None]
"""Called with steps done and steps in all; what it raises ends the work."""

START = 5
"""Members with which a bag begins: the best ones alone. A metric that moves in steps, or rests on
few rows, lets a single candidate look far better than it is; several average that out."""
SHORTLIST = 20
"""Candidates that are considered at least, and twice the members where that is more."""

_LOSSES = ("val_loss", "val_log_loss")
"""What every row has a part in; no start and no shortlist are needed."""


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
    measure: Measure | None = None,
    bags: int = 0,
    seed: int = 0,
    on_progress: Progress = lambda done, total: None,  # noqa: ARG005
) -> GreedySelection:
    """Greedy forward selection with replacement (Caruana et al. 2004).

    Adds, `size` times, the candidate with which the mean of the members is best, and keeps the
    shortest beginning of that path that is as good as any. Of candidates that are equally good the
    one with the smaller log loss, of numbers squared error, then the first.

    Bagging (their section 2.3) holds this from overfitting the validation rows: each bag selects
    `size` among a random half of the candidates, and the counts of all bags are added. As that may
    name many more than are to be kept, the `size` candidates with the largest counts stay, of equal
    ones the first. By other metrics of classes than their log loss, each bag begins with the
    `START` best of its half (their section 2.2), and halves are drawn from a shortlist of the best
    candidates: what was tried is in docs/ensembles.md.

    Args:
        candidates: [M, N, C], probabilities or numbers; those that are not all finite are passed
            over. They are read, never copied as a whole.
        targets: [N], integer indices of classes, or numbers.
        size: how many are added, so that there are at most as many members.
        metric: `val_loss`, `val_accuracy` of classes, `val_rmse` or `val_mae` of numbers, or
            `val_<name>` of a metric that `measure` has.
        measure: the metrics of trials.
        bags: how many; 0 selects once, among all.
        seed: of the bags' halves; bag b draws from (seed, b).
        on_progress: called before each addition with additions done and additions in all.

    Returns:
        How often each candidate is a member, and the metric on the way there.

    Raises:
        InvalidInput: when no candidate is finite or none is of the right shape, or the targets have
            no such metric.
    """
    usable = _usable(candidates, targets)
    additions = _additions(candidates, targets, metric, measure)
    if not bags:
        chosen, path = _grow(additions, usable, size, 0, on_progress)
        return GreedySelection(_counts(chosen, candidates), _as_metric(path, metric))
    start = 0
    if targets.dtype.kind == "i" and metric not in _LOSSES:
        start = min(START, size)
        usable = np.sort(additions.best_alone(usable)[: max(SHORTLIST, 2 * size)])
    counts, path = _counts([], candidates), []
    for bag in range(bags):

        def report(done: int, total: int, bags_before: int = bag) -> None:
            on_progress(bags_before * size + done, bags * total)

        rng = np.random.default_rng([seed, bag])
        half = np.sort(rng.choice(usable, (len(usable) + 1) // 2, replace=False))
        counts += _counts(_grow(additions, half, size, start, report)[0], candidates)
        path.append(additions.loss(np.repeat(np.arange(len(counts)), counts).tolist()))
    counts[np.argsort(-counts, kind="stable")[size:]] = 0
    return GreedySelection(counts, _as_metric(path, metric))


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
    additions: Additions, among: Indices, size: int, start: int, on_progress: Progress
) -> tuple[list[int], list[float]]:
    """The members up to the best in order, and the losses after all additions.

    Args:
        additions: judge candidates.
        among: indices of the candidates, ascending.
        size: members at most.
        start: how many of the best ones alone are members in any case.
        on_progress: called before each addition.
    """
    chosen: list[int] = additions.best_alone(among)[:start].tolist() if start else []
    path: list[float] = []
    for done in range(len(chosen)):
        on_progress(done, size)
        path.append(additions.loss(chosen[: done + 1]))
    for done in range(len(chosen), size):
        on_progress(done, size)
        index, loss = additions.best(chosen, among)
        chosen.append(index)
        path.append(loss)
    first = max(min(start, len(among)) - 1, 0)
    return chosen[: first + first_smallest(np.array(path[first:])) + 1], path


def _as_metric(losses: list[float], metric: str) -> tuple[float, ...]:
    """What selection minimises, as the metric."""
    if metric == "val_rmse":
        return tuple(map(math.sqrt, losses))
    return tuple(-loss if direction_of(metric) == "maximize" else loss for loss in losses)


def _counts(chosen: list[int], candidates: Numbers) -> Indices:
    return np.bincount(np.array(chosen, np.int64), minlength=len(candidates))


def _additions(
    candidates: Numbers, targets: NDArray[Any], metric: str, measure: Measure | None
) -> Additions:
    """What judges candidates by a metric; quickly where it is a mean over rows."""
    by_loss: Additions
    if targets.dtype.kind == "i":
        by_loss = MeanLoss(_true_class_probabilities(candidates, targets), log_loss)
        if metric in _LOSSES:
            return by_loss
        if metric == "val_accuracy":
            return MeanAccuracy(candidates, targets, by_loss)
    else:
        by_loss = MeanLoss(_errors(candidates, targets), squared_error)
        if metric in ("val_loss", "val_rmse"):
            return by_loss
        if metric == "val_mae":
            return MeanLoss(by_loss.values, absolute_error)
    name = metric.removeprefix("val_")
    known = {} if measure is None else measured_alone(candidates[:1], targets, measure)
    if measure is None or name not in known or name == metric:
        allowed = ", ".join(f"val_{one}" for one in ("loss", *known))
        raise InvalidInput.at("metric", f"must be one of {allowed}, got {metric}")
    return MeasuredMetric(candidates, targets, name, measure, by_loss)


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


def _usable(candidates: Numbers, targets: NDArray[Any]) -> Indices:
    """Indices of the candidates whose outputs are all finite."""
    is_classification = targets.dtype.kind == "i"
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
