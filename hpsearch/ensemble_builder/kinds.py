"""What chooses the members of an ensemble.

Choices see validation rows alone. Weights add up to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hpsearch.ensemble_builder.candidates import LeftOut, confidences
from hpsearch.ensemble_builder.context import Case, evenly, nothing_left, told_in_steps
from hpsearch.ensemble_builder.selection import Chosen, Ingredient, equally, written_epochs
from hpsearch.ensembling.predictions import Part, Predictions
from hpsearch.ensembling.selection import select
from hpsearch.errors import TrainingFailed
from hpsearch.spec import ensemble as specs
from hpsearch.spec.language.family import implementation
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.numerics.memory import free_bytes


@dataclass(frozen=True)
class Read:
    """Candidates with what they say of validation rows."""

    candidates: list[Candidate]
    members: NDArray[np.float32]
    """[M, N, C]"""
    part: Part


def choose(case: Case) -> Chosen:
    """The members of an ensemble.

    Raises:
        LeftOut: when one of them turns out to be damaged; choose again.
        TrainingFailed: when nothing is left to choose from, or it does not fit the request.
    """
    if not case.candidates.whole:
        raise nothing_left(case)
    select_members: Callable[[Case], Chosen] = implementation(type(case.request))
    return select_members(case)


def greedy(case: Case) -> Chosen:
    """Those whose mean is best, chosen one after another."""
    read = _read(case)
    request = case.request
    metric = request.metric or "val_loss"
    counts = select(
        read.members,
        read.part.targets,
        request.size,
        metric,
        bags=getattr(request, "bags", 0),
        seed=case.study.seed,
        on_progress=lambda done, total: case.tell(done, total, "choosing members"),
    ).counts
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda place: -counts[place])
    total = int(counts.sum())
    return Chosen([Ingredient(read.candidates[m], float(counts[m]) / total) for m in order])


def best_trials(case: Case) -> Chosen:
    """The best epoch of each of the best trials."""
    found: list[Candidate] = []
    for one in case.trials_best_first():
        if len(found) == case.request.size:
            break
        if case.candidates.predictions(one) is not None:
            found.append(one)
    if not found:
        raise nothing_left(case)
    wanted = case.request.size
    few = isinstance(case.request, specs.ReinitEnsemble) and len(found) < wanted
    notes = [f"{len(found)} of the {wanted} trainings came to a model"] if few else []
    return equally(found, *notes)


def snapshots(case: Case) -> Chosen:
    """Epochs of one trial."""
    kept = case.of_one_trial()
    minima = [one for one in kept if "snapshot" in one.reasons]
    size = case.request.size
    chosen = minima[-size:] if len(minima) > 1 else evenly(kept, size)
    if any(case.candidates.predictions(one) is None for one in chosen):
        raise LeftOut
    if len(chosen) < min(2, size):
        raise TrainingFailed(
            f"snapshots need at least 2 checkpoints of a trial, and {len(chosen)} of trial "
            f"{kept[0].trial} is kept; set checkpoints.every or checkpoints.snapshots"
        )
    if len(minima) > 1 or any("every" in one.reasons for one in chosen):
        return equally(chosen)
    return equally(
        chosen,
        f"no snapshots are kept, so {written_epochs(chosen)} are combined; "
        "set checkpoints.snapshots or checkpoints.every",
    )


def _read(case: Case) -> Read:
    """All candidates' validation predictions, the best trial's first; 4·M·N·C bytes.

    Raises:
        TrainingFailed: when memory does not hold them, or there is none.
    """
    listed = case.by_value(case.candidates.whole)
    found: list[Candidate] = []
    members: NDArray[np.float32] | None = None
    part: Part | None = None
    for place, one, predictions in _each(case, listed):
        if members is None:
            part = predictions.validation
            members = _room(len(listed) - place, part)
        members[len(found)] = confidences(predictions.validation)
        found.append(one)
    if members is None or part is None:
        raise nothing_left(case)
    return Read(found, members[: len(found)], part)


def _room(count: int, part: Part) -> NDArray[np.float32]:
    """An array for what so many candidates say of validation rows, once there is memory for it.

    Without the check the system would end the process while the array is filled.
    """
    rows, outputs = part.outputs.shape
    wanted = count * rows * (4 * outputs + 8)  # and what selection makes of it, [M, N]
    free = free_bytes(torch.device("cpu"))
    if wanted > free:
        raise TrainingFailed(
            f"greedy selection must hold what {count:,} checkpoints say of {rows:,} validation "
            f"rows in memory, {wanted / 1e9:.2g} GB, and {free / 1e9:.2g} GB are free; keep fewer "
            "checkpoints, or ask for top_k"
        )
    return np.empty((count, rows, outputs), np.float32)


def _each(case: Case, listed: list[Candidate]) -> Iterable[tuple[int, Candidate, Predictions]]:
    for place, one in enumerate(listed):
        told_in_steps(case.tell, place, len(listed), "reading predictions")
        predictions = case.candidates.predictions(one)
        if predictions is not None:
            yield place, one, predictions
