"""Time of a report with its decision: ours against Optuna's in memory, on the same trials.

    python -m benchmarks.pruners [--trials 10000] [--epochs 100] [--rounds 5]

A study of complete trials, and one trial more that is the best of all, so that every epoch asks
for a decision. The rounds alternate; the median of each is shown.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from hpsearch.search.pruners import CurveTable, judge, pruner_for
from hpsearch.search.pruners.hyperband import Hyperband
from hpsearch.spec import pruner as spec
from hpsearch.spec.study import Objective

SEED = 0
ASKED_EPOCHS = 20
"""Of each round: enough for a mean."""

PAIRS: Mapping[str, tuple[spec.Pruner, Callable[[], Any]]] = {
    "median": (spec.MedianPruner(kind="median"), optuna.pruners.MedianPruner),
    "percentile": (
        spec.PercentilePruner(kind="percentile", percentile=25.0),
        lambda: optuna.pruners.PercentilePruner(25.0),
    ),
    "asha": (
        spec.AshaPruner(kind="asha", min_epochs=1, reduction_factor=2),
        lambda: optuna.pruners.SuccessiveHalvingPruner(1, 2),
    ),
    "hyperband": (
        spec.HyperbandPruner(kind="hyperband", min_epochs=1, max_epochs=100, reduction_factor=3),
        lambda: optuna.pruners.HyperbandPruner(1, 100),
    ),
    "patience": (
        spec.PatiencePruner(kind="patience", patience=5),
        lambda: optuna.pruners.PatientPruner(None, 5),
    ),
    "threshold": (
        spec.ThresholdPruner(kind="threshold", upper=1e9),
        lambda: optuna.pruners.ThresholdPruner(upper=1e9),
    ),
}

Curves = NDArray[np.float64]


def main() -> None:
    """Prints a line for each pruner."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    rng = np.random.default_rng(SEED)
    curves = 3 - np.cumsum(rng.uniform(0, 0.02, (options.trials, options.epochs)), 1)
    best = (curves.min(0) - 0.1).tolist()[:ASKED_EPOCHS]
    print(f"{options.trials:,} complete trials of {options.epochs} epochs; a report and decision:")
    for name, (settings, theirs) in PAIRS.items():
        table, study = _table(settings, curves), _study(settings, theirs(), curves)
        ours, other = [], []
        for _ in range(options.rounds):
            ours.append(_seconds_of_ours(settings, table, len(curves), best))
            other.append(_seconds_of_optuna(study, best))
        own, seconds = statistics.median(ours), statistics.median(other)
        print(
            f"  {name:10} {own * 1e6:6.1f} µs   Optuna {seconds * 1e6:9.1f} µs   "
            f"ratio {seconds / own:7.0f}"
        )


def _rungs(settings: spec.Pruner, number: int, curve: Any) -> Iterator[tuple[int, int, float]]:
    """Bracket, epoch and value of each rung that a whole curve has passed."""
    if not isinstance(settings, spec.AshaPruner | spec.HyperbandPruner):
        return
    bracket = 0
    if isinstance(settings, spec.HyperbandPruner):
        least, most = settings.min_epochs or 1, settings.max_epochs or 1
        bracket = Hyperband(settings, SEED).bracket_of(number, least, most)
    epoch = (settings.min_epochs or 1) * settings.reduction_factor**bracket
    while epoch < len(curve):
        yield bracket, epoch, float(curve[epoch])
        epoch *= settings.reduction_factor


def _table(settings: spec.Pruner, curves: Curves) -> CurveTable:
    table = CurveTable(Objective(metric="loss", direction="minimize"))
    for number, curve in enumerate(curves):
        table.add(number)
        table.report(number, curve.tolist())
        rungs = {(b, epoch): value for b, epoch, value in _rungs(settings, number, curve)}
        table.restore(number, rungs, None)
        table.complete(number)
    return table


def _study(settings: spec.Pruner, pruner: Any, curves: Curves) -> optuna.Study:
    study = optuna.create_study(study_name=str(SEED), pruner=pruner)
    study.add_trials(
        optuna.trial.create_trial(
            value=float(curve[-1]),
            intermediate_values=dict(enumerate(curve.tolist())),
            system_attrs={
                f"completed_rung_{index}": value
                for index, (*_, value) in enumerate(_rungs(settings, number, curve))
            },
        )
        for number, curve in enumerate(curves)
    )
    return study


def _seconds_of_ours(
    settings: spec.Pruner, table: CurveTable, number: int, values: list[float]
) -> float:
    pruner = pruner_for(settings, SEED)
    assert pruner is not None
    table.add(number)
    start = time.perf_counter()
    for value in values:
        assert not judge(pruner, table, number, [value]).stop
    return (time.perf_counter() - start) / len(values)


def _seconds_of_optuna(study: optuna.Study, values: list[float]) -> float:
    trial = study.ask()
    start = time.perf_counter()
    for epoch, value in enumerate(values):
        trial.report(value, epoch)
        assert not trial.should_prune()
    seconds = (time.perf_counter() - start) / len(values)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return seconds


if __name__ == "__main__":
    main()
