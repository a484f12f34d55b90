"""What a schedule would do, before anything is trained."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Response
from pydantic import Field

from api.responses import json_response
from api.schedule_preview import is_fixed
from hpsearch.errors import InvalidInput
from hpsearch.spec.language.base import Record, SpecModel
from hpsearch.spec.schedule import Schedule
from hpsearch.spec.schedules.piecewise import Constant
from hpsearch.training.schedules import Horizon, lr_factors

router = APIRouter(tags=["figures"])

MOST_STEPS = 1_000_000


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
