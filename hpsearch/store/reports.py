"""Reports, one for each epoch of a trial, and the curves read from them.

Epochs arrive in order and are stored once: a repeat is a no-op, a gap is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, insert, literal, select
from sqlalchemy.orm import Session

from hpsearch.errors import ReportGap
from hpsearch.spec.language.fields import Metrics
from hpsearch.spec.metrics import is_plain_name
from hpsearch.spec.study import Objective
from hpsearch.spec.wire.records import Curve, Curves
from hpsearch.store.database import now
from hpsearch.store.studies import row_of
from hpsearch.store.tables import ReportRow, TrialRow


@dataclass(frozen=True)
class Epoch:
    """One epoch's numbers."""

    epoch: int
    metrics: Metrics


def append(
    session: Session, trial_id: int, epochs: Sequence[Epoch], objectives: Sequence[Objective]
) -> None:
    """Stores those of a trial's epochs that are new, and updates its best, by the first objective.

    Raises:
        ReportGap: when an epoch before them was never reported.
    """
    trial = session.get_one(TrialRow, trial_id)
    fresh: list[Epoch] = []
    for report in sorted(epochs, key=lambda report: report.epoch):
        expected = trial.epochs_done + len(fresh)
        if report.epoch > expected:
            raise ReportGap(
                f"epochs must be reported in order, got {report.epoch} where {expected} was next; "
                "report the missing ones first"
            )
        if report.epoch == expected:
            fresh.append(report)
    if not fresh:
        return
    moment = now(session)
    session.execute(
        insert(ReportRow),
        [
            {
                "trial_id": trial_id,
                "epoch": report.epoch,
                "metrics": encoded(report.metrics),
                "at": moment,
            }
            for report in fresh
        ],
    )
    for report in fresh:
        value = report.metrics.get(objectives[0].metric, math.nan)
        if objectives[0].improves(value, trial.value):
            trial.value, trial.best_epoch = value, report.epoch
            if len(objectives) > 1:
                trial.objectives = [_finite(report.metrics.get(o.metric)) for o in objectives]
    trial.epochs_done += len(fresh)
    trial.metrics = encoded(fresh[-1].metrics)


def inherit(session: Session, trial_id: int, source_id: int, epochs: int) -> None:
    """Copies the first `epochs` epochs of a trial to another one, which continues from there."""
    columns = (ReportRow.epoch, ReportRow.metrics, ReportRow.at)
    session.execute(
        insert(ReportRow).from_select(
            ["trial_id", "epoch", "metrics", "at"],
            select(literal(trial_id), *columns).where(
                ReportRow.trial_id == source_id, ReportRow.epoch < epochs
            ),
        )
    )
    trial, source = session.get_one(TrialRow, trial_id), session.get_one(TrialRow, source_id)
    trial.inherited = trial.epochs_done = epochs
    trial.value, trial.best_epoch = source.value, source.best_epoch
    trial.objectives, trial.metrics = source.objectives, source.metrics


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def best_until(
    session: Session, trial_id: int, epoch: int, objective: Objective
) -> tuple[int | None, float | None]:
    """Best epoch and value among the epochs up to one."""
    best_epoch, best = None, None
    for at, metrics in session.execute(
        select(ReportRow.epoch, ReportRow.metrics)
        .where(ReportRow.trial_id == trial_id, ReportRow.epoch <= epoch)
        .order_by(ReportRow.epoch)
    ):
        value = float(metrics.get(objective.metric, math.nan))
        if objective.improves(value, best):
            best_epoch, best = at, value
    return best_epoch, best


def curves(
    session: Session,
    study_id: int,
    metric: str,
    numbers: Sequence[int] | None,
    max_points: int | None,
) -> Curves:
    """One metric of a study's trials; trials that never reported it have no curve."""
    row_of(session, study_id)
    # Whole curves are exact; for those that are thinned the database picks the number out of the
    # JSON, which is faster and, with some builds of SQLite, may round its last bit.
    whole = max_points is None or not is_plain_name(metric)
    column: ColumnElement[Any] = (
        ReportRow.metrics.expression if whole else ReportRow.metrics[metric].as_string()
    )
    query = (
        select(TrialRow.number, ReportRow.epoch, column)
        .join(ReportRow, ReportRow.trial_id == TrialRow.id)
        .where(TrialRow.study_id == study_id)
        .order_by(TrialRow.number, ReportRow.epoch)
    )
    if numbers is not None:
        query = query.where(TrialRow.number.in_(numbers))
    points: dict[int, tuple[list[int], list[float]]] = {}
    for number, epoch, found in session.execute(query):
        value = found.get(metric) if whole else found
        if value is not None:
            epochs, values = points.setdefault(number, ([], []))
            epochs.append(epoch)
            values.append(float(value))
    return Curves(
        metric=metric,
        curves=[
            _bucketed(number, epochs, values, max_points)
            for number, (epochs, values) in points.items()
        ],
    )


def _bucketed(number: int, epochs: list[int], values: list[float], max_points: int | None) -> Curve:
    if max_points is None:
        return Curve(trial=number, epochs=epochs, values=values)
    size = math.ceil(len(epochs) / max_points)
    buckets = [values[start : start + size] for start in range(0, len(values), size)]
    finite = [[v for v in bucket if not math.isnan(v)] or [math.nan] for bucket in buckets]
    return Curve(
        trial=number,
        epochs=[*epochs[size - 1 :: size], *(epochs[-1:] if len(epochs) % size else [])],
        values=[bucket[-1] for bucket in buckets],
        min=[min(bucket) for bucket in finite],
        max=[max(bucket) for bucket in finite],
    )


def encoded(metrics: Mapping[str, float]) -> dict[str, Any]:
    """Metrics as JSON stores them: non-finite numbers by name."""
    return {name: _encoded(value) for name, value in metrics.items()}


def _encoded(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
