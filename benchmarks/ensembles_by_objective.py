"""Greedy ensembles of imbalanced data by the study's objective.

    python -m benchmarks.ensembles_by_objective

A seed is a study: it draws the split and the configurations of a random search, 30 trials of an MLP
with the learning rate and the weight decay of adamw log-uniform. The objective decides which epoch
of a trial counts, which trial is the best and what the ensemble is chosen by. Compared is that best
trial's best epoch on the same test rows, by the same metric. Test rows are read once, for scores.

data       rows, share of the positive class, and what there is to learn
single     mean over seeds of the best single trial's metric on test rows; then the ensemble's
gain       mean over seeds of the difference, ± a 95 % confidence interval (Student's t over seeds)
w/t/l      seeds on which the ensemble is better, equal, worse

Exits with 1 where an ensemble is worse beyond chance: a gain below 0 with its interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from benchmarks.gains import Gain
from benchmarks.trained_study import StudyCheckpoints, random_params, train
from hpsearch.ensemble_builder import build
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.training.data import builtin
from hpsearch.training.uploads.table import Table

OBJECTIVES = ("val_auc", "val_average_precision", "val_f1")
TRIALS, EPOCHS, SIZE = 30, 20, 10
CLASSES = ("common", "rare")

REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "greedy": {"kind": "greedy"},
    "greedy, by val_loss": {"kind": "greedy", "metric": "val_loss"},
    "greedy, no bags": {"kind": "greedy", "bags": 0},
    "top_k": {"kind": "top_k"},
}
"""The first is the default; the others are built where `--compare` asks for them."""


class Case(NamedTuple):
    """A data set, and which shares of its rows validate and test."""

    read: Callable[[], Table]
    validation: float
    test: float


def _table(x: NDArray[Any], is_rare: NDArray[Any]) -> Table:
    return Table(np.asarray(x, np.float64), np.asarray(is_rare, np.int64), CLASSES)


def _clusters() -> Table:
    """3,000 rows, 1 in 20: three clusters of each class that overlap, in 10 dimensions."""
    rng = np.random.default_rng(100)
    is_rare = (rng.random(3000) < 0.05).astype(np.int64)
    centers = rng.normal(size=(2, 3, 10))
    return _table(
        centers[is_rare, rng.integers(3, size=3000)] + 1.3 * rng.normal(size=(3000, 10)), is_rare
    )


def _chances() -> Table:
    """4,000 rows, 1 in 45: a curved boundary that only makes the class likely."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(4000, 8))
    logit = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * x[:, 3] - 3.2
    return _table(x, rng.random(4000) < 1 / (1 + np.exp(-2.2 * logit)))


def _malignant() -> Table:
    """scikit-learn's breast cancer with 40 of its 212 malignant rows: 397, 1 in 10."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    rng = np.random.default_rng(0)
    malignant = rng.choice(np.flatnonzero(data.target == 0), 40, replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(data.target == 1), malignant]))
    return _table(data.data[rows], data.target[rows] == 0)


def _threes() -> Table:
    """900 of scikit-learn's digits, the threes against all others: 1 in 10."""
    from sklearn.datasets import load_digits

    data = load_digits()
    rows = np.random.default_rng(3).choice(len(data.target), 900, replace=False)
    return _table(data.data[rows], data.target[rows] == 3)


CASES: Mapping[str, Case] = {
    "clusters": Case(_clusters, 0.15, 0.6),
    "chances": Case(_chances, 0.15, 0.6),
    "malignant": Case(_malignant, 0.2, 0.4),
    "threes": Case(_threes, 0.25, 0.5),
}


class Pair(NamedTuple):
    """A seed: the metric on test rows of the ensemble and of the best single trial."""

    ensemble: float
    single: float


def study_of(name: str, seed: int, objective: str) -> StudySpec:
    """A study of a case."""
    case = CASES[name]
    return parse_study(
        {
            "name": name,
            "seed": seed,
            "task": {
                "dataset": name,
                "positive": CLASSES[1],
                "split": {"validation": case.validation, "test": case.test},
                "model": {"kind": "mlp", "hidden": [32, 32]},
            },
            "optimizer": {
                "kind": "adamw",
                "lr": {"log_uniform": [3e-4, 3e-2]},
                "weight_decay": {"log_uniform": [1e-5, 1e-1]},
            },
            "training": {"epochs": EPOCHS, "batch_size": 64},
            "objective": {"metric": objective, "direction": "maximize"},
            "search": {"kind": "random", "trials": TRIALS},
        }
    )


def measure(task: tuple[str, int, str, Sequence[str]]) -> dict[str, Pair]:
    """One seed: a pair for each of some requests, by their names."""
    name, seed, objective, requests = task
    torch.set_num_threads(1)
    readers = cast("dict[str, Callable[[], Table]]", builtin.READERS)
    readers[name] = CASES[name].read  # of this process alone
    study = study_of(name, seed, objective)
    checkpoints = StudyCheckpoints(train(study, random_params(study, TRIALS), EPOCHS))
    metric = objective.removeprefix("val_")
    pairs = {}
    for label in requests:
        request: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(
            {"size": SIZE, **REQUESTS[label]}
        )
        result = build(request, study, checkpoints.candidates, checkpoints).result
        pairs[label] = Pair(result.test[metric], result.best_single.test[metric])
    return pairs


def main() -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--first-seed", type=int, default=500, help="nothing was chosen on these")
    parser.add_argument("--datasets", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--objectives", nargs="*", default=list(OBJECTIVES))
    parser.add_argument("--compare", action="store_true", help="other ensembles too")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    requests = list(REQUESTS) if options.compare else list(REQUESTS)[:1]
    worse = []
    print(
        "| data | objective | how | best single trial | ensemble | gain | w/t/l |\n|" + "---|" * 7
    )
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for objective in options.objectives:
            for name in options.datasets:
                seeds = range(options.first_seed, options.first_seed + options.seeds)
                tasks = [(name, seed, objective, requests) for seed in seeds]
                results = list(pool.map(measure, tasks))
                for label in requests:
                    pairs = np.array([pairs[label] for pairs in results])
                    gain = Gain.of(pairs[:, 0] - pairs[:, 1])
                    print(_row(name, objective, label, pairs, gain), flush=True)
                    if label == requests[0] and gain.mean < -gain.half:
                        worse.append(f"{name}, {objective}: worse beyond chance, {gain}")
    print(*worse, sep="\n")
    return int(bool(worse))


def _row(name: str, objective: str, label: str, pairs: NDArray[np.float64], gain: Gain) -> str:
    ensemble, single = pairs.mean(axis=0)
    signs = np.sign(pairs[:, 0] - pairs[:, 1])
    record = "/".join(str(int((signs == sign).sum())) for sign in (1, 0, -1))
    return (
        f"| {name} | `{objective}` | {label} | {single:.4f} | {ensemble:.4f} | {gain} | {record} |"
    )


if __name__ == "__main__":
    raise SystemExit(main())
