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
    missing in its row. One that is called as another column is, such as the `value` that a loop of
    one's own reports, stands under `metrics.value`, or `params.value`.
    """
    pandas = require_extra("pandas", "notebook", "data frames")
    rows = [
        {
            **{name: _word(getattr(trial, name)) for name in COLUMNS},
            "duration_seconds": _seconds(trial),
            **_beside(trial.params, "params"),
            **_beside(trial.metrics, "metrics"),
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


def _beside(named: Mapping[str, object], what: str) -> dict[str, object]:
    """Values by names that no column of their trial has."""
    taken = {*COLUMNS, "duration_seconds"}
    return {f"{what}.{name}" if name in taken else name: one for name, one in named.items()}


def _word(value: object) -> object:
    """States as plain text: a frame is for looking at."""
    return str(value) if isinstance(value, str) else value


def _seconds(trial: Trial) -> float | None:
    if trial.started_at is None or trial.finished_at is None:
        return None
    return (trial.finished_at - trial.started_at).total_seconds()
