"""Time per suggestion after 10,000 trials, ours against Optuna's: `python -m benchmarks.samplers`.

Both know the same history, Optuna's in a study in memory; they are asked in turn, and the medians
and their ratio are printed. `cold` is the first suggestion of a sampler that has learned nothing,
as after a server's restart, against filling Optuna's study and asking it once. Exits with 1 when
TPE is slower than Optuna's by more than `TOLERANCE`.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import TypeAdapter

from hpsearch.search.samplers import sampler_for
from hpsearch.search.samplers.base import History, Observation, Sampler, SearchProblem
from hpsearch.spec.language.distributions import Choice, Interval, IntUniform, LogUniform, Uniform
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.search import Search
from hpsearch.spec.searches.base import SearchBase
from hpsearch.spec.space.space import Parameter, SearchSpace

TOLERANCE = 1.1
SPACE = SearchSpace(
    (
        Parameter("lr", LogUniform(log_uniform=(1e-5, 1.0))),
        Parameter("decay", LogUniform(log_uniform=(1e-6, 0.1))),
        Parameter("dropout", Uniform(uniform=(0.0, 0.5))),
        Parameter("units", IntUniform(int_uniform=(16, 256))),
        Parameter("activation", Choice(choice=("relu", "tanh", "gelu"))),
    )
)
THEIRS: Mapping[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1.0, log=True),
    "decay": FloatDistribution(1e-6, 0.1, log=True),
    "dropout": FloatDistribution(0.0, 0.5),
    "units": IntDistribution(16, 256),
    "activation": CategoricalDistribution(("relu", "tanh", "gelu")),
}
POINTS = 7
"""Of each range in the grid: 7^4 · 3 = 7,203 combinations."""


def main() -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ended = _history(options.trials)
    print(f"{'ms per suggestion':18s} {'ours':>9s} {'Optuna':>9s} {'ratio':>7s}")
    ratios = {
        kind: _measured(kind, make, ended, options.repeats) for kind, make in _theirs().items()
    }
    return int(ratios["tpe"] > TOLERANCE)


def _measured(
    kind: str,
    theirs: Callable[[], optuna.samplers.BaseSampler],
    ended: list[Observation],
    repeats: int,
) -> float:
    """Asks both in turn; returns how many times as long ours takes."""
    sampler = _sampler(kind)
    cold = _timed(lambda: sampler.suggest([len(ended)], History(ended)))
    study, their_cold = _filled(theirs(), ended)
    ours, other = [], []
    for number in range(len(ended) + 1, len(ended) + 1 + repeats):
        ours.append(_timed(partial(sampler.suggest, [number], History(ended))))
        other.append(_timed(lambda: study.ask(dict(THEIRS))))
        study.tell(number, state=optuna.trial.TrialState.FAIL)
    _show(kind, statistics.median(ours), statistics.median(other))
    _show(f"{kind}, cold", cold, their_cold)
    return statistics.median(ours) / statistics.median(other)


def _theirs() -> dict[str, Callable[[], optuna.samplers.BaseSampler]]:
    grid = {
        name: parameter.distribution.grid_points(POINTS)
        for name, parameter in ((p.name, p) for p in SPACE.parameters)
        if isinstance(parameter.distribution, Interval)
    }
    return {
        "random": lambda: optuna.samplers.RandomSampler(seed=0),
        "sobol": _their_sobol,
        "grid": lambda: optuna.samplers.GridSampler(
            {**grid, "activation": ["relu", "tanh", "gelu"]}, seed=0
        ),
        "tpe": lambda: optuna.samplers.TPESampler(seed=0),
    }


def _their_sobol() -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.QMCSampler(
            seed=0, scramble=True, warn_asynchronous_seeding=False, warn_independent_sampling=False
        )


def _sampler(kind: str) -> Sampler[SearchBase]:
    settings: dict[str, Any] = {"kind": kind}
    if kind == "grid":
        settings["points"] = POINTS
    search = TypeAdapter[Search](Search).validate_python(settings)
    return sampler_for(SearchProblem(SPACE, 0, search))


def _history(trials: int) -> list[Observation]:
    proposals = _sampler("random").suggest(range(trials))
    return [
        Observation(
            number,
            proposal.params,
            0,
            TrialState.COMPLETE,
            (abs(math.log10(proposal.params["lr"]) + 2) + proposal.params["dropout"],),
        )
        for number, proposal in enumerate(proposals)
    ]


def _filled(
    sampler: optuna.samplers.BaseSampler, ended: list[Observation]
) -> tuple[optuna.Study, float]:
    """Optuna's study with the history, and what filling it and asking once took."""
    start = time.perf_counter()
    study = optuna.create_study(sampler=sampler)
    for trial in ended:
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(trial.params), distributions=dict(THEIRS), values=trial.losses
            )
        )
    study.ask(dict(THEIRS))
    took = time.perf_counter() - start
    study.tell(len(ended), state=optuna.trial.TrialState.FAIL)
    return study, took


def _timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def _show(what: str, ours: float, theirs: float) -> None:
    print(f"{what:18s} {ours * 1e3:9.3f} {theirs * 1e3:9.3f} {ours / theirs:7.3f}")


if __name__ == "__main__":
    sys.exit(main())
