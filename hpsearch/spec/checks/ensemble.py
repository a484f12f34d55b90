"""Whether a study can have the ensembles that it asks for, and what they need it to keep."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.errors import FieldError
from hpsearch.spec.checks.dataset import Target
from hpsearch.spec.ensemble import (
    AVERAGES,
    MOST_MEMBERS,
    SELECTION_METRICS,
    SOUPS,
    AverageEnsemble,
    EmaEnsemble,
    EnsembleSpec,
    GreedyEnsemble,
    ReinitEnsemble,
    SnapshotsEnsemble,
    SwaEnsemble,
)
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.distributions import Choice
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.space.stages import stages_of, typical_epochs
from hpsearch.spec.study import StudySpec

RESTARTING = ("cosine_restarts", "cyclic", "sequence")
"""Schedules that have more than one minimum."""

NO_PREDICTIONS = "needs checkpoints that predict rows, and this study has none"


def ensemble_errors(spec: StudySpec, target: Target | None) -> Iterator[FieldError]:
    """What of a study's ensembles cannot be built.

    Args:
        spec: the study.
        target: of its data; none where only training finds out.
    """
    if spec.checkpoints.ensemble_value is not None and _predicts_nothing(spec, target):
        yield FieldError("checkpoints.ensemble_value", NO_PREDICTIONS + "; leave it out")
    several = isinstance(spec.ensemble, tuple)
    for place, request in enumerate(spec.ensembles):
        path = f"ensemble.{place}" if several else "ensemble"
        for error in request_errors(spec, request, target):
            yield FieldError(f"{path}.{error.path}", error.message)


def request_errors(
    spec: StudySpec, request: EnsembleSpec, target: Target | None
) -> Iterator[FieldError]:
    """What of one ensemble cannot be built, by the paths of its own fields."""
    if _predicts_nothing(spec, target):
        yield FieldError("kind", NO_PREDICTIONS + "; leave the ensemble out")
        return
    yield from _combine(request, target)
    yield from _metric(request, target)
    training = spec.training
    if isinstance(request, EmaEnsemble) and training.ema is None:
        yield FieldError("kind", "ema needs training.ema; add it, or use average")
    if isinstance(request, SwaEnsemble) and training.swa is None:
        yield FieldError("kind", "swa needs training.swa; add it, or use average")
    shared = training.init_seed == "shared"
    if isinstance(request, SOUPS) and not shared:
        yield FieldError(
            "kind",
            f"{request.kind} averages weights of several trials, which must start from one "
            f"initialisation, got training.init_seed: {format_value(training.init_seed)}; set "
            "it to shared, or use top_k",
        )
    if isinstance(request, SOUPS) and isinstance(spec.model, Choice):
        yield FieldError(
            "kind", f"{request.kind} needs one model for all trials, got a choice; use top_k"
        )
    if isinstance(request, ReinitEnsemble) and training.init_seed != "per_trial":
        yield FieldError(
            "kind",
            "reinit needs an initialisation of each trial's own, got training.init_seed: "
            f"{format_value(training.init_seed)}; set it to per_trial, or use top_k",
        )


def _predicts_nothing(spec: StudySpec, target: Target | None) -> bool:
    return isinstance(spec.task, ExternalTask) or target == "none"


def _combine(request: EnsembleSpec, target: Target | None) -> Iterator[FieldError]:
    if isinstance(request, AVERAGES):
        if request.combine != "mean":
            yield FieldError(
                "combine",
                f"must be mean for {request.kind}, which makes one model, got "
                f"{format_value(request.combine)}; leave it out",
            )
    elif request.combine == "vote" and target == "numbers":
        yield FieldError("combine", "vote needs classes, and the target is numbers; use median")
    elif request.combine == "median" and target == "classes":
        yield FieldError("combine", "median needs numbers, and the target is classes; use vote")


def _metric(request: EnsembleSpec, target: Target | None) -> Iterator[FieldError]:
    known = dict.fromkeys(
        metric
        for kind, metrics in SELECTION_METRICS.items()
        for metric in metrics
        if target in (None, kind)
    )
    if request.metric is not None and request.metric not in known:
        yield FieldError(
            "metric",
            f"must be one of {', '.join(known)}, got {format_value(request.metric)}; or leave "
            "it out",
        )


def with_checkpoints(spec: StudySpec) -> StudySpec:
    """The spec, which keeps what its ensembles need unless it says otherwise.

    Under `checkpoints.ensemble_value` it has an ensemble in any case.
    """
    kept = spec.checkpoints
    if kept.ensemble_value is not None and not spec.ensembles:
        greedy = GreedyEnsemble(kind="greedy", size=min(kept.ensemble_value, MOST_MEMBERS))
        return spec.model_copy(update={"ensemble": greedy})
    for request in spec.ensembles:
        if isinstance(request, SnapshotsEnsemble) and kept.every is None and not kept.snapshots:
            kept = kept.model_copy(update=_snapshots(spec, request.size))
        if isinstance(request, AverageEnsemble) and kept.recent is None and kept.every is None:
            kept = kept.model_copy(update={"recent": request.size})
    return spec if kept is spec.checkpoints else spec.model_copy(update={"checkpoints": kept})


def _snapshots(spec: StudySpec, size: int) -> dict[str, object]:
    """At the minima of a schedule that has several, else evenly spaced."""
    kind = getattr(spec.schedule, "kind", None)
    if kind is None or kind in RESTARTING:
        return {"snapshots": True}
    epochs = typical_epochs(spec, len(stages_of(spec)) - 1)
    return {"every": max(1, epochs // size)}
