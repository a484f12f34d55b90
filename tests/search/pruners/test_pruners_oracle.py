"""Decisions equal Optuna's wherever both mean the same: both are asked after each report.

No length is stated: whatever the order of reports. A length is stated: one trial at a time, with
rungs that are given, on curves whose values are the best so far.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.search.pruners import CurveTable, judge, pruner_for
from hpsearch.search.pruners.percentile import percentile
from hpsearch.spec import pruner as spec
from hpsearch.spec.study import Objective

SEED = 7
MOST_EPOCHS = 14

warmups = st.integers(0, 3)
intervals = st.integers(1, 4)
factors = st.integers(2, 4)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


@contextmanager
def _optunas_warnings() -> Iterator[None]:
    """It warns of the patience pruner's age, and of means of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@st.composite
def ranked(draw: st.DrawFn) -> tuple[spec.Pruner, Any]:
    percent = draw(st.sampled_from([None, 0.0, 10.0, 25.0, 33.3, 90.0, 100.0]))
    startup, least = draw(st.integers(0, 3)), draw(st.integers(1, 2))
    warmup, interval = draw(warmups), draw(intervals)
    ours: dict[str, Any] = {
        "startup_trials": startup,
        "warmup_epochs": warmup,
        "interval_epochs": interval,
        "min_trials": least,
    }
    theirs = {"n_startup_trials": startup, "n_warmup_steps": warmup, "interval_steps": interval}
    if percent is None:
        return spec.MedianPruner(kind="median", **ours), optuna.pruners.MedianPruner(
            **theirs, n_min_trials=least
        )
    return (
        spec.PercentilePruner(kind="percentile", percentile=percent, **ours),
        optuna.pruners.PercentilePruner(percent, **theirs, n_min_trials=least),
    )


@st.composite
def halving(draw: st.DrawFn, *, bare: bool = True) -> tuple[spec.Pruner, Any]:
    least, factor = (
        draw(st.none() | st.integers(1, 4) if bare else st.integers(1, 4)),
        draw(factors),
    )
    rate, bootstrap = draw(st.integers(0, 2)), draw(st.integers(0, 3)) if least else 0
    return (
        spec.AshaPruner(
            kind="asha",
            min_epochs=least,
            reduction_factor=factor,
            min_early_stopping_rate=rate,
            bootstrap_trials=bootstrap,
        ),
        optuna.pruners.SuccessiveHalvingPruner(least or "auto", factor, rate, bootstrap),
    )


@st.composite
def brackets(draw: st.DrawFn, *, bare: bool = True) -> tuple[spec.Pruner, Any]:
    least, factor = draw(st.integers(1, 3)), draw(factors)
    most = draw(st.none() | st.integers(least, 30) if bare else st.integers(least, 30))
    bootstrap = draw(st.integers(0, 3)) if most else 0
    return (
        spec.HyperbandPruner(
            kind="hyperband",
            min_epochs=least,
            max_epochs=most,
            reduction_factor=factor,
            bootstrap_trials=bootstrap,
        ),
        optuna.pruners.HyperbandPruner(least, most or "auto", factor, bootstrap),
    )


@st.composite
def patience(draw: st.DrawFn) -> tuple[spec.Pruner, Any]:
    epochs, delta = draw(st.integers(0, 4)), draw(st.sampled_from([0.0, 0.1, 1.0]))
    with _optunas_warnings():
        theirs = optuna.pruners.PatientPruner(None, epochs, delta)
    return spec.PatiencePruner(kind="patience", patience=epochs, min_delta=delta), theirs


@st.composite
def threshold(draw: st.DrawFn) -> tuple[spec.Pruner, Any]:
    lower = draw(st.none() | st.sampled_from([-1.0, 0.2]))
    upper = draw(st.sampled_from([0.5, 1.0]) if lower is None else st.none() | st.just(0.9))
    warmup, interval = draw(warmups), draw(intervals)
    return (
        spec.ThresholdPruner(
            kind="threshold",
            lower=lower,
            upper=upper,
            warmup_epochs=warmup,
            interval_epochs=interval,
        ),
        optuna.pruners.ThresholdPruner(lower, upper, warmup, interval),
    )


