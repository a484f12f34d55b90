"""Ensembles that make one model out of weights: late epochs, kept copies, soups.

Running statistics of batch norm belong to the weights they were gathered with, so every mean of
weights, one that faded over steps (EMA) as well, gets fresh ones from the training rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Literal

from hpsearch.ensemble_builder.candidates import is_finite
from hpsearch.ensemble_builder.context import Case, judged, nothing_left, told_in_steps
from hpsearch.ensemble_builder.selection import Chosen, Ingredient, equally, written_epochs
from hpsearch.errors import TrainingFailed
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.compatibility import Runs
from hpsearch.training.checkpoints.soups import Soup, with_copy_as_weights
from hpsearch.training.evaluation.batch_norm import with_fresh_statistics


def late_weights(case: Case) -> Chosen:
    """The mean of a trial's weights after its last epochs.

    Raises:
        TrainingFailed: when fewer than two epochs are kept.
    """
    kept = case.of_one_trial()
    recent = [one for one in kept if "recent" in one.reasons] or kept
    found = recent[-case.request.size :]
    if len(found) < min(2, case.request.size):
        raise TrainingFailed(
            f"an average needs at least 2 checkpoints of a trial, and {len(found)} of trial "
            f"{kept[0].trial} is kept; set checkpoints.recent"
        )
    soup = Soup(case.candidates.checkpoint(found[0]))
    for one in found[1:]:
        runs = multi_run.run_checkpoints(case.candidates.checkpoint(one))
        if reason := soup.incompatibility(runs, of_one_trial=True):
            raise TrainingFailed(reason)
        soup = soup.with_(runs)
    chosen = equally(found)
    if "recent" not in found[-1].reasons:
        chosen = equally(
            found,
            f"no late epochs are kept, so {written_epochs(found)} are averaged; "
            "set checkpoints.recent",
        )
    return replace(chosen, averaged=_mean(case, soup))


def running_average(case: Case) -> Chosen:
    """The average that a trial kept beside its weights while it trained.

    Raises:
        TrainingFailed: when it kept none.
    """
    copy: Literal["ema", "swa"] = "swa" if case.request.kind == "swa" else "ema"
    kept = case.of_one_trial()
    ends = [one for one in kept if one.last] or [one for one in kept if one.best] or kept[-1:]
    blob = with_copy_as_weights(case.candidates.checkpoint(ends[0]), copy)
    return Chosen([Ingredient(ends[0], 1.0, copy)], with_fresh_statistics(blob, device=case.device))


def uniform_soup(case: Case) -> Chosen:
    """The mean of the weights of the best trials.

    Raises:
        TrainingFailed: when no other trial's weights can be averaged with the best one's.
    """
    best, soup, others = _start(case)
    found = [best]
    for one, runs in islice(others, case.request.size - 1):
        found.append(one)
        soup = soup.with_(runs)
    return replace(equally(found), averaged=_mean(case, soup))


def greedy_soup(case: Case) -> Chosen:
    """From the best trial on, each whose weights make the mean no worse on validation rows.

    Raises:
        TrainingFailed: when no other trial's weights can be averaged with the best one's.
    """
    best, soup, others = _start(case)
    found, mean = [best], _mean(case, soup)
    least = _judged(case, mean, best)
    for one, runs in others if case.request.size > 1 else ():
        tried = soup.with_(runs)
        content = _mean(case, tried)
        value = _judged(case, content, one)
        if value <= least:
            found.append(one)
            soup, mean, least = tried, content, value
        if len(found) == case.request.size:
            break
    return replace(equally(found), averaged=mean)


def _judged(case: Case, content: bytes, like: Candidate) -> float:
    """The request's metric of a mean, smaller for better; infinite where it says no numbers."""
    found = case.candidates.predicted(content, like)
    if not is_finite(found.validation):
        return math.inf
    return judged(found.validation, case.request.metric or "val_loss", found.target_scale)


def _start(case: Case) -> tuple[Candidate, Soup, Iterator[tuple[Candidate, Runs]]]:
    """The best trial with the soup of it alone, and the others that can be added, best first."""
    listed = case.trials_best_first()
    whole = (one for one in listed if case.candidates.predictions(one) is not None)
    best = next(whole, None)
    if best is None:
        raise nothing_left(case)
    soup = Soup(case.candidates.checkpoint(best))
    return best, soup, _alike(case, soup, whole, len(listed))


def _alike(
    case: Case, soup: Soup, others: Iterator[Candidate], count: int
) -> Iterator[tuple[Candidate, Runs]]:
    """Those whose weights can be averaged with the best trial's."""
    added, reasons = 0, list[str]()
    for place, one in enumerate(others):
        told_in_steps(case.tell, place, count, "averaging weights")
        runs = multi_run.run_checkpoints(case.candidates.checkpoint(one))
        if reason := soup.incompatibility(runs):
            reasons.append(reason)
            case.candidates.note(f"trial {one.trial} is left out of the soup: {reason}")
            continue
        added += 1
        yield one, runs
    if reasons and not added:
        raise TrainingFailed(reasons[0])


def _mean(case: Case, soup: Soup) -> bytes:
    """A single checkpoint as it is; of several the mean, with statistics of its own."""
    if soup.count == 1:
        return soup.first
    return with_fresh_statistics(soup.checkpoint(), device=case.device)
