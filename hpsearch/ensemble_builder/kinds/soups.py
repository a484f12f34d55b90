"""One model: the mean of the weights of several trials."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from hpsearch.ensemble_builder.candidates import is_finite
from hpsearch.ensemble_builder.context import BuildContext
from hpsearch.ensemble_builder.ranking import metric_loss, nothing_usable, trials_best_first
from hpsearch.ensemble_builder.selection import Selection, equal_weights
from hpsearch.ensemble_builder.weight_averages import mean_checkpoint
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensembles.soups import GreedySoup, SoupEnsemble, UniformSoup
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.compatibility import Runs
from hpsearch.training.checkpoints.soups import Soup


def uniform_soup(request: UniformSoup, context: BuildContext) -> Selection | None:
    """Selects the `size` best trials, and averages their weights.

    Raises:
        TrainingFailed: when no other trial's weights can be averaged with the best one's.
    """
    start = _start(request, context)
    if start is None:
        return None
    selected, soup = [start.best], start.soup
    for candidate, runs in _others(context, start) if request.size > 1 else ():
        if runs is None:
            return None
        selected.append(candidate)
        soup = soup.with_checkpoint(runs)
        if len(selected) == request.size:
            break
    return Selection(equal_weights(selected), mean_checkpoint(soup, context.device))


def greedy_soup(request: GreedySoup, context: BuildContext) -> Selection | None:
    """Selects from the best trial on each whose weights make the mean no worse on validation rows.

    Raises:
        TrainingFailed: when no other trial's weights can be averaged with the best one's.
    """
    start = _start(request, context)
    if start is None:
        return None
    selected, soup = [start.best], start.soup
    mean = mean_checkpoint(soup, context.device)
    least = _loss(request, context, mean, start.best)
    for candidate, runs in _others(context, start) if request.size > 1 else ():
        if runs is None:
            return None
        larger = soup.with_checkpoint(runs)
        content = mean_checkpoint(larger, context.device)
        loss = _loss(request, context, content, candidate)
        if loss <= least:
            selected.append(candidate)
            soup, mean, least = larger, content, loss
        if len(selected) == request.size:
            break
    metric = request.metric or context.metric
    return Selection(equal_weights(selected), mean, metric=metric)


@dataclass(frozen=True)
class _Start:
    """A soup of the best trial alone."""

    best: Candidate
    soup: Soup
    others: Iterator[Candidate]
    """The trials that can be read, best first; each is read when it is asked for."""
    trials: int
    """How many there are at most, the best one included."""


def _start(request: SoupEnsemble, context: BuildContext) -> _Start | None:
    """None where the best trial's checkpoint is damaged."""
    ordered = trials_best_first(context, request.metric)
    readable = (
        candidate for candidate in ordered if context.candidates.predictions(candidate) is not None
    )
    best = next(readable, None)
    if best is None:
        raise nothing_usable(context.candidates)
    content = context.candidates.checkpoint(best)
    return None if content is None else _Start(best, Soup(content), readable, len(ordered))


def _others(context: BuildContext, start: _Start) -> Iterator[tuple[Candidate, Runs | None]]:
    """The other trials whose weights can be averaged with the best one's, with these weights.

    Instead of weights comes None where a checkpoint is damaged.

    Raises:
        TrainingFailed: at the end, when there are others and none can be averaged.
    """
    compatible, reasons = 0, list[str]()
    for index, candidate in enumerate(start.others):
        context.report_step(index, start.trials, "averaging weights")
        content = context.candidates.checkpoint(candidate)
        runs = None if content is None else multi_run.run_checkpoints(content)
        if runs is not None and (reason := start.soup.incompatibility(runs)):
            reasons.append(reason)
            context.candidates.note(f"trial {candidate.trial} is left out of the soup: {reason}")
            continue
        compatible += 1
        yield candidate, runs
    if reasons and not compatible:
        raise TrainingFailed(reasons[0])


def _loss(
    request: GreedySoup, context: BuildContext, mean: bytes, candidate: Candidate
) -> tuple[float, float]:
    """The request's metric of a mean, smaller for better, and the loss, which decides among equals.

    Infinite where outputs are not finite.
    """
    predictions = context.candidates.predict(mean, candidate)
    if not is_finite(predictions.validation):
        return math.inf, math.inf
    metrics = (request.metric or context.metric, "val_loss")
    metric, loss = (metric_loss(context.study, predictions, name) for name in metrics)
    return metric, loss
