"""Ensembles that a worker has built, and rows to ask them about."""

from __future__ import annotations

from typing import Any

from inside import Inside

from hpsearch.client.client import Ensemble, Study
from hpsearch.training.data.sources import load


def rows() -> Any:
    return load("wine").x[::10]


def built(inside: Inside, study: Study, **request: Any) -> Ensemble:
    ensemble = study.build_ensemble(**request)
    inside.work()
    return ensemble.wait(timeout_seconds=0)
