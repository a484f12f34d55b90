"""Ensembles that make one model out of weights: late epochs, kept copies, soups.

Running statistics of batch norm belong to the weights they were gathered with, so a mean of
weights gets fresh ones from the training rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from hpsearch.building.chosen import Chosen, Ingredient, equally
from hpsearch.building.ranking import Case, judged, told_in_steps
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensemble_records import Candidate
from hpsearch.training.soups import averaged, copied, unlike
from hpsearch.training.statistics import with_fresh_statistics


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
    blobs = [case.candidates.checkpoint(one) for one in found]
    if reason := unlike(blobs, of_one_trial=True):
        raise TrainingFailed(reason)
    return replace(equally(found), averaged=_mean(case, blobs))


def kept_copy(case: Case) -> Chosen:
    """The average that a trial kept beside its weights while it trained.

    Raises:
        TrainingFailed: when it kept none.
    """
    copy: Literal["ema", "swa"] = "swa" if case.request.kind == "swa" else "ema"
    kept = case.of_one_trial()
    ends = [one for one in kept if one.last] or [one for one in kept if one.best] or kept[-1:]
    blob = copied(case.candidates.checkpoint(ends[0]), copy)
    if copy == "swa":
        blob = with_fresh_statistics(blob, device=case.device)
    return Chosen([Ingredient(ends[0], 1.0, copy)], blob)


def uniform_soup(case: Case) -> Chosen:
    """The mean of the weights of the best trials.

    Raises:
        TrainingFailed: when no other trial's weights can be averaged with the best one's.
    """
    found, blobs = [], []
    for one, blob in _alike(case):
        found.append(one)
        blobs.append(blob)
        if len(found) == case.request.size:
            break
    return replace(equally(found), averaged=_mean(case, blobs))


def greedy_soup(case: Case) -> Chosen:
    """From the best trial on, each whose weights make the mean no worse on validation rows.

    Raises:
        TrainingFailed: when no other trial's weights can be averaged with the best one's.
    """
    metric = case.request.metric or "val_loss"
    found: list[Candidate] = []
    blobs: list[bytes] = []
    soup, least = b"", float("inf")
    for one, blob in _alike(case):
        tried = _mean(case, [*blobs, blob])
        predictions = case.candidates.predicted(tried, one)
        value = judged(predictions.validation, metric, predictions.target_scale)
        if not found or value <= least:
            found.append(one)
            blobs.append(blob)
            soup, least = tried, value
        if len(found) == case.request.size:
            break
    return replace(equally(found), averaged=soup)


def _alike(case: Case) -> Iterator[tuple[Candidate, bytes]]:
    """The best trial's checkpoint, then those of others that can be averaged with it."""
    best: bytes | None = None
    others, reasons = 0, list[str]()
    listed = case.trials_best_first()
    for place, one in enumerate(listed):
        told_in_steps(case.tell, place, len(listed), "averaging weights")
        blob = case.candidates.checkpoint(one)
        if best is None:
            best = blob
        elif reason := unlike([best, blob]):
            reasons.append(reason)
            case.candidates.note(f"trial {one.trial} is left out of the soup: {reason}")
            continue
        else:
            others += 1
        yield one, blob
    if reasons and not others:
        raise TrainingFailed(reasons[0])


def _mean(case: Case, blobs: Sequence[bytes]) -> bytes:
    if len(blobs) == 1:
        return blobs[0]
    return with_fresh_statistics(averaged(blobs), device=case.device)
