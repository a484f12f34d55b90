"""Makes one prediction out of the members' predictions.

M   members        N   rows        C   classes, or outputs for numbers

Nothing here depends on how many rows come together: a row alone gets, to the last bit, what it gets
among others. A single member, and members that all predict the same, give exactly that prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.label_factors import named_classes
from hpsearch.ensembling.predictions import Numbers, SplitPredictions
from hpsearch.errors import InvalidInput
from hpsearch.spec.ensembles.base import Combine

ROUNDING = 1e-9
"""Sums of votes or weights that differ by less than this share of the whole are equal."""


@dataclass(frozen=True)
class Combined:
    """What an ensemble predicts."""

    values: NDArray[np.float64]
    """[N, C]: probabilities of classes, or their shares of the votes; or the numbers themselves."""
    labels: NDArray[np.int64] | None
    """[N]: indices of the predicted classes; none for numbers."""


def probabilities(outputs: Numbers) -> NDArray[np.float32]:
    """Softmax of logits [..., N, C] along the last axis, computed in float64.

    A row that holds a logit that is not finite becomes NaN throughout.
    """
    powers = np.array(np.moveaxis(outputs, -1, 0), np.float64, order="C")
    largest = powers.max(axis=0)
    largest[powers.min(axis=0) == -np.inf] = np.nan
    with np.errstate(invalid="ignore"):
        powers -= largest
    np.exp(powers, out=powers)
    total = powers[0].copy()
    for power in powers[1:]:  # `sum` would add a single row's in another order than many rows'
        total += power
    powers /= total
    return np.ascontiguousarray(np.moveaxis(powers, 0, -1), np.float32)


def member_values(predictions: SplitPredictions) -> NDArray[np.float32]:
    """What is combined of one member, [N, C]: probabilities of classes, or numbers."""
    outputs = predictions.outputs
    return probabilities(outputs) if predictions.is_classification else outputs


def combine(
    members: Numbers,
    weights: NDArray[Any],
    how: Combine,
    is_classification: bool = True,
    label_factors: NDArray[np.float64] | None = None,
) -> Combined:
    """The members' predictions as one.

    mean, weighted: the mean, each member by its weight; the label is the class with the largest
        value, times its factor where there are some, of equal ones the first.
    vote: each member gives its weight to its likeliest class, of equal ones the first; the values
        are shares of the votes. Ties go to the class with the larger mean probability, then to the
        first one.
    median: half of the weight is at or below it, half at or above it; where two numbers qualify,
        their mean. With whole weights that is the usual median of every member repeated so often.

    Args:
        members: [M, N, C], probabilities or numbers, all finite.
        weights: [M], at least 0 and not all 0; of any sum, as only their ratios matter.
        how: see above.
        is_classification: whether the members hold probabilities of classes.
        label_factors: [C], see `label_factors.fit_label_factors`; a vote takes none.

    Returns:
        Values [N, C], and for classes labels [N].

    Raises:
        InvalidInput: for votes on numbers, a median of classes, or weights that are no weights.
    """
    members, weights = _with_weight(members, weights)
    if how == "vote":
        if not is_classification:
            raise InvalidInput.at(
                "combine", "must be mean, weighted or median for numbers, got vote"
            )
        return _vote(members, weights)
    if how == "median":
        if is_classification:
            raise InvalidInput.at(
                "combine", "must be mean, weighted or vote for classes, got median"
            )
        return Combined(_median(members, weights), None)
    mean = _mean(members, weights)
    return Combined(mean, named_classes(mean, label_factors) if is_classification else None)


def _with_weight(members: Numbers, weights: NDArray[Any]) -> tuple[Numbers, NDArray[np.float64]]:
    """The members that have a weight, and their weights."""
    weights = np.asarray(weights, np.float64)
    if members.ndim != 3 or weights.shape != members.shape[:1]:
        raise InvalidInput.at(
            "weights",
            f"must be one for each of the members [M, N, C], got {list(weights.shape)} for "
            f"{list(members.shape)}",
        )
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(weights.sum())
    if not (is_finite and (weights >= 0).all() and (weights > 0).any()):
        raise InvalidInput.at(
            "weights",
            f"must be finite, their sum as well, at least 0 and not all 0, got {weights.tolist()}",
        )
    if weights.all():
        return members, weights
    return members[weights > 0], weights[weights > 0]


def _mean(members: Numbers, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, C]: the first member plus the weighted differences from it, so that equals stay exact."""
    first = members[0].astype(np.float64)
    mean = first.copy()
    for member, weight in zip(members[1:], weights[1:] / weights.sum(), strict=True):
        mean += weight * (member - first)
    return np.asarray(np.clip(mean, members.min(axis=0), members.max(axis=0)))


def _vote(members: Numbers, weights: NDArray[np.float64]) -> Combined:
    votes = np.zeros(members.shape[1:])
    rows = np.arange(len(votes))
    for member, weight in zip(members, weights, strict=True):
        votes[rows, member.argmax(axis=-1)] += weight
    shares = votes / votes.sum(axis=-1, keepdims=True)
    has_most = shares >= shares.max(axis=-1, keepdims=True) - ROUNDING
    mean = np.where(has_most, _mean(members, weights), -np.inf)
    is_likeliest = mean >= mean.max(axis=-1, keepdims=True) - ROUNDING
    return Combined(shares, is_likeliest.argmax(axis=-1))


def _median(members: Numbers, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, C]: the mean of the lower and the upper weighted median."""
    order = members.argsort(axis=0, kind="stable")
    ordered = np.take_along_axis(members, order, axis=0).astype(np.float64)
    cumulative = weights[order].cumsum(axis=0)
    half, slack = cumulative[-1:] / 2, ROUNDING * cumulative[-1:]
    lower, upper = (
        np.take_along_axis(ordered, reached.argmax(axis=0)[None], axis=0)[0]
        for reached in (cumulative >= half - slack, cumulative > half + slack)
    )
    middle: NDArray[np.float64] = lower + (upper - lower) / 2
    return middle
