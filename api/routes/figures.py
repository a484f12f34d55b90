"""Figures as Plotly JSON, made from the store, and what a schedule would look like."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy.orm import Session

from api.lru import Latest
from api.parameters import Id
from api.responses import json_response
from api.routes.advice import ChosenEvaluator, ChosenTarget, known_importances
from api.schedule_preview import is_fixed
from api.services import ServicesDep
from hpsearch import plots
from hpsearch.errors import InvalidInput
from hpsearch.spec.language.base import Record, SpecModel
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.schedule import Schedule
from hpsearch.spec.schedules.piecewise import Constant
from hpsearch.spec.search import SEARCHES
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.points import TrialPoint
from hpsearch.spec.wire.space import space_from_wire
from hpsearch.store import figure_points, reports, stages, studies, trials
from hpsearch.training.schedules import Horizon, lr_factors

router = APIRouter(tags=["figures"])

MOST_CURVES = 100
CURVE_POINTS = 200
MOST_STEPS = 1_000_000
_POINTS: Latest[list[TrialPoint]] = Latest(4)
_DRAWN: Latest[bytes] = Latest(200)
"""Kept under `points.mark`, which changes when their study does."""

FigureName = Literal["history", "scatter", "curves", "trial", "stages", "front", "importances"]
Metric = Annotated[str | None, Query(max_length=200)]


class SchedulePreviewRequest(SpecModel):
    """A schedule with its fields fixed, and the run it is laid over."""

    schedule: Schedule = Constant(kind="constant")
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """`optimizer.lr`, which the schedule multiplies."""
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS, strict=True)]
    """Optimizer steps."""
    steps_per_epoch: Annotated[int, Field(ge=1, le=MOST_STEPS, strict=True)]
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0


class SchedulePreview(Record):
    """The learning rate in force at each optimizer step."""

    lr: list[float]


@router.post("/schedules:preview", response_model=SchedulePreview)
def preview_schedule(request: SchedulePreviewRequest) -> Response:
    """What a schedule would do, step by step; nothing is stored.

    A schedule that follows a metric is shown as if that never got worse.
    """
    if not is_fixed(request.schedule):
        raise InvalidInput.at(
            "schedule",
            "must hold fixed values to be drawn, got a distribution; put a value in its place",
        )
    epochs = -(-request.steps // request.steps_per_epoch)
    horizon = Horizon(request.steps_per_epoch, epochs, request.seed)
    factors = lr_factors(request.schedule, np.arange(request.steps), horizon)
    return json_response(SchedulePreview(lr=(request.lr * factors).tolist()))


@router.get("/studies/{study_id:int}/figures/{name}", response_model=dict[str, Any])
def figure(
    study_id: Id,
    name: FigureName,
    services: ServicesDep,
    metric: Metric = None,
    top: Annotated[int, Query(ge=1, le=MOST_CURVES)] = 20,
    x: Metric = None,
    y: Metric = None,
    log: Annotated[str, Query(max_length=10, description="axes to show by decades")] = "",
    trial: Annotated[int | None, Query(ge=0)] = None,
    panel: Metric = None,
    evaluator: ChosenEvaluator = "ped_anova",
    target: ChosenTarget = "value",
) -> Response:
    """A figure as Plotly JSON: `history`, `scatter` (x, y), `curves` (metric, top), `trial`,
    `stages` (x) of a coarse-to-fine search, `front` of a study with several objectives,
    `importances` (evaluator, target).

    `trial` wants the trial's number and a panel: `loss`, `accuracy`, or another metric's name.
    """  # noqa: D205

    def draw() -> bytes:
        spec = studies.spec_of(session, study_id)
        if name == "history":
            found = _points(session, study_id, mark)
            drawn = plots.history(found, spec.objectives[0], log="y" in log)
        elif name == "scatter":
            drawn = _scatter(_points(session, study_id, mark), spec, x, y)
        elif name == "curves":
            drawn = _curves(session, study_id, spec, metric, top, log)
        elif name == "stages":
            drawn = _stages(session, study_id, _points(session, study_id, mark), spec, x)
        elif name == "front":
            drawn = _front(session, study_id, spec)
        elif name == "importances":
            drawn = plots.importances(known_importances(services, study_id, evaluator, target))
        else:
            drawn = _trial(session, study_id, trial, panel, log)
        return orjson.dumps(drawn)

    with services.database.read() as session:
        mark = (services.database.shown_url, *figure_points.fingerprint(session, study_id))
        key = (mark, name, metric, top, x, y, log, trial, panel, evaluator, target)
        return Response(_DRAWN.get(key, draw), media_type="application/json")


def _points(session: Session, study_id: int, mark: Hashable) -> list[TrialPoint]:
    """A study's trials, read once while nothing changes: the figures of a page all want them."""
    return _POINTS.get(mark, lambda: figure_points.points(session, study_id, params=True))


