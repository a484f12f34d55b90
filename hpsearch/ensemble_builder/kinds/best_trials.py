"""The best trials, a checkpoint of each: `top_k` and `reinit`."""

from __future__ import annotations

from hpsearch.ensemble_builder.context import BuildContext
from hpsearch.ensemble_builder.ranking import nothing_usable, trials_best_first
from hpsearch.ensemble_builder.selection import Selection, equal_weights
from hpsearch.spec.ensembles.base import EnsembleBase
from hpsearch.spec.wire.ensembles import Candidate


def best_trials(request: EnsembleBase, context: BuildContext) -> Selection:
    """Selects the best epoch of each of the `size` best trials.

    Raises:
        TrainingFailed: when no candidate is usable.
    """
    selected: list[Candidate] = []
    for candidate in trials_best_first(context, request.metric):
        if len(selected) == request.size:
            break
        if context.candidates.predictions(candidate) is not None:
            selected.append(candidate)
    if not selected:
        raise nothing_usable(context.candidates)
    notes = []
    if request.needs_trials and len(selected) < request.size:
        notes.append(f"{len(selected)} of the {request.size} trainings came to a model")
    return Selection(equal_weights(selected), notes=notes)
