"""Trials and curves as pandas frames; pandas is imported when one is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hpsearch.optional import require_extra
from hpsearch.spec.wire.records import Curves, Trial

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("state", "reason", "value", "best_epoch", "epochs_done", "epochs", "stage", "attempt")


def trials_frame(trials: Sequence[Trial]) -> pd.DataFrame:
    """A row per trial, by its number: state and value, every parameter, the last epoch's metrics.

    `best_epoch` is 0-based, as everywhere in the API. A parameter or metric that a trial lacks is
    missing in its row. One with the name of another column, such as the `value` that a loop of
    one's own reports, is named `metrics.value`, or `params.value`.
    """
    pandas = require_extra("pandas", "notebook", "data frames")
    rows = [
        {
            **{name: _plain_text(getattr(trial, name)) for name in COLUMNS},
            "duration_seconds": _duration_seconds(trial),
            **_without_clashes(trial.params, "params"),
            **_without_clashes(trial.metrics, "metrics"),
        }
        for trial in trials
    ]
    index = pandas.Index([trial.number for trial in trials], name="trial", dtype="int64")
    frame: pd.DataFrame = pandas.DataFrame(rows, index=index)
    return frame if rows else pandas.DataFrame(columns=[*COLUMNS, "duration_seconds"], index=index)


def curves_frame(curves: Curves) -> pd.DataFrame:
    """A row per trial and epoch (0-based), with the metric as the third column."""
    pandas = require_extra("pandas", "notebook", "data frames")
    frame: pd.DataFrame = pandas.DataFrame(
        {
            "trial": [curve.trial for curve in curves.curves for _ in curve.epochs],
            "epoch": [epoch for curve in curves.curves for epoch in curve.epochs],
            curves.metric: [value for curve in curves.curves for value in curve.values],
        }
    )
    return frame


def _without_clashes(values: Mapping[str, object], prefix: str) -> dict[str, object]:
    """Values by column; a name that another column has gets the prefix."""
    columns = {*COLUMNS, "duration_seconds"}
    return {
        f"{prefix}.{name}" if name in columns else name: value for name, value in values.items()
    }


def _plain_text(value: object) -> object:
    """States as plain text: a frame is for looking at."""
    return str(value) if isinstance(value, str) else value


def _duration_seconds(trial: Trial) -> float | None:
    if trial.started_at is None or trial.finished_at is None:
        return None
    return (trial.finished_at - trial.started_at).total_seconds()
