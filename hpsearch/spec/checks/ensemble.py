"""Whether a study can have the ensembles that it asks for, and what they need it to keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from hpsearch.errors import FieldError
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.ensembles.base import MOST_MEMBERS, Combine
from hpsearch.spec.ensembles.members import GreedyEnsemble
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.distributions import Choice
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.metrics import metric_of, objective_curves
from hpsearch.spec.schedules.base import ScheduleBase
from hpsearch.spec.space.stages import stages_of, typical_epochs
from hpsearch.spec.study import StudySpec

NO_PREDICTIONS = "needs checkpoints that predict rows, and this study has none"


def ensemble_errors(spec: StudySpec, target: TargetKind | None) -> Iterator[FieldError]:
    """What of a study's ensembles cannot be built, by the paths of the study's fields.

    Args:
        spec: the study.
        target: of its data; none where only training finds out.
    """
    if spec.checkpoints.ensemble_value is not None and not predicts_rows(spec, target):
        yield FieldError("checkpoints.ensemble_value", NO_PREDICTIONS + "; leave it out")
    several = isinstance(spec.ensemble, tuple)
    for index, request in enumerate(spec.ensembles):
        path = f"ensemble.{index}" if several else "ensemble"
        for error in request_errors(spec, request, target):
            yield FieldError(f"{path}.{error.path}", error.message)


def request_errors(
    spec: StudySpec, request: EnsembleSpec, target: TargetKind | None
) -> Iterator[FieldError]:
    """What of one ensemble cannot be built, by the paths of its own fields."""
    if not predicts_rows(spec, target):
        yield FieldError("kind", NO_PREDICTIONS + "; leave the ensemble out")
        return
    yield from _combine_errors(request, target)
    yield from _metric_errors(request, target)
    has_several_models = isinstance(spec.model, Choice)
    yield from request.errors(spec.training, has_several_models=has_several_models)


def predicts_rows(spec: StudySpec, target: TargetKind | None) -> bool:
    """Whether a study's checkpoints can predict rows, which every ensemble needs."""
    return not isinstance(spec.task, ExternalTask) and target != "none"


def combine_options(target: TargetKind | None) -> tuple[str, ...]:
    """The ways to combine members that a target allows; all where it is not known."""
    excluded = {"classes": "median", "numbers": "vote"}.get(target or "")
    return tuple(name for name in get_args(Combine) if name != excluded)


def selection_metrics(target: TargetKind | None) -> tuple[str, ...]:
    """The metrics that members can be chosen by for a target; all where it is not known.

    Those of single classes, whose names depend on the data, are left out.
    """
    targets: tuple[TargetKind, ...] = ("classes", "numbers") if target is None else (target,)
    curves = (curve for one in targets for curve in objective_curves(one))
    return tuple(dict.fromkeys(curve for curve in curves if curve.startswith("val_")))


def _combine_errors(request: EnsembleSpec, target: TargetKind | None) -> Iterator[FieldError]:
    if request.makes_one_model:
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


def _metric_errors(request: EnsembleSpec, target: TargetKind | None) -> Iterator[FieldError]:
    allowed = selection_metrics(target)
    if request.metric is None or _is_of_a_class(request.metric, target):
        return
    if request.metric not in allowed:
        yield FieldError(
            "metric",
            f"must be one of {', '.join(allowed)}, got {format_value(request.metric)}; or leave "
            "it out",
        )


def _is_of_a_class(curve: str, target: TargetKind | None) -> bool:
    """Whether a curve is of a single class; whether there is such a class is known to workers."""
    metric = metric_of(curve)
    return (
        metric is not None
        and metric.per_class
        and curve.startswith(f"val_{metric.name}[")
        and target in (None, *metric.targets)
    )


def with_checkpoints(spec: StudySpec) -> StudySpec:
    """The spec, which keeps what its ensembles need unless it says otherwise.

    Under `checkpoints.ensemble_value` it has an ensemble in any case.
    """
    policy = spec.checkpoints
    if policy.ensemble_value is not None and not spec.ensembles:
        greedy = GreedyEnsemble(kind="greedy", size=min(policy.ensemble_value, MOST_MEMBERS))
        return spec.model_copy(update={"ensemble": greedy})
    for request in spec.ensembles:
        policy = request.checkpoint_policy(
            policy,
            may_have_minima=not isinstance(spec.schedule, ScheduleBase) or spec.schedule.has_minima,
            epochs=typical_epochs(spec, len(stages_of(spec)) - 1),
        )
    return spec if policy is spec.checkpoints else spec.model_copy(update={"checkpoints": policy})