@dataclass(frozen=True)
class History:
    """Curves, and the order in which their trials take turns."""

    curves: list[list[float | None]]
    turns: list[int]


def history(seed: int) -> History:
    """Trials one after another or at once; equal values are common, some are missing or NaN."""
    rng = np.random.default_rng(seed)
    gaps, broken = rng.choice([0.0, 0.0, 0.15]), rng.choice([0.0, 0.0, 0.03])
    longest = int(rng.integers(1, MOST_EPOCHS + 1))
    equally_long = rng.random() < 0.5
    curves: list[list[float | None]] = []
    for _ in range(rng.integers(3, 13)):
        length = longest if equally_long else int(rng.integers(0, longest + 1))
        values = (rng.uniform(-0.5, 1) + rng.normal(0, 0.3, length)).round(1)
        values[rng.random(length) < broken] = math.nan
        missing = rng.random(length) < gaps
        curves.append([None if gap else float(v) for v, gap in zip(values, missing, strict=True)])
    turns = [number for number, values in enumerate(curves) for _ in range(len(values) + 1)]
    if rng.random() < 0.4:
        rng.shuffle(turns)
    return History(curves, turns)


@settings(max_examples=400)
@given(
    pair=ranked() | halving() | brackets() | patience() | threshold(),
    history=st.integers(0, 2**32 - 1).map(history),
    direction=st.sampled_from(["minimize", "maximize"]),
)
def test_decisions_equal_optunas_where_no_length_is_stated(
    pair: tuple[spec.Pruner, Any], history: History, direction: Any
) -> None:
    """On any curves in any order."""
    compare(pair, history, direction, CurveTable(Objective(metric="score", direction=direction)))


@settings(max_examples=200)
@given(
    pair=ranked() | halving(bare=False) | brackets(bare=False) | patience() | threshold(),
    seed=st.integers(0, 2**32 - 1),
    direction=st.sampled_from(["minimize", "maximize"]),
)
def test_decisions_equal_optunas_of_trials_one_after_another(
    pair: tuple[spec.Pruner, Any], seed: int, direction: Any
) -> None:
    """With a stated length, on curves of which each value is the best so far."""
    found = history(seed)
    worst = -math.inf if direction == "maximize" else math.inf
    best = max if direction == "maximize" else min
    curves: list[list[float | None]] = []
    for values in found.curves:
        so_far = accumulate((worst if v is None else v for v in values), best)
        curves.append([None if v is None else b for v, b in zip(values, so_far, strict=True)])
    table = CurveTable(Objective(metric="score", direction=direction), {0: MOST_EPOCHS + 1})
    turns = [number for number, curve in enumerate(curves) for _ in range(len(curve) + 1)]
    compare(pair, History(curves, turns), direction, table)


def compare(
    pair: tuple[spec.Pruner, Any], history: History, direction: str, table: CurveTable
) -> None:
    """Asks both after each report."""
    ours, theirs = pair
    pruner = pruner_for(ours, SEED)
    assert pruner is not None
    study = optuna.create_study(study_name=str(SEED), direction=direction, pruner=theirs)
    trials = [study.ask() for _ in history.curves]
    for trial in trials:
        table.add(trial.number)
    waiting = [iter(curve) for curve in history.curves]
    over: set[int] = set()
    for number in history.turns:
        if number in over:
            continue
        for value in waiting[number]:
            verdict = judge(pruner, table, number, [value])
            if value is None:
                assert not verdict.stop
                break
            trials[number].report(value, table.curves[number].epoch)
            with _optunas_warnings():
                stop = trials[number].should_prune()
            assert verdict.stop == (stop or math.isnan(value)), verdict
            if verdict.stop:
                assert verdict.why is not None
                assert verdict.why.startswith(f"epoch {table.curves[number].epoch}: score ")
                study.tell(trials[number], state=optuna.trial.TrialState.PRUNED)
                over.add(number)
            break
        else:
            study.tell(trials[number], 0.0)
            table.complete(number)
            over.add(number)


@settings(max_examples=200)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    st.floats(0, 100) | st.integers(0, 100).map(float),
)
def test_percentile_is_numpys_to_the_last_bit(values: list[float], percent: float) -> None:
    assert percentile(sorted(values), percent) == np.nanpercentile(values, percent)