def _scatter(
    found: list[TrialPoint], spec: StudySpec, x: str | None, y: str | None
) -> plots.Figure:
    first, second = default_axes(spec)
    across, upward = _dimension(spec, "x", x or first), _dimension(spec, "y", y or second)
    return plots.scatter(found, spec.objectives[0], across, upward)


def _dimension(spec: StudySpec, field: str, name: str) -> plots.Dimension:
    """The axis that a field of the address names."""
    dimensions = {axis.name: axis for axis in plots.axes(search_space(spec), spec.objectives[0])}
    if name not in dimensions:
        raise InvalidInput.at(field, f"must be one of {', '.join(dimensions)}; got {name[:60]!r}")
    return dimensions[name]


def _stages(
    session: Session, study_id: int, found: list[TrialPoint], spec: StudySpec, x: str | None
) -> plots.Figure:
    if not spec.search.is_staged:
        staged = " or ".join(kind for kind, member in SEARCHES.members.items() if member.is_staged)
        raise InvalidInput.at(
            "name",
            f"stages are those of a {staged} search, and this one is {spec.search.kind}; "
            "draw the scatter",
        )
    dimension = _dimension(spec, "x", x or default_axes(spec)[0])
    whole = search_space(spec)
    boxes = []
    for stage in stages.of_studies(session, [study_id])[study_id]:
        space = whole if stage.space is None else space_from_wire(stage.space, whole)
        label = f"stage {stage.stage}<br>{pluralize(stage.trials, 'trial')}"
        boxes += plots.boxes(space, dimension, stage.stage, label)
    return plots.stages(found, spec.objectives[0], dimension, boxes)


def _front(session: Session, study_id: int, spec: StudySpec) -> plots.Figure:
    if len(spec.objectives) < 2:
        raise InvalidInput.at(
            "name", "a front needs several objectives, and this study has one; draw the history"
        )
    best = studies.get(session, study_id).pareto_front or []
    return plots.front(figure_points.objectives(session, study_id), best, spec.objectives)


def default_axes(spec: StudySpec) -> tuple[str, str]:
    """Learning rate across and weight decay upward where both are searched, else the first two."""
    names = [axis.name for axis in plots.axes(search_space(spec), spec.objectives[0])]
    preferred = [name for end in (".lr", ".weight_decay") for name in names if name.endswith(end)][
        :2
    ]
    ordered = preferred + [name for name in names if name not in preferred]
    return (ordered[0], ordered[1]) if len(ordered) > 1 else (ordered[0], ordered[0])


def _curves(
    session: Session, study_id: int, spec: StudySpec, metric: str | None, top: int, log: str
) -> plots.Figure:
    objective = spec.objectives[0]
    ranked = figure_points.best_numbers(session, study_id, objective, top)
    shown = reports.curves(session, study_id, metric or objective.metric, ranked, CURVE_POINTS)
    total = figure_points.count_reporting(session, study_id)
    return plots.curves(shown, ranked, log_x="x" in log, log_y="y" in log, total=total)


def _trial(
    session: Session, study_id: int, number: int | None, panel: str | None, log: str
) -> plots.Figure:
    if number is None:
        raise InvalidInput.at("trial", "is required for this figure; add ?trial=<number>")
    found = plots.panels(list(trials.get(session, study_id, number).metrics))
    name = panel or next(iter(found), "loss")
    curves = {}
    for metric in found.get(name, [name]):
        answered = reports.curves(session, study_id, metric, [number], CURVE_POINTS).curves
        if answered:
            curves[metric] = answered[0]
    return plots.panel(name, curves, log_y="y" in log)
